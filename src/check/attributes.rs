//! Extended attributes: those of ours must decode, name and value, and what has the rest of a value must belong to one.

use super::finding::{Finding, Severity, What};
use super::sink::{Action, Names, Sink};
use crate::name::{ATTRIBUTE_PREFIX, NameCipher, VALUE_MAX, is_rest_name, rest_name};
use rustix::fs::{fgetxattr, flistxattr, fremovexattr};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// Longest list of names that the kernel gives (XATTR_LIST_MAX).
const LIST_MAX: usize = 64 << 10;
/// As long is the list of most files at most.
const FEW: usize = 1 << 10;

/// Looks at all attributes of the open file.
pub(super) fn check(file: BorrowedFd<'_>, names: &Names, cipher: &NameCipher, sink: &Sink<'_>) {
    let finding = |severity, reason: String| Finding::at(names.lock().first().map(|place| &**place), severity, What::Attribute, reason);
    let listed = match ours(file) {
        Ok(listed) => listed,
        Err(errno) => {
            return sink.tell(&finding(
                Severity::Unreadable,
                format!("its extended attributes cannot be read: {errno}"),
            ));
        }
    };
    let (rests, values): (Vec<_>, Vec<_>) = listed.into_iter().partition(|stored| is_rest_name(stored.to_bytes()));
    let mut expected = Vec::new();
    let mut unknown = false;
    for stored in values {
        let shown = stored.to_string_lossy();
        match value(file, &stored) {
            Ok(value) => {
                expected.extend(rest_name(&value));
                let name = cipher.open_attribute_name(stored.to_bytes());
                // With a rest that is not its own it is whole without.
                let first = &value[..value.len().min(VALUE_MAX)];
                let opens = |name: Vec<u8>| cipher.open_attribute(&name, &value).is_ok() || cipher.open_attribute(&name, first).is_ok();
                if name.is_some_and(opens) {
                    continue;
                }
                let finding = finding(Severity::Damage, format!("the extended attribute {shown} does not decode"));
                sink.find(names, &finding, Action::Drop(stored.clone()));
            }
            Err(Errno::NODATA) => unknown = true,
            Err(errno) => {
                unknown = true;
                sink.tell(&finding(
                    Severity::Unreadable,
                    format!("the extended attribute {shown} cannot be read: {errno}"),
                ));
            }
        }
    }
    // What could not be read may be what they belong to.
    for stored in rests.into_iter().filter(|stored| !unknown && !expected.contains(stored)) {
        let shown = stored.to_string_lossy();
        let finding = finding(Severity::Leftover, format!("the extended attribute {shown} belongs to no other"));
        sink.find(names, &finding, Action::Drop(stored));
    }
}

/// The names of those attributes that are the vault's.
fn ours(file: BorrowedFd<'_>) -> Result<Vec<CString>> {
    // Most files have few, or none.
    let mut names = vec![0; FEW];
    let len = match flistxattr(file, &mut names) {
        Err(Errno::RANGE) => {
            names.resize(LIST_MAX, 0);
            flistxattr(file, &mut names)?
        }
        Err(Errno::OPNOTSUPP) => 0,
        len => len?,
    };
    names.truncate(len);
    let names = names
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    Ok(names
        .filter(|name| name.to_bytes().starts_with(ATTRIBUTE_PREFIX.as_bytes()))
        .map(CStr::to_owned)
        .collect())
}

/// The stored value of an attribute, with its rest.
///
/// # Errors
/// As fgetxattr(2).
pub(super) fn value(file: BorrowedFd<'_>, stored: &CStr) -> Result<Vec<u8>> {
    let mut value = one(file, stored)?;
    if let Some(rest) = rest_of(stored, &value) {
        match one(file, &rest) {
            Err(Errno::NODATA) => {}
            rest => value.extend(rest?),
        }
    }
    Ok(value)
}

/// Removes an attribute, with the rest of its value, unless that may be another's.
///
/// # Errors
/// As fremovexattr(2).
pub(super) fn remove(file: BorrowedFd<'_>, stored: &CStr) -> Result<()> {
    let rest = one(file, stored).ok().and_then(|value| rest_of(stored, &value));
    fremovexattr(file, stored)?;
    let Some(rest) = rest else { return Ok(()) };
    for other in ours(file)? {
        if one(file, &other).is_ok_and(|value| rest_of(&other, &value).as_ref() == Some(&rest)) {
            return Ok(());
        }
    }
    match fremovexattr(file, &rest) {
        Err(Errno::NODATA) => Ok(()),
        removed => removed,
    }
}

/// The name of the attribute that may have the rest of the `value` of `stored`. A rest has none.
fn rest_of(stored: &CStr, value: &[u8]) -> Option<CString> {
    rest_name(value).filter(|_| !is_rest_name(stored.to_bytes()))
}

/// What is stored as the attribute of this very name.
fn one(file: BorrowedFd<'_>, stored: &CStr) -> Result<Vec<u8>> {
    let mut value = vec![0; VALUE_MAX];
    let len = fgetxattr(file, stored, &mut value)?;
    value.truncate(len);
    Ok(value)
}
