//! Ordinary programs at work in a mounted recipe folder, as root and as an ordinary user; afterwards the independent program makes of the folder what they had.

use super::assert_nothing_left;
use super::program::Program;
use crate::corpus;
use crate::harness::{Key, Mounted, Options, Vault};
use crate::people::{Who, run};
use crate::tree::Tree;
use std::path::Path;

/// For root and for the user: runs `script` in a new mount, then `check`; `$1` is a directory for files outside the mount, which `prepare` fills. What
/// is shown then is what the independent program finds, while it is mounted and afterwards, and what the next mount shows, where `check` runs again.
fn work_in_mount(script: &str, check: &str, prepare: impl Fn(Who, &Path), inspect: impl Fn(&Mounted<'_>, &Path)) {
    let Some(program) = Program::or_skip() else { return };
    for who in Who::both() {
        let vault = Vault::new(Options::recipe(who, Key::Password));
        let outside = vault.scratch().dir("outside", who);
        prepare(who, &outside);
        let mounted = vault.mount(&[]);
        run(&mut mounted.shell(script, &[&outside])).ok();
        run(&mut mounted.shell(check, &[&outside])).ok();
        mounted.forget_all();
        let shown = mounted.enter(Tree::of);
        program.assert_makes(&vault, &shown);
        inspect(&mounted, &outside);
        mounted.unmount();
        assert_nothing_left(vault.path());
        program.assert_makes(&vault, &shown);
        let mounted = vault.mount(&[]);
        shown.assert_same(&mounted.enter(Tree::of));
        run(&mut mounted.shell(check, &[&outside])).ok();
        mounted.unmount();
    }
}

/// The ways in which editors save.
#[test]
fn editors() {
    let script = r#"
        printf 'first\n' > doc
        # Most: a new file, synced and renamed over the old one.
        for round in $(seq 5); do
            seq $((round * 1000)) > .doc.tmp
            sync .doc.tmp
            chmod --reference=doc .doc.tmp
            mv .doc.tmp doc
        done
        # vim: the old one becomes a backup, which goes when the new one is written; and a swap file beside it.
        for round in $(seq 5); do
            printf 'swap' > .text.swp
            [ ! -e text ] || mv text text~
            seq $((round * 1000)) > text
            sync text
            rm -f text~
            dd if=/dev/zero of=.text.swp bs=4096 seek=$round count=1 conv=notrunc status=none
            rm .text.swp
        done
        # Some: in place.
        cp doc inplace
        printf 'x\n' | dd of=inplace bs=1 seek=100 conv=notrunc status=none
        seq 10 > inplace
        sed -i 's/^1000$/a thousand/' doc text
        perl -i.bak -pe 's/^2000$/two thousand/' doc 2> /dev/null || cp doc doc.bak
        printf 'appended\n' >> text
    "#;
    let check = r#"
        test "$(wc -l < doc)" = 5000
        test "$(sed -n 1000p doc)" = 'a thousand'
        test "$(tail -n 1 text)" = appended
        test "$(cat inplace | tr '\n' ' ')" = '1 2 3 4 5 6 7 8 9 10 '
        test "$(ls -A | tr '\n' ' ')" = 'doc doc.bak inplace text '
    "#;
    work_in_mount(script, check, |_, _| {}, |_, _| {});
}

fn with_corpus(who: Who, outside: &Path) {
    let source = outside.join("source");
    who.run(|| {
        std::fs::create_dir(&source).unwrap();
        corpus::fill_with_less(&source);
    });
}

fn is_corpus(mounted: &Mounted<'_>, outside: &Path, copy: &Path) {
    let (source, copy) = mounted.enter(|_| (Tree::of(&outside.join("source")), Tree::of(copy)));
    assert!(source.len() > 50);
    source.without_root().assert_same(&copy.without_root());
}

#[test]
fn cp_and_rsync() {
    let script = r#"
        cp -a "$1/source" copy
        rsync -aAX "$1/source/" synced/
        # In place, with the delta algorithm, as a backup does it.
        rsync -a "$1/source/" delta/
        dd if=/dev/urandom of=delta/sizes/'135167 bytes' bs=1 seek=70000 count=3000 conv=notrunc status=none
        rsync -aAX --inplace --no-whole-file --checksum "$1/source/" delta/
    "#;
    let check = r#"
        diff -r --no-dereference "$1/source" copy
        for copy in synced delta; do
            changes=$(rsync -aAX --checksum --itemize-changes "$1/source/" $copy/)
            test -z "$changes" || { echo "$changes" >&2; false; }
        done
    "#;
    work_in_mount(script, check, with_corpus, |mounted, outside| {
        for copy in ["copy", "synced", "delta"] {
            is_corpus(mounted, outside, &mounted.path().join(copy));
        }
        run(&mut mounted.shell("cp -a copy \"$1/back\"", &[outside])).ok();
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
        for commit in 1 2 3; do
            mkdir -p "dir $commit"
            for file in $(seq 5); do
                seq "$commit" $((commit * file * 10)) > "dir $commit/file $file"
            done
            git add -A
            git commit -q -m "commit $commit"
        done
        git mv "dir 1" "dir moved"
        git commit -q -m moved
        cd ..
        git clone -q --no-local one two
        git -C one gc -q --prune=now
    "#;
    let check = r#"
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
        for clone in one two; do
            git -C $clone fsck --full --strict
            test -z "$(git -C $clone status --porcelain)"
            test "$(git -C $clone rev-list --count main)" = 4
            diff -r -x .git one $clone
        done
    "#;
    work_in_mount(script, check, |_, _| {}, |_, _| {});
}

#[test]
fn sqlite() {
    let script = r#"
        fill() {
            sqlite3 "$1" "PRAGMA journal_mode = $2; CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, number INTEGER); CREATE INDEX i ON t (number);" > /dev/null
            for round in $(seq 5); do
                sqlite3 "$1" "BEGIN;
                    WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500)
                    INSERT INTO t (text, number) SELECT printf('%0*d', x % 300, x), x * $round FROM n;
                    DELETE FROM t WHERE number % 7 = $round % 7;
                    UPDATE t SET text = text || 'x' WHERE number % 5 = 0; COMMIT;"
            done
            sqlite3 "$1" 'BEGIN; DELETE FROM t; ROLLBACK; VACUUM;'
        }
        for mode in delete wal; do
            fill $mode.db $mode
        done
        fill "$1/reference.db" delete
        # Two at once in one database, which share memory through a file.
        sqlite3 both.db 'PRAGMA journal_mode = wal; CREATE TABLE t (x)' > /dev/null
        jobs=()
        for who in a b; do
            for round in $(seq 8); do
                sqlite3 -cmd '.timeout 60000' both.db "INSERT INTO t VALUES ('$who$round')"
            done &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do wait "$job"; done
    "#;
    let check = r#"
        for db in *.db; do
            test "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok
        done
        for mode in delete wal; do
            cmp <(sqlite3 $mode.db .dump) <(sqlite3 "$1/reference.db" .dump)
        done
        test "$(sqlite3 both.db 'SELECT count(DISTINCT x) FROM t')" = 16
    "#;
    work_in_mount(script, check, |_, _| {}, |_, _| {});
}
