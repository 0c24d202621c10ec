//! A slot: the master key, wrapped by one of the keys that open the vault.

/// One way to open a vault.
pub struct Slot {}
