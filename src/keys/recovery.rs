//! A recovery key: 160 random bits, and how they are written down and typed in again.
//!
//! Eight groups of five characters, in an alphabet without look-alikes. The fifth character of each group is a checksum of the other four and of the
//! group's number, so that a slip is told by the number of its group. Knows text; does not know who asks for it.
//! Reference: `docs/format.md`, section "Recovery keys".

use super::SlotKey;
use crate::secret::{Secret, leaving_no_trace};
use zeroize::Zeroizing;

/// Bytes of the secret.
const LEN: usize = 20;
/// Groups in the text.
const GROUPS: usize = 8;
/// Characters of a group, of which the last is the checksum.
const GROUP_LEN: usize = 5;
/// The character for each value of 5 bits: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A key that is written down. Zeroed when dropped.
pub struct RecoveryKey(Secret<LEN>);

/// Why a text is no recovery key. Groups are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The checksums of these groups do not fit.
    #[error("{} mistyped, or not in {} place", groups_are(.0), if .0.len() == 1 { "its" } else { "their" })]
    Mistyped(Vec<usize>),
    /// This group does not have five characters.
    #[error("group {group} has {is} characters instead of 5")]
    GroupLen {
        /// Which one.
        group: usize,
        /// How many it has.
        is: usize,
    },
    /// This group has a character that is in no recovery key.
    #[error("group {0} has a character that is in no recovery key")]
    Character(usize),
    /// There are more or fewer than 40 characters; the first group that does not fit is where to look.
    #[error("it has {is} characters instead of 40; the first group that does not fit is group {group}")]
    Len {
        /// How many there are.
        is: usize,
        /// The first group that is incomplete or does not fit.
        group: usize,
    },
}

fn groups_are(groups: &[usize]) -> String {
    let numbers: Vec<String> = groups.iter().map(usize::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("group {one} is"),
        [first @ .., last] => format!("groups {} and {last} are", first.join(", ")),
        [] => "no group is".to_owned(),
    }
}

impl RecoveryKey {
    /// A fresh one.
    pub fn random() -> Self {
        Self(Secret::random())
    }

    /// `derive_key("plainview v1 recovery", secret)`.
    ///
    /// No key derivation that takes its time: nobody can try 2^160 keys.
    pub fn slot_key(&self) -> SlotKey {
        leaving_no_trace(|| {
            let mut hasher = blake3::Hasher::new_derive_key("plainview v1 recovery");
            hasher.update(self.0.expose());
            SlotKey(Secret::fill_with(|key| hasher.finalize_xof().fill(key)))
        })
    }

    /// As it is to be written down: groups with a dash between them.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP_LEN + 1)));
        for group in 0..GROUPS {
            if group > 0 {
                text.push('-');
            }
            let values = Zeroizing::new(std::array::from_fn::<u8, 4, _>(|at| self.value(group * (GROUP_LEN - 1) + at)));
            values
                .iter()
                .chain([&checksum(group, values.as_slice())])
                .for_each(|value| text.push(char::from(ALPHABET[usize::from(*value % 32)])));
        }
        text
    }

    /// The 5 bits number `at`, of which the first are the highest of the first byte.
    fn value(&self, at: usize) -> u8 {
        let bit = |at: usize| self.0.expose()[at / 8] >> (7 - at % 8) & 1;
        (0..5).fold(0, |value, next| value << 1 | bit(5 * at + next))
    }

    /// The key that `text` says: in either case, with or without dashes and spaces anywhere, and with O for 0, I and L for 1, U for V.
    ///
    /// # Errors
    /// Which group is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, RecoveryError> {
        let values = values(text)?;
        let wrong = wrong_groups(&values);
        if values.len() != GROUPS * GROUP_LEN {
            return Err(RecoveryError::Len {
                is: values.len(),
                group: wrong.first().copied().unwrap_or(GROUPS).min(GROUPS),
            });
        }
        if !wrong.is_empty() {
            return Err(RecoveryError::Mistyped(wrong));
        }
        let data = || values.chunks(GROUP_LEN).flat_map(|group| group.iter().take(GROUP_LEN - 1));
        Ok(Self(Secret::fill_with(|secret| {
            for (at, value) in data().enumerate() {
                for bit in 0..5 {
                    let place = 5 * at + bit;
                    secret[place / 8] |= (value >> (4 - bit) & 1) << (7 - place % 8);
                }
            }
        })))
    }
}

/// The values of all characters. Where the text has eight groups, each must have five.
fn values(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, RecoveryError> {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'-';
    let groups = || text.split(is_between).filter(|group| !group.is_empty());
    let has_groups = groups().count() == GROUPS;
    let mut values = Zeroizing::new(Vec::with_capacity(text.len()));
    for (at, group) in groups().enumerate() {
        for byte in group {
            let number = if has_groups {
                at
            } else {
                (values.len() / GROUP_LEN).min(GROUPS - 1)
            };
            values.push(value(*byte).ok_or(RecoveryError::Character(number + 1))?);
        }
        if has_groups && group.len() != GROUP_LEN {
            return Err(RecoveryError::GroupLen {
                group: at + 1,
                is: group.len(),
            });
        }
    }
    Ok(values)
}

fn value(byte: u8) -> Option<u8> {
    let meant = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        b'U' => b'V',
        other => other,
    };
    let at = ALPHABET.iter().position(|char| *char == meant)?;
    u8::try_from(at).ok()
}

/// The numbers, from 1, of the groups whose checksum does not fit, or that are not whole.
fn wrong_groups(values: &[u8]) -> Vec<usize> {
    let fits = |number: usize, group: &[u8]| {
        let whole = number < GROUPS && group.len() == GROUP_LEN;
        whole && group.split_last().is_some_and(|(last, data)| checksum(number, data) == *last)
    };
    let groups = values.chunks(GROUP_LEN).enumerate();
    groups
        .filter(|(number, group)| !fits(*number, group))
        .map(|(number, _)| number + 1)
        .collect()
}

/// The checksum of a group: in GF(32), with the group's number (from 1) in front, each value weighs twice what the one after it does. So any one character that is
/// wrong, any two that changed places, and any group in another's place are noticed; of all else, 31 of 32.
fn checksum(number: usize, data: &[u8]) -> u8 {
    let number = u8::try_from(number + 1).unwrap_or(0);
    twice(data.iter().fold(number, |sum, value| twice(sum) ^ value))
}

/// Twice a value of GF(32), whose polynomial is x^5 + x^2 + 1.
fn twice(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0x20 == 0 { shifted } else { shifted ^ 0x25 }
}
