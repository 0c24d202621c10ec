//! Records of zeros: holes where the file has some, and damage where it has none, or none any more.

use super::unmount_and_check_log;
use crate::corpus::noise;
use crate::harness::{Names, Options, Vault, errno};
use crate::people::run;
use plainview::record::{HEADER_LEN, RECORD_LEN, SEALED_LEN};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

const MIB: usize = 1 << 20;
/// Files that are written at once: of those of more than some MiB, most have runs that come in another order.
const FILES: usize = 8;
/// Where the flags are in a header.
const FLAGS_AT: usize = 4;

fn vault() -> Vault {
    Vault::new(Options {
        names: Names::Plain,
        ..Options::default()
    })
}

/// Whether the file in the vault says that it has holes.
fn may_have_holes(vault: &Vault, name: &str) -> bool {
    fs::read(vault.path().join(name)).unwrap()[FLAGS_AT] == 1
}

#[test]
fn a_file_that_is_written_from_beginning_to_end_has_no_holes() {
    let vault = vault();
    let source = vault.scratch().path().join("source");
    fs::write(&source, noise(1, 8 * MIB)).unwrap();
    let mounted = vault.mount(&[]);
    for index in 0..FILES {
        // Some are synced in the middle, and go on as files that the journal knows.
        let script = "
            dd if=\"$1\" of=\"$2\" bs=1M count=3 status=none ${3:+conv=fsync}
            dd if=\"$1\" of=\"$2\" bs=1M skip=3 seek=3 conv=notrunc status=none";
        let sync = if index % 2 == 0 { "" } else { "sync" };
        run(&mut mounted.shell(script, &[&source, format!("file-{index}").as_ref(), sync.as_ref()])).ok();
    }
    let holed = File::create(mounted.path().join("holed")).unwrap();
    holed.set_len(8 << 20).unwrap();
    holed.write_all_at(&noise(2, 3 * MIB), 1 << 20).unwrap();
    drop(holed);
    mounted.unmount();
    let flagged: Vec<_> = (0..FILES)
        .filter(|index| may_have_holes(&vault, &format!("file-{index}")))
        .collect();
    assert!(flagged.is_empty(), "{flagged:?} of {FILES} have the flag");
    assert!(may_have_holes(&vault, "holed"));

    let mounted = vault.mount(&[]);
    for index in 0..FILES {
        assert!(fs::read(mounted.path().join(format!("file-{index}"))).unwrap() == noise(1, 8 * MIB));
    }
    mounted.unmount();
}

#[test]
fn a_zeroed_record_of_a_large_file_is_damage() {
    let vault = vault();
    let contents = noise(3, 16 * MIB);
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("large"), &contents).unwrap();
    mounted.unmount();
    let stored = vault.path().join("large");
    let zeroed = 1000;
    let file = OpenOptions::new().write(true).open(&stored).unwrap();
    let at = u64::try_from(HEADER_LEN + zeroed * SEALED_LEN).unwrap();
    file.write_all_at(&[0; SEALED_LEN], at).unwrap();

    let mounted = vault.mount(&[]);
    let path = mounted.path().join("large");
    assert_eq!(errno(fs::read(&path)), Some(Errno::IO));
    let file = File::open(&path).unwrap();
    let mut record = vec![0; RECORD_LEN];
    let offset = zeroed * RECORD_LEN;
    assert_eq!(
        errno(file.read_exact_at(&mut record, u64::try_from(offset).unwrap())),
        Some(Errno::IO)
    );
    file.read_exact_at(&mut record, 0).unwrap();
    assert!(record == contents[..RECORD_LEN]);
    drop(file);
    unmount_and_check_log(mounted, &["damaged: "], [stored.to_str().unwrap()]);
}
