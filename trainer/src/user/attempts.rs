//! Log-ins that failed: who guesses must wait.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Names and networks remembered, each. Who makes more of them than this has those forgotten that failed least, and only
/// of its own kind.
const REMEMBERED: usize = 4096;
/// Failures within [`WINDOW`] after which an address waits; of IPv6 its /64, which a single host has.
const PER_ADDRESS: u32 = 10;
/// The same of a name, from whatever addresses; more, so that nobody is locked out by another's few tries.
const PER_NAME: u32 = 30;
/// Seconds after which failures are forgotten.
const WINDOW: u32 = 900;
/// Bits of an IPv6 address that tell one host from others.
const HOST: u32 = 64;

/// Failures of the last quarter of an hour.
#[derive(Debug, Default)]
pub struct Attempts {
    names: Counts<String>,
    addresses: Counts<IpAddr>,
}

#[derive(Debug)]
struct Counts<K>(HashMap<K, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    failed: u32,
    since: u32,
}

impl Attempts {
    /// Seconds to wait before another try may be made at Unix second `now`; `None` when it may be made. The try counts
    /// as failed until [`Attempts::succeeded`]: many at once are not looked at together.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: u32) -> Option<u32> {
        let (name, host) = (name.to_ascii_lowercase(), host(address));
        let waits = [
            self.names.wait(&name, PER_NAME, now),
            self.addresses.wait(&host, PER_ADDRESS, now),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Some(wait);
        }
        self.names.count(name, now);
        self.addresses.count(host, now);
        None
    }

    /// The try was right: what failed before is forgotten.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.names.0.remove(&name.to_ascii_lowercase());
        self.addresses.0.remove(&host(address));
    }
}

/// What counts as one address.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> HOST << HOST).into(),
        address => address,
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Counts<K> {
        Counts(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Counts<K> {
    fn wait<Q: Eq + Hash + ?Sized>(&self, key: &Q, most: u32, now: u32) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        self.0
            .get(key)
            .filter(|count| !count.is_over(now) && count.failed >= most)
            .map(|count| WINDOW - now.abs_diff(count.since))
    }

    fn count(&mut self, key: K, now: u32) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let count = self.0.entry(key).or_insert(Count::new(now));
        if count.is_over(now) {
            *count = Count::new(now);
        }
        count.failed += 1;
    }

    /// Forgets what is over; if nothing is, a quarter: of those that failed least the oldest. One that is guessed at keeps
    /// its count while others are made up.
    fn make_room(&mut self, now: u32) {
        self.0.retain(|_, count| !count.is_over(now));
        if self.0.len() < REMEMBERED {
            return;
        }
        let mut all: Vec<(u32, u32, K)> = self
            .0
            .iter()
            .map(|(key, count)| (count.failed, count.since, key.clone()))
            .collect();
        all.sort_unstable_by_key(|(failed, since, _)| (*failed, *since));
        for (_, _, key) in all.into_iter().take(REMEMBERED / 4) {
            self.0.remove(&key);
        }
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
    fn a_network_of_ipv6_is_one_address() {
        #[track_caller]
        fn check(one: &str, other: &str, is_same: bool) {
            let mut attempts = Attempts::default();
            for number in 0..PER_ADDRESS {
                let name = format!("name{number}");
                assert_eq!(attempts.begin(&name, one.parse().unwrap(), NOW), None);
            }
            let wait = attempts.begin("ana", other.parse().unwrap(), NOW);
            assert_eq!(wait.is_some(), is_same, "{one} {other}");
        }
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false);
        check("192.0.2.1", "192.0.2.2", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("::ffff:192.0.2.1", "::ffff:192.0.2.2", false);
    }

    /// Another address for each number.
    fn other(number: usize) -> IpAddr {
        IpAddr::from((number as u32).to_be_bytes())
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..2 * REMEMBERED {
            assert_eq!(attempts.begin(&number.to_string(), other(number), NOW), None);
        }
        let remembered = [attempts.names.0.len(), attempts.addresses.0.len()];
        assert!(
            remembered
                .iter()
                .all(|count| (REMEMBERED / 2..=REMEMBERED).contains(count)),
            "{remembered:?}"
        );
        assert_eq!(attempts.begin("ana", other(0), NOW + WINDOW), None);
        assert_eq!(attempts.names.0.len(), 1, "what is over goes first");
    }

    #[test]
    fn a_name_that_is_guessed_at_keeps_its_count() {
        let mut attempts = Attempts::default();
        for number in 0..PER_NAME {
            for made_up in 0..REMEMBERED / 10 {
                let number = number as usize * REMEMBERED + made_up;
                assert_eq!(attempts.begin(&number.to_string(), other(number), NOW), None);
            }
            assert_eq!(attempts.begin("ana", address(number as u8), NOW), None);
        }
        assert_eq!(attempts.begin("ana", address(200), NOW), Some(WINDOW));
    }
}
