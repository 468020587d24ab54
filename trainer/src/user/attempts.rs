//! Log-ins that failed: who guesses must wait.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;

/// Names and addresses remembered, each. Who makes more of them than this forgets the oldest, and only its own kind.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("more than none");
/// Failures within [`WINDOW`] after which an address waits.
const PER_ADDRESS: u32 = 10;
/// The same of a name, from whatever addresses; more, so that nobody is locked out by another's few tries.
const PER_NAME: u32 = 30;
/// Seconds after which failures are forgotten.
const WINDOW: u32 = 900;

/// Failures of the last quarter of an hour.
#[derive(Debug)]
pub struct Attempts {
    names: LruCache<String, Count>,
    addresses: LruCache<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failed: u32,
    since: u32,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            names: LruCache::new(REMEMBERED),
            addresses: LruCache::new(REMEMBERED),
        }
    }
}

impl Attempts {
    /// Seconds to wait before another try may be made at Unix second `now`; `None` when it may be made. The try counts
    /// as failed until [`Attempts::succeeded`]: many at once are not looked at together.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: u32) -> Option<u32> {
        let name = name.to_ascii_lowercase();
        let waits = [
            wait(self.names.peek(&name), PER_NAME, now),
            wait(self.addresses.peek(&address), PER_ADDRESS, now),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Some(wait);
        }
        count(self.names.get_or_insert_mut(name, || Count::new(now)), now);
        count(self.addresses.get_or_insert_mut(address, || Count::new(now)), now);
        None
    }

    /// The try was right: what failed before is forgotten.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.names.pop(&name.to_ascii_lowercase());
        self.addresses.pop(&address);
    }
}

impl Count {
    fn new(now: u32) -> Count {
        Count {
            failed: 0,
            since: now,
        }
    }

    fn is_over(self, now: u32) -> bool {
        now.abs_diff(self.since) >= WINDOW
    }
}

fn wait(count: Option<&Count>, most: u32, now: u32) -> Option<u32> {
    count
        .filter(|count| !count.is_over(now) && count.failed >= most)
        .map(|count| WINDOW - now.abs_diff(count.since))
}

fn count(count: &mut Count, now: u32) {
    if count.is_over(now) {
        *count = Count::new(now);
    }
    count.failed += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_800_000_000;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_waits_after_ten_failures_and_no_other_does() {
        let mut attempts = Attempts::default();
        for number in 0..PER_ADDRESS {
            let name = format!("name{number}");
            assert_eq!(attempts.begin(&name, address(1), NOW), None, "{number}");
        }
        assert_eq!(attempts.begin("ana", address(1), NOW + 100), Some(800));
        assert_eq!(attempts.begin("ana", address(2), NOW + 100), None);
        assert_eq!(attempts.begin("ana", address(1), NOW + WINDOW), None);
    }

    #[test]
    fn a_name_waits_after_thirty_failures_from_anywhere() {
        let mut attempts = Attempts::default();
        for number in 0..PER_NAME {
            assert_eq!(attempts.begin("Ana", address(number as u8), NOW), None);
        }
        assert_eq!(attempts.begin("aNA", address(200), NOW), Some(WINDOW));
        assert_eq!(attempts.begin("ben", address(200), NOW), None);
    }

    #[test]
    fn success_forgets_failures() {
        let mut attempts = Attempts::default();
        for _ in 0..PER_ADDRESS {
            assert_eq!(attempts.begin("ana", address(1), NOW), None);
        }
        attempts.succeeded("ana", address(1));
        assert_eq!(attempts.begin("ana", address(1), NOW), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..2 * REMEMBERED.get() {
            let from = IpAddr::from((number as u32).to_be_bytes());
            assert_eq!(attempts.begin(&number.to_string(), from, NOW), None);
        }
        assert_eq!(attempts.names.len(), REMEMBERED.get());
        assert_eq!(attempts.addresses.len(), REMEMBERED.get());
    }
}
