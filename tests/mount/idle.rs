//! Mounts that go when nobody uses them.

use crate::busy::Holder;
use crate::harness::{Options, Vault};
use crate::people::{Who, run};
use crate::places::mount_at;
use std::fs::{self, File};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn what_nobody_uses_is_unmounted() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        for option in [&["--idle", "1s"][..], &["-o", "idle=1s"]] {
            let mounted = vault.mount(option);
            mounted.enter(|path| fs::write(path.join("file"), b"contents").unwrap());
            mounted.wait_for_end();
            assert_eq!(mount_at(vault.point()), None);
        }
        let mounted = vault.mount(&[]);
        mounted.enter(|path| assert_eq!(fs::read(path.join("file")).unwrap(), b"contents"));
        mounted.unmount();
    }
}

/// What is open asks nothing, and nobody tells the daemon when it is closed.
#[test]
fn what_is_open_is_in_use() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&["--idle", "1s"]);
        let mut file = mounted.enter(|path| {
            fs::create_dir(path.join("dir")).unwrap();
            File::create(path.join("file")).unwrap()
        });
        sleep(Duration::from_secs(4));
        assert!(mount_at(vault.point()).is_some());
        let inside = mounted.enter(|path| File::open(path.join("dir")).unwrap());
        mounted.enter(|_| file.write_all(b"late").unwrap());
        drop(file);
        sleep(Duration::from_secs(3));
        assert!(mount_at(vault.point()).is_some());
        drop(inside);
        mounted.wait_for_end();
        let mounted = vault.mount(&[]);
        mounted.enter(|path| assert_eq!(fs::read(path.join("file")).unwrap(), b"late"));
        mounted.unmount();
    }
}

/// It is open nowhere, and asks nothing either.
#[test]
fn a_working_directory_is_in_use() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&["--idle", "1s"]);
        let holder = Holder::inside(&mounted);
        sleep(Duration::from_secs(4));
        assert!(mount_at(vault.point()).is_some());
        drop(holder);
        mounted.wait_for_end();
    }
}

#[test]
fn who_asks_uses_it() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["--idle", "3s"]);
    let begin = Instant::now();
    mounted.enter(|path| {
        while begin.elapsed() < Duration::from_secs(8) {
            fs::write(path.join("file"), format!("{:?}", begin.elapsed())).unwrap();
            sleep(Duration::from_millis(300));
        }
    });
    assert!(mount_at(vault.point()).is_some());
    mounted.wait_for_end();
}

#[test]
fn an_idle_time_that_is_none_is_refused() {
    let vault = Vault::new(Options::default());
    let me = vault.owner();
    run(&mut vault.mount_command(me, &["--idle", "soon"]))
        .code(2)
        .says(&["soon", "15m"]);
    run(&mut vault.mount_command(me, &["-o", "idle=15"]))
        .code(2)
        .says(&["idle=15", "15m"]);
}
