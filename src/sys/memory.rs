//! Memory that is free, and that the allocator keeps; and memory that is to stay where it is.

/// Gives it back to the operating system: after much was freed of which nothing may be needed again. Takes some milliseconds for each 100 MiB.
#[allow(unsafe_code, reason = "the allocator's own function, which no crate wraps")]
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) may be called by any thread at any time; it touches nothing that is allocated, and its argument is any number.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Keeps `bytes` out of swap, and what else is in their pages, for as long as this process runs: also when the memory was freed, for somebody else's secret may be in the same page.
///
/// # Errors
/// What the operating system says: mostly that the limit (RLIMIT_MEMLOCK) does not allow it.
#[allow(unsafe_code, reason = "rustix leaves to its caller what the pages are")]
pub(crate) fn lock(bytes: &[u8]) -> rustix::io::Result<()> {
    // SAFETY: the bytes are there, since they are borrowed, and mlock(2) changes neither them nor what may be done with them.
    unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) }
}

/// Overwrites what calls that have returned left on the stack of this thread, below the frame of the caller, and in the registers of the processor.
#[inline(never)]
pub(crate) fn wipe_traces() {
    /// More than what Argon2id and the ciphers of slots use, and much less than a thread has.
    const DEPTH: usize = 128 << 10;
    /// As many chunks of BLAKE3 as are hashed side by side, twice.
    const PUBLIC: usize = 32 << 10;
    let mut below = [0u8; DEPTH];
    zeroize::Zeroize::zeroize(&mut below[..]);
    std::hint::black_box(&below);
    // Vectors stay in their registers until something else needs these, and are saved with them to the stack: by the linker, when libc calls one of its functions for the first time, or for a
    // signal. Hashing many blocks needs all of them, as wide as they are.
    std::hint::black_box(blake3::hash(&below[..PUBLIC]));
}
