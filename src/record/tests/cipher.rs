use super::*;

#[test]
fn runs_there_and_back() {
    let cipher = RecordCipher::new(&file_keys(1));
    for n in LENGTHS {
        let plain: Vec<u8> = (0..=250).cycle().take(n).collect();
        let mut sealed = vec![0xee; sealed_len(n, End::Last)];
        cipher.seal(RecordNo::new(9), &plain, End::Last, &mut rand::rng(), &mut sealed);
        let mut opened = vec![0xee; n];
        cipher
            .open(RecordNo::new(9), &sealed, End::Last, Holes::Forbidden, &mut opened)
            .unwrap();
        assert_eq!(opened, plain);
    }
}
