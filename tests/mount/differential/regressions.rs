//! What once differed: each a few operations, on a mount of root and on one of an ordinary user, beside a plain directory.

use super::attrs::Perm;
use super::generate::Actor;
use super::names::Taste;
use super::op::{AtOp, Base, Data, Op, Place, SlotOp, Sparse, Target, Text, Times, TwoOp, XattrOp};
use super::run::Runner;
use super::{ACLS, make_tree};
use crate::harness::{Options, Vault};
use crate::people::Who;
use rustix::fs::{AtFlags, FileType, OFlags, RenameFlags, XattrFlags};
use std::ffi::CString;

/// Does all that is in `ops` on mounts and beside them; then compares the trees, with the kernel's memory of them and without.
fn alike(ops: &[Op]) {
    for owner in Who::both() {
        let vault = Vault::new(Options::of(owner));
        let plain = vault.scratch().dir("plain", owner);
        let mounted = vault.mount(ACLS);
        let mut runner = mounted.enter(|point| Runner::new(&make_tree(&plain), &make_tree(point), 0, Taste::AnyName, Actor::Same).unwrap());
        mounted.enter(|_| runner.follow(ops).and_then(|()| runner.compare())).unwrap();
        mounted.forget_all();
        mounted.enter(|_| runner.compare()).unwrap();
        drop(runner);
        mounted.unmount();
    }
}

fn place(path: &str) -> Place {
    let path = path.as_bytes().to_vec();
    Place { base: Base::Root, path }
}

fn at(path: &str, what: AtOp) -> Op {
    Op::At(place(path), what)
}

fn open(slot: usize, path: &str, flags: OFlags, mode: u32) -> Op {
    let mode = Perm(mode);
    at(path, AtOp::Open { slot, flags, mode })
}

/// A new file, open for reading and writing.
fn file(slot: usize, path: &str, mode: u32) -> Op {
    open(slot, path, OFlags::CREATE | OFlags::RDWR, mode)
}

fn directory(path: &str) -> Op {
    at(path, AtOp::Mkdir { mode: Perm(0o755) })
}

fn write(slot: usize, offset: u64, len: usize) -> Op {
    let data = Data { fill: 1, len };
    Op::Slot(slot, SlotOp::Pwrite { offset, data })
}

fn rename(from: &str, to: &str) -> Op {
    Op::Two(place(from), place(to), TwoOp::Rename(RenameFlags::empty()))
}

fn link(from: &str, to: &str) -> Op {
    Op::Two(place(from), place(to), TwoOp::Link(AtFlags::empty()))
}

fn chmod(path: &str, mode: u32) -> Op {
    at(path, AtOp::Chmod { mode: Perm(mode) })
}

fn set_times(path: &str) -> Op {
    let times = Times {
        access: (1_000, 1),
        modification: (2_000, 2),
    };
    at(
        path,
        AtOp::Utimens {
            times,
            flags: AtFlags::empty(),
        },
    )
}

fn set_attribute(target: Target, name: &str) -> Op {
    let (name, value, flags) = (CString::new(name).unwrap(), Data { fill: 2, len: 20 }, XattrFlags::empty());
    Op::Xattr(target, XattrOp::Set { name, value, flags })
}

fn get_attribute(target: Target, name: &str) -> Op {
    let name = CString::new(name).unwrap();
    Op::Xattr(target, XattrOp::Get { name, room: 100 })
}

/// An ACL that lets nobody in particular do `user`, with the group's and the mask's and the others' permissions.
fn set_acl(path: &str, name: &str, [user, group, mask, other]: [u8; 4]) -> Op {
    let entry = |tag: u8, perm: u8, id: [u8; 4]| [[tag, 0, perm, 0], id].concat();
    let none = [255; 4];
    let entries = [
        entry(1, 7, none),
        entry(2, user, [254, 255, 0, 0]),
        entry(4, group, none),
        entry(0x10, mask, none),
        entry(0x20, other, none),
    ];
    let (name, value) = (CString::new(name).unwrap(), [vec![2, 0, 0, 0], entries.concat()].concat());
    Op::Xattr(Target::Path(Text(path.as_bytes().to_vec())), XattrOp::SetAcl { name, value })
}

fn on(path: &str) -> Target {
    Target::Path(Text(path.as_bytes().to_vec()))
}

fn long(number: u32) -> String {
    format!("{number:04}{}", "l".repeat(200))
}

#[test]
fn regression_attributes_without_a_namespace() {
    let names = ["user.", "nonsense.name", "user"];
    let ops = names
        .iter()
        .flat_map(|name| [set_attribute(on("f"), name), get_attribute(on("f"), name)]);
    alike(&[file(0, "f", 0o644)].into_iter().chain(ops).collect::<Vec<_>>());
}

#[test]
fn regression_attributes_of_what_was_removed() {
    let use_it = |slot| {
        [
            set_attribute(Target::Slot(slot), "user.x"),
            get_attribute(Target::Slot(slot), "user.x"),
            Op::Xattr(Target::Slot(slot), XattrOp::List),
        ]
    };
    let mut ops = vec![file(0, "f", 0o644), directory("d"), open(1, "d", OFlags::RDONLY, 0)];
    ops.extend([at("f", AtOp::Unlink), at("d", AtOp::Rmdir)]);
    ops.extend(use_it(0).into_iter().chain(use_it(1)));
    ops.push(Op::Slot(1, SlotOp::Sync));
    alike(&ops);
}

#[test]
fn regression_data_that_is_only_in_the_cache_is_no_hole() {
    let seek = |offset, to| Op::Slot(0, SlotOp::SeekSparse { offset, to });
    let ops = [
        file(0, "f", 0o644),
        Op::Slot(0, SlotOp::Resize { len: 100_000 }),
        write(0, 50_000, 5_000),
        seek(0, Sparse::Data),
        seek(50_000, Sparse::Hole),
    ];
    let more = [
        write(0, 200_000, 10),
        seek(100_000, Sparse::Data),
        seek(200_000, Sparse::Data),
        seek(200_010, Sparse::Data),
        seek(150_000, Sparse::Hole),
    ];
    alike(&[ops, more].concat());
}

#[test]
fn regression_set_user_id_and_changes_of_contents() {
    let set = |mode| chmod("f", mode);
    let copy = Op::Copy {
        from: 1,
        from_offset: 0,
        to: 0,
        to_offset: 0,
        len: 100,
    };
    let grow = Op::Slot(
        0,
        SlotOp::Fallocate {
            flags: rustix::fs::FallocateFlags::empty(),
            offset: 0,
            len: 9_000,
        },
    );
    let look = || at("f", AtOp::Stat { flags: AtFlags::empty() });
    alike(&[
        file(0, "f", 0o644),
        file(1, "g", 0o644),
        write(1, 0, 100),
        set(0o6755),
        copy,
        look(),
        set(0o6755),
        grow,
        look(),
        set(0o2745),
        Op::Slot(0, SlotOp::Resize { len: 5 }),
        look(),
        // The data comes late, and must not take what was set after the write.
        write(0, 0, 10),
        set(0o6755),
        Op::Slot(0, SlotOp::Sync),
        look(),
        write(0, 0, 10),
        look(),
    ]);
}

#[test]
fn regression_acls_and_modes() {
    let (access, default) = ("system.posix_acl_access", "system.posix_acl_default");
    let look = |path: &str| at(path, AtOp::Stat { flags: AtFlags::empty() });
    alike(&[
        file(0, "f", 0o644),
        look("f"),
        set_acl("f", access, [6, 4, 6, 0]),
        look("f"),
        directory("d"),
        set_acl("d", default, [7, 6, 6, 6]),
        file(1, "d/f", 0o666),
        at("d/sub", AtOp::Mkdir { mode: Perm(0o777) }),
        at(
            "d/p",
            AtOp::Mknod {
                kind: FileType::Fifo,
                mode: Perm(0o666),
            },
        ),
        file(2, "d/sub/f", 0o777),
        Op::Xattr(on("d/sub"), XattrOp::List),
    ]);
}

#[test]
fn regression_directories_that_may_not_be_searched_or_read() {
    let (name, other) = (long(1), long(2));
    let inside = |name: &str| format!("d/{name}");
    alike(&[
        directory("d"),
        rename("d", "e"),
        rename("e", "d"),
        file(0, &inside(&name), 0o644),
        file(1, "d/f", 0o644),
        open(2, "d", OFlags::RDONLY, 0),
        chmod("d", 0o600),
        at("d", AtOp::ReadDir { room: 4096 }),
        set_attribute(Target::Slot(0), "user.x"),
        get_attribute(Target::Slot(1), "user.x"),
        Op::Slot(1, SlotOp::Stat),
        chmod("d", 0o300),
        file(3, &inside(&other), 0o644),
        rename("d/f", &inside(&name)),
        Op::Slot(2, SlotOp::ReadDir { room: 4096 }),
        Op::Slot(2, SlotOp::Sync),
        chmod("d", 0o000),
        Op::Slot(2, SlotOp::ReadDir { room: 600 }),
        write(0, 0, 10),
        Op::Slot(0, SlotOp::Stat),
        chmod("d", 0o700),
    ]);
}

#[test]
fn regression_a_link_of_a_file_whose_latest_name_is_gone() {
    alike(&[
        file(0, "a", 0o644),
        write(0, 0, 5_000),
        link("a", "b"),
        at("b", AtOp::Unlink),
        link("a", "c"),
        at("a", AtOp::Unlink),
        link("c", "d"),
        at(
            "symlink",
            AtOp::Symlink {
                target: Text(b"target".to_vec()),
            },
        ),
        link("symlink", "other"),
        at("other", AtOp::Unlink),
        link("symlink", "third"),
        at("third", AtOp::Readlink),
    ]);
}

#[test]
fn regression_times_of_directories_that_are_renamed_and_removed() {
    alike(&[
        directory("d"),
        file(0, "d/f", 0o644),
        open(1, "d", OFlags::RDONLY, 0),
        set_times("d"),
        rename("d", "e"),
        at("e", AtOp::Stat { flags: AtFlags::empty() }),
        at("e/f", AtOp::Unlink),
        set_times("e"),
        at("e", AtOp::Rmdir),
        Op::Slot(1, SlotOp::Stat),
        Op::Slot(1, SlotOp::Sync),
    ]);
}

#[test]
fn regression_listing_while_long_names_are_removed() {
    let files = (0..30).map(|number| {
        at(
            &format!("d/{}", long(number)),
            AtOp::Mknod {
                kind: FileType::RegularFile,
                mode: Perm(0o644),
            },
        )
    });
    let directories = (30..40).map(|number| directory(&format!("d/{}", long(number))));
    let mut ops = vec![directory("d")];
    ops.extend(files.chain(directories));
    ops.extend([600, 4096].map(|room| at("d", AtOp::Sweep { room })));
    alike(&ops);
}
