//! What several processes do to one file: locks of all three kinds, and mappings.

use super::{Language, same_in_mount_and_beside};
use crate::people::Who;

#[test]
fn locks_of_every_kind_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, include_str!("locks.py"));
    }
}

#[test]
fn mappings_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, include_str!("mappings.py"));
    }
}
