//! Passwords that a service manager hands to a service in files (systemd's `LoadCredential=` and `LoadCredentialEncrypted=`).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where the service manager says that the files are.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The file with the password of what is called `name`, if this is a service that was given one: `$CREDENTIALS_DIRECTORY/plainview.NAME`.
pub(super) fn path(name: &OsStr) -> Option<PathBuf> {
    path_in(Path::new(&std::env::var_os(DIRECTORY)?), name)
}

/// As [`path`], in the directory `directory`. Something there that cannot be looked at counts as the file, so that it is told why.
pub(super) fn path_in(directory: &Path, name: &OsStr) -> Option<PathBuf> {
    if !directory.is_absolute() || name.is_empty() {
        return None;
    }
    let mut file = OsString::from("plainview.");
    file.push(name);
    let path = directory.join(file);
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Ok(_) | Err(_) => Some(path),
    }
}
