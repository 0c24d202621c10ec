//! A vault in a directory that goes at the end, and ways to change it, to check it and to repair it.

use crate::check::{Depth, Done, Event, Finding, Mode, Summary, Vault as Checker};
use crate::journal::{Access as JournalAccess, Damage, Journal, SIZE};
use crate::keys::{ContentKey, FileKeys, MasterKey, Names};
use crate::record::{End, Header, Holes, RecordCipher, RecordNo, cipher_len};
use crate::secret::Secret;
use crate::vault::Vault;
use crate::view::{Access, Caller, NodeId, Options, Origin, Ownership, Privileges, SetXattr, View};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::fs::{Mode as Permission, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub(super) const ME: Caller = Caller { uid: 0, gid: 0 };

pub(super) fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|bytes| *bytes = [7; 32]))
}

/// The seed of a random test, which `PLAINVIEW_TEST_SEED` may give.
pub(super) fn random() -> (u64, StdRng) {
    let given = std::env::var("PLAINVIEW_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(rand::random);
    println!("PLAINVIEW_TEST_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

pub(super) struct Scene {
    pub(super) dir: TempDir,
    names: Names,
}

impl Scene {
    /// An empty vault, in memory if files there can have attributes.
    pub(super) fn new(names: Names) -> Self {
        let in_memory = TempDir::new_in("/dev/shm").ok().filter(|dir| {
            let set = rustix::fs::setxattr(dir.path(), c"user.x", b"", rustix::fs::XattrFlags::empty());
            set.and_then(|()| rustix::fs::removexattr(dir.path(), c"user.x")).is_ok()
        });
        let dir = in_memory.unwrap_or_else(|| TempDir::new().unwrap());
        Self { dir, names }
    }

    /// A vault with some of everything.
    pub(super) fn full() -> Self {
        let scene = Self::new(Names::Encrypted);
        let view = scene.view();
        let root = NodeId::ROOT;
        let one = mkdir(&view, root, b"one");
        let two = mkdir(&view, one, b"two");
        mkdir(&view, root, b"empty");
        let long = mkdir(&view, root, &[b'd'; 240]);
        for (parent, name, len) in [
            (root, &b"nothing"[..], 0),
            (root, b"small", 100),
            (one, b"full", 4096),
            (one, b"records", 5 * 4096 + 77),
            (two, b"large", 3 * 4096 * 64 + 5),
            (long, b"inside", 9000),
            (long, &[b'n'; 255], 300),
        ] {
            put(&view, parent, name, &noise(len));
        }
        let holed = put(&view, two, b"holed", b"");
        view.write(holed, 60_000, b"behind", Privileges::Keep, Origin::Application).unwrap();
        view.symlink(ME, two, b"link", b"../somewhere").unwrap();
        view.setxattr(holed, b"user.colour", b"red", SetXattr::Any).unwrap();
        view.setxattr(two, b"user.shape", b"round", SetXattr::Any).unwrap();
        // Directories that were renamed have an id in them.
        let renamed = mkdir(&view, root, b"before");
        put(&view, renamed, b"kept", &noise(5000));
        put(&view, renamed, b"too", &noise(10));
        view.rename(root, b"before", one, b"after", crate::view::Rename::Replace).unwrap();
        view.rename(one, b"two", one, b"deux", crate::view::Rename::Replace).unwrap();
        view.sync_all().unwrap();
        scene
    }

    /// A copy of it.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new(self.names);
        let from = self.dir.path().join(".");
        assert!(
            Command::new("cp")
                .arg("-a")
                .args([&from, copy.dir.path()])
                .status()
                .unwrap()
                .success()
        );
        copy
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn root(&self) -> OwnedFd {
        rustix::fs::open(
            self.path(),
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Permission::empty(),
        )
        .unwrap()
    }

    /// A view that has nothing in memory yet.
    pub(super) fn view(&self) -> View {
        let options = Options {
            access: Access::ReadWrite,
            ownership: Ownership::Daemon,
            descriptors: 64,
        };
        View::new(Box::new(Vault::new(&master(), self.names)), self.root(), options).unwrap()
    }

    pub(super) fn checker(&self) -> Checker {
        let root = self.root();
        let (journal, report) = Journal::open(root.as_fd(), &master(), JournalAccess::ReadOnly, SIZE, &|_| {}).unwrap();
        let damage = report.map_or(Damage::None, |report| report.damage);
        Checker::new(root, &master(), self.names, journal, damage)
    }

    /// What a check finds.
    pub(super) fn check(&self, depth: Depth) -> (Vec<Finding>, Summary) {
        let found = Mutex::new(Vec::new());
        let checked = self.checker().check(depth, &|event| keep(&found, &event)).unwrap();
        (found.into_inner(), checked.summary)
    }

    /// Checks and repairs; what was done. Nothing may have failed.
    pub(super) fn repair(&self, mode: Mode) -> Vec<Done> {
        let checker = self.checker();
        let checked = checker.check(Depth::Full, &|_| {}).unwrap();
        let mut all = Vec::new();
        checker.repair(checked, mode, &mut |done| all.push(done.clone()));
        assert!(all.iter().all(|done| done.failed.is_none()), "{all:?}");
        all
    }

    /// All entries in the vault but its lost+found, each after the directory that it is in.
    pub(super) fn entries(&self) -> Vec<PathBuf> {
        let mut all = vec![self.path().to_owned()];
        let mut at = 0;
        while let Some(dir) = all.get(at).cloned() {
            at += 1;
            if dir.is_symlink() || !dir.is_dir() {
                continue;
            }
            let mut here: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            here.retain(|path| !path.ends_with("plainview.lost+found"));
            here.sort();
            all.extend(here);
        }
        all.remove(0);
        all
    }

    /// The file on disk of so many plaintext bytes.
    pub(super) fn stored(&self, len: u64) -> PathBuf {
        let is_it = |path: &PathBuf| {
            path.symlink_metadata()
                .is_ok_and(|meta| meta.is_file() && meta.len() == cipher_len(len))
        };
        let mut found = self.entries().into_iter().filter(is_it);
        let path = found.next().unwrap();
        assert_eq!(found.next(), None, "two files have {len} bytes");
        path
    }
}

fn keep(found: &Mutex<Vec<Finding>>, event: &Event<'_>) {
    if let Event::Finding(finding) = event {
        found.lock().push((*finding).clone());
    }
}

pub(super) fn put(view: &View, parent: NodeId, name: &[u8], data: &[u8]) -> NodeId {
    let node = view.create(ME, parent, name, 0o644, Access::ReadWrite).unwrap().attr.node;
    if !data.is_empty() {
        view.write(node, 0, data, Privileges::Keep, Origin::Application).unwrap();
    }
    node
}

pub(super) fn mkdir(view: &View, parent: NodeId, name: &[u8]) -> NodeId {
    view.mkdir(ME, parent, name, 0o755).unwrap().attr.node
}

/// Bytes of which no record is like another.
pub(super) fn noise(len: usize) -> Vec<u8> {
    (0_u64..)
        .flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1).to_le_bytes())
        .take(len)
        .collect()
}

/// A file as it is on disk, with the keys of the vaults here.
pub(super) fn sealed(plain: &[u8], holes: Holes) -> Vec<u8> {
    let header = Header {
        holes,
        ..Header::fresh(&mut rand::rng())
    };
    let keys = FileKeys::derive(&ContentKey::derive(&master()), &header.salt);
    let mut file = header.seal(&keys).to_vec();
    let len = usize::try_from(cipher_len(u64::try_from(plain.len()).unwrap())).unwrap();
    let mut records = vec![0; len - file.len()];
    RecordCipher::new(&keys).seal(RecordNo::new(0), plain, End::Last, &mut rand::rng(), &mut records);
    file.extend(records);
    file
}

/// A file with these bytes that has no name.
pub(super) fn unnamed(bytes: &[u8]) -> OwnedFd {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.into()
}
