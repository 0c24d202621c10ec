//! What the end of a last block says about the key: the only thing in a recipe file that is known beforehand.

use super::BLOCK_LEN;

/// What follows the contents in the last block.
///
/// The article's program pads with spaces; others that write its format pad with zeros or as PKCS#7 has it (n bytes of value n). Under a wrong key the block is
/// random, and n bytes look like one of these three by chance with a probability of 3/256^n: 1.2 % for one byte, 1 in 22,000 for two, 1 in 1.4 thousand
/// millions for four. Bytes of another kind prove nothing: a reader does not look at them, so a program may put there what it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: the contents fill their blocks. It says nothing of the key.
    Absent,
    /// So many bytes, 1 to 15, of a kind that programs use.
    Usual(u8),
    /// Other bytes.
    Unusual,
}

impl Padding {
    /// The padding in the decrypted block `last` of a file whose contents have `size` bytes.
    pub fn of(size: u64, last: &[u8; BLOCK_LEN]) -> Self {
        let used = usize::try_from(size % 16).unwrap_or(0);
        if used == 0 {
            return Self::Absent;
        }
        let padding = last.get(used..).unwrap_or_default();
        let len = u8::try_from(padding.len()).unwrap_or(0);
        let usual = [b' ', 0, len].iter().any(|byte| padding.iter().all(|other| other == byte));
        if usual { Self::Usual(len) } else { Self::Unusual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_padding() {
        let table: [(u64, &[u8; BLOCK_LEN], Padding); 13] = [
            (0, b"                ", Padding::Absent),
            (16, b"                ", Padding::Absent),
            (1 << 40, &[0; BLOCK_LEN], Padding::Absent),
            (1, b"x               ", Padding::Usual(15)),
            (31, b"123456789012345 ", Padding::Usual(1)),
            (15, b"123456789012345\0", Padding::Usual(1)),
            (15, b"123456789012345\x01", Padding::Usual(1)),
            (15, b"123456789012345\x02", Padding::Unusual),
            ((1 << 60) + 13, b"1234567890123\x03\x03\x03", Padding::Usual(3)),
            (13, b"1234567890123\x03 \x03", Padding::Unusual),
            (13, b"1234567890123\0\0 ", Padding::Unusual),
            (12, b"1234567890123\0\0\0", Padding::Unusual),
            (u64::MAX, b"               \0", Padding::Usual(1)),
        ];
        for (size, last, expected) in table {
            assert_eq!(Padding::of(size, last), expected, "{size} {last:?}");
        }
    }
}
