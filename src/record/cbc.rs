//! CBC, as fast as the processor allows, with the padding of zeros.
//!
//! CBC encryption is serial within a record: each block needs the one before, so a record alone leaves most of the processor's AES units idle. Records do not
//! depend on each other, so here they are lanes: the first blocks of several are encrypted together, then their second ones, and so on. What comes out is
//! AES-256-CBC (NIST SP 800-38A, 6.2) of each record with its own IV, exactly as one after the other would give. Decryption needs no lanes: all blocks of a
//! record can be decrypted at once.
//!
//! The `cbc` crate does neither: it encrypts one stream, and decrypts by way of two copies (7 GB/s, where 10 are to be had).

use super::layout::{BLOCK_LEN, CT_AT, IV_AT};
use super::{RECORD_LEN, Reason, SEALED_LEN};
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure};
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, ParBlocks};
use aes::{Aes256Dec, Aes256Enc, Block};
use std::ops::Range;

/// Lanes that are under way together, at most. A block takes some 50 cycles from beginning to end and a new one can begin every 7, so 8 keep the AES
/// units busy. More do not help, and lanes lie 4 KiB apart, where their cache lines share one set of the first-level cache and push each other out.
const LANES: usize = 8;

/// Encrypts the plaintext of a run of records, the last of which may be short, into `sealed`: their places on disk, where the IVs are already.
pub(super) fn encrypt(cipher: &Aes256Enc, plain: &[u8], sealed: &mut [u8]) {
    cipher.encrypt_with_backend(Run { plain, sealed });
}

/// What [`encrypt`] does once the kind of processor is known.
pub(super) struct Run<'a> {
    pub(super) plain: &'a [u8],
    pub(super) sealed: &'a mut [u8],
}

impl BlockSizeUser for Run<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Run<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let lanes = LANES.min(B::ParBlocksSize::USIZE);
        let groups = self
            .plain
            .chunks(lanes * RECORD_LEN)
            .zip(self.sealed.chunks_mut(lanes * SEALED_LEN));
        for (plain, sealed) in groups {
            encrypt_group(backend, plain, sealed);
        }
    }
}

/// Encrypts the records of a group, each in its lane.
#[inline(always)]
fn encrypt_group<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, plain: &[u8], sealed: &mut [u8]) {
    // What each lane's next block is combined with: the ciphertext block before, at first the IV.
    let mut chain = ParBlocks::<B>::default();
    for (block, sealed) in chain.iter_mut().zip(sealed.chunks(SEALED_LEN)) {
        block.copy_from_slice(&sealed[IV_AT..CT_AT]);
    }
    let (full, short) = plain.split_at(plain.len() - plain.len() % RECORD_LEN);
    let (blocks, partial) = short.as_chunks::<BLOCK_LEN>();
    // A short record is the last lane, and ends before the others do.
    let short_end = blocks.as_flattened().len();
    encrypt_blocks(backend, 0..short_end, plain, sealed, &mut chain);
    if !partial.is_empty() {
        let lane = full.len() / RECORD_LEN;
        let mut padded = [0; BLOCK_LEN];
        padded[..partial.len()].copy_from_slice(partial);
        let mut block = xor(chain[lane], &padded);
        backend.encrypt_block_inplace(&mut block);
        put(&block, &mut sealed[lane * SEALED_LEN..], short_end);
    }
    encrypt_blocks(backend, short_end..RECORD_LEN, full, sealed, &mut chain);
}

/// Encrypts the blocks that begin in `range` of every record in `plain`.
#[inline(always)]
fn encrypt_blocks<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    range: Range<usize>,
    plain: &[u8],
    sealed: &mut [u8],
    chain: &mut ParBlocks<B>,
) {
    for at in range.step_by(BLOCK_LEN) {
        let lanes = chain.iter_mut().zip(plain.chunks(RECORD_LEN)).zip(sealed.chunks_mut(SEALED_LEN));
        if B::ParBlocksSize::USIZE > LANES {
            // One after the other, and the processor overlaps them. This backend would take 30 or 64 blocks at once, but bringing so many lanes together and
            // apart again costs more than it saves: 64 lanes went at 5.2 GB/s and 32 at 3.4, where 8 one after the other go at 6.3.
            for ((block, plain), sealed) in lanes {
                *block = xor(*block, block_at(plain, at));
                backend.encrypt_block_inplace(block);
                put(block, sealed, at);
            }
        } else {
            // A backend that takes all lanes at once. Without AES instructions that is essential: then so many blocks cost as much as one.
            for ((block, plain), _) in lanes {
                *block = xor(*block, block_at(plain, at));
            }
            backend.encrypt_par_blocks_inplace(chain);
            let lanes = chain.iter().zip(plain.chunks(RECORD_LEN)).zip(sealed.chunks_mut(SEALED_LEN));
            for ((block, _), sealed) in lanes {
                put(block, sealed, at);
            }
        }
    }
}

/// Decrypts `ct`, which begins with the IV, into `plain`.
///
/// # Errors
/// [`Reason::Padding`] when the last block does not end with zeros.
pub(super) fn decrypt(cipher: &Aes256Dec, ct: &[u8], plain: &mut [u8]) -> Result<(), Reason> {
    let (ct, _) = Block::slice_as_chunks(ct);
    let (plain, partial) = Block::slice_as_chunks_mut(plain);
    let (whole, last) = (&ct[..=plain.len()], &ct[plain.len()..]);
    cipher.decrypt_with_backend(Record { ct: whole, plain });
    if partial.is_empty() {
        return Ok(());
    }
    let mut block = Block::default();
    let plain = std::slice::from_mut(&mut block);
    cipher.decrypt_with_backend(Record { ct: last, plain });
    let (text, padding) = block.split_at(partial.len());
    partial.copy_from_slice(text);
    match padding.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(Reason::Padding),
    }
}

/// Whole blocks; `ct` has one more, before them.
struct Record<'a> {
    ct: &'a [Block],
    plain: &'a mut [Block],
}

impl BlockSizeUser for Record<'_> {
    type BlockSize = U16;
}

impl BlockCipherDecClosure for Record<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        let (previous, ct) = (&self.ct[..self.plain.len()], &self.ct[1..]);
        let (ct, ct_rest) = ParBlocks::<B>::slice_as_chunks(ct);
        let (plain, plain_rest) = ParBlocks::<B>::slice_as_chunks_mut(self.plain);
        let (previous, previous_rest) = ParBlocks::<B>::slice_as_chunks(previous);
        for ((ct, plain), previous) in ct.iter().zip(plain).zip(previous) {
            backend.decrypt_par_blocks((ct, &mut *plain).into());
            for (plain, previous) in plain.iter_mut().zip(previous) {
                *plain = xor(*plain, &previous.0);
            }
        }
        for ((ct, plain), previous) in ct_rest.iter().zip(plain_rest).zip(previous_rest) {
            backend.decrypt_block((ct, &mut *plain).into());
            *plain = xor(*plain, &previous.0);
        }
    }
}

#[inline(always)]
fn block_at(plain: &[u8], at: usize) -> &[u8; BLOCK_LEN] {
    plain[at..].first_chunk().expect("blocks that the record has not are not asked for")
}

/// Puts the ciphertext of the plaintext block at `at` into its record.
#[inline(always)]
fn put(block: &Block, sealed: &mut [u8], at: usize) {
    sealed[CT_AT + at..CT_AT + at + BLOCK_LEN].copy_from_slice(block);
}

/// `a ^ b`, made anew: changed in place, byte after byte, it does not become a vector instruction.
#[inline(always)]
fn xor(a: Block, b: &[u8; BLOCK_LEN]) -> Block {
    Block::from_fn(|i| a[i] ^ b[i])
}
