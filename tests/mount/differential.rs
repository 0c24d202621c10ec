//! The same operations on the mount and on a plain directory, errno by errno; the trees compared afterwards.
