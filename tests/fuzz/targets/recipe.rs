//! Recipe files, and keys in hexadecimal.

use super::Input;
use plainview::recipe::{
    BLOCK_LEN, Decryptor, Encryptor, HEADER_LEN, Header, Padding, RecipeKey, StreamError, decrypt, encrypt, size_on_disk,
};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

/// The first byte: a key's length, or that the rest is a key's text. Then the lowest byte of the size is put right or left as it is.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    let key = match kind & 3 {
        0 => return key_text(input.0),
        1 => "0f".repeat(16),
        2 => "1e".repeat(24),
        _ => "2d".repeat(32),
    };
    let key = RecipeKey::from_hex(key.as_bytes()).ok().unwrap();
    let mut bytes = input.0.to_vec();
    if kind & 4 != 0
        && let Some(body) = bytes.len().checked_sub(HEADER_LEN)
    {
        // A size that fits the length, if any does.
        let size = body.saturating_sub(usize::from(kind >> 4));
        bytes[..8].copy_from_slice(&u64::try_from(size).unwrap().to_le_bytes());
    }
    file(&key, &bytes);
}

fn key_text(text: &[u8]) {
    let read = RecipeKey::read_hex(&mut &*text);
    match RecipeKey::from_hex(text) {
        Ok(key) => {
            let again = data_encoding::HEXLOWER.encode(key.expose());
            assert!(text.trim_ascii().eq_ignore_ascii_case(again.as_bytes()));
            assert!(text.len() >= 4096 || read.is_ok_and(|read| read.expose() == key.expose()));
        }
        Err(_) => assert!(read.is_err()),
    }
}

fn memory(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create(c"fuzz", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

fn file(key: &RecipeKey, bytes: &[u8]) {
    let (from, mut to) = (memory(bytes), memory(b""));
    let decrypted = decrypt(key, from.as_fd(), to.as_fd(), &mut |_| {});
    let mut text = Vec::new();
    to.seek(SeekFrom::Start(0)).unwrap();
    to.read_to_end(&mut text).unwrap();
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return assert_eq!(decrypted, Err(StreamError::Short));
    };
    let fields = Header::from_bytes(header);
    assert_eq!(fields.to_bytes(), *header);
    let is_whole = size_on_disk(fields.size) == u64::try_from(bytes.len()).ok();
    let Ok(padding) = decrypted else {
        assert!(!is_whole && text.is_empty(), "{decrypted:?}");
        return;
    };
    assert!(is_whole);
    assert_eq!(u64::try_from(text.len()), Ok(fields.size));
    let (mut blocks, rest) = (body.as_chunks::<BLOCK_LEN>().0.to_vec(), body.as_chunks::<BLOCK_LEN>().1);
    assert!(rest.is_empty());
    Decryptor::new(key, &fields.iv).decrypt(&mut blocks);
    assert!(blocks.as_flattened().starts_with(&text));
    assert_eq!(
        padding,
        blocks.last().map_or(Padding::Absent, |last| Padding::of(fields.size, last))
    );
    Encryptor::new(key, &fields.iv).encrypt(&mut blocks);
    assert_eq!(blocks.as_flattened(), body, "it is encrypted as it was");
    there_and_back(key, &text);
}

fn there_and_back(key: &RecipeKey, text: &[u8]) {
    let (from, to, mut back) = (memory(text), memory(b""), memory(b""));
    encrypt(key, from.as_fd(), u64::try_from(text.len()).unwrap(), to.as_fd(), &mut |_| {}).unwrap();
    let padding = decrypt(key, to.as_fd(), back.as_fd(), &mut |_| {}).unwrap();
    assert_ne!(padding, Padding::Unusual);
    let mut read = Vec::new();
    back.seek(SeekFrom::Start(0)).unwrap();
    back.read_to_end(&mut read).unwrap();
    assert_eq!(read, text);
}
