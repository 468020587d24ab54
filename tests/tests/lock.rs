//! The lock of one set, as data: the module's own source, without nginx. What its failures do to requests is in
//! `module_zone`.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[path = "../../nginx-module/src/atomics.rs"]
mod atomics;
#[path = "../../nginx-module/src/lock.rs"]
mod lock;

use lock::{Taken, acquire, announce, release};

const OWN: u32 = 4_194_304;
const OTHER: u32 = 17;

/// A lock that `pid` holds, writing `way`.
fn held(pid: u32, way: Option<usize>) -> AtomicU64 {
    let word = AtomicU64::new(0);
    assert_eq!(acquire(&word, pid, |_| false), Some(Taken::Free));
    if let Some(way) = way {
        announce(&word, pid, way);
    }
    word
}

fn same(word: &AtomicU64, other: &AtomicU64) -> bool {
    word.load(Ordering::Relaxed) == other.load(Ordering::Relaxed)
}

#[test]
fn a_free_lock_is_taken_and_given_back() {
    let word = held(OWN, Some(7));
    assert_ne!(word.load(Ordering::Relaxed), 0);
    release(&word);
    assert_eq!(word.load(Ordering::Relaxed), 0);
    assert_eq!(acquire(&word, OTHER, |_| true), Some(Taken::Free));
}

#[test]
fn a_lock_that_a_living_process_keeps_is_given_up_and_not_touched() {
    for way in [None, Some(0), Some(7)] {
        let word = held(OTHER, way);
        let asked = Cell::new(0);
        let start = Instant::now();
        let taken = acquire(&word, OWN, |pid| {
            assert_eq!(pid, OTHER);
            asked.set(asked.get() + 1);
            false
        });
        assert_eq!(taken, None);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(asked.get(), 1, "the kernel is asked once, after the wait");
        assert!(same(&word, &held(OTHER, way)));
    }
}

#[test]
fn a_dead_owners_lock_is_stolen_with_the_record_it_was_writing() {
    for way in [None, Some(0), Some(1), Some(7)] {
        let word = held(OTHER, way);
        assert_eq!(acquire(&word, OWN, |pid| pid == OTHER), Some(Taken::Stolen(way)));
        assert!(
            same(&word, &held(OWN, way)),
            "the thief owns it, and names the record until it is reset"
        );
    }
}

#[test]
fn a_lock_whose_thief_dies_too_still_names_the_record() {
    let word = held(OTHER, Some(3));
    for thief in [OWN, OWN - 1, OWN - 2] {
        assert_eq!(acquire(&word, thief, |_| true), Some(Taken::Stolen(Some(3))));
    }
}

#[test]
fn a_lock_left_by_an_earlier_process_with_our_pid_is_stolen() {
    let word = held(OWN, Some(2));
    // Asked, the kernel would say that the owner lives: it is us.
    assert_eq!(acquire(&word, OWN, |_| false), Some(Taken::Stolen(Some(2))));
}

#[test]
fn a_lock_that_another_thief_got_first_is_left_to_it() {
    let word = held(OTHER, Some(2));
    let winner = held(OTHER + 1, Some(2));
    let taken = acquire(&word, OWN, |_| {
        word.store(winner.load(Ordering::Relaxed), Ordering::Relaxed);
        true
    });
    assert_eq!(taken, None);
    assert!(same(&word, &winner));
}

#[test]
fn a_lock_that_its_owner_gave_back_meanwhile_is_not_stolen() {
    let word = held(OTHER, Some(2));
    let taken = acquire(&word, OWN, |_| {
        release(&word);
        true
    });
    assert_eq!((taken, word.load(Ordering::Relaxed)), (None, 0));
}

#[test]
fn one_at_a_time_holds_a_lock() {
    const TURNS: u64 = 20_000;
    let (word, count) = (AtomicU64::new(0), AtomicU64::new(0));
    let taken: u64 = std::thread::scope(|scope| {
        let worker = |pid: u32| {
            let (word, count) = (&word, &count);
            scope.spawn(move || {
                let turn = |_: &u64| {
                    let taken = acquire(word, pid, |_| false).is_some();
                    if taken {
                        // Not one atomic step: two holders at once would lose a count.
                        let before = count.load(Ordering::Relaxed);
                        announce(word, pid, 1);
                        count.store(before + 1, Ordering::Relaxed);
                        release(word);
                    }
                    taken
                };
                (0..TURNS).filter(turn).count() as u64
            })
        };
        let workers = [worker(1), worker(2), worker(3)];
        workers
            .map(|worker| worker.join().expect("no panic"))
            .iter()
            .sum()
    });
    assert!(taken > 0);
    assert_eq!(count.load(Ordering::Relaxed), taken);
}
