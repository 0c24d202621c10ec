//! Memory that is free, and that the allocator keeps.

/// Gives it back to the operating system: after much was freed of which nothing may be needed again. Takes some milliseconds for each 100 MiB.
#[allow(unsafe_code, reason = "the allocator's own function, which no crate wraps")]
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) may be called by any thread at any time; it touches nothing that is allocated, and its argument is any number.
    unsafe {
        libc::malloc_trim(0);
    }
}
