//! What the other tests stand on: the helpers that need no vault.

use crate::cuts::Disk;
use crate::people::{USER, Who, root_or_skip, run};
use crate::places::{Scratch, SmallFilesystem, mount_at};
use crate::tree::Tree;
use rustix::io::Errno;
use std::path::Path;

#[test]
fn a_closure_has_the_credentials_of_its_person_and_only_there() {
    if !root_or_skip() {
        return;
    }
    let scratch = Scratch::new(Who::Root, None);
    let secret = scratch.file("secret", b"", Who::Root);
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let refused = Who::User.run(|| std::fs::read(&secret).unwrap_err().raw_os_error());
    assert_eq!(refused, Some(Errno::ACCESS.raw_os_error()));
    assert!(std::fs::read(&secret).is_ok());
}

#[test]
fn a_command_runs_as_its_person() {
    if !root_or_skip() {
        return;
    }
    assert_eq!(run(Who::User.command("id").arg("-un")).ok().trim(), USER);
    assert_eq!(run(Who::User.command("id").arg("-Gn")).ok().trim(), USER);
    assert_eq!(
        run(&mut Who::User.shell("test -w \"$HOME\" && echo \"$1\"", &[Path::new("a b")])).ok(),
        "a b\n"
    );
    run(&mut Who::User.shell("false; true", &[])).code(1);
}

#[test]
fn small_filesystems_come_and_go() {
    if !root_or_skip() {
        return;
    }
    for small in [SmallFilesystem::tmpfs(1), SmallFilesystem::ext4(8)] {
        let point = small.path().to_owned();
        assert!(mount_at(&point).is_some());
        small.remount("ro");
        assert_eq!(
            std::fs::write(point.join("file"), b"").unwrap_err().raw_os_error(),
            Some(Errno::ROFS.raw_os_error())
        );
        small.remount("rw");
        let full = std::fs::write(point.join("file"), vec![1; 9 << 20]).unwrap_err();
        assert_eq!(full.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        drop(small);
        assert_eq!(mount_at(&point), None);
        assert!(!point.exists());
    }
}

/// What was synced is there after a power cut, what was not is not; and a file renamed without care is lost, so that a test can tell care from its absence.
#[test]
fn a_cut_disk_has_what_was_synced_until_then() {
    let Some(disk) = root_or_skip().then(|| Disk::new(32)).flatten() else {
        return;
    };
    let path = disk.path();
    let synced = |path: &Path| std::fs::File::open(path).unwrap().sync_all().unwrap();
    std::fs::write(path.join("synced"), b"old").unwrap();
    synced(&path.join("synced"));
    synced(path);
    let before = disk.cut();
    std::fs::write(path.join("careless"), b"new").unwrap();
    std::fs::rename(path.join("careless"), path.join("synced")).unwrap();
    synced(path);
    let careless = disk.cut();
    synced(&path.join("synced"));
    std::fs::write(path.join("not synced"), b"lost").unwrap();
    let after = disk.cut();
    for (cut, contents) in [(before, "old"), (careless, ""), (after, "new")] {
        let disk = cut.mount();
        assert_eq!(std::fs::read_to_string(disk.path().join("synced")).unwrap(), contents);
        assert!(!disk.path().join("not synced").exists());
    }
    assert_eq!(std::fs::read(path.join("not synced")).unwrap(), b"lost", "the disk itself goes on");
}

#[test]
fn trees_differ_where_anything_differs() {
    let scratch = Scratch::new(Who::me(), None);
    let (a, b) = (scratch.dir("a", Who::me()), scratch.dir("b", Who::me()));
    for dir in [&a, &b] {
        let script = "cd $1; mkdir d; echo x > d/f; ln d/f g; echo x > h; ln -s target s; mkfifo p; setfattr -n user.n -v v h; touch -d @1.5 * d/f . -h";
        run(&mut Who::me().shell(script, &[dir])).ok();
    }
    Tree::of(&a).assert_same(&Tree::of(&b));
    assert_eq!(Tree::of(&a).len(), 7);
    let changes = [
        "chmod 600 h",
        "chmod 644 h; touch -d @1.6 h",
        "printf y > h; truncate -s 2 h; touch -d @1.5 h",
        "echo x > h; setfattr -n user.n -v w h; touch -d @1.5 h",
        "setfattr -n user.n -v v h; ln -sf other s; touch -h -d @1.5 s .",
        "ln -sf target s; rm g; ln h g; touch -h -d @1.5 s . h",
        "touch new; touch -d @1.5 .",
    ];
    for change in changes {
        run(&mut Who::me().shell(&format!("cd $1; {change}"), &[&b])).ok();
        assert_ne!(Tree::of(&a), Tree::of(&b), "{change}");
    }
    run(&mut Who::me().shell("cd $1; rm new; ln -f d/f g; touch -h -d @1.5 . d h", &[&b])).ok();
    Tree::of(&a).assert_same(&Tree::of(&b));
}
