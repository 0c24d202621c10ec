//! Blocks of memory for bytes on their way to a disk: used again, and with room before the bytes, so that what belongs there is written with them and they are not copied.

use parking_lot::Mutex;

/// Bytes that a block has space for, room included: a request of the kernel is at most 1 MiB, which becomes a little more. They take memory only when they are written to.
pub(crate) const CAPACITY: usize = (1 << 20) + (64 << 10);
/// Bytes before those that are to be written.
pub(crate) const ROOM: usize = 64;
/// Bytes behind them that there is space for.
const BEHIND: usize = 64;
/// So many blocks are worth no call to the operating system.
const FEW: usize = 4;

/// Memory of blocks that are gone, each of [`CAPACITY`].
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory with space for `len` bytes, and for some more. What is in it is left over from earlier use.
pub(crate) fn memory(len: usize) -> Vec<u8> {
    let spare = if len <= CAPACITY { SPARE.lock().pop() } else { None };
    spare.unwrap_or_else(|| Vec::with_capacity(len.max(CAPACITY)))
}

/// Takes memory back.
pub(crate) fn done_with(memory: Vec<u8>) {
    if memory.capacity() == CAPACITY {
        SPARE.lock().push(memory);
    }
}

/// Gives memory that is not in use back to the operating system, if it is much.
pub(crate) fn forget_spare() {
    let mut all = SPARE.lock();
    let spare = if all.len() > FEW { std::mem::take(&mut *all) } else { Vec::new() };
    drop(all);
    if !spare.is_empty() {
        drop(spare);
        super::memory::give_back();
    }
}

/// Bytes that are to be written, and room before them.
#[derive(Default)]
pub(crate) struct Block(Vec<u8>);

impl Block {
    /// `len` bytes, whose contents mean nothing.
    pub(crate) fn of(len: usize) -> Self {
        // Little is not worth a block of the large ones.
        let mut memory = match len < CAPACITY / 16 {
            true => Vec::with_capacity(ROOM + len + BEHIND),
            false => memory(ROOM + len + BEHIND),
        };
        // It is filled with zeros only where it grows.
        memory.resize(ROOM + len, 0);
        Self(memory)
    }

    /// The bytes; none once the memory was taken.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(ROOM..).unwrap_or_default()
    }

    /// The bytes, to be filled.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.get_mut(ROOM..).unwrap_or_default()
    }

    /// `len` bytes more behind those that are there, to be filled.
    pub(crate) fn more(&mut self, len: usize) -> &mut [u8] {
        let end = self.0.len();
        self.0.resize(end + len, 0);
        &mut self.0[end..]
    }

    /// The memory: [`ROOM`], then the bytes. The block has none any more.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        done_with(self.take_memory());
    }
}
