use super::super::mac::{GROUP, Mac, fits};
use super::*;

#[test]
fn hashing_together_gives_the_same_as_one_by_one() {
    let mut rng = seeded();
    let key = [3; 32];
    let bytes = random_bytes(&mut rng, GROUP * SEALED_LEN);
    let (records, _) = bytes.as_chunks::<SEALED_LEN>();
    for count in 0..=GROUP {
        let hashes = Mac::new(&key).hash_full(&records[..count]);
        for (record, hash) in records[..count].iter().zip(hashes) {
            assert_eq!(hash, blake3::keyed_hash(&key, &record[..4120]), "of {count}");
        }
    }
}

#[test]
fn a_tag_fits_when_all_its_bytes_do() {
    let hash = blake3::hash(b"");
    for len in 0..=32 {
        let mut tag = hash.as_bytes()[..len].to_vec();
        assert!(fits(&hash, &tag));
        for byte in 0..len {
            tag[byte] ^= 1;
            assert!(!fits(&hash, &tag), "byte {byte} of {len}");
            tag[byte] ^= 1;
        }
    }
}
