//! Paths in a view.
