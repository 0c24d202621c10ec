use super::super::cbc;
use super::*;
use aes::cipher::array::ArraySize;
use aes::cipher::consts::{U1, U2, U4, U8, U16};
use aes::cipher::inout::InOut;
use aes::cipher::{BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, ParBlocksSizeUser};
use aes::{Aes256Dec, Aes256Enc};
use std::marker::PhantomData;

/// A backend that takes `Width` blocks at once, as those of other processors do.
struct Backend<'a, Width>(&'a Aes256Enc, PhantomData<Width>);

impl<Width> BlockSizeUser for Backend<'_, Width> {
    type BlockSize = U16;
}

impl<Width: ArraySize> ParBlocksSizeUser for Backend<'_, Width> {
    type ParBlocksSize = Width;
}

impl<Width: ArraySize> BlockCipherEncBackend for Backend<'_, Width> {
    fn encrypt_block(&self, block: InOut<'_, '_, Block>) {
        self.0.encrypt_block_inout(block);
    }
}

/// The run as it lies on disk before encryption, with random IVs and something else everywhere else.
fn places(rng: &mut StdRng, plain: usize) -> Vec<u8> {
    random_bytes(rng, sealed_len(plain, End::Last))
}

fn encrypt_at_width<Width: ArraySize>(cipher: &Aes256Enc, plain: &[u8], places: &[u8]) -> Vec<u8> {
    let mut sealed = places.to_vec();
    let run = cbc::Run {
        plain,
        sealed: &mut sealed,
    };
    run.call(&Backend::<Width>(cipher, PhantomData));
    sealed
}

#[test]
fn every_kind_of_processor_gives_the_same() {
    let mut rng = seeded();
    let cipher = Aes256Enc::new(&[3; 32].into());
    for records in 0..=10 {
        for last in [0, 1, 16, 17, 4080, 4095] {
            let plain = random_bytes(&mut rng, records * RECORD_LEN + last);
            let places = places(&mut rng, plain.len());
            let mut native = places.clone();
            cbc::encrypt(&cipher, &plain, &mut native);
            assert_eq!(encrypt_at_width::<U1>(&cipher, &plain, &places), native);
            assert_eq!(encrypt_at_width::<U2>(&cipher, &plain, &places), native);
            assert_eq!(encrypt_at_width::<U4>(&cipher, &plain, &places), native);
            assert_eq!(encrypt_at_width::<U8>(&cipher, &plain, &places), native);
            assert_eq!(encrypt_at_width::<U16>(&cipher, &plain, &places), native);
        }
    }
}

#[test]
fn nothing_but_the_ciphertext_is_written() {
    let mut rng = seeded();
    let cipher = Aes256Enc::new(&[3; 32].into());
    for plain in LENGTHS {
        let before = places(&mut rng, plain);
        let mut after = before.clone();
        cbc::encrypt(&cipher, &random_bytes(&mut rng, plain), &mut after);
        for (before, after) in before.chunks(SEALED_LEN).zip(after.chunks(SEALED_LEN)) {
            let tag_at = tag_at(before.len() - OVERHEAD);
            assert_eq!(before[..CT_AT], after[..CT_AT]);
            assert_eq!(before[tag_at..], after[tag_at..]);
        }
    }
}

#[test]
fn decryption_undoes_encryption_at_every_length() {
    let mut rng = seeded();
    let key = [3; 32].into();
    for len in 0..=RECORD_LEN {
        let plain = random_bytes(&mut rng, len);
        let mut sealed = places(&mut rng, len);
        cbc::encrypt(&Aes256Enc::new(&key), &plain, &mut sealed);
        let mut opened = vec![0xee; len];
        cbc::decrypt(&Aes256Dec::new(&key), &sealed[IV_AT..tag_at(len)], &mut opened).unwrap();
        assert!(opened == plain, "of {len} bytes");
    }
}
