//! Where an entry lies: its path as it stands in the vault, and in the clear as far as that is known.

use crate::name::PlainName;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// What stands for a name that is not known.
const UNKNOWN: &[u8] = b"?";

/// An entry of a vault, by the names from the root down to it. The root itself has none.
pub(super) struct Place {
    parent: Option<Arc<Place>>,
    stored: CString,
    /// Its name in the clear, if it decodes or needs not.
    plain: Option<PlainName>,
}

impl Place {
    /// The entry `stored` of the directory `parent`.
    pub(super) fn new(parent: Option<&Arc<Self>>, stored: &CStr, plain: Option<PlainName>) -> Arc<Self> {
        Arc::new(Self {
            parent: parent.cloned(),
            stored: stored.to_owned(),
            plain,
        })
    }

    /// The directory that it is in.
    pub(super) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Its own name in the vault.
    pub(super) fn stored(&self) -> &CStr {
        &self.stored
    }

    /// The entries from the first below the root down to this one.
    pub(super) fn line(&self) -> Vec<&Self> {
        let mut line = vec![self];
        while let Some(parent) = line.last().and_then(|place| place.parent.as_deref()) {
            line.push(parent);
        }
        line.reverse();
        line
    }

    /// Its path in the vault, from the root.
    pub(super) fn stored_path(&self) -> Vec<u8> {
        let names: Vec<_> = self.line().into_iter().map(|place| place.stored.to_bytes()).collect();
        names.join(&b'/')
    }

    /// Its path in the clear, from the root; `Err` with a path in which `?` stands for the first name that is not known and all that follows.
    pub(super) fn plain_path(&self) -> Result<Vec<u8>, Vec<u8>> {
        let line = self.line();
        let mut names: Vec<&[u8]> = Vec::with_capacity(line.len());
        for place in line {
            match &place.plain {
                Some(name) => names.push(name.as_bytes()),
                None => {
                    names.push(UNKNOWN);
                    return Err(names.join(&b'/'));
                }
            }
        }
        Ok(names.join(&b'/'))
    }
}

/// A tree may be deeper than the stack: one after the other, and not each inside the other.
impl Drop for Place {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(place) = next {
            next = Arc::into_inner(place).and_then(|mut place| place.parent.take());
        }
    }
}
