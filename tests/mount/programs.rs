//! Real programs at work in a mount, as root and as an ordinary user. Whatever they did must still be there after the next mount, to the nanosecond.

use crate::corpus;
use crate::harness::{Mounted, Options, Vault};
use crate::people::{Who, run};
use crate::places::{everyone_reaches, read_only_view};
use crate::tree::Tree;
use std::path::{Path, PathBuf};

/// What a test does before and after the remount.
struct Work<'w> {
    script: &'w str,
    check: &'w str,
}

/// For root and for the user: runs `script` in a new mount, then `check`; unmounts, mounts again, runs `check` again; the tree must not have changed in
/// between. `$1` is a directory for files outside the mount. Ends with `inspect` of the second mount.
fn work_in_mount(work: &Work<'_>, prepare: impl Fn(&Vault, Who, &Path), inspect: impl Fn(&Mounted<'_>, &Path)) {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let outside = vault.scratch().dir("outside", who);
        prepare(&vault, who, &outside);
        let mounted = vault.mount(&[]);
        run(&mut mounted.shell(work.script, &[&outside])).ok();
        run(&mut mounted.shell(work.check, &[&outside])).ok();
        // So that what is compared is what the vault says, not what the kernel remembers.
        mounted.forget_all();
        let before = mounted.enter(Tree::of);
        mounted.unmount();
        let mounted = vault.mount(&[]);
        before.assert_same(&mounted.enter(Tree::of));
        run(&mut mounted.shell(work.check, &[&outside])).ok();
        inspect(&mounted, &outside);
        mounted.unmount();
    }
}

/// Makes the corpus in `outside/source`.
fn with_corpus(_: &Vault, who: Who, outside: &Path) {
    let source = outside.join("source");
    who.run(|| std::fs::create_dir(&source).unwrap());
    corpus::fill_as(who, &source);
}

/// Checks that the copy named `copy`, in the mount or outside, is the corpus.
fn is_corpus(mounted: &Mounted<'_>, outside: &Path, copy: &Path) {
    let (source, copy) = mounted.enter(|_| (Tree::of(&outside.join("source")), Tree::of(copy)));
    assert!(source.len() > 100);
    source.without_root().assert_same(&copy.without_root());
}

#[test]
fn cp() {
    let work = Work {
        script: "cp -a \"$1/source\" copy",
        check: "diff -r --no-dereference \"$1/source\" copy",
    };
    work_in_mount(&work, with_corpus, |mounted, outside| {
        is_corpus(mounted, outside, &mounted.path().join("copy"));
        run(&mut mounted.shell("cp -a copy \"$1/back\"; cp -a copy again", &[outside])).ok();
        is_corpus(mounted, outside, &outside.join("back"));
        is_corpus(mounted, outside, &mounted.path().join("again"));
    });
}

#[test]
fn rsync() {
    let second_run = "changes=$(rsync -aHAX --checksum --itemize-changes \"$1/source/\" copy/); test -z \"$changes\" || { echo \"$changes\" >&2; false; }";
    let work = Work {
        script: "rsync -aHAX --checksum \"$1/source/\" copy/",
        check: second_run,
    };
    work_in_mount(&work, with_corpus, |mounted, outside| {
        is_corpus(mounted, outside, &mounted.path().join("copy"));
        run(&mut mounted.shell("rsync -aHAXS --checksum copy/ \"$1/back/\"", &[outside])).ok();
        is_corpus(mounted, outside, &outside.join("back"));
        // In place, with the delta algorithm, as a backup does it.
        let script = "dd if=/dev/urandom of=copy/sizes/'135167 bytes' bs=1 seek=70000 count=3000 conv=notrunc status=none
            rsync -a --inplace --no-whole-file --checksum \"$1/source/\" copy/";
        run(&mut mounted.shell(script, &[outside])).ok();
        is_corpus(mounted, outside, &mounted.path().join("copy"));
    });
}

#[test]
fn tar() {
    let script =
        "mkdir copy; tar --xattrs -C \"$1/source\" -cf - . | tar --xattrs -C copy -xpf -; tar --xattrs -C copy -czf archive.tar.gz .";
    let work = Work {
        script,
        check: "tar --xattrs -C copy -dzf archive.tar.gz",
    };
    work_in_mount(&work, with_corpus, |mounted, outside| {
        is_corpus(mounted, outside, &mounted.path().join("copy"));
        run(&mut mounted.shell("mkdir \"$1/back\"; tar --xattrs -C \"$1/back\" -xpzf archive.tar.gz", &[outside])).ok();
        is_corpus(mounted, outside, &outside.join("back"));
    });
}

#[test]
fn git() {
    let script = r#"
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 EMAIL=test@example.org
        git init -q -b main one
        cd one
        git config user.name test
        for commit in $(seq 12); do
            mkdir -p "dir $commit"
            for file in $(seq 20); do
                seq "$commit" $((commit * file * 10)) > "dir $commit/file $file"
            done
            seq 1000 $((commit * 1000)) > growing
            git add -A
            git commit -q -m "commit $commit"
        done
        git mv "dir 1" "dir moved"
        git commit -q -m moved
        git checkout -q -b side HEAD~5
        seq 7 > side
        git add side
        git commit -q -m side
        git checkout -q main
        git merge -q --no-edit side
        cd ..
        git clone -q --no-local one two
        git clone -q --local one three
        git -C one gc -q --prune=now
        git -C two repack -q -a -d
        git -C three worktree add -q ../tree side
    "#;
    let check = r#"
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
        for clone in one two three; do
            git -C $clone fsck --full --strict
            test -z "$(git -C $clone status --porcelain)"
            test "$(git -C $clone rev-list --count main)" = 15
            test "$(git -C $clone rev-parse main)" = "$(git -C one rev-parse main)"
            diff -r -x .git one $clone
        done
        test -z "$(git -C tree status --porcelain)"
    "#;
    work_in_mount(&Work { script, check }, |_, _, _| {}, |_, _| {});
}

#[test]
fn sqlite() {
    let script = r#"
        fill() {
            sqlite3 "$1" "PRAGMA journal_mode = $2; PRAGMA synchronous = $3; CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, number INTEGER); CREATE INDEX i ON t (number);" > /dev/null
            for round in $(seq 15); do
                sqlite3 "$1" "BEGIN;
                    WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500)
                    INSERT INTO t (text, number) SELECT printf('%0*d', x % 300, x), x * $round FROM n;
                    DELETE FROM t WHERE number % 7 = $round % 7;
                    UPDATE t SET text = text || 'x' WHERE number % 5 = 0; COMMIT;"
            done
            sqlite3 "$1" 'BEGIN; DELETE FROM t; ROLLBACK; VACUUM;'
        }
        for mode in delete wal truncate persist; do
            fill $mode.db $mode normal
        done
        fill "$1/reference.db" delete normal
        # Two at once in one database.
        sqlite3 both.db 'PRAGMA journal_mode = wal; CREATE TABLE t (x)' > /dev/null
        for who in a b; do
            for round in $(seq 30); do
                sqlite3 -cmd '.timeout 60000' both.db "INSERT INTO t VALUES ('$who$round')"
            done &
            jobs[${#jobs[@]}]=$!
        done
        for job in "${jobs[@]}"; do wait "$job"; done
    "#;
    let script = script.replace("        # Two", "        jobs=()\n        # Two");
    let check = r#"
        for db in *.db; do
            test "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok
        done
        for mode in delete wal truncate persist; do
            cmp <(sqlite3 $mode.db .dump) <(sqlite3 "$1/reference.db" .dump)
        done
        test "$(sqlite3 both.db 'SELECT count(DISTINCT x) FROM t')" = 60
    "#;
    work_in_mount(&Work { script: &script, check }, |_, _, _| {}, |_, _| {});
}

/// The toolchain that `who` can use: the one that built this, or a read-only view of it where it lies in root's home.
fn toolchain(vault: &Vault, who: Who) -> PathBuf {
    let sysroot = PathBuf::from(run(Who::me().command("rustc").args(["--print", "sysroot"])).ok().trim());
    if who == Who::me() || everyone_reaches(&sysroot) {
        sysroot
    } else {
        read_only_view(vault.scratch(), &sysroot)
    }
}

#[test]
fn cargo_build() {
    let script = r#"
        unset CARGO_TARGET_DIR RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS
        export CARGO_HOME="$1/cargo" PATH="$1/toolchain/bin:$PATH" RUSTC="$1/toolchain/bin/rustc"
        mkdir -p demo/src "$CARGO_HOME"
        cd demo
        printf '[package]\nname = "demo"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n' > Cargo.toml
        printf 'pub mod part;\npub fn answer() -> u32 { part::half() * 2 }\n#[test] fn it_works() { assert_eq!(answer(), 42); }\n' > src/lib.rs
        printf 'pub fn half() -> u32 { 21 }\n' > src/part.rs
        printf 'fn main() { println!("the answer is {}", demo::answer()); }\n' > src/main.rs
        cargo build --offline -q
        cargo test --offline -q
        # Nothing changed, so nothing is built again: the times are right.
        cargo build --offline -v 2>&1 | grep -q Fresh
        cp target/debug/demo before
        sleep 0.01
        printf 'pub fn half() -> u32 { 22 }\n' > src/part.rs
        cargo build --offline -q
        test "$(target/debug/demo)" = 'the answer is 44'
    "#;
    let check = "test \"$(demo/before)\" = 'the answer is 42'; demo/target/debug/demo | grep -q 44";
    let prepare = |vault: &Vault, who: Who, outside: &Path| {
        let toolchain = toolchain(vault, who);
        who.run(|| std::os::unix::fs::symlink(toolchain, outside.join("toolchain")).unwrap());
    };
    work_in_mount(&Work { script, check }, prepare, |_, _| {});
}
