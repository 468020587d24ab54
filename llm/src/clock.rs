//! The time of one operation: it starts at the caller's `now` and goes on with a clock that cannot jump.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One operation's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: SystemTime,
    started: Instant,
    end: Instant,
}

impl Clock {
    /// Starts at `now`, and is over after `deadline`.
    pub fn start(now: SystemTime, deadline: Duration) -> Clock {
        let started = Instant::now();
        Clock {
            now,
            started,
            end: started + deadline,
        }
    }

    /// When the operation must be over.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time that is left.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Wall-clock time: the caller's, moved on.
    pub fn now(&self) -> SystemTime {
        self.now + self.elapsed()
    }

    /// The same in milliseconds since 1970.
    pub fn millis(&self) -> u64 {
        millis(self.now())
    }
}

/// Milliseconds since 1970; 0 before.
pub fn millis(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970; 0 before.
pub fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
