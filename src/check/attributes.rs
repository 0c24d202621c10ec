//! Extended attributes: those of ours must decode, name and value.

use super::finding::{Finding, Severity, What};
use super::sink::{Action, Names, Sink};
use crate::name::{ATTRIBUTE_PREFIX, NameCipher};
use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// Longest list of names, and longest value, that the kernel gives.
const MAX: usize = 64 << 10;
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
    for stored in listed {
        let shown = stored.to_string_lossy();
        match value(file, &stored) {
            Ok(value) => {
                let name = cipher.open_attribute_name(stored.to_bytes());
                if name.is_some_and(|name| cipher.open_attribute(&name, &value).is_ok()) {
                    continue;
                }
                let finding = finding(Severity::Damage, format!("the extended attribute {shown} does not decode"));
                sink.find(names, &finding, Action::Drop(stored.clone()));
            }
            Err(Errno::NODATA) => {}
            Err(errno) => sink.tell(&finding(
                Severity::Unreadable,
                format!("the extended attribute {shown} cannot be read: {errno}"),
            )),
        }
    }
}

/// The names of those attributes that are the vault's.
fn ours(file: BorrowedFd<'_>) -> Result<Vec<CString>> {
    // Most files have few, or none.
    let mut names = vec![0; FEW];
    let len = match flistxattr(file, &mut names) {
        Err(Errno::RANGE) => {
            names.resize(MAX, 0);
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

/// The stored value of an attribute.
///
/// # Errors
/// As fgetxattr(2).
pub(super) fn value(file: BorrowedFd<'_>, stored: &CStr) -> Result<Vec<u8>> {
    let mut value = vec![0; MAX];
    let len = fgetxattr(file, stored, &mut value)?;
    value.truncate(len);
    Ok(value)
}
