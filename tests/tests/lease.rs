//! Who saves a zone, as data: the module's own source, without nginx.

use std::sync::atomic::{AtomicU64, Ordering};

#[path = "../../nginx-module/src/lease.rs"]
mod lease;

mod atomics {
    pub use std::sync::atomic::{AtomicU64, Ordering};
}

use lease::{hold, release};

const NOW: u32 = 1_700_000_000;

#[test]
fn a_lease_is_one_workers_until_it_is_given_back_gone_or_silent() {
    let lease = AtomicU64::new(0);
    let lives = |_| false;
    assert!(hold(&lease, 10, NOW, lives));
    assert!(hold(&lease, 10, NOW + 1, lives), "prolonged");
    assert!(!hold(&lease, 11, NOW + 1, lives), "held by another");
    assert!(hold(&lease, 11, NOW + 2, |pid| pid == 10), "its holder is gone");
    assert!(!hold(&lease, 10, NOW + 3, lives), "lost for good");
    assert!(!hold(&lease, 12, NOW + 32, lives), "silent, not yet for long");
    assert!(hold(&lease, 12, NOW + 33, lives), "silent for too long");
    release(&lease, 11);
    assert!(
        !hold(&lease, 11, NOW + 34, lives),
        "who has it not cannot give it back"
    );
    release(&lease, 12);
    assert_eq!(lease.load(Ordering::Relaxed), 0);
    assert!(hold(&lease, 11, NOW + 35, lives));
}

#[test]
fn a_clock_that_jumps_back_does_not_keep_a_lease_for_ever() {
    let lease = AtomicU64::new(0);
    assert!(hold(&lease, 10, NOW + 86_400, |_| false));
    assert!(hold(&lease, 11, NOW, |_| false));
}

#[test]
fn who_was_faster_keeps_it() {
    let lease = AtomicU64::new(0);
    assert!(hold(&lease, 10, NOW, |_| false));
    let slower = hold(&lease, 11, NOW, |_| {
        assert!(hold(&lease, 12, NOW, |_| true));
        true
    });
    assert!(!slower);
    assert!(!hold(&lease, 11, NOW, |_| false));
}
