//! Where an inode can be found.

use super::inode::Inode;
use crate::name::{CipherName, PackedName};
use std::sync::Arc;

/// An entry of a directory.
#[derive(Clone)]
pub(super) struct Place {
    /// The directory.
    pub(super) parent: Arc<Inode>,
    /// The entry's name on disk.
    pub(super) name: CipherName,
}

impl Place {
    pub(super) fn is(&self, parent: &Inode, name: &CipherName) -> bool {
        self.parent.node == parent.node && self.name == *name
    }
}

/// A place as it is kept.
pub(super) struct Packed {
    parent: Arc<Inode>,
    name: PackedName,
}

impl Packed {
    /// The place.
    pub(super) fn unpack(&self) -> Place {
        Place {
            parent: Arc::clone(&self.parent),
            name: self.name.unpack(),
        }
    }

    /// Whether it is the entry `name` of `parent`.
    pub(super) fn is(&self, parent: &Inode, name: &CipherName) -> bool {
        self.parent.node == parent.node && self.name.is(name)
    }
}

/// The places of an inode, the latest last. Nearly all have one for ever.
pub(super) enum Places {
    One(Packed),
    /// None takes no memory.
    Other(Box<[Packed]>),
}

impl Places {
    /// No places.
    pub(super) fn none() -> Self {
        Self::Other(Box::default())
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Packed] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Other(places) => places,
        }
    }

    /// Adds one. Returns the directory of the oldest, if that had to go so that there are not more than `limit`.
    pub(super) fn add(&mut self, place: Place, limit: usize) -> Option<Arc<Inode>> {
        let place = Packed {
            parent: place.parent,
            name: PackedName::new(place.name),
        };
        if self.all().is_empty() {
            *self = Self::One(place);
            return None;
        }
        let mut places = self.take_packed();
        let gone = if places.len() >= limit {
            Some(places.remove(0).parent)
        } else {
            None
        };
        places.push(place);
        *self = Self::from(places);
        gone
    }

    /// Takes one away. Returns its directory.
    pub(super) fn remove(&mut self, parent: &Inode, name: &CipherName) -> Option<Arc<Inode>> {
        let index = self.all().iter().position(|place| place.is(parent, name))?;
        let mut places = self.take_packed();
        let gone = places.remove(index).parent;
        *self = Self::from(places);
        Some(gone)
    }

    /// Takes all away. Returns their directories.
    pub(super) fn take(&mut self) -> Vec<Arc<Inode>> {
        self.take_packed().into_iter().map(|place| place.parent).collect()
    }

    fn take_packed(&mut self) -> Vec<Packed> {
        match std::mem::replace(self, Self::none()) {
            Self::One(place) => vec![place],
            Self::Other(places) => places.into_vec(),
        }
    }
}

impl From<Vec<Packed>> for Places {
    fn from(places: Vec<Packed>) -> Self {
        match <[Packed; 1]>::try_from(places) {
            Ok([place]) => Self::One(place),
            Err(places) => Self::Other(places.into_boxed_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::NodeId;
    use std::ffi::CString;

    #[test]
    fn the_oldest_goes_and_the_latest_is_last() {
        let stat = rustix::fs::stat("/").unwrap();
        let parent = Arc::new(Inode::new(NodeId(2), 0, &stat));
        let name = |number: usize| CipherName::Short(CString::new(number.to_string()).unwrap());
        let place = |number| Place {
            parent: Arc::clone(&parent),
            name: name(number),
        };
        let is = |places: &Places, numbers: &[usize]| {
            let all = places.all();
            all.len() == numbers.len() && all.iter().zip(numbers).all(|(place, number)| place.is(&parent, &name(*number)))
        };
        let mut places = Places::none();
        assert!(is(&places, &[]));
        for number in 1..=3 {
            assert!(places.add(place(number), 3).is_none());
        }
        assert!(is(&places, &[1, 2, 3]));
        assert!(places.add(place(4), 3).is_some());
        assert!(is(&places, &[2, 3, 4]));
        assert!(places.remove(&parent, &name(1)).is_none());
        for (number, left) in [(3, &[2, 4][..]), (2, &[4]), (4, &[])] {
            assert!(places.remove(&parent, &name(number)).is_some());
            assert!(is(&places, left));
        }
        places.add(place(5), 1);
        assert!(places.add(place(6), 1).is_some());
        assert!(is(&places, &[6]));
        assert_eq!(places.take().len(), 1);
        assert!(is(&places, &[]));
    }
}
