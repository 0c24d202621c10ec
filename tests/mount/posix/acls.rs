//! POSIX ACLs: enforced with `-o acl`, kept and shown without.

use super::{Language, same_in_mount_and_beside};
use crate::harness::{Options, Vault};
use crate::people::{Who, root_or_skip, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Sets ACLs in all ways, and looks at them and at what they allow. `$AS` runs a command as the ordinary user.
const STEPS: &str = r#"
chmod 755 .
AS="setpriv --reuid pvtest --regid pvtest --clear-groups"
show() { getfacl -p "$@" | sed 's/^# file: .*/# file/'; stat -c '%A %U %G' "$@"; }
may() { for file in "$@"; do $AS cat "$file" 2>/dev/null && echo may read || echo may not read; $AS sh -c "echo more >> '$file'" 2>/dev/null && echo may write || echo may not write; done; }
umask 027
echo contents > file; chmod 600 file; may file
setfacl -m u:pvtest:r file; show file; may file
setfacl -m u:pvtest:rw file; show file; may file
setfacl -m m::r file; show file; may file
chmod g+w file; show file; may file
chmod 600 file; show file; may file
setfacl -m g:pvtest:rw,m::rwx file; chmod o= file; setfacl -x u:pvtest file; show file; may file
setfacl -m u:pvtest:- file; show file; may file
setfacl -b file; show file; may file
# Defaults, which are inherited, and count instead of the mask.
mkdir dir; setfacl -d -m u:pvtest:rwx,g::rx,o::- dir; show dir
touch dir/file; mkdir dir/sub; mkfifo dir/fifo; ln -s file dir/link; (umask 0; touch dir/open; mkdir dir/sub/open)
for name in file sub fifo open sub/open; do show dir/$name; done
touch dir/sub/deep; show dir/sub/deep; may dir/sub/deep dir/file
setfacl -m u:pvtest:rwx dir; $AS touch dir/theirs; $AS mkdir dir/theirs2; show dir/theirs dir/theirs2
setfacl -k dir; touch dir/plain; show dir dir/plain
# Copies and renames keep them; what makes no sense is refused.
setfacl -m u:12345:rwx,g:23456:r dir/file; cp -p dir/file copy; mv dir/file moved; ln moved linked; show copy moved linked
setfacl -d -m u:1:r copy 2>&1 | sed 's/.*: //' || true
setfacl -m u:pvtest:rw moved; $AS setfacl -m u:pvtest:rwx moved 2>&1 | sed 's/.*: //' || true
setfattr -n system.posix_acl_access -v 0x0200000001 moved 2>&1 | sed 's/.*: //' || true
getfattr -m - -d -e hex moved dir | grep -v security || true
$AS sh -c 'test -x dir && test -w dir && ls dir' || echo no way in
setfacl -m u:pvtest:- dir; $AS sh -c 'ls dir 2>/dev/null' || echo no way in
"#;

#[test]
fn acls_are_enforced_as_on_ext4_when_asked_for() {
    if root_or_skip() {
        same_in_mount_and_beside(Who::Root, &["-o", "allow_other,acl"], Language::Bash, STEPS);
    }
}

/// Without `-o acl` they are shown as they were set, survive, and count for nothing until a mount has `-o acl`; the mode counts, and changes with them.
#[test]
fn acls_are_kept_and_shown_without_being_asked_for() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let read = |path: &std::path::Path| Who::User.run(|| fs::read_to_string(path).ok());
    let mounted = vault.mount(&["-o", "allow_other"]);
    let acl = |name: &str| run(&mut mounted.shell("getfacl -cE \"$1\"", &[&mounted.path().join(name)])).ok();
    fs::set_permissions(mounted.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let script = "echo contents > file; chmod 600 file; setfacl -m u:pvtest:rw file; mkdir dir; setfacl -d -m u:pvtest:rwx,o::rx dir
        umask 077; echo inner > dir/inner; stat -c %a file dir/inner";
    // The mask is that of the ACL, and what is made in the directory is narrowed by the umask as well.
    assert_eq!(run(&mut mounted.shell(script, &[])).ok(), "660\n600\n");
    let set = "user::rw-\nuser:pvtest:rw-\ngroup::---\nmask::rw-\nother::---\n\n";
    assert_eq!(acl("file"), set);
    assert_eq!(
        acl("dir/inner"),
        "user::rw-\nuser:pvtest:rwx\ngroup::r-x\nmask::---\nother::---\n\n"
    );
    assert_eq!(
        read(&mounted.path().join("file")),
        None,
        "an ACL counts that nobody asked to be enforced"
    );
    run(&mut mounted.shell("chmod 640 file", &[])).ok();
    assert_eq!(acl("file"), set.replace("mask::rw-", "mask::r--"));
    mounted.unmount();

    let mounted = vault.mount(&["-o", "allow_other,acl"]);
    assert_eq!(read(&mounted.path().join("file")).as_deref(), Some("contents\n"));
    assert_eq!(read(&mounted.path().join("dir/inner")), None);
    // Here the default ACL counts instead of the umask.
    assert_eq!(
        run(&mut mounted.shell("umask 077; echo inner > dir/another; stat -c %a dir/another", &[])).ok(),
        "664\n"
    );
    mounted.unmount();
}

/// With `-o noacl` it is a filesystem that has none, as ext4 is with it; those that are stored stay.
#[test]
fn there_are_none_where_none_are_wanted() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let script = "echo contents > file; setfacl -m u:1:rw file; setfattr -n user.one -v 1 file; getfacl -cnE file";
    let set = run(&mut mounted.shell(script, &[])).ok();
    assert!(set.contains("user:1:rw-"), "{set}");
    mounted.unmount();

    let mounted = vault.mount(&["-o", "noacl"]);
    let script = "getfattr -m - --absolute-names file; ls -l file | cut -c 1-11; stat -c %a file
        for try in 'setfacl -m u:1:r file' 'getfattr -n system.posix_acl_access file' 'setfattr -x system.posix_acl_access file'; do { $try 2>&1 || true; } | sed 's/.*: //'; done";
    assert_eq!(
        run(&mut mounted.shell(script, &[])).ok(),
        "# file: file\nuser.one\n\n-rw-rw-r-- \n664\nOperation not supported\nOperation not supported\nOperation not supported\n"
    );
    mounted.unmount();

    let mounted = vault.mount(&[]);
    assert_eq!(run(&mut mounted.shell("getfacl -cnE file", &[])).ok(), set);
    mounted.unmount();
}
