use super::*;

#[test]
fn lengths_there_and_back() {
    for plain in LENGTHS {
        for end in [End::Inner, End::Last] {
            if end == End::Last || plain % RECORD_LEN == 0 {
                assert_eq!(opened_len(sealed_len(plain, end), end), Some(plain));
            }
        }
        let plain = u64::try_from(plain).unwrap();
        assert_eq!(size_on_disk(cipher_len(plain)), Size::Whole(plain));
    }
    assert_eq!(size_on_disk(cipher_len(MAX_PLAIN_LEN)), Size::Whole(MAX_PLAIN_LEN));
}
