//! Files as POSIX has them: unlinked ones, links, nodes, attributes. Where ext4 is the measure, the same steps are
//! done beside the mount in a plain directory, and must say the same.

use crate::corpus::noise;
use crate::harness::{Options, Vault, assert_same_steps, errno};
use crate::people::Who;
use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, mknodat};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn unlinked_files_go_on_working() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            let open = |name: &str| {
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(path.join(name))
                    .unwrap()
            };
            let files: Vec<_> = (0..50).map(|number| open(&format!("file {number}"))).collect();
            for (number, file) in files.iter().enumerate() {
                file.write_all_at(format!("before {number}").as_bytes(), 0).unwrap();
                fs::remove_file(path.join(format!("file {number}"))).unwrap();
            }
            // The same names again are other files.
            for number in 0..50 {
                fs::write(path.join(format!("file {number}")), b"another").unwrap();
            }
            for (number, file) in files.iter().enumerate() {
                assert_eq!(file.metadata().unwrap().nlink(), 0);
                file.write_all_at(b"after", 10_000).unwrap();
                file.sync_all().unwrap();
                file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
                let mut text = vec![0; 10_005];
                file.read_exact_at(&mut text, 0).unwrap();
                let begin = format!("before {number}");
                assert!(text.starts_with(begin.as_bytes()) && text.ends_with(b"after"));
                file.set_len(3).unwrap();
                assert_eq!(file.metadata().unwrap().len(), 3);
                assert_eq!(fs::read(path.join(format!("file {number}"))).unwrap(), b"another");
            }
        });
        mounted.unmount();
    }
}

#[test]
fn a_file_that_is_replaced_stays_for_those_who_have_it_open() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = |name: &str| mounted.path().join(name);
    fs::write(path("old"), b"old").unwrap();
    fs::write(path("new"), b"new").unwrap();
    let mut old = File::open(path("old")).unwrap();
    fs::rename(path("new"), path("old")).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), fs::read_to_string(path("old")).unwrap().as_str()), ("old", "new"));
    // A directory, too.
    fs::create_dir(path("dir")).unwrap();
    let dir = File::open(path("dir")).unwrap();
    fs::remove_dir(path("dir")).unwrap();
    assert_eq!(errno(fs::metadata(path("dir"))), Some(Errno::NOENT));
    assert_eq!(dir.metadata().unwrap().mode() & 0o170_000, 0o040_000);
    drop((old, dir));
    mounted.unmount();
}

/// What `stat` says right after a file was written is what it says ever after, also when the kernel has forgotten the file.
#[test]
fn times_stay_as_they_were_seen() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        let times = |dir: &Path| {
            let metas = (0..50).map(|number| fs::metadata(dir.join(format!("{number}"))).unwrap());
            // What is written late may change a file once more.
            metas
                .inspect(|meta| assert!((meta.ctime(), meta.ctime_nsec()) >= (meta.mtime(), meta.mtime_nsec())))
                .map(|meta| meta.modified().unwrap())
                .collect::<Vec<_>>()
        };
        let mut seen = mounted.enter(|path| {
            (0..50).for_each(|number| fs::write(path.join(format!("{number}")), noise(number, 5000)).unwrap());
            times(path)
        });
        mounted.forget_all();
        assert_eq!(mounted.enter(times), seen, "after the kernel has forgotten them");
        for round in 0..2 {
            // What is in the journal now, and so are the times.
            seen = mounted.enter(|path| {
                for number in 0..50 {
                    let mut file = File::options().append(true).open(path.join(format!("{number}"))).unwrap();
                    file.write_all(&noise(number + round, 100)).unwrap();
                    file.sync_all().unwrap();
                }
                times(path)
            });
            mounted.forget_all();
            assert_eq!(
                mounted.enter(times),
                seen,
                "of files that were synced, after the kernel has forgotten them"
            );
        }
        mounted.unmount();
        let mounted = vault.mount(&[]);
        assert_eq!(mounted.enter(times), seen, "in another mount");
        mounted.unmount();
    }
}

/// A time of modification may lie in the future, that of a change does not.
#[test]
fn a_time_that_was_chosen_is_no_time_of_a_change() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("file");
    let append = || {
        let mut file = File::options().append(true).create(true).open(&path).unwrap();
        file.write_all(&[1; 5000]).unwrap();
        file.sync_all().unwrap();
        file
    };
    append();
    // Now it has entries in the journal.
    let file = append();
    let now = SystemTime::now();
    let chosen = now + Duration::from_hours(24 * 365);
    file.set_modified(chosen).unwrap();
    drop(file);
    let seconds = |time: SystemTime| i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let check = |when: &str| {
        mounted.forget_all();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.modified().unwrap(), chosen, "{when}");
        assert!((seconds(now)..seconds(now) + 3600).contains(&meta.ctime()), "{when}");
    };
    check("in the journal");
    // A checkpoint comes every five seconds.
    sleep(Duration::from_secs(7));
    check("after a checkpoint");
    append();
    mounted.forget_all();
    let meta = fs::metadata(&path).unwrap();
    assert!(meta.modified().unwrap() < chosen && meta.modified().unwrap() >= now - Duration::from_secs(1));
    mounted.unmount();
}

#[test]
fn hard_links_share_an_inode() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            let (one, two, three) = (path.join("one"), path.join("dir/two"), path.join("x".repeat(250)));
            fs::create_dir(path.join("dir")).unwrap();
            fs::write(&one, b"contents").unwrap();
            fs::hard_link(&one, &two).unwrap();
            fs::hard_link(&two, &three).unwrap();
            let stats = [&one, &two, &three].map(|path| fs::metadata(path).unwrap());
            assert!(stats.iter().all(|stat| stat.ino() == stats[0].ino() && stat.nlink() == 3));
            OpenOptions::new().append(true).open(&two).unwrap().write_all(b" more").unwrap();
            assert_eq!(fs::read(&three).unwrap(), b"contents more");
            fs::remove_file(&one).unwrap();
            assert_eq!(fs::metadata(&two).unwrap().nlink(), 2);
        });
        mounted.unmount();
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            let stats = [path.join("dir/two"), path.join("x".repeat(250))].map(|path| fs::metadata(path).unwrap());
            assert!(stats[0].ino() == stats[1].ino() && stats[0].nlink() == 2);
            assert_eq!(fs::read(path.join("dir/two")).unwrap(), b"contents more");
        });
        mounted.unmount();
    }
}

#[test]
fn fifos_sockets_and_devices() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            let node = |name: &str, kind, device| mknodat(CWD, path.join(name), kind, Mode::from_raw_mode(0o640), device);
            node("fifo", FileType::Fifo, 0).unwrap();
            drop(UnixListener::bind(path.join("socket")).unwrap());
            let expected = if who == Who::Root { Ok(()) } else { Err(Errno::PERM) };
            assert_eq!(node("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3)), expected);
            assert_eq!(node("loop", FileType::BlockDevice, rustix::fs::makedev(7, 200)), expected);
            std::thread::scope(|scope| {
                scope.spawn(|| fs::write(path.join("fifo"), b"through the fifo").unwrap());
                assert_eq!(fs::read(path.join("fifo")).unwrap(), b"through the fifo");
            });
        });
        mounted.unmount();
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            let stat = |name: &str| fs::symlink_metadata(path.join(name)).unwrap();
            assert!(stat("fifo").file_type().is_fifo() && stat("fifo").mode() & 0o777 == 0o640 & !0o022);
            assert!(stat("socket").file_type().is_socket());
            if who == Who::Root {
                assert!(stat("null").file_type().is_char_device() && stat("null").rdev() == rustix::fs::makedev(1, 3));
                assert!(stat("loop").file_type().is_block_device() && stat("loop").rdev() == rustix::fs::makedev(7, 200));
            }
            for entry in fs::read_dir(path).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        });
        mounted.unmount();
    }
}

/// What steps with extended attributes say.
fn steps_with_attributes(dir: &Path, trusted: bool) -> Vec<String> {
    let file = dir.join("file");
    fs::write(&file, b"").unwrap();
    std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
    let set = |path: &Path, name: &str, value: &[u8], flags| {
        format!("set {name} {flags:?}: {:?}", rustix::fs::lsetxattr(path, name, value, flags))
    };
    let get = |name: &str, room: usize| {
        let mut value = vec![0; room];
        let len = rustix::fs::lgetxattr(&file, name, value.as_mut_slice());
        format!("get {name} {room}: {:?}", len.map(|len| blake3::hash(&value[..len])))
    };
    let list = || {
        let mut names = vec![0; 10_000];
        let len = rustix::fs::llistxattr(&file, names.as_mut_slice()).unwrap();
        let mut names: Vec<_> = names[..len].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        names.sort();
        // What the kernel adds for reasons of its own.
        names.retain(|name| !name.starts_with(b"security."));
        names
            .into_iter()
            .map(|name| String::from_utf8(name).unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (any, create, replace) = (XattrFlags::empty(), XattrFlags::CREATE, XattrFlags::REPLACE);
    let mut said = vec![
        set(&file, "user.one", b"1", any),
        set(&file, "user.one", b"2", create),
        set(&file, "user.two", b"2", replace),
    ];
    said.extend([
        set(&file, "user.two", &[0; 100], create),
        set(&file, "user.two", &[255; 300], replace),
        set(&file, "user.empty", b"", any),
    ]);
    said.extend([
        get("user.one", 10),
        get("user.two", 300),
        get("user.two", 299),
        get("user.empty", 0),
        get("user.three", 10),
        list(),
    ]);
    // ext4 takes 4 KiB in all. Lengths where what we add to names and values makes the difference are left out.
    let value = noise(1, 5000);
    for len in [301, 1000, 2047, 3000, 4100, 5000] {
        said.extend([
            set(&file, "user.long", &value[..len], any),
            get("user.long", 5000),
            format!("remove: {:?}", rustix::fs::lremovexattr(&file, "user.long")),
        ]);
    }
    said.extend([
        set(&dir.join("link"), "user.one", b"1", any),
        set(&file, "user.", b"1", any),
        set(&file, "nonsense", b"1", any),
    ]);
    said.extend([set(dir, "user.of.dir", b"1", any), set(&file, "trusted.one", b"1", any)]);
    said.push(format!(
        "remove twice: {:?} {:?}",
        rustix::fs::lremovexattr(&file, "user.one"),
        rustix::fs::lremovexattr(&file, "user.one")
    ));
    if trusted {
        said.push(get("trusted.one", 10));
    }
    said.push(list());
    said
}

#[test]
fn attributes_work_as_on_ext4() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let plain = vault.scratch().dir("plain", who);
        let mounted = vault.mount(&[]);
        let steps = |dir: &Path| steps_with_attributes(dir, who == Who::Root);
        assert_same_steps(&mounted.enter(steps), &who.run(|| steps(&plain)));
        mounted.unmount();
    }
}

/// The encrypted form of a name has to fit into the 255 bytes that Linux gives it.
#[test]
fn attributes_have_names_of_up_to_164_bytes() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let file = mounted.path().join("file");
    fs::write(&file, b"contents").unwrap();
    let name = |len: usize| format!("user.{}", "n".repeat(len - "user.".len()));
    let set = |len| rustix::fs::setxattr(&file, name(len), b"value", XattrFlags::empty());
    assert_eq!((set(164), set(165), set(255)), (Ok(()), Err(Errno::RANGE), Err(Errno::RANGE)));
    let mut value = [0; 10];
    assert_eq!(rustix::fs::getxattr(&file, name(164), &mut value[..]), Ok(5));
    assert_eq!(&value[..5], b"value");
    mounted.unmount();
}

/// `ls -l` asks every file for one, unless it is told that there are none anywhere.
#[test]
fn there_is_no_selinux_label_where_there_is_no_selinux() {
    let label = "security.selinux";
    let kinds = fs::read_to_string("/proc/filesystems").unwrap();
    let none = if kinds.contains("selinuxfs") {
        Errno::NODATA
    } else {
        Errno::OPNOTSUPP
    };
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let file = mounted.path().join("file");
    fs::write(&file, b"contents").unwrap();
    let mut value = [0; 100];
    assert_eq!(rustix::fs::getxattr(&file, label, &mut value[..]), Err(none));
    assert_eq!(rustix::fs::getxattr(&file, "user.label", &mut value[..]), Err(Errno::NODATA));
    // One that came from another machine is there.
    if Who::me() == Who::Root {
        rustix::fs::setxattr(&file, label, b"a label", XattrFlags::empty()).unwrap();
        assert_eq!(rustix::fs::getxattr(&file, label, &mut value[..]), Ok(7));
        assert_eq!(rustix::fs::listxattr(&file, &mut value[..]), Ok(label.len() + 1));
        rustix::fs::removexattr(&file, label).unwrap();
        assert_eq!(rustix::fs::getxattr(&file, label, &mut value[..]), Err(none));
    }
    mounted.unmount();
}

#[test]
fn open_flags_mean_what_they_say() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let plain = vault.scratch().dir("plain", who);
        let steps = |dir: &Path| {
            let file = dir.join("file");
            fs::write(&file, b"contents").unwrap();
            fs::create_dir(dir.join("dir")).unwrap();
            std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
            let open = |name: &str, flags| {
                rustix::fs::open(dir.join(name), flags, Mode::from_raw_mode(0o600))
                    .map(|_| ())
                    .err()
            };
            let mut said = vec![
                open("file", OFlags::RDWR | OFlags::CREATE | OFlags::EXCL),
                open("dir", OFlags::RDWR),
                open("file", OFlags::RDONLY | OFlags::DIRECTORY),
                open("link", OFlags::RDONLY | OFlags::NOFOLLOW),
                open("missing/file", OFlags::RDONLY),
                open("file/below", OFlags::RDONLY),
                open("file", OFlags::RDWR | OFlags::APPEND | OFlags::TRUNC),
            ];
            said.push((fs::metadata(&file).unwrap().len() != 0).then_some(Errno::INVAL));
            let mut appender = OpenOptions::new().append(true).open(&file).unwrap();
            fs::write(&file, b"12345").unwrap();
            appender.write_all(b"678").unwrap();
            said.push((fs::read(&file).unwrap() != b"12345678").then_some(Errno::INVAL));
            said.iter().map(|errno| format!("{errno:?}")).collect::<Vec<_>>()
        };
        let mounted = vault.mount(&[]);
        assert_same_steps(&mounted.enter(steps), &who.run(|| steps(&plain)));
        mounted.unmount();
    }
}
