//! Connecting `/dev/fuse` to a mount point: root asks the kernel, anybody else fusermount3. Both give a mount of the same type that shows the vault as its source.

use super::options::{Audience, Options};
use super::serve::Place;
use super::{Error, fusermount, table};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

/// How many KiB root lets the kernel read ahead at least: as much as one request carries. The protocol leaves it at 128.
const READ_AHEAD_KIB: u64 = 1024;

/// How many hundredths of the memory that may hold what is still to be written root lets the kernel use for the mount, at least: enough for a program that changes the same
/// pages again and again. It is 1 for FUSE, and stays a limit, so that a daemon that hangs does not take the memory of all others.
const DIRTY_PERCENT: u64 = 5;

/// Mounts; the device on which the kernel then asks.
pub(super) fn connect(place: Place<'_>, options: &Options) -> Result<OwnedFd, Error> {
    let Place { vault, point, .. } = place;
    if !rustix::process::geteuid().is_root() {
        return fusermount::mount(vault, point.path(), options, place.lock);
    }
    let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| match errno {
        Errno::PERM | Errno::ACCESS => Error::DeviceDenied(errno),
        other => Error::NoDevice(other),
    })?;
    let data = data(&device, options.audience);
    rustix::mount::mount(vault, point.path(), table::KIND, options.flags, Some(data.as_c_str()))
        .map_err(|errno| Error::Kernel(point.path().to_owned(), errno))?;
    Ok(device)
}

/// What the kernel's filesystem is told. The root's mode is only its type; the rest comes with its attributes.
fn data(device: &OwnedFd, audience: Audience) -> CString {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let audience = match audience {
        Audience::Everyone => ",allow_other",
        Audience::Owner => "",
    };
    let data = format!(
        "fd={},rootmode=40000,user_id={user},group_id={group},default_permissions{audience}",
        device.as_raw_fd()
    );
    CString::new(data).expect("numbers and words have no NUL")
}

/// Lets the kernel read further ahead on the mount with that device number, and keep more of what was written to it before it makes who writes wait. Only root may, and it
/// is only faster.
pub(super) fn raise_limits(device: &str) {
    if rustix::process::geteuid().is_root() {
        raise(device, "read_ahead_kb", READ_AHEAD_KIB);
        raise(device, "max_ratio", DIRTY_PERCENT);
    }
}

fn raise(device: &str, name: &str, value: u64) {
    let setting = format!("/sys/class/bdi/{device}/{name}");
    let now = fs::read_to_string(&setting).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if now.is_some_and(|now| now < value)
        && let Err(error) = fs::write(&setting, value.to_string())
    {
        log::debug!("{name} of the mount stays as it is: {error}");
    }
}
