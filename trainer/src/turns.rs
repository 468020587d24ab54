//! Work of a thread that comes again and again until the daemon ends.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How soon a thread that waits sees that it is to end.
const GLANCE: Duration = Duration::from_millis(200);

/// Does `round` every so often, from one beginning to the next, until it is stopped.
pub fn turns(stop: &watch::Receiver<bool>, every: Duration, mut round: impl FnMut()) {
    while !*stop.borrow() {
        let until = Instant::now() + every;
        round();
        while !*stop.borrow() && Instant::now() < until {
            thread::sleep(GLANCE.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
