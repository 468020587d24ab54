//! Who saves a zone: a word in its header with a worker's pid and the last second it said so.
//!
//! One worker at a time saves. Who holds the lease says so every second; a holder that is gone, or silent for
//! too long, loses it.

use super::atomics::{AtomicU64, Ordering};

/// A holder that was silent for this many seconds hangs, or the clock jumped: another worker saves.
const SILENCE_SECONDS: u32 = 30;
/// The word of a lease that nobody holds; zone memory starts as zeroes.
const FREE: u64 = 0;

fn word_of(pid: u32, at: u32) -> u64 {
    u64::from(pid) << 32 | u64::from(at)
}

/// Takes the lease or prolongs it; false when another worker has it. `at` is in unix seconds.
pub fn hold(word: &AtomicU64, pid: u32, at: u32, is_gone: impl Fn(u32) -> bool) -> bool {
    let held = word.load(Ordering::Relaxed);
    let (owner, said) = ((held >> 32) as u32, held as u32);
    let free = held == FREE || owner == pid || said.abs_diff(at) > SILENCE_SECONDS || is_gone(owner);
    free && word
        .compare_exchange(held, word_of(pid, at), Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

/// Gives the lease back, if it is this worker's.
pub fn release(word: &AtomicU64, pid: u32) {
    let held = word.load(Ordering::Relaxed);
    if (held >> 32) as u32 == pid {
        // When it fails, another worker has taken it meanwhile.
        let _ = word.compare_exchange(held, FREE, Ordering::AcqRel, Ordering::Relaxed);
    }
}
