//! The kernel's table of mounts, `/proc/self/mountinfo`.
//!
//! It is the one way to learn about a mount without asking its daemon, which may be dead or stuck.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The type of our mounts.
pub(super) const KIND: &str = "fuse.plainview";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Major and minor number of its device, as `MAJOR:MINOR`: no two mounted filesystems have the same.
    pub(super) device: String,
    /// Where it is.
    pub(super) point: PathBuf,
    /// The filesystem's type.
    kind: Vec<u8>,
    /// What is mounted there: for ours, the vault.
    pub(super) source: PathBuf,
}

impl Mount {
    /// Whether it is one of ours.
    pub(super) fn is_ours(&self) -> bool {
        self.kind == KIND.as_bytes()
    }

    /// From one line: id, parent's id, device, root, mount point, options, any number of optional fields, a hyphen, type, source, the filesystem's options.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let device = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
        let point = unescape(fields.nth(1)?);
        let mut rest = fields.skip_while(|&field| field != b"-").skip(1);
        let kind = unescape(rest.next()?);
        let source = unescape(rest.next()?);
        Some(Self {
            device,
            point: path(point),
            kind,
            source: path(source),
        })
    }
}

/// All mounts that this process can see, the uppermost of those at one place last.
///
/// # Errors
/// What the operating system says.
pub(super) fn read() -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?))
}

fn parse(table: &[u8]) -> Vec<Mount> {
    table.split(|&byte| byte == b'\n').filter_map(Mount::parse).collect()
}

/// The uppermost mount at `point`, which is what one sees there.
pub(super) fn at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

/// Whether the directory `dir` is the top of a mount of `vault`, and not what is seen at that place when it is not mounted.
pub fn is_mount_of(dir: BorrowedFd<'_>, vault: &Path) -> bool {
    let Ok(stat) = rustix::fs::fstat(dir) else { return false };
    let device = format!("{}:{}", rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let mounts = read().unwrap_or_default();
    mounts
        .iter()
        .any(|mount| mount.is_ours() && mount.source == vault && mount.device == device)
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The kernel writes blanks, line ends, backslashes and hashes as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = octal(rest).unwrap_or((byte, after));
        plain.push(byte);
        rest = after;
    }
    plain
}

/// The byte of the escape that `text` begins with, and what follows.
fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.strip_prefix(b"\\")?.split_at_checked(3)?;
    let value = digits.iter().try_fold(0u8, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })?;
    Some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
36 22 0:51 / /mnt/a\\040b rw,nosuid,nodev shared:2 master:7 - fuse.plainview /home/u/My\\040Vault,\\0431 rw,user_id=0,group_id=0\n\
37 22 0:52 / /mnt/c ro - fuse.plainview /v\\134x ro\n\
38 37 0:53 / /mnt/c rw - tmpfs none rw\n\
39 22 0:54 / /mnt/d rw - fuse.sshfs host:/ rw\n";

    #[test]
    fn lines_are_taken_apart() {
        let mounts = parse(TABLE);
        assert_eq!(mounts.len(), 5);
        let mount = at(&mounts, Path::new("/mnt/a b")).unwrap();
        assert_eq!(
            (mount.device.as_str(), mount.source.as_path(), mount.is_ours()),
            ("0:51", Path::new("/home/u/My Vault,#1"), true)
        );
        assert!(!at(&mounts, Path::new("/mnt/d")).unwrap().is_ours());
        assert_eq!(at(&mounts, Path::new("/mnt")), None);
    }

    #[test]
    fn the_uppermost_of_several_mounts_counts() {
        let mounts = parse(TABLE);
        assert_eq!(at(&mounts, Path::new("/mnt/c")).unwrap().device, "0:53");
        assert_eq!(mounts[2].source, Path::new("/v\\x"));
    }

    #[test]
    fn escapes() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"plain", b"plain"),
            (b"\\040\\011\\012\\134\\043", b" \t\n\\#"),
            (b"a\\0", b"a\\0"),
            (b"\\048", b"\\048"),
            (b"\\777", b"\\777"),
            (b"\\377", b"\xff"),
            (b"", b""),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescape(escaped), plain);
        }
    }

    #[test]
    fn the_kernels_own_table_is_understood() {
        let mounts = read().unwrap();
        assert!(at(&mounts, Path::new("/")).is_some() || at(&mounts, Path::new("/proc")).is_some());
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        assert_eq!(parse(b"\n1 2\n1 2 0:1 / /x rw shared:1 ext4\n"), []);
    }
}
