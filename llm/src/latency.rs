//! How long things took lately.

use std::collections::VecDeque;
use std::time::Duration;

/// Durations that percentiles are of: some days of an hourly report, minutes of a busy one.
const KEPT: usize = 256;

/// The last durations of one thing.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    last: VecDeque<Duration>,
}

impl Latency {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(duration);
    }

    /// Milliseconds that `percent` in a hundred do not exceed, by nearest rank.
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let mut sorted: Vec<Duration> = self.last.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        let found = sorted.get(rank - 1)?;
        Some(u64::try_from(found.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_durations() {
        #[track_caller]
        fn check(millis: impl Iterator<Item = u64>, percent: usize, expected: Option<u64>) {
            let mut latency = Latency::default();
            millis.for_each(|millis| latency.add(Duration::from_millis(millis)));
            assert_eq!(latency.percentile(percent), expected);
        }
        check(0..0, 50, None);
        check(7..8, 50, Some(7));
        check(1..101, 50, Some(50));
        check(1..101, 95, Some(95));
        check((1..101).rev(), 95, Some(95));
        check(0..10_000, 50, Some(10_000 - 129));
    }
}
