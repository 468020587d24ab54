//! The lock of one set: a word in shared memory that names its owner and the record being written.
//!
//! nginx releases only its own slab mutex when a worker dies, so this lock must survive the death of its owner:
//! the word holds the owner's pid, and whoever finds that process gone takes the lock over and discards the one
//! record that may be half written. Waiting is bounded: a request that cannot have the lock goes on unaccounted.

use super::atomics::{AtomicU64, Ordering, SPINS, YIELDS, compiler_fence, spin_loop, yield_now};

/// The word of a lock that nobody holds; zone memory starts as zeroes.
const FREE: u64 = 0;
const WAY_BITS: u32 = 8;

/// How a lock was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nobody held it.
    Free,
    /// Its owner was gone. The way it was writing, if any, must be reset before the set is read.
    Stolen(Option<usize>),
}

fn word_of(pid: u32, way: Option<usize>) -> u64 {
    let way = way.map_or(0, |way| way as u64 + 1);
    u64::from(pid) << WAY_BITS | way
}

fn way_of(word: u64) -> Option<usize> {
    (word & ((1 << WAY_BITS) - 1))
        .checked_sub(1)
        .map(|way| way as usize)
}

/// Takes the lock for `pid` (never 0), or gives up when a living process keeps it.
#[inline]
pub fn acquire(word: &AtomicU64, pid: u32, is_gone: impl Fn(u32) -> bool) -> Option<Taken> {
    if try_once(word, pid) {
        return Some(Taken::Free);
    }
    wait(word, pid, is_gone)
}

#[inline]
fn try_once(word: &AtomicU64, pid: u32) -> bool {
    word.load(Ordering::Relaxed) == FREE
        && word
            .compare_exchange_weak(FREE, word_of(pid, None), Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
}

/// Somebody holds it, which is rare: kept apart from the path of every request.
#[cold]
fn wait(word: &AtomicU64, pid: u32, is_gone: impl Fn(u32) -> bool) -> Option<Taken> {
    for _ in 0..YIELDS {
        for _ in 0..SPINS {
            spin_loop();
            if try_once(word, pid) {
                return Some(Taken::Free);
            }
        }
        yield_now();
    }
    let held = word.load(Ordering::Relaxed);
    let owner = (held >> WAY_BITS) as u32;
    // A worker never waits for itself: its own pid means that the number was given out anew.
    if held == FREE || (owner != pid && !is_gone(owner)) {
        return None;
    }
    // The way stays named: should this worker die before it has reset the record, the next one still knows of it.
    let way = way_of(held);
    word.compare_exchange(held, word_of(pid, way), Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
        .then_some(Taken::Stolen(way))
}

/// Says which record the owner is about to write.
#[inline]
pub fn announce(word: &AtomicU64, pid: u32, way: usize) {
    word.store(word_of(pid, Some(way)), Ordering::Release);
    // A release store keeps what comes before it; the compiler could still move the plain writes to the record
    // that follow ahead of it, and a death in between would leave a torn record that nobody announced. The
    // processor needs no fence: instructions retire in order, so an owner that reached the record has stored the
    // word too, and who finds it gone does so after the kernel has ended it, with all of its stores visible.
    compiler_fence(Ordering::SeqCst);
}

/// Gives the lock back.
#[inline]
pub fn release(word: &AtomicU64) {
    word.store(FREE, Ordering::Release);
}
