//! A scan of `/proc`.
//!
//! A descriptor's mount is in `/proc/PID/fdinfo`, by a number that `/proc/PID/mountinfo` explains, also in another mount namespace; a mapped file's device is in
//! `/proc/PID/maps`; that of a working directory, of a root directory and of a program is what statx(2) says with `AT_STATX_DONT_SYNC` when it is asked for nothing, which the kernel
//! answers alone.

use super::{Process, Use};
use crate::mount::table::{self, Mount};
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// What tells a mount in `/proc`.
pub(super) struct Place {
    /// Major and minor number of the device.
    device: (u32, u32),
    point: PathBuf,
}

impl Place {
    pub(super) fn of(mount: &Mount) -> Self {
        let numbers = mount.device.split_once(':');
        let device = numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        Self {
            // Nothing is on such a device.
            device: device.unwrap_or((u32::MAX, u32::MAX)),
            point: mount.point.clone(),
        }
    }
}

/// What a scan comes across.
pub(super) enum Found {
    /// A process that uses the mount of this index.
    Process(usize, Process),
    /// At the end: that not all could be looked at.
    Hidden,
}

/// Looks at all processes but this one.
pub(super) fn scan(places: &[Place], found: &mpsc::Sender<Found>) {
    let mut namespaces = HashMap::new();
    let mut hidden = false;
    let me = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        match Look::at(pid, places, &mut namespaces) {
            Ok(look) if pid != me => {
                for (index, uses) in look.uses.into_iter().enumerate().filter(|(_, uses)| !uses.is_empty()) {
                    let name = name(pid);
                    // Nobody waits any more.
                    if found.send(Found::Process(index, Process { pid, name, uses })).is_err() {
                        return;
                    }
                }
            }
            Err(Errno::ACCESS | Errno::PERM) => hidden = true,
            // It has ended.
            Ok(_) | Err(_) => {}
        }
    }
    if hidden {
        let _ = found.send(Found::Hidden);
    }
}

/// The name of a process's command, which it can choose.
fn name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Of each mount number in a mount namespace, which of the places it is.
type Namespaces = HashMap<PathBuf, HashMap<u64, usize>>;

/// What one process uses of each place.
struct Look {
    uses: Vec<Vec<Use>>,
}

impl Look {
    /// Looks at a process.
    ///
    /// # Errors
    /// That it may not be looked at, or has gone.
    fn at(pid: u32, places: &[Place], namespaces: &mut Namespaces) -> Result<Self, Errno> {
        let mut look = Self {
            uses: vec![Vec::new(); places.len()],
        };
        let namespace = link(pid, "ns/mnt")?;
        let is_ours = fs::read_link("/proc/self/ns/mnt").is_ok_and(|ours| ours == namespace);
        let numbers = namespaces.entry(namespace).or_insert_with(|| numbers(pid, places));
        for (what, one) in [("exe", Use::Program), ("cwd", Use::WorkingDirectory), ("root", Use::RootDirectory)] {
            if let Some(index) = target(pid, what, places, is_ours) {
                look.uses[index].push(one);
            }
        }
        look.count(open(pid, numbers)?, Use::Open);
        look.count(mapped(pid, places), Use::Mapped);
        Ok(look)
    }

    fn count(&mut self, counts: HashMap<usize, usize>, of: fn(usize) -> Use) {
        for (index, count) in counts {
            self.uses[index].push(of(count));
        }
    }
}

fn link(pid: u32, what: &str) -> Result<PathBuf, Errno> {
    let text = rustix::fs::readlink(format!("/proc/{pid}/{what}"), Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(text.into_bytes())))
}

/// The numbers that the places have in the mount namespace of a process.
fn numbers(pid: u32, places: &[Place]) -> HashMap<u64, usize> {
    let mounts = table::read_of(&pid.to_string()).unwrap_or_default();
    let index = |mount: &Mount| places.iter().position(|place| Place::of(mount).device == place.device);
    mounts.iter().filter_map(|mount| Some((mount.id, index(mount)?))).collect()
}

/// The place that a link of a process leads to. In our own namespace, its text says whether it is worth a look.
fn target(pid: u32, what: &str, places: &[Place], is_ours: bool) -> Option<usize> {
    let text = link(pid, what).ok()?;
    if is_ours
        && !places
            .iter()
            .any(|place| text.as_os_str().as_bytes().starts_with(place.point.as_os_str().as_bytes()))
    {
        return None;
    }
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(CWD, format!("/proc/{pid}/{what}"), flags, StatxFlags::empty()).ok()?;
    places
        .iter()
        .position(|place| place.device == (stat.stx_dev_major, stat.stx_dev_minor))
}

/// How many descriptors a process has of each place.
fn open(pid: u32, numbers: &HashMap<u64, usize>) -> Result<HashMap<usize, usize>, Errno> {
    let mut counts = HashMap::new();
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    if numbers.is_empty() {
        return Ok(counts);
    }
    for info in infos.flatten() {
        let text = fs::read_to_string(info.path()).unwrap_or_default();
        let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
        if let Some(index) = number.and_then(|number: u64| numbers.get(&number)) {
            *counts.entry(*index).or_default() += 1;
        }
    }
    Ok(counts)
}

/// How many files of each place a process has mapped, beside the program that it executes. A line: `7f00-7f01 r--p 00000000 00:33 12 /path`.
fn mapped(pid: u32, places: &[Place]) -> HashMap<usize, usize> {
    let program = link(pid, "exe").ok();
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut files = BTreeSet::new();
    for line in maps.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(6, |byte| *byte == b' ').skip(3);
        let (Some(device), Some(inode), path) = (fields.next().and_then(hexadecimal), fields.next(), fields.next()) else {
            continue;
        };
        let is_program = program.as_deref() == path.map(|path| Path::new(OsStr::from_bytes(path.trim_ascii_start())));
        if let Some(index) = places.iter().position(|place| place.device == device)
            && !is_program
        {
            files.insert((index, inode));
        }
    }
    let mut counts = HashMap::new();
    for (index, _) in files {
        *counts.entry(index).or_default() += 1;
    }
    counts
}

/// A device as maps has it: `00:33`.
fn hexadecimal(text: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_maps() {
        assert_eq!(hexadecimal(b"00:33"), Some((0, 0x33)));
        assert_eq!(hexadecimal(b"103:0a"), Some((0x103, 10)));
        assert_eq!(hexadecimal(b"rwxp"), None);
    }

    /// This very process, as another would see it: it has /proc open, and the program is on some device.
    #[test]
    fn what_a_process_uses_is_found() {
        let open_directory = fs::File::open("/proc/self").unwrap();
        let mounts = table::read().unwrap();
        let Some(mount) = table::at(&mounts, Path::new("/proc")) else {
            return;
        };
        let places = [Place::of(mount)];
        let look = Look::at(std::process::id(), &places, &mut HashMap::new()).unwrap();
        assert!(matches!(look.uses[0][..], [Use::Open(1..)]), "{:?}", look.uses);
        drop(open_directory);
        let exe = fs::metadata("/proc/self/exe").unwrap();
        use std::os::unix::fs::MetadataExt;
        let device = (rustix::fs::major(exe.dev()), rustix::fs::minor(exe.dev()));
        let places = [Place {
            device,
            point: PathBuf::from("/"),
        }];
        assert_eq!(target(std::process::id(), "exe", &places, true), Some(0));
    }
}
