//! What supplementary groups, set-group-id directories and masks do to permissions and owners.

use super::{Language, same_in_mount_and_beside};
use crate::people::{Who, root_or_skip};

/// `$MEMBER` is in group 12345 besides its own, `$OTHER` is not.
const STEPS: &str = r#"
chmod 755 .
MEMBER="setpriv --reuid pvtest --regid pvtest --groups 12345"
OTHER="setpriv --reuid pvtest --regid pvtest --clear-groups"
show() { stat -c '%n %A %U %g' "$@"; }
try() { "$@" 2>/dev/null && echo "yes: ${*##*/}" || echo "no: ${*##*/}"; }
echo secret > file; chown root:12345 file; chmod 640 file
for who in "$MEMBER" "$OTHER"; do try $who cat file; try $who sh -c 'echo x >> file'; done
chmod 660 file
for who in "$MEMBER" "$OTHER"; do try $who sh -c 'echo x >> file'; try $who chmod 666 file; try $who touch file; try $who touch -d 2001-01-01 file; done
mkdir team; chown root:12345 team; chmod 2770 team
for who in "$MEMBER" "$OTHER"; do try $who ls team; try $who mkdir team/dir; try $who sh -c 'umask 007; echo x > team/file; mkfifo team/fifo; ln -s file team/link'; done
show team team/*; $MEMBER mkdir team/dir/sub; show team/dir/sub
# A group that one is in may be given, another may not; set-group-id goes where one is not in the group.
mkdir theirs; chmod 777 theirs; $OTHER sh -c 'echo x > theirs/file'
try $OTHER chgrp 12345 theirs/file; try $MEMBER chgrp 12345 theirs/file; try $MEMBER chgrp 23456 theirs/file; try $MEMBER chown root theirs/file; show theirs/file
try $MEMBER chmod 2775 theirs/file; show theirs/file; try $OTHER chmod 2775 theirs/file; show theirs/file
try $MEMBER chmod 6775 theirs/file; try $MEMBER chgrp pvtest theirs/file; show theirs/file
chmod 6777 theirs/file; $OTHER sh -c 'echo y >> theirs/file'; show theirs/file
chmod 6777 theirs/file; $OTHER truncate -s 1 theirs/file; show theirs/file
chmod 6777 theirs/file; echo root >> theirs/file; show theirs/file
# Sticky directories.
mkdir sticky; chmod 1777 sticky; echo x > sticky/of-root; $OTHER sh -c 'echo x > sticky/own'; mkdir sticky/dir; chmod 777 sticky/dir
for name in of-root own dir; do try $OTHER mv sticky/$name sticky/moved; try $OTHER mv sticky/moved sticky/$name; done
try $OTHER rm -f sticky/of-root; try $OTHER rmdir sticky/dir; try $OTHER rm sticky/own
# Masks.
for mask in 000 022 027 077 777; do (umask $mask; touch mask$mask; mkdir dir$mask; mkfifo fifo$mask; ln -s x link$mask); show mask$mask dir$mask fifo$mask link$mask; done
$OTHER sh -c 'umask 026; mkdir theirs/masked; echo x > theirs/masked/file'; show theirs/masked theirs/masked/file
# Others' directories and files without any permission.
mkdir closed; chmod 700 closed; echo x > closed/file; chmod 777 closed/file
try $OTHER cat closed/file; try $OTHER ls closed; chmod 711 closed; try $OTHER cat closed/file; try $OTHER ls closed; try $OTHER touch closed/new
# Programs: execute permission, set-user-id.
cp "$(command -v id)" program; chmod 754 program; try $OTHER ./program -u; chmod 755 program; try $OTHER ./program -u; $OTHER ./program -u
chmod 4755 program; $OTHER ./program -u; chown pvtest program; show program
"#;

#[test]
fn groups_masks_and_sticky_directories_work_as_on_ext4() {
    if root_or_skip() {
        for options in ["allow_other,suid", "allow_other,suid,acl"] {
            same_in_mount_and_beside(Who::Root, &["-o", options], Language::Bash, STEPS);
        }
    }
}

/// Without `suid`, set-user-id is shown and has no effect.
#[test]
fn set_user_id_has_no_effect_unless_asked_for() {
    if !root_or_skip() {
        return;
    }
    let vault = crate::harness::Vault::new(crate::harness::Options::default());
    let mounted = vault.mount(&["-o", "allow_other"]);
    let script = "chmod 755 .; cp \"$(command -v id)\" program; chmod 4755 program; stat -c %a program
        setpriv --reuid pvtest --regid pvtest --clear-groups ./program -u";
    let said = crate::people::run(&mut mounted.shell(script, &[])).ok();
    assert_eq!(said, format!("4755\n{}\n", Who::User.uid()));
    mounted.unmount();
}
