//! The steps between the asking for a lock and its giving back, at each of which a test build can end its worker.
//!
//! A production build has none of it: [`reach`] is empty there.

/// A point inside, or at the edge of, the critical section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The lock is not yet taken: `before-lock`.
    BeforeLock,
    /// It is, nothing is announced: `after-acquire`.
    AfterAcquire,
    /// A dead owner's lock was taken, its record is not yet reset: `stolen`.
    Stolen,
    /// The dead owner's record is half reset: `mid-reset`.
    MidReset,
    /// A record is announced: `after-announce`. A request comes here at its arrival, at each visit for a new
    /// score or reasons, and after its response.
    AfterAnnounce,
    /// The record is half written: `mid-write`.
    MidWrite,
    /// The record's name is half written: `mid-name`.
    MidName,
    /// All is written, the lock still held: `before-release`.
    BeforeRelease,
    /// The lock was given back: `after-release`.
    AfterRelease,
}

/// Nothing is injected.
#[cfg(not(feature = "test-clock"))]
#[inline(always)]
pub fn reach(_step: Step, _before: impl FnOnce()) {}

#[cfg(feature = "test-clock")]
pub use injection::{arm, reach};

#[cfg(feature = "test-clock")]
mod injection {
    use std::cell::Cell;

    use super::Step;
    use crate::ffi::process::end_worker;

    thread_local! {
        /// Where this worker is to end, and how many times it comes there before.
        static ARMED: Cell<Option<(Step, u32)>> = const { Cell::new(None) };
    }

    /// Reads `die STEP [TIMES]`: the worker ends where it reaches the step for that time, the first unless said.
    pub fn arm(text: &[u8]) {
        let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let armed = match (words.next(), words.next().and_then(step)) {
            (Some(b"die"), Some(step)) => {
                let times = words
                    .next()
                    .and_then(|word| str::from_utf8(word).ok()?.parse().ok());
                Some((step, times.unwrap_or(1)))
            }
            _ => None,
        };
        ARMED.set(armed);
    }

    /// Ends this worker if it is to end here; `before` is what it does last.
    pub fn reach(step: Step, before: impl FnOnce()) {
        match ARMED.get() {
            Some((armed, times)) if armed == step && times <= 1 => {
                before();
                end_worker();
            }
            Some((armed, times)) if armed == step => ARMED.set(Some((armed, times - 1))),
            _ => {}
        }
    }

    fn step(word: &[u8]) -> Option<Step> {
        Some(match word {
            b"before-lock" => Step::BeforeLock,
            b"after-acquire" => Step::AfterAcquire,
            b"stolen" => Step::Stolen,
            b"mid-reset" => Step::MidReset,
            b"after-announce" => Step::AfterAnnounce,
            b"mid-write" => Step::MidWrite,
            b"mid-name" => Step::MidName,
            b"before-release" => Step::BeforeRelease,
            b"after-release" => Step::AfterRelease,
            _ => return None,
        })
    }
}
