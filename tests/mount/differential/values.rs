//! Random values of the kinds that operations take, most of them near the borders where things go wrong.

use super::attrs::{A_DAY, Clock, Perm};
use super::names::{Taste, names};
use super::op::{Data, Times};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rustix::fs::{self, Access, AtFlags, FallocateFlags, Mode, OFlags, RenameFlags, SeekFrom, UTIME_NOW, UTIME_OMIT, XattrFlags};
use rustix::io::{self, Errno};
use std::ffi::CString;
use std::path::Path;

/// Records hold 4096 bytes, so offsets and lengths are near multiples of that; 16 is the cipher's block; a request takes 1 MiB.
const BORDERS: [u64; 24] = [
    0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 4111, 4112, 8191, 8192, 8193, 12_287, 12_288, 16_384, 40_959, 40_960, 65_535, 65_536, 131_072,
    131_073, 200_000,
];
const MIB: u64 = 1 << 20;
/// Paths are at most 4096 bytes, and names at most 255: deeper trees would meet the first limit at different depths.
const LONGEST_TARGET: usize = 3000;

/// The type that statfs(2) tells for XFS.
const XFS_SUPER_MAGIC: i64 = 0x5846_5342;
/// Targets that fit on XFS, which has room for 1,023 bytes, also when they are encrypted.
const LONGEST_TARGET_XFS: usize = 700;

/// What differs between filesystems that the plain directory may be on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// Whether there is FALLOC_FL_ZERO_RANGE, which ours has in any case. tmpfs has not.
    zero_range: bool,
    /// How long a symlink's target may be, so that it may be as long in the mount.
    longest_target: usize,
}

impl Abilities {
    /// Finds them out, leaving no trace.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let file = fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))?;
        let zero_range = match fs::fallocate(&file, FallocateFlags::ZERO_RANGE, 0, 4096) {
            Err(Errno::OPNOTSUPP) => false,
            other => other.map(|()| true)?,
        };
        let is_xfs = fs::statfs(dir)?.f_type == XFS_SUPER_MAGIC;
        let longest_target = if is_xfs { LONGEST_TARGET_XFS } else { LONGEST_TARGET };
        Ok(Self {
            zero_range,
            longest_target,
        })
    }
}

pub(super) struct Values {
    pub(super) rng: StdRng,
    abilities: Abilities,
    pub(super) taste: Taste,
    names: Vec<Vec<u8>>,
    clock: Clock,
}

impl Values {
    pub(super) fn new(seed: u64, clock: Clock, taste: Taste, abilities: Abilities) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            abilities,
            taste,
            names: names(taste),
            clock,
        }
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T], otherwise: T) -> T {
        from.choose(&mut self.rng).copied().unwrap_or(otherwise)
    }

    /// A name; one in a hundred is too long.
    pub(super) fn name(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..100) {
            0 => vec![b'x'; self.pick(&[256, 257, 300, 1000], 256)],
            1..60 => format!("n{}", self.rng.random_range(0..12)).into_bytes(),
            _ => self.names.choose(&mut self.rng).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn offset(&mut self) -> u64 {
        match self.rng.random_range(0..100) {
            0 => self.rng.random_range(0..3 * MIB),
            1 => MIB + self.rng.random_range(0..3) - 1,
            2..70 => self.pick(&BORDERS, 0),
            _ => self.rng.random_range(0..100_000),
        }
    }

    pub(super) fn len(&mut self) -> usize {
        let len = match self.rng.random_range(0..100) {
            0 => MIB + 5000,
            1..75 => self.pick(&BORDERS, 0),
            _ => self.rng.random_range(0..30_000),
        };
        usize::try_from(len).unwrap_or_default()
    }

    pub(super) fn data(&mut self) -> Data {
        let fill = if self.chance(10) { 0 } else { self.rng.random_range(1..u64::MAX) };
        Data { fill, len: self.len() }
    }

    pub(super) fn seek(&mut self) -> SeekFrom {
        let around = i64::try_from(self.offset()).unwrap_or_default();
        match self.rng.random_range(0..4) {
            0 => SeekFrom::Current(around),
            1 => SeekFrom::Current(-around),
            2 => SeekFrom::End(-around),
            _ => SeekFrom::Start(self.offset()),
        }
    }

    pub(super) fn mode(&mut self) -> Perm {
        let mode = match self.rng.random_range(0..100) {
            0..4 => self.rng.random_range(0..0o10000),
            4..30 => 0o700 | self.rng.random_range(0..0o10000),
            _ => self.pick(
                &[0o644, 0o600, 0o755, 0o700, 0o777, 0o666, 0o4755, 0o2755, 0o6711, 0o1777, 0o2770],
                0o644,
            ),
        };
        Perm(mode)
    }

    /// Owner and group, at least one of them: with neither, chown takes set-user-id away, and of that FUSE's server hears nothing.
    pub(super) fn owner(&mut self) -> (Option<u32>, Option<u32>) {
        let ids = [
            Some(0),
            Some(1),
            Some(1000),
            Some(1001),
            Some(65_534),
            Some(3_000_000_000),
            None,
            None,
        ];
        let uid = self.pick(&ids, None);
        (uid, self.pick(if uid.is_some() { &ids } else { &ids[..6] }, Some(0)))
    }

    pub(super) fn open_flags(&mut self) -> OFlags {
        let mut flags = self.pick(
            &[OFlags::RDONLY, OFlags::RDWR, OFlags::RDWR, OFlags::RDWR, OFlags::WRONLY],
            OFlags::RDWR,
        );
        for (flag, percent) in [
            (OFlags::CREATE, 55),
            (OFlags::EXCL, 15),
            (OFlags::TRUNC, 12),
            (OFlags::APPEND, 12),
            (OFlags::DIRECTORY, 6),
            (OFlags::NOFOLLOW, 8),
            (OFlags::SYNC, 1),
        ] {
            if self.chance(percent) {
                flags |= flag;
            }
        }
        flags
    }

    pub(super) fn fallocate_flags(&mut self) -> FallocateFlags {
        let (keep, punch, zero) = (FallocateFlags::KEEP_SIZE, FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE);
        // PUNCH_HOLE alone, and together with ZERO_RANGE, is refused.
        let flags = [
            FallocateFlags::empty(),
            keep,
            punch | keep,
            punch | keep,
            punch,
            punch | zero,
            zero,
            zero | keep,
        ];
        let zeroes = if self.abilities.zero_range { flags.len() } else { flags.len() - 2 };
        self.pick(&flags[..zeroes], keep)
    }

    pub(super) fn rename_flags(&mut self) -> RenameFlags {
        let (none, keep, swap) = (RenameFlags::empty(), RenameFlags::NOREPLACE, RenameFlags::EXCHANGE);
        self.pick(&[none, none, none, none, none, none, keep, keep, swap, swap, keep | swap], none)
    }

    pub(super) fn access(&mut self) -> (Access, AtFlags) {
        let access = self.pick(
            &[
                Access::EXISTS,
                Access::READ_OK,
                Access::WRITE_OK,
                Access::EXEC_OK,
                Access::READ_OK | Access::EXEC_OK,
            ],
            Access::EXISTS,
        );
        (access, self.pick(&[AtFlags::empty(), AtFlags::EACCESS], AtFlags::EACCESS))
    }

    pub(super) fn nofollow(&mut self) -> AtFlags {
        self.pick(&[AtFlags::empty(), AtFlags::SYMLINK_NOFOLLOW], AtFlags::empty())
    }

    /// Times of access and modification, none of them between the test's begin and a day later. ext4 knows 1901 to 2446,
    /// and no fractions in the first and the last second.
    pub(super) fn times(&mut self) -> Times {
        Times {
            access: self.time(),
            modification: self.time(),
        }
    }

    fn time(&mut self) -> (i64, i64) {
        let begin = self.clock.begin();
        let secs = match self.rng.random_range(0..6) {
            0 => self.pick(
                &[
                    0,
                    1,
                    -1,
                    1_000_000_000,
                    i64::from(i32::MIN) + 1,
                    i64::from(i32::MAX),
                    (1 << 31),
                    (1 << 32) + 5,
                    15_032_385_534,
                ],
                0,
            ),
            1 => self.rng.random_range(i64::from(i32::MIN) + 1..0),
            2 => self.rng.random_range(begin + 2 * A_DAY..15_032_385_534),
            _ => self.rng.random_range(0..begin - A_DAY),
        };
        let nanos = match self.rng.random_range(0..20) {
            0..3 => UTIME_NOW,
            3..6 => UTIME_OMIT,
            6 => 1_000_000_000, // one too many
            7..11 => self.pick(&[0, 1, 999_999_999], 0),
            _ => self.rng.random_range(0..1_000_000_000),
        };
        (secs, nanos)
    }

    /// The name of an attribute. What is stored is longer than the name, so those near the limit of 255 bytes do not fit: they are left out.
    pub(super) fn xattr_name(&mut self) -> CString {
        let name = match self.rng.random_range(0..40) {
            0 => String::from("user."),
            1 => String::from("nonsense.name"),
            2 => format!("user.{}", "x".repeat(251)),
            3..6 => format!("user.{}", "l".repeat(140)),
            which => format!("user.x{}", which % 2),
        };
        CString::new(name).unwrap_or_default()
    }

    pub(super) fn xattr_value(&mut self) -> Data {
        Data {
            fill: self.rng.random_range(1..u64::MAX),
            len: self.pick(&[0, 1, 15, 16, 17, 100, 200], 0),
        }
    }

    /// Not CREATE and REPLACE together, which ask for what can only fail: EINVAL here, elsewhere EEXIST or ENODATA.
    pub(super) fn xattr_flags(&mut self) -> XattrFlags {
        self.pick(
            &[XattrFlags::empty(), XattrFlags::empty(), XattrFlags::CREATE, XattrFlags::REPLACE],
            XattrFlags::empty(),
        )
    }

    /// The name and the bytes of a POSIX ACL with one named user; now and then they make no sense.
    pub(super) fn acl(&mut self) -> (CString, Vec<u8>) {
        let name = self.pick(
            &[c"system.posix_acl_access", c"system.posix_acl_default"],
            c"system.posix_acl_access",
        );
        let mut value = 2_u32.to_le_bytes().to_vec();
        let person = self.pick(&[0, 1000, 65_534], 0);
        for (tag, id) in [
            (0x01_u16, u32::MAX),
            (0x02, person),
            (0x04, u32::MAX),
            (0x10, u32::MAX),
            (0x20, u32::MAX),
        ] {
            let perm = if tag == 1 { 7_u16 } else { self.rng.random_range(0..8) };
            value.extend(tag.to_le_bytes().iter().chain(&perm.to_le_bytes()).chain(&id.to_le_bytes()));
        }
        if self.chance(5) {
            value.truncate(17);
        }
        (name.to_owned(), value)
    }

    /// What a symlink points to: never upwards, so that no path of names leads out of the tree.
    pub(super) fn target(&mut self, own_name: &[u8]) -> Vec<u8> {
        let name = self.name();
        let mut target = match self.rng.random_range(0..20) {
            0 => b".".to_vec(),
            1 => b"/nonexistent/plainview-differential".to_vec(),
            2 => vec![b't'; self.pick(&[self.taste.longest(), 256, 1000, LONGEST_TARGET], 256)],
            3 => return vec![b't'; 4096], // too long anywhere
            4 => Vec::new(),
            5 => b"\xff\xfe target\n".to_vec(),
            6..9 => own_name.to_vec(),
            9..14 => [name.as_slice(), b"/", &self.name()].concat(),
            _ => name,
        };
        // Names, too, can be longer than that.
        target.truncate(self.abilities.longest_target);
        target
    }
}
