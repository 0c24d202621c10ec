//! Tags: how they are cut and compared.

use blake3::Hash;

/// Whether the first `tag.len()` bytes (at most 32) of `computed` are `tag`.
///
/// Compares in constant time, as [`Hash`]'s own equality does: the bytes that `tag` lacks are taken from `computed`.
pub(super) fn fits(computed: &Hash, tag: &[u8]) -> bool {
    let mut claimed = *computed.as_bytes();
    claimed[..tag.len()].copy_from_slice(tag);
    *computed == Hash::from_bytes(claimed)
}
