//! What of an inode tells whether somebody changed it, in few bytes: there is one for each that is known.

use rustix::fs::Stat;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What of an inode tells whether somebody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The ctime in nanoseconds, modulo 2^64 of them: 584 years.
    changed: [u8; 8],
    /// A hash of the modification time and the size. Of 2^48 changes of these by others one goes unnoticed; who makes one on purpose could as well have left both as they were.
    contents: [u8; 6],
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        let nanos = stat.st_ctime.wrapping_mul(1_000_000_000).wrapping_add_unsigned(stat.st_ctime_nsec);
        let mut hasher = DefaultHasher::new();
        (stat.st_mtime, stat.st_mtime_nsec, stat.st_size).hash(&mut hasher);
        let [contents @ .., _, _] = hasher.finish().to_ne_bytes();
        Self {
            changed: nanos.to_ne_bytes(),
            contents,
        }
    }

    /// Whether the contents may differ. A changed ctime alone comes from links, modes and attributes, which are read anew anyway.
    pub(super) fn other_contents(self, other: Self) -> bool {
        self.changed != other.changed && self.contents != other.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, FileTimes};
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    /// The clock that ctimes come from has ticks: after the next one.
    fn stamp_after(path: &std::path::Path, before: Stamp) -> Stamp {
        loop {
            fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
            let now = Stamp::of(&rustix::fs::stat(path).unwrap());
            if now.changed != before.changed {
                return now;
            }
        }
    }

    #[test]
    fn it_tells_a_change_of_the_contents_from_one_of_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "contents").unwrap();
        let stamp = || Stamp::of(&rustix::fs::stat(&path).unwrap());
        let first = stamp();
        assert_eq!(first, stamp());
        let other_mode = stamp_after(&path, first);
        assert_ne!(other_mode, first);
        assert!(!first.other_contents(other_mode) && !other_mode.other_contents(first));

        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 1));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(times).unwrap();
        let touched = stamp_after(&path, other_mode);
        assert!(other_mode.other_contents(touched));

        file.set_len(1).unwrap();
        file.set_times(times).unwrap();
        let cut = stamp_after(&path, touched);
        assert!(touched.other_contents(cut));
    }

    #[test]
    fn every_bit_of_the_times_and_the_size_counts() {
        let dir = tempfile::tempdir().unwrap();
        let stat = rustix::fs::stat(dir.path()).unwrap();
        for bit in 0..29 {
            let mut others = [stat; 5];
            others[0].st_ctime ^= 1 << bit;
            others[1].st_ctime_nsec ^= 1 << bit;
            others[2].st_mtime ^= 1 << bit;
            others[3].st_mtime_nsec ^= 1 << bit;
            others[4].st_size ^= 1 << bit;
            for other in others {
                assert_ne!(Stamp::of(&other), Stamp::of(&stat), "bit {bit}");
            }
        }
    }
}
