//! What the locks are made of, in one place: a model checker's tests put their own in its stead.

pub use std::hint::spin_loop;
pub use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
pub use std::thread::yield_now;

/// Looks at a lock's word before giving the processor away.
pub const SPINS: u32 = 100;
/// Times the processor is given away before a lock is given up.
pub const YIELDS: u32 = 20;
