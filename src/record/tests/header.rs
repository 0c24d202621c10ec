use super::*;

#[test]
fn header_there_and_back() {
    for holes in [Holes::Forbidden, Holes::Allowed] {
        let header = Header {
            holes,
            ..Header::fresh(&mut rand::rng())
        };
        let bytes = header.seal(&FileKeys::derive(&content_key(), &header.salt));
        let (opened, keys) = Header::open(&bytes, &content_key()).unwrap();
        assert_eq!(opened, header);
        assert_eq!(opened.seal(&keys), bytes);
    }
}
