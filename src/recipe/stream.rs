//! Whole files from one descriptor to another, piece by piece: memory does not grow with them, and files may be larger than it.

use super::{BLOCK_LEN, Decryptor, Encryptor, HEADER_LEN, Header, PADDING, Padding, RecipeKey, size_on_disk};
use crate::sys::temporary::write_all;
use rand::Rng;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use zeroize::Zeroizing;

/// Bytes that are read, computed and written at a time; whole blocks.
const PIECE: u64 = 1 << 20;

/// Why a file was not encrypted or decrypted whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The source cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[source] Errno),
    /// The target cannot be written.
    #[error("cannot write the output: {0}")]
    Write(#[source] Errno),
    /// The source is no longer as long as it was.
    #[error("its length changed meanwhile")]
    Changed,
    /// The contents are too long for the format.
    #[error("it is too large for this format")]
    TooLarge,
    /// The source ends within the header.
    #[error("it is damaged: it has not even the 24 bytes that such a file begins with")]
    Short,
    /// The source's length is not the one that its header asks for.
    #[error("it is damaged: its length does not fit the size that its header tells")]
    Misfit,
}

/// Encrypts `from`, which has `size` bytes and is read from its beginning wherever its position is, and writes the recipe file to `to`, from where that is.
/// The IV is fresh. After each piece `progress` is told how many bytes of the contents are done.
///
/// # Errors
/// Why there is no whole file in `to`; part of it may be.
pub fn encrypt(
    key: &RecipeKey,
    from: BorrowedFd<'_>,
    size: u64,
    to: BorrowedFd<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StreamError> {
    size_on_disk(size).ok_or(StreamError::TooLarge)?;
    let mut iv = [0; BLOCK_LEN];
    rand::rng().fill_bytes(&mut iv);
    write_all(to, &Header { size, iv }.to_bytes()).map_err(StreamError::Write)?;
    let mut encryptor = Encryptor::new(key, &iv);
    let mut buffer = buffer(size);
    let mut done = 0;
    while done < size {
        let len = PIECE.min(size - done);
        let blocks = piece(&mut buffer, len);
        let (text, padding) = blocks.as_flattened_mut().split_at_mut(memory(len));
        read_whole(from, text, done)?;
        padding.fill(PADDING);
        encryptor.encrypt(blocks);
        write_all(to, blocks.as_flattened()).map_err(StreamError::Write)?;
        done += len;
        progress(done);
    }
    expect_end(from, size)
}

/// Decrypts the recipe file `from`, which is read from its beginning wherever its position is, and writes its contents to `to`, from where that is. After
/// each piece `progress` is told how many bytes of the contents are done. What is returned tells whether the key may have been the right one.
///
/// # Errors
/// Why there is no whole file in `to`; part of it may be. Nothing is, if `from` is no recipe file.
pub fn decrypt(key: &RecipeKey, from: BorrowedFd<'_>, to: BorrowedFd<'_>, progress: &mut dyn FnMut(u64)) -> Result<Padding, StreamError> {
    let (header, on_disk) = read_header(from)?;
    let size = header.size;
    let mut decryptor = Decryptor::new(key, &header.iv);
    let mut buffer = buffer(size);
    let (mut done, mut padding) = (0, Padding::Absent);
    while done < size {
        let len = PIECE.min(size - done);
        let blocks = piece(&mut buffer, len);
        read_whole(from, blocks.as_flattened_mut(), HEADER + done)?;
        decryptor.decrypt(blocks);
        done += len;
        // Pieces before the last one end with a block.
        padding = blocks.last().map_or(Padding::Absent, |last| Padding::of(done, last));
        let (text, _) = blocks.as_flattened().split_at(memory(len));
        write_all(to, text).map_err(StreamError::Write)?;
        progress(done);
    }
    expect_end(from, on_disk)?;
    Ok(padding)
}

/// The header of the recipe file `from`, and the file's length on disk, which is the one that the header asks for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_header(from: BorrowedFd<'_>) -> Result<(Header, u64), StreamError> {
    let stat = rustix::fs::fstat(from).map_err(StreamError::Read)?;
    let on_disk = u64::try_from(stat.st_size).unwrap_or(0);
    if on_disk < HEADER {
        return Err(StreamError::Short);
    }
    let mut bytes = [0; HEADER_LEN];
    read_whole(from, &mut bytes, 0)?;
    let header = Header::from_bytes(&bytes);
    match size_on_disk(header.size) {
        Some(expected) if expected == on_disk => Ok((header, on_disk)),
        Some(_) | None => Err(StreamError::Misfit),
    }
}

/// Fills `bytes` from `offset`.
///
/// # Errors
/// [`StreamError::Changed`] when the file ends before.
pub(super) fn read_whole(from: BorrowedFd<'_>, bytes: &mut [u8], offset: u64) -> Result<(), StreamError> {
    let (mut rest, mut offset) = (bytes, offset);
    while !rest.is_empty() {
        match rustix::io::pread(from, &mut *rest, offset) {
            Ok(0) => return Err(StreamError::Changed),
            Ok(count) => {
                rest = rest.get_mut(count..).unwrap_or_default();
                offset += u64::try_from(count).unwrap_or(0);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(StreamError::Read(errno)),
        }
    }
    Ok(())
}

/// [`HEADER_LEN`], as an offset.
const HEADER: u64 = 24;

/// Room for a piece of contents of `size` bytes. Zeroed when dropped, for it holds what nobody else may read.
fn buffer(size: u64) -> Zeroizing<Vec<[u8; BLOCK_LEN]>> {
    Zeroizing::new(vec![[0; BLOCK_LEN]; memory(PIECE.min(size)).div_ceil(BLOCK_LEN)])
}

/// The blocks of the buffer that `len` bytes of contents take.
fn piece(buffer: &mut [[u8; BLOCK_LEN]], len: u64) -> &mut [[u8; BLOCK_LEN]] {
    buffer.get_mut(..memory(len).div_ceil(BLOCK_LEN)).unwrap_or_default()
}

/// The length of a piece, as one of memory.
fn memory(len: u64) -> usize {
    usize::try_from(len).expect("a piece has 1 MiB at most")
}

/// That the file ends at `end`.
fn expect_end(from: BorrowedFd<'_>, end: u64) -> Result<(), StreamError> {
    match read_whole(from, &mut [0], end) {
        Err(StreamError::Changed) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(StreamError::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    fn bytes(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn key(len: usize) -> RecipeKey {
        RecipeKey::from_hex("5a".repeat(len).as_bytes()).unwrap()
    }

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
    }

    fn encrypted(plain: &[u8], size: u64, key: &RecipeKey) -> Result<Vec<u8>, StreamError> {
        let to = file(b"");
        encrypt(key, file(plain).as_fd(), size, to.as_fd(), &mut |_| {})?;
        Ok(bytes(&to))
    }

    fn decrypted(sealed: &[u8], key: &RecipeKey) -> Result<(Vec<u8>, Padding), StreamError> {
        let to = file(b"");
        let result = decrypt(key, file(sealed).as_fd(), to.as_fd(), &mut |_| {});
        if matches!(result, Err(StreamError::Short | StreamError::Misfit)) {
            assert_eq!(bytes(&to), b"");
        }
        Ok((bytes(&to), result?))
    }

    #[test]
    fn round_trips() {
        const MIB: usize = 1 << 20;
        for len in [0, 1, 15, 16, 17, 31, 32, 33, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 17] {
            for key_len in [16, 24, 32] {
                let (plain, key) = (plain(len), key(key_len));
                let sealed = encrypted(&plain, u64::try_from(len).unwrap(), &key).unwrap();
                assert_eq!(sealed.len(), 24 + len.next_multiple_of(16));
                assert_eq!(sealed[..8], u64::try_from(len).unwrap().to_le_bytes());
                let (text, padding) = decrypted(&sealed, &key).unwrap();
                assert!(text == plain, "{len}");
                let expected = match len % 16 {
                    0 => Padding::Absent,
                    used => Padding::Usual(u8::try_from(16 - used).unwrap()),
                };
                assert_eq!(padding, expected);
            }
        }
    }

    #[test]
    fn each_time_with_another_iv() {
        let (one, two) = (encrypted(b"x", 1, &key(32)).unwrap(), encrypted(b"x", 1, &key(32)).unwrap());
        assert_ne!(one[8..24], two[8..24]);
        assert_ne!(one[24..], two[24..]);
    }

    #[test]
    fn another_key_gives_another_text() {
        let sealed = encrypted(b"x", 1, &key(32)).unwrap();
        assert_eq!(decrypted(&sealed, &key(16)).unwrap().1, Padding::Unusual);
    }

    #[test]
    fn progress_ends_with_the_size() {
        let size = PIECE + 5;
        let (from, sealed, to) = (file(&plain(memory(size))), file(b""), file(b""));
        let mut told = Vec::new();
        encrypt(&key(32), from.as_fd(), size, sealed.as_fd(), &mut |done| told.push(done)).unwrap();
        decrypt(&key(32), sealed.as_fd(), to.as_fd(), &mut |done| told.push(done)).unwrap();
        assert_eq!(told, [PIECE, size, PIECE, size]);
    }

    #[test]
    fn sources_that_change() {
        for (plain, size) in [(&b"four"[..], 3), (b"four", 5), (b"", 1), (b"x", 0), (b"", 1 << 40)] {
            assert_eq!(encrypted(plain, size, &key(32)), Err(StreamError::Changed), "{size}");
        }
        assert_eq!(encrypted(b"", u64::MAX, &key(32)), Err(StreamError::TooLarge));
        // It grows or shrinks while it is read.
        let size = 2 * PIECE;
        for end in [size - 1, size + 1] {
            let (from, sealed) = (file(&plain(memory(size))), file(b""));
            let result = encrypt(&key(32), from.as_fd(), size, sealed.as_fd(), &mut |_| from.set_len(end).unwrap());
            assert_eq!(result, Err(StreamError::Changed));
            let (from, to) = (file(&encrypted(&plain(memory(size)), size, &key(32)).unwrap()), file(b""));
            let result = decrypt(&key(32), from.as_fd(), to.as_fd(), &mut |_| from.set_len(end + 24).unwrap());
            assert_eq!(result, Err(StreamError::Changed));
        }
    }

    #[test]
    fn damaged_files() {
        let sealed = encrypted(&plain(20), 20, &key(24)).unwrap();
        let lengths = [0, 1, 23].map(|len| (len, StreamError::Short));
        for (len, error) in lengths.into_iter().chain([24, 25, 40, 55].map(|len| (len, StreamError::Misfit))) {
            assert_eq!(decrypted(&sealed[..len], &key(24)), Err(error), "{len}");
        }
        for more in [1, 16] {
            let longer = [&sealed[..], &vec![0; more]].concat();
            assert_eq!(decrypted(&longer, &key(24)), Err(StreamError::Misfit));
        }
        for size in [0, 16, 33, u64::MAX, u64::MAX - 31, 1 << 63] {
            let other = [&size.to_le_bytes()[..], &sealed[8..]].concat();
            assert_eq!(decrypted(&other, &key(24)), Err(StreamError::Misfit), "{size}");
        }
    }

    #[test]
    fn descriptors_that_do_not_do() {
        let (read_only, good) = (File::open("/dev/null").unwrap(), file(b"x"));
        let result = encrypt(&key(32), good.as_fd(), 1, read_only.as_fd(), &mut |_| {});
        assert_eq!(result, Err(StreamError::Write(Errno::BADF)));
        let directory = File::open(".").unwrap();
        let result = encrypt(&key(32), directory.as_fd(), 1, file(b"").as_fd(), &mut |_| {});
        assert_eq!(result, Err(StreamError::Read(Errno::ISDIR)));
    }
}
