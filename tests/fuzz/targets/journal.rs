//! The journal, and recovery from it: `docs/format.md`, "The journal", written down once more.

use super::{Input, bit, flip, master};
use plainview::journal::{Access, Error, Journal, Report, SIZE_MIN};
use plainview::keys::{ContentKey, FileKeys, JournalKey, MasterKey};
use plainview::record::{End, Header, Holes, RecordCipher, RecordNo, sealed_len};
use rustix::fs::{AtFlags, StatxFlags, statx};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

type Tag = [u8; 16];

/// The longest file that is asked for where files are really changed.
const LENGTHS: u64 = 1 << 22;
const EPOCH: Tag = [6; 16];
/// Where the entries begin.
const ENTRIES_AT: usize = 8192;

/// A vault with three files, which is made anew each time, without the inodes becoming others.
struct Scene {
    master: MasterKey,
    key: JournalKey,
    root: File,
    dir: TempDir,
    files: [(PathBuf, Vec<u8>); 3],
}

thread_local! {
    /// Removed with the thread.
    static SCENE: Scene = scene();
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let master = master();
    let content = ContentKey::derive(&master);
    let files =
        [(1, 100), (2, 9000), (3, 0)].map(|(salt, len)| (dir.path().join(format!("file{salt}")), sealed(&content, [salt; 24], len)));
    Scene {
        key: JournalKey::derive(&master),
        root: File::open(dir.path()).unwrap(),
        master,
        dir,
        files,
    }
}

fn sealed(content: &ContentKey, salt: [u8; 24], len: usize) -> Vec<u8> {
    if len == 0 {
        return Vec::new();
    }
    let keys = FileKeys::derive(content, &salt);
    let mut bytes = Header {
        salt,
        holes: Holes::Forbidden,
    }
    .seal(&keys)
    .to_vec();
    let mut records = vec![0; sealed_len(len, End::Last)];
    RecordCipher::new(&keys).seal(RecordNo::new(0), &vec![1; len], End::Last, &mut rand::rng(), &mut records);
    bytes.extend(records);
    bytes
}

/// Bit 0: the input is the journal's bytes as they are. Bit 1: it is only read, and numbers may be of 8 bytes. Bit 2: one byte is changed. Bit 3: it is cut. Bit 4: the other header is
/// the one in force. Bit 5: it is a copy of the vault. Bit 6: any file may have been made after the journal.
pub(super) fn run(data: &[u8]) {
    SCENE.with(|scene| scene.run(data));
}

impl Scene {
    fn run(&self, data: &[u8]) {
        self.prepare();
        let mut input = Input(data);
        let flags = input.byte();
        let (at, with, cut) = (input.number(2), input.byte(), input.number(2));
        let mut journal = match bit(flags, 0) {
            true => input.0.to_vec(),
            false => [self.slots(flags), self.entries(&mut input, flags)].concat(),
        };
        if bit(flags, 2) {
            flip(&mut journal, at, with);
        }
        if bit(flags, 3) {
            journal.truncate(usize::try_from(cut).unwrap());
        }
        self.recover(&journal, bit(flags, 1));
    }

    fn prepare(&self) {
        for (path, bytes) in &self.files {
            fs::write(path, bytes).unwrap();
        }
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if self.files.iter().all(|(file, _)| *file != path) {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(self.key.expose());
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes().first_chunk().unwrap()
    }

    /// Both headers.
    fn slots(&self, flags: u8) -> Vec<u8> {
        let turns = if bit(flags, 4) { [2, 1] } else { [0, 1] };
        let slot = |turn: u64| {
            let mut bytes = [b"PLVJ", 1u32.to_le_bytes().as_slice(), &turn.to_le_bytes(), &EPOCH].concat();
            let since = if bit(flags, 6) { i64::MIN } else { i64::MAX };
            bytes.extend(since.to_le_bytes().into_iter().chain([0; 4]));
            bytes.extend(identity(&self.root));
            bytes[44] ^= u8::from(bit(flags, 5));
            let tag = self.tag(&[&bytes]);
            bytes.extend(tag);
            bytes.resize(ENTRIES_AT / 2, 0);
            bytes
        };
        turns.map(slot).concat()
    }

    fn entries(&self, input: &mut Input<'_>, flags: u8) -> Vec<u8> {
        let (mut bytes, mut chain) = (Vec::new(), EPOCH);
        while !input.0.is_empty() {
            let at = bytes.len();
            self.entry(input, flags, &mut bytes);
            chain = self.tag(&[&EPOCH, &chain, &bytes[at..]]);
            bytes.extend(chain);
        }
        bytes
    }

    /// One entry, as far as its tag. Its kind is mostly one that there is, and so is its length.
    fn entry(&self, input: &mut Input<'_>, flags: u8, out: &mut Vec<u8>) {
        let how = input.byte();
        let (kind, file) = (how & 15, u64::from(how >> 4 & 3));
        let wide = |input: &mut Input<'_>| match bit(flags, 1) && bit(how, 7) {
            true => input.number(8),
            false => input.number(3) % LENGTHS,
        };
        let end = u64::try_from(ENTRIES_AT + out.len()).unwrap();
        let (value, durable) = (wide(input), if bit(how, 6) { input.number(2) } else { end });
        let payload = match kind {
            1 => self.file(input),
            2 => {
                let len = usize::try_from(input.number(1)).unwrap();
                input.bytes(len).to_vec()
            }
            3 => wide(input).to_le_bytes().to_vec(),
            5 => {
                let upto = if bit(how, 6) { input.number(2) } else { end };
                [&upto.to_le_bytes(), input.take::<12>().as_slice()].concat()
            }
            4 | 6..=8 => vec![],
            _ => {
                let len = usize::from(kind);
                input.bytes(len).to_vec()
            }
        };
        out.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
        out.extend(u32::from(kind).to_le_bytes());
        for number in [file, value, durable] {
            out.extend(number.to_le_bytes());
        }
        out.extend(payload);
    }

    /// The payload of an entry that names a file: one that is there, or none.
    fn file(&self, input: &mut Input<'_>) -> Vec<u8> {
        let which = input.byte();
        let identity = match self.files.get(usize::from(which & 3)) {
            Some((path, _)) => identity(&File::open(path).unwrap()),
            None => input.take(),
        };
        let salt = match which >> 2 & 3 {
            0 => [which & 3; 24].map(|salt| salt + 1),
            1 => [0; 24],
            _ => input.take(),
        };
        [identity.as_slice(), &salt].concat()
    }

    fn put(&self, journal: &[u8]) {
        fs::write(self.dir.path().join("plainview.journal"), journal).unwrap();
    }

    fn open(&self, access: Access) -> Result<(Arc<Journal>, Option<Report>), Error> {
        Journal::open(self.root.as_fd(), &self.master, access, SIZE_MIN, &|_| {})
    }

    fn recover(&self, journal: &[u8], only_read: bool) {
        self.put(journal);
        let read = self.open(Access::ReadOnly);
        for (path, bytes) in &self.files {
            assert!(fs::read(path).unwrap() == *bytes, "{} was only to be read", path.display());
        }
        assert!(fs::read(self.dir.path().join("plainview.journal")).unwrap() == journal);
        // There are lengths that no file can have.
        let Ok((opened, report)) = read else {
            assert!(only_read);
            return;
        };
        // It holds the files that something was recovered over, until then.
        opened.close().unwrap();
        assert_eq!(Arc::strong_count(&opened), 1, "nothing refers to it any more");
        if only_read {
            return;
        }
        let (opened, written) = self.open(Access::ReadWrite).unwrap();
        let (read, written) = (report.unwrap(), written.unwrap());
        assert_eq!(
            (read.entries, read.damage, read.gone),
            (written.entries, written.damage, written.gone)
        );
        assert_eq!(written.pending, None, "everything could be brought into the files");
        opened.close().unwrap();
        assert_eq!(Arc::strong_count(&opened), 1, "nothing refers to it any more");
        assert!(self.open(Access::ReadOnly).unwrap().1.is_none(), "there is nothing left to recover");
    }
}

/// Inode number and birth, as headers and entries have them.
fn identity(file: &File) -> [u8; 20] {
    let stat = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME).unwrap();
    let born = match stat.stx_mask & StatxFlags::BTIME.bits() {
        0 => [0i64.to_le_bytes().as_slice(), &u32::MAX.to_le_bytes()].concat(),
        _ => [
            stat.stx_btime.tv_sec.to_le_bytes().as_slice(),
            &stat.stx_btime.tv_nsec.to_le_bytes(),
        ]
        .concat(),
    };
    [stat.stx_ino.to_le_bytes().as_slice(), &born].concat().try_into().unwrap()
}
