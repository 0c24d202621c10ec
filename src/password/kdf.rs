//! Argon2id: a guess at a password shall cost time and memory.

use super::Password;
use crate::secret::{Secret, SecretBytes, leaving_no_trace};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelExtend, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Bytes of a password slot's salt.
pub const PASSWORD_SALT_LEN: usize = 16;
/// Memory that a slot may ask for, in KiB.
pub const MEMORY_KIB: RangeInclusive<u32> = 8 << 10..=4 << 20;
/// Passes that a slot may ask for.
pub const PASSES: RangeInclusive<u32> = 1..=1000;
/// Lanes that a slot may ask for.
pub const LANES: RangeInclusive<u32> = 1..=64;

/// What deriving a slot key costs. Within the bounds, which are checked when it is made, so before any memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A cost that a slot may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {is}, and must be {} to {}", bounds.0, bounds.1)]
pub struct CostError {
    what: &'static str,
    is: u32,
    bounds: (u32, u32),
}

impl KdfCost {
    /// What `init` takes: 256 MiB, 3 passes, 4 lanes.
    pub const DEFAULT: Self = Self {
        memory_kib: 256 << 10,
        passes: 3,
        lanes: 4,
    };
    /// The least that is allowed: 8 MiB, 1 pass, 1 lane. For tests.
    pub const FLOOR: Self = Self {
        memory_kib: 8 << 10,
        passes: 1,
        lanes: 1,
    };

    /// Checks the costs against [`MEMORY_KIB`], [`PASSES`] and [`LANES`].
    ///
    /// # Errors
    /// The first one that is out of bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CostError> {
        for (what, is, bounds) in [
            ("memory_kib", memory_kib, MEMORY_KIB),
            ("passes", passes, PASSES),
            ("lanes", lanes, LANES),
        ] {
            if !bounds.contains(&is) {
                return Err(CostError {
                    what,
                    is,
                    bounds: bounds.into_inner(),
                });
            }
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes, which can be computed side by side.
    pub fn lanes(self) -> u32 {
        self.lanes
    }
}

/// The memory that a slot asks for, or a thread, cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} MiB of memory, or threads to compute in, cannot be had", .memory_kib / 1024)]
pub struct NoMemory {
    /// How much was asked for.
    pub memory_kib: u32,
}

/// `Argon2id version 0x13 (password, salt, cost)`, 64 bytes, without a secret or associated data.
///
/// The lanes are computed side by side, in as many threads as there are processors for them. The memory it works in, and what is left on the stacks of the threads, is zeroed before it
/// is given back. Reference: RFC 9106; `docs/format.md`, section "plainview.toml".
///
/// # Errors
/// [`NoMemory`], where the allocator says so, or there is none for a thread.
pub fn stretch(password: &Password, salt: &[u8; PASSWORD_SALT_LEN], cost: KdfCost) -> Result<Secret<64>, NoMemory> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(64)).expect("the bounds of a cost are within those of Argon2");
    let count = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let threads = threads(cost)?;
    let key = threads.install(|| {
        let mut blocks = Blocks::new(count, cost)?;
        let compute = |key: &mut [u8; 64]| {
            argon2
                .hash_password_into_with_memory(password.expose(), salt, key, &mut blocks.0)
                .expect("a password is shorter than 4 GiB, the salt longer than 7 bytes, and the memory and the key are as long as the parameters say");
        };
        Ok(Secret::fill_with(compute))
    });
    // The last blocks of all lanes together give the key away. The C library keeps the stacks of threads that have ended, as they are.
    threads.broadcast(|_| leaving_no_trace(|| ()));
    key
}

/// Threads for the lanes. They end when this is dropped.
fn threads(cost: KdfCost) -> Result<ThreadPool, NoMemory> {
    let most = thread::available_parallelism().map_or(1, usize::from);
    let lanes = usize::try_from(cost.lanes).unwrap_or(most);
    let pool = |count| {
        ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|_| "kdf".to_owned())
            .build()
    };
    // There may be a limit on how many threads a user has.
    pool(lanes.min(most)).or_else(|_| pool(1)).map_err(|_| NoMemory {
        memory_kib: cost.memory_kib,
    })
}

/// How much memory a calibrated cost has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Exactly so many KiB, within [`MEMORY_KIB`].
    Exactly(u32),
    /// So many KiB at most: half as many, and so on, where a single pass over them takes too long.
    AtMost(u32),
}

/// The cost that takes about `time` on this machine, as it is now, with as many lanes as [`KdfCost::DEFAULT`]; and how long it takes, by extrapolation.
///
/// It takes some multiple of the time of one pass to find out.
///
/// # Errors
/// That the memory cannot be had.
pub fn calibrate(time: Duration, memory: Memory) -> Result<(KdfCost, Duration), NoMemory> {
    let (mut memory_kib, least) = match memory {
        Memory::Exactly(kib) => (kib, kib),
        Memory::AtMost(kib) => (kib, *MEMORY_KIB.start()),
    };
    let cost = |memory_kib, passes| KdfCost {
        memory_kib,
        passes,
        lanes: KdfCost::DEFAULT.lanes,
    };
    loop {
        let one = measure(cost(memory_kib, 1))?;
        if one > time && memory_kib / 2 >= least {
            memory_kib /= 2;
            continue;
        }
        // The first pass also takes the memory, so that the others are shorter.
        let more = measure(cost(memory_kib, 3))?.saturating_sub(one) / 2;
        let more = more.max(one / 4).max(Duration::from_micros(1));
        let count = time.saturating_sub(one).as_nanos() / more.as_nanos();
        let passes = u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1).min(*PASSES.end());
        return Ok((cost(memory_kib, passes), one + more * (passes - 1)));
    }
}

/// How long a computation takes.
fn measure(cost: KdfCost) -> Result<Duration, NoMemory> {
    let begin = Instant::now();
    let password = Password(SecretBytes::copy_of(b"any"));
    stretch(&password, &[0; PASSWORD_SALT_LEN], cost)?;
    Ok(begin.elapsed())
}

/// The memory of one computation, zeroed when dropped. The threads that compute in it also fill and zero it: that takes as long as a pass.
pub(super) struct Blocks(Vec<Block>);

impl Blocks {
    /// `count` blocks, which `cost` asks for.
    pub(super) fn new(count: usize, cost: KdfCost) -> Result<Self, NoMemory> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count).map_err(|_| NoMemory {
            memory_kib: cost.memory_kib,
        })?;
        blocks.par_extend((0..count).into_par_iter().map(|_| Block::new()));
        Ok(Self(blocks))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // Block by block: zeroizing the vector would go over its memory twice, the second time byte by byte.
        self.0.par_iter_mut().for_each(Zeroize::zeroize);
    }
}
