//! A check and a view must agree: what a check finds nothing wrong with can be read, and the other way round. On vaults in which anything was changed at random.

use super::oracle::Seen;
use super::scene::{Scene, random};
use crate::check::{Depth, Finding, Mode, Severity, What};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

const ROUNDS: usize = 150;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn a_check_is_clean_exactly_when_everything_reads() {
    let (seed, mut rng) = random();
    let template = Scene::full();
    let whole = Seen::of(&template.view());
    assert!(whole.is_whole(), "{whole:?}");
    assert_eq!(template.check(Depth::Full).0, []);
    for round in 0..ROUNDS {
        let scene = template.copy();
        let changes: Vec<_> = (0..rng.random_range(1..4)).map(|_| change(&scene, &mut rng)).collect();
        let context = format!("PLAINVIEW_TEST_SEED={seed}, round {round}: {changes:?}");
        agree(&scene, &whole, &context);
        scene.repair(Mode::Act);
        let (found, _) = scene.check(Depth::Full);
        let left: Vec<_> = found.iter().filter(|finding| finding.severity != Severity::Foreign).collect();
        assert!(left.is_empty(), "{context}: after the repair {left:?}");
        let seen = Seen::of(&scene.view());
        assert!(seen.is_whole(), "{context}: after the repair {seen:?}");
    }
}

fn agree(scene: &Scene, whole: &Seen, context: &str) {
    let seen = Seen::of(&scene.view());
    let (found, summary) = scene.check(Depth::Full);
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    let is_clean = summary.damage + summary.unreadable == 0;
    let reads = seen.is_whole() && seen.shown == whole.shown;
    assert_eq!(is_clean, reads, "{context}: {told:#?} {seen:?}");
    assert_eq!(
        paths(&found, &seen, &[What::Record, What::Header]),
        seen.files,
        "{context}: {told:#?}"
    );
    assert_eq!(paths(&found, &seen, &[What::Attribute]), seen.attributes, "{context}: {told:#?}");
}

/// The paths of what is shown and has findings about this. Of what is in a directory that cannot be read a check may know the path all the same.
fn paths(found: &[Finding], seen: &Seen, about: &[What]) -> BTreeSet<Vec<u8>> {
    let about = found.iter().filter(|finding| about.contains(&finding.what));
    let paths = about.filter_map(|finding| finding.path.clone().ok());
    paths.filter(|path| path.is_empty() || seen.shown.contains(path)).collect()
}

/// Changes something in the vault; what, for messages.
fn change(scene: &Scene, rng: &mut StdRng) -> String {
    let entries = scene.entries();
    let path = entries.choose(rng).unwrap();
    let meta = path.symlink_metadata().unwrap();
    let what = match rng.random_range(0..10) {
        0 => rename(path, rng),
        1 => {
            let into: Vec<_> = entries
                .iter()
                .filter(|dir| !dir.is_symlink() && dir.is_dir() && !dir.starts_with(path))
                .collect();
            let to = into.choose(rng).map(|dir| dir.join(path.file_name().unwrap()));
            to.filter(|to| !to.exists()).map(|to| {
                std::fs::rename(path, &to).unwrap();
                format!("moved to {}", to.display())
            })
        }
        2 if meta.is_file() && is_own(path) => {
            std::fs::remove_file(path).unwrap();
            Some("removed".to_owned())
        }
        _ if meta.is_symlink() => Some(retarget(path, rng)),
        3 | 4 if !meta.is_symlink() => change_attribute(path, rng),
        _ if meta.is_file() => Some(change_bytes(path, &entries, rng)),
        _ => None,
    };
    format!("{}: {}", path.display(), what.unwrap_or_default())
}

/// Whether a file is one that nobody sees but that something hangs on.
fn is_own(path: &Path) -> bool {
    let name = path.file_name().unwrap().as_bytes();
    name.starts_with(b"plainview.") && !name.starts_with(b"plainview.long.")
}

/// The text with another character somewhere.
fn flipped(text: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut text = text.to_vec();
    let at = rng.random_range(0..text.len());
    let other = ALPHABET.iter().filter(|byte| **byte != text[at]).copied().collect::<Vec<_>>();
    text[at] = *other.choose(rng).unwrap();
    text
}

fn rename(path: &Path, rng: &mut StdRng) -> Option<String> {
    let name = path.file_name().unwrap().as_bytes();
    // Under a reserved name anything would be nobody's.
    let prefix = if name.starts_with(b"plainview.") {
        b"plainview.long.".len()
    } else {
        0
    };
    let (kept, rest) = name.split_at_checked(prefix).filter(|(_, rest)| rest.len() >= 32)?;
    let name = [kept, &flipped(rest, rng)].concat();
    let to = path.with_file_name(std::ffi::OsStr::from_bytes(&name));
    std::fs::rename(path, &to).unwrap();
    Some(format!("renamed to {}", to.display()))
}

fn retarget(path: &Path, rng: &mut StdRng) -> String {
    let target = std::fs::read_link(path).unwrap();
    let target = flipped(target.as_os_str().as_bytes(), rng);
    std::fs::remove_file(path).unwrap();
    symlink(std::ffi::OsStr::from_bytes(&target), path).unwrap();
    "other target".to_owned()
}

fn change_attribute(path: &Path, rng: &mut StdRng) -> Option<String> {
    use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
    let mut names = vec![0; 4096];
    let len = listxattr(path, &mut names).ok()?;
    let name = names[..len]
        .split(|byte| *byte == 0)
        .find(|name| name.starts_with(b"user.plainview."))?;
    let name = std::ffi::CString::new(name).unwrap();
    let mut value = vec![0; 4096];
    let len = getxattr(path, &name, &mut value).unwrap();
    value.truncate(len);
    let at = rng.random_range(0..value.len());
    value[at] ^= 1 << rng.random_range(0..8);
    setxattr(path, &name, &value, XattrFlags::empty()).unwrap();
    Some("attribute changed".to_owned())
}

fn change_bytes(path: &Path, entries: &[PathBuf], rng: &mut StdRng) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    let len = bytes.len();
    let at = rng.random_range(0..len.max(1));
    match rng.random_range(0..7) {
        0..=2 if len > 0 => {
            let bit = rng.random_range(0..8);
            file.write_all_at(&[bytes[at] ^ (1 << bit)], u64::try_from(at).unwrap()).unwrap();
            format!("bit {bit} of byte {at}")
        }
        3 => {
            file.set_len(u64::try_from(at).unwrap()).unwrap();
            format!("cut to {at}")
        }
        4 => {
            let more = rng.random_range(1..9000);
            let mut tail = vec![0; more];
            if rng.random() {
                rng.fill_bytes(&mut tail);
            }
            file.write_all_at(&tail, u64::try_from(len).unwrap()).unwrap();
            format!("{more} more bytes")
        }
        5 => {
            let upto = rng.random_range(at..=len);
            bytes[at..upto].fill(0);
            file.write_all_at(&bytes, 0).unwrap();
            format!("zeros from {at} to {upto}")
        }
        _ => {
            let other = entries.choose(rng).filter(|other| !other.is_symlink() && other.is_file());
            let other = other.map(|other| std::fs::read(other).unwrap()).unwrap_or_default();
            let (at, upto) = (at / 4152 * 4152 + 48, (at / 4152 + 1) * 4152 + 48);
            let piece = other.get(at..upto).unwrap_or(&other);
            file.write_all_at(piece, u64::try_from(at).unwrap()).unwrap();
            format!("{} bytes of another file at {at}", piece.len())
        }
    }
}
