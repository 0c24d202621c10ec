//! Extended attributes that are answered as by a filesystem that has none of the kind.
//!
//! Programs ask every file for its SELinux label and its ACL, `ls -l` above all, and the kernel passes each question on. Where the answer is ENODATA they go on asking; EOPNOTSUPP
//! is about the whole filesystem, and they ask no more.

use super::{Acls, reply::Answer};
use fuser::Errno;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

const LABEL: &str = "security.selinux";
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// Which kinds there are not.
pub(super) struct Unsupported {
    acls: bool,
    /// Labels can be set and got all the same: they may come from a machine that has SELinux. Only who asks for one that is not there is told that there are none.
    labels: bool,
}

impl Unsupported {
    pub(super) fn new(acls: Acls) -> Self {
        // Where it cannot be read there may be.
        let kinds = fs::read_to_string("/proc/filesystems").ok();
        Self {
            acls: acls == Acls::Absent,
            labels: kinds.is_some_and(|kinds| !has_selinux(&kinds)),
        }
    }

    /// # Errors
    /// EOPNOTSUPP if there is no attribute of the kind that `name` is of.
    pub(super) fn check(&self, name: &OsStr) -> Answer<()> {
        match self.acls && ACLS.iter().any(|acl| name == *acl) {
            true => Err(Errno::EOPNOTSUPP),
            false => Ok(()),
        }
    }

    /// What somebody who asked for `name` is told who would have been told `value`.
    pub(super) fn got(&self, name: &OsStr, value: Answer<Vec<u8>>) -> Answer<Vec<u8>> {
        match value {
            Err(error) if error == Errno::ENODATA && self.labels && name == LABEL => Err(Errno::EOPNOTSUPP),
            value => value,
        }
    }

    /// Those of `names`, each followed by a NUL, that there are.
    pub(super) fn listed(&self, mut names: Vec<u8>) -> Vec<u8> {
        if self.acls {
            let name = |name: &[u8]| self.check(OsStr::from_bytes(name.strip_suffix(b"\0").unwrap_or(name))).is_ok();
            names = names
                .split_inclusive(|&byte| byte == 0)
                .filter(|each| name(each))
                .flatten()
                .copied()
                .collect();
        }
        names
    }
}

/// Whether `kinds`, the contents of `/proc/filesystems`, has the one that is there where SELinux is.
fn has_selinux(kinds: &str) -> bool {
    kinds.lines().any(|line| line.split_whitespace().last() == Some("selinuxfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selinux_is_told_by_its_filesystem() {
        assert!(has_selinux("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"));
        assert!(!has_selinux("nodev\tsysfs\n\text4\n"));
    }

    #[test]
    fn a_label_that_is_not_there_ends_the_questions_and_one_that_is_is_given() {
        let none = Unsupported { acls: false, labels: true };
        let label = OsStr::new(LABEL);
        assert_eq!(none.got(label, Err(Errno::ENODATA)), Err(Errno::EOPNOTSUPP));
        assert_eq!(none.got(label, Err(Errno::EIO)), Err(Errno::EIO));
        assert_eq!(none.got(label, Ok(vec![1])), Ok(vec![1]));
        assert_eq!(none.got(OsStr::new("user.selinux"), Err(Errno::ENODATA)), Err(Errno::ENODATA));
        assert!(none.check(label).is_ok() && none.check(OsStr::new(ACLS[0])).is_ok());
        let some = Unsupported {
            acls: false,
            labels: false,
        };
        assert_eq!(some.got(label, Err(Errno::ENODATA)), Err(Errno::ENODATA));
    }

    #[test]
    fn without_acls_none_is_listed_nor_taken() {
        let without = Unsupported { acls: true, labels: true };
        let names = b"user.one\0system.posix_acl_access\0system.posix_acl_default\0security.selinux\0".to_vec();
        assert_eq!(without.listed(names.clone()), b"user.one\0security.selinux\0");
        assert_eq!(without.check(OsStr::new(ACLS[1])), Err(Errno::EOPNOTSUPP));
        let with = Unsupported { acls: false, labels: true };
        assert_eq!(with.listed(names.clone()), names);
    }
}
