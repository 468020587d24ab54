//! Every interleaving of the lock's steps, by a model checker: the module's own source, over loom's atomics.
//!
//! A process is a thread here. Its death is its end: what it stored is seen by whoever then finds it gone, as a
//! kernel ends a process before `kill` says that there is none.

use std::sync::atomic::AtomicUsize as PlainCounter;
use std::sync::atomic::Ordering::Relaxed;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[path = "../../nginx-module/src/lock.rs"]
mod lock;

/// The lock's parts as the model checker has them, and fewer turns: each one multiplies the interleavings.
mod atomics {
    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicU64, Ordering};
    pub use loom::thread::yield_now;
    pub const SPINS: u32 = 1;
    pub const YIELDS: u32 = 2;

    /// It stops the compiler only; the model takes stores in their order already.
    pub fn compiler_fence(_: Ordering) {}
}

use lock::{Taken, acquire, announce, release};

const WAY: usize = 3;

/// A set with its lock, and which processes are gone. loom fails a model in which two threads are at the record
/// at once, or one does not see what the other wrote before.
struct Shared {
    word: AtomicU64,
    record: UnsafeCell<u64>,
    gone: [AtomicBool; 4],
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            word: AtomicU64::new(0),
            record: UnsafeCell::new(0),
            gone: [const { false }; 4].map(AtomicBool::new),
        })
    }

    fn is_gone(&self, pid: u32) -> bool {
        self.gone[pid as usize].load(Ordering::Acquire)
    }

    fn die(&self, pid: u32) {
        self.gone[pid as usize].store(true, Ordering::Release);
    }

    fn write(&self) {
        self.record.with_mut(|_| ());
    }

    /// A whole turn: how the lock was had, if it was.
    fn turn(&self, pid: u32) -> Option<Taken> {
        let taken = acquire(&self.word, pid, |owner| self.is_gone(owner))?;
        announce(&self.word, pid, WAY);
        self.write();
        release(&self.word);
        Some(taken)
    }
}

#[test]
fn two_owners_never_meet() {
    static BOTH: PlainCounter = PlainCounter::new(0);
    loom::model(|| {
        let shared = Shared::new();
        let other = shared.clone();
        let thread = loom::thread::spawn(move || other.turn(1));
        let own = shared.turn(2);
        let theirs = thread.join().expect("no panic");
        for taken in [own, theirs].into_iter().flatten() {
            assert_eq!(taken, Taken::Free, "nobody died, so nothing is stolen");
        }
        assert!(own.is_some() || theirs.is_some());
        BOTH.fetch_add(usize::from(own.is_some() && theirs.is_some()), Relaxed);
    });
    assert!(BOTH.load(Relaxed) > 0, "in some order both had their turn");
}

#[test]
fn an_owner_that_dies_after_it_announced_loses_that_record_to_the_thief() {
    static STOLEN: PlainCounter = PlainCounter::new(0);
    loom::model(|| {
        let shared = Shared::new();
        acquire(&shared.word, 1, |_| false).expect("free");
        let other = shared.clone();
        let thread = loom::thread::spawn(move || {
            announce(&other.word, 1, WAY);
            other.write();
            other.die(1);
        });
        loom::thread::yield_now();
        match shared.turn(2) {
            Some(Taken::Stolen(way)) => {
                assert_eq!(way, Some(WAY));
                STOLEN.fetch_add(1, Relaxed);
            }
            Some(Taken::Free) => panic!("the other never gave it back"),
            None => {}
        }
        thread.join().expect("no panic");
    });
    assert!(STOLEN.load(Relaxed) > 0, "in some order it is stolen");
}

#[test]
fn of_two_thieves_one_gets_the_lock_and_the_record_is_named_to_that_one() {
    static OWN: PlainCounter = PlainCounter::new(0);
    static THEIRS: PlainCounter = PlainCounter::new(0);
    loom::model(|| {
        let shared = Shared::new();
        acquire(&shared.word, 1, |_| false).expect("free");
        announce(&shared.word, 1, WAY);
        shared.die(1);
        let other = shared.clone();
        let thread = loom::thread::spawn(move || other.turn(2));
        let own = shared.turn(3);
        let theirs = thread.join().expect("no panic");
        let stolen = |taken| taken == Some(Taken::Stolen(Some(WAY)));
        assert!(stolen(own) != stolen(theirs), "{own:?}, {theirs:?}");
        OWN.fetch_add(usize::from(stolen(own)), Relaxed);
        THEIRS.fetch_add(usize::from(stolen(theirs)), Relaxed);
    });
    assert!(
        OWN.load(Relaxed) > 0 && THEIRS.load(Relaxed) > 0,
        "either may win"
    );
}

#[test]
fn a_lock_given_back_before_its_owners_end_is_never_stolen() {
    loom::model(|| {
        let shared = Shared::new();
        let other = shared.clone();
        let thread = loom::thread::spawn(move || {
            let taken = other.turn(1);
            other.die(1);
            taken
        });
        let own = shared.turn(2);
        let theirs = thread.join().expect("no panic");
        for taken in [own, theirs].into_iter().flatten() {
            assert_eq!(taken, Taken::Free);
        }
        assert_eq!(shared.word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_thief_that_dies_before_it_reset_the_record_leaves_it_named() {
    loom::model(|| {
        let shared = Shared::new();
        acquire(&shared.word, 1, |_| false).expect("free");
        announce(&shared.word, 1, WAY);
        shared.die(1);
        let other = shared.clone();
        let thread = loom::thread::spawn(move || {
            let taken = acquire(&other.word, 2, |owner| other.is_gone(owner));
            other.die(2);
            taken
        });
        let own = shared.turn(3);
        let theirs = thread.join().expect("no panic");
        for taken in [own, theirs].into_iter().flatten() {
            match taken {
                Taken::Stolen(way) => assert_eq!(way, Some(WAY)),
                Taken::Free => assert!(own.is_some() && taken == theirs.unwrap_or(Taken::Free)),
            }
        }
    });
}
