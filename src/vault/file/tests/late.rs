//! A vault's files when the journal writes to them late.

use super::*;
use crate::folder::Folder;
use crate::journal::{Access, Journal, SIZE};
use crate::keys::Names;
use crate::vault::Vault;
use rustix::fs::FileType;
use std::fs::File;
use std::os::fd::AsFd;

#[test]
fn a_look_at_a_file_from_before_a_checkpoint_does_not_make_it_shorter() {
    let dir = tempfile::tempdir().unwrap();
    let root = File::open(dir.path()).unwrap();
    let master = MasterKey::new(Secret::fill_with(|key| key.fill(3)));
    let (journal, _) = Journal::open(root.as_fd(), &master, Access::ReadWrite, SIZE, &|_| ()).unwrap();
    let vault = Vault::new(&master, Names::Encrypted).with_journal(Arc::clone(&journal));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(dir.path().join("x"))
        .unwrap();
    let fd = file.as_fd();
    let mut contents = vault.contents(None, fd, &rustix::fs::fstat(fd).unwrap()).unwrap();
    contents.write_at(fd, 0, b"abc").unwrap();
    let before = rustix::fs::fstat(fd).unwrap();
    assert_eq!((before.st_size, vault.plain_size(FileType::RegularFile, &before)), (0, Some(3)));
    journal.checkpoint().unwrap();
    drop(contents);
    assert_eq!(vault.plain_size(FileType::RegularFile, &before), Some(3));
    let contents = vault.contents(None, fd, &before).unwrap();
    let mut read = Vec::new();
    contents.read_at(fd, 0, 10, &mut read).unwrap();
    assert_eq!(read, b"abc");
    vault.close().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
