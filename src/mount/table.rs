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
    /// Its number: no two mounts have the same, in whatever namespace.
    pub(super) id: u64,
    /// The number of the mount that it is on.
    pub(super) parent: u64,
    /// Major and minor number of its device, as `MAJOR:MINOR`: no two mounted filesystems have the same.
    pub(super) device: String,
    /// Whether it shows all of the filesystem, and not a directory of it, as a bind mount can.
    pub(super) is_whole: bool,
    /// Where it is.
    pub(super) point: PathBuf,
    /// Whether nothing can be changed by way of it.
    pub(super) read_only: bool,
    /// The filesystem's type.
    kind: Vec<u8>,
    /// What is mounted there: for ours, the vault.
    pub(super) source: PathBuf,
    /// The filesystem's own options.
    options: String,
}

impl Mount {
    /// Whether it is one of ours.
    pub(super) fn is_ours(&self) -> bool {
        self.kind == KIND.as_bytes()
    }

    /// Whose daemon answers for it.
    pub(super) fn uid(&self) -> Option<u32> {
        let value = self.words().find_map(|word| word.strip_prefix("user_id="));
        value.and_then(|value| value.parse().ok())
    }

    /// Whether others than its owner may enter it.
    pub(super) fn allows_others(&self) -> bool {
        self.words().any(|word| word == "allow_other")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.options.split(',')
    }

    /// From one line: id, parent's id, device, root, mount point, options, any number of optional fields, a hyphen, type, source, the filesystem's options.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let mut text = || Some(std::str::from_utf8(fields.next()?).ok()?.to_owned());
        let (id, parent, device) = (text()?.parse().ok()?, text()?.parse().ok()?, text()?);
        let is_whole = fields.next()? == b"/";
        let point = unescape(fields.next()?);
        let own = fields.next()?;
        let mut rest = fields.skip_while(|&field| field != b"-").skip(1);
        let kind = unescape(rest.next()?);
        let source = unescape(rest.next()?);
        let options = String::from_utf8_lossy(rest.next().unwrap_or_default()).into_owned();
        let is_ro = |options: &[u8]| options.split(|&byte| byte == b',').any(|word| word == b"ro");
        Some(Self {
            id,
            parent,
            device,
            is_whole,
            point: path(point),
            read_only: is_ro(own) || is_ro(options.as_bytes()),
            kind,
            source: path(source),
            options,
        })
    }
}

/// All mounts that this process can see, the uppermost of those at one place last.
///
/// # Errors
/// What the operating system says.
pub(super) fn read() -> io::Result<Vec<Mount>> {
    read_of("self")
}

/// All mounts that the process `process` can see, named by its number.
///
/// # Errors
/// What the operating system says.
pub(super) fn read_of(process: &str) -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read(format!("/proc/{process}/mountinfo"))?))
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
    fn what_the_options_say() {
        let mounts = parse(TABLE);
        let one = at(&mounts, Path::new("/mnt/a b")).unwrap();
        assert_eq!((one.id, one.parent, one.uid(), one.allows_others()), (36, 22, Some(0), false));
        assert!(one.is_whole && !one.read_only && mounts[2].read_only);
        assert_eq!((mounts[2].uid(), mounts[2].allows_others()), (None, false));
        let bind = b"40 22 0:51 /sub /mnt/e ro - fuse.plainview /v rw,user_id=1000,group_id=1000,allow_other\n";
        let bind = &parse(bind)[0];
        assert_eq!(
            (bind.uid(), bind.allows_others(), bind.is_whole, bind.read_only),
            (Some(1000), true, false, true)
        );
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
