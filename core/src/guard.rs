//! What keeps enforcement from doing harm: the breaker, and the watch for a key that is no single client.
//!
//! Both count over the last one to two windows of [`WINDOW_SECONDS`], in shared memory, with plain additions:
//! workers that turn a window at the same time may lose a few counts, never more.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::record::LONGEST_BAN;

/// Length of a window.
pub const WINDOW_SECONDS: u32 = 300;
/// Recent clients below which the breaker looks at no share.
pub const LEAST_CLIENTS: u32 = 100;
/// Recent requests below which no share is looked at.
pub const LEAST_REQUESTS: u32 = 1000;
/// Clients that must be among the stopped before their share of requests is looked at: one crawler may well make
/// most requests of a site.
pub const LEAST_STOPPED: u32 = 10;
/// The breaker looks at the shares when another client is stopped, and at every so many stopped requests.
const SHARE_EVERY: u32 = 8;
/// User agents that one key must have shown before it is taken for a proxy; one in 64 cells each.
pub const MANY_AGENTS: u32 = 16;
/// Share of all requests from which on a key with that many user agents is taken for a proxy, in percent.
pub const PROXY_SHARE: u32 = 50;

/// When the breaker trips; shares in percent, above 100 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Share of recent clients that would be stopped.
    pub clients: u32,
    /// Share of recent requests that would be stopped.
    pub requests: u32,
    /// How long enforcement stays off, in seconds.
    pub hold: u32,
}

impl Limits {
    /// Half of all clients or nine tenths of all requests, for ten minutes.
    pub const DEFAULT: Limits = Limits {
        clients: 50,
        requests: 90,
        hold: 600,
    };
}

/// One window's counts.
#[repr(C)]
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU32,
    stopped_requests: AtomicU32,
    clients: AtomicU32,
    stopped_clients: AtomicU32,
}

/// The guards' memory. Valid when all zero.
#[repr(C)]
#[derive(Debug, Default)]
pub struct GuardState {
    /// Number of the window being counted.
    window: AtomicU32,
    /// Until when enforcement is off, unix seconds.
    open_until: AtomicU32,
    running: Counts,
    finished: Counts,
    /// Majority vote (Boyer and Moore, 1981): high half the candidate's tag, low half its votes.
    vote: AtomicU64,
    /// The last window's candidate, whose requests and user agents this window counts.
    candidate: AtomicU64,
    candidate_requests: AtomicU32,
    /// The key taken for a proxy, and its share in percent.
    proxy_share: AtomicU32,
    candidate_agents: AtomicU64,
    proxy: AtomicU64,
    /// Times the breaker tripped.
    pub trips: AtomicU64,
    /// Times a key was taken for a proxy.
    pub proxies: AtomicU64,
}

/// What the guards learn of a request.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Unix seconds.
    pub at: u32,
    /// The client's key hash.
    pub hash: u64,
    /// Time of the client's request before this one; 0 when there was none.
    pub before: u32,
    /// Whether enforcement would stop it.
    pub rejected: bool,
    /// Whether it is the first request that would be stopped.
    pub turned: bool,
}

/// What just became known, to be told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Enforcement would stop this share of recent clients and of recent requests, in percent.
    Tripped {
        /// Of clients.
        clients: u32,
        /// Of requests.
        requests: u32,
    },
    /// This key carries so much of all traffic, in percent, from so many user agents, that it is a proxy.
    Proxy {
        /// Of requests.
        share: u32,
    },
}

impl GuardState {
    /// Learns a request. `agent` is the hash of its user agent, asked for only when it matters.
    #[inline(always)]
    pub fn observe(
        &self,
        seen: &Seen,
        limits: impl FnOnce() -> Limits,
        agent: impl FnOnce() -> u64,
    ) -> Option<Alarm> {
        let window = seen.at / WINDOW_SECONDS;
        let current = self.window.load(Relaxed);
        // Time that runs backwards by less than a window is left alone.
        let behind = current.wrapping_sub(window) == 1;
        let mut alarm = None;
        if current != window && !behind {
            let turns = self.window.compare_exchange(current, window, Relaxed, Relaxed);
            if turns.is_ok() {
                alarm = self.turn(window == current.wrapping_add(1));
            }
        }
        self.running.requests.fetch_add(1, Relaxed);
        let first = seen.before < window.saturating_mul(WINDOW_SECONDS);
        self.running.clients.fetch_add(u32::from(first), Relaxed);
        self.vote_for(seen.hash, agent);
        if seen.rejected {
            let stopped = self.running.stopped_requests.fetch_add(1, Relaxed);
            let client = first || seen.turned;
            self.running.stopped_clients.fetch_add(u32::from(client), Relaxed);
            if client || stopped.is_multiple_of(SHARE_EVERY) {
                return self.trip(seen.at, &limits()).or(alarm);
            }
        }
        alarm
    }

    /// Whether the breaker keeps enforcement off.
    pub fn is_open(&self, at: u32) -> bool {
        let until = self.open_until.load(Relaxed);
        // An end further away than any was set by a clock that was wrong.
        until > at && until - at <= LONGEST_BAN
    }

    /// Until when enforcement is off, unix seconds; 0 when it never was.
    pub fn open_until(&self) -> u32 {
        self.open_until.load(Relaxed)
    }

    /// Whether a key is taken for a proxy.
    pub fn is_proxy(&self, hash: u64) -> bool {
        self.proxy.load(Relaxed) == hash
    }

    /// Share of all requests of the key that is taken for a proxy, in percent; `None` when none is.
    pub fn proxy_share(&self) -> Option<u32> {
        (self.proxy.load(Relaxed) != 0).then(|| self.proxy_share.load(Relaxed))
    }

    /// Shares of recent clients and requests that enforcement stops or would stop, in percent; `None` while there
    /// are too few to tell.
    pub fn shares(&self) -> (Option<u32>, Option<u32>) {
        (
            share(
                self.recent(|counts| &counts.stopped_clients),
                self.recent(|counts| &counts.clients),
                LEAST_CLIENTS,
            ),
            share(
                self.recent(|counts| &counts.stopped_requests),
                self.recent(|counts| &counts.requests),
                LEAST_REQUESTS,
            ),
        )
    }

    fn recent(&self, pick: fn(&Counts) -> &AtomicU32) -> u32 {
        let (running, finished) = (pick(&self.running), pick(&self.finished));
        running.load(Relaxed).saturating_add(finished.load(Relaxed))
    }

    fn trip(&self, at: u32, limits: &Limits) -> Option<Alarm> {
        if self.is_open(at) {
            return None;
        }
        let stopped = self.recent(|counts| &counts.stopped_clients);
        let clients = self.recent(|counts| &counts.clients);
        let over = exceeds(stopped, clients, LEAST_CLIENTS, limits.clients)
            || stopped >= LEAST_STOPPED && {
                let stopped = self.recent(|counts| &counts.stopped_requests);
                let requests = self.recent(|counts| &counts.requests);
                exceeds(stopped, requests, LEAST_REQUESTS, limits.requests)
            };
        if !over {
            return None;
        }
        let (clients, requests) = self.shares();
        let until = self.open_until.load(Relaxed);
        let opened = at.saturating_add(limits.hold.max(1));
        self.open_until
            .compare_exchange(until, opened, Relaxed, Relaxed)
            .ok()?;
        self.trips.fetch_add(1, Relaxed);
        Some(Alarm::Tripped {
            clients: clients.unwrap_or(0),
            requests: requests.unwrap_or(0),
        })
    }

    #[cold]
    /// Starts a window. `next` when it follows the last one; a longer pause forgets both.
    fn turn(&self, next: bool) -> Option<Alarm> {
        let counted = self.running.requests.load(Relaxed);
        for (running, finished) in [
            (&self.running.requests, &self.finished.requests),
            (&self.running.stopped_requests, &self.finished.stopped_requests),
            (&self.running.clients, &self.finished.clients),
            (&self.running.stopped_clients, &self.finished.stopped_clients),
        ] {
            let count = running.swap(0, Relaxed);
            finished.store(if next { count } else { 0 }, Relaxed);
        }
        let candidate = self.candidate.load(Relaxed);
        let carried = share(self.candidate_requests.swap(0, Relaxed), counted, LEAST_REQUESTS);
        let agents = self.candidate_agents.swap(0, Relaxed).count_ones();
        let found = carried.filter(|&share| share >= PROXY_SHARE && agents >= MANY_AGENTS);
        // The tag of the vote is half of a hash: the next request with it says the whole.
        let tag = self.vote.swap(0, Relaxed) >> 32;
        self.candidate.store(tag << 32, Relaxed);
        let before = self.proxy.swap(found.map_or(0, |_| candidate), Relaxed);
        self.proxy_share.store(found.unwrap_or(0), Relaxed);
        let share = found.filter(|_| before != candidate)?;
        self.proxies.fetch_add(1, Relaxed);
        Some(Alarm::Proxy { share })
    }

    #[inline(always)]
    fn vote_for(&self, hash: u64, agent: impl FnOnce() -> u64) {
        let (tag, vote) = (hash >> 32, self.vote.load(Relaxed));
        let (holder, votes) = (vote >> 32, vote & u64::from(u32::MAX));
        let vote = match votes {
            0 => tag << 32 | 1,
            _ if holder == tag => vote + u64::from(votes < u64::from(u32::MAX)),
            _ => vote - 1,
        };
        self.vote.store(vote, Relaxed);
        let candidate = self.candidate.load(Relaxed);
        if candidate >> 32 == tag && tag != 0 {
            self.candidate.store(hash, Relaxed);
            self.candidate_requests.fetch_add(1, Relaxed);
            self.candidate_agents.fetch_or(1 << (agent() % 64), Relaxed);
        }
    }
}

/// `part` of `all` in percent, once there are `least`.
fn share(part: u32, all: u32, least: u32) -> Option<u32> {
    (all >= least).then(|| (u64::from(part.min(all)) * 100 / u64::from(all.max(1))) as u32)
}

/// Whether `part` of `all` is more than `limit` percent, once there are `least`: as [`share`] says, without a
/// division, for this is asked at every request that would be stopped.
fn exceeds(part: u32, all: u32, least: u32, limit: u32) -> bool {
    all >= least && u64::from(part.min(all)) * 100 >= (u64::from(limit) + 1) * u64::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_exceeds_its_limit_when_its_percents_do() {
        for all in [0, 1, 7, 99, 100, 333, u32::MAX] {
            for part in [0, 1, 3, 50, 51, 100, 333, u32::MAX / 2, u32::MAX] {
                for limit in [0, 1, 33, 49, 50, 99, 100, u32::MAX] {
                    let percents = share(part, all, 5).is_some_and(|share| share > limit);
                    assert_eq!(exceeds(part, all, 5, limit), percents, "{part} of {all}, {limit}");
                }
            }
        }
    }

    const START: u32 = 1_700_000_100 / WINDOW_SECONDS * WINDOW_SECONDS;

    fn hash(client: u32) -> u64 {
        u64::from(client + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Each client sends `each` requests at `at`; of those below `rejected` all are stopped.
    fn send(state: &GuardState, at: u32, clients: u32, each: u32, rejected: u32) -> Vec<Alarm> {
        let one = |(client, number): (u32, u32)| {
            let seen = Seen {
                at,
                hash: hash(client),
                before: if number == 0 { 0 } else { at },
                rejected: client < rejected,
                turned: client < rejected && number == 0,
            };
            state.observe(&seen, || Limits::DEFAULT, || u64::from(number))
        };
        let all = (0..clients).flat_map(|client| (0..each).map(move |number| (client, number)));
        all.filter_map(one).collect()
    }

    #[test]
    fn the_breaker_trips_once_and_holds() {
        let state = GuardState::default();
        assert_eq!(send(&state, START, 100, 2, 0), []);
        // 100 of 200 clients are half: not more than half.
        assert_eq!(send(&state, START + 1, 100, 2, 100), []);
        assert!(!state.is_open(START + 1));
        let alarms = send(&state, START + 2, 10, 1, 10);
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!(matches!(
            alarms[0],
            Alarm::Tripped {
                clients: 50..,
                requests: 0
            }
        ));
        assert!(state.is_open(START + 601) && !state.is_open(START + 602));
        assert_eq!(state.trips.load(Relaxed), 1);
    }

    #[test]
    fn few_clients_never_trip_it_and_old_ones_are_forgotten() {
        let state = GuardState::default();
        assert_eq!(send(&state, START, LEAST_CLIENTS - 1, 3, LEAST_CLIENTS), []);
        assert_eq!(
            send(
                &state,
                START + 2 * WINDOW_SECONDS,
                LEAST_CLIENTS - 1,
                3,
                LEAST_CLIENTS
            ),
            []
        );
        assert_eq!(state.trips.load(Relaxed), 0);
    }

    #[test]
    fn nine_tenths_of_all_requests_trip_it() {
        let state = GuardState::default();
        assert_eq!(send(&state, START, 50, 2, 0), []);
        assert_eq!(send(&state, START + 1, 1, 2000, 1), [], "one crawler does not");
        let alarms = send(&state, START + 1, LEAST_STOPPED, 10, LEAST_STOPPED);
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!(matches!(
            alarms[0],
            Alarm::Tripped {
                clients: ..50,
                requests: 91..
            }
        ));
    }

    #[test]
    fn a_key_with_most_requests_from_many_agents_is_a_proxy() {
        #[track_caller]
        fn check(agents: u64, others: u32, expected: bool) {
            let state = GuardState::default();
            let mut alarms = Vec::new();
            for window in 0..4 {
                for number in 0..1200u64 {
                    let seen = Seen {
                        at: START + window * WINDOW_SECONDS,
                        hash: hash(7),
                        before: START,
                        rejected: false,
                        turned: false,
                    };
                    alarms.extend(state.observe(&seen, || Limits::DEFAULT, || number % agents));
                    if number < u64::from(others) {
                        let other = Seen {
                            hash: hash(100 + number as u32),
                            ..seen
                        };
                        alarms.extend(state.observe(&other, || Limits::DEFAULT, || 1));
                    }
                }
            }
            assert_eq!(
                state.is_proxy(hash(7)),
                expected,
                "{agents} agents, {others} others: {alarms:?}"
            );
            assert_eq!(alarms.len(), usize::from(expected), "told once: {alarms:?}");
            assert!(!state.is_proxy(hash(101)));
        }
        check(40, 600, true);
        check(40, 1199, true);
        check(3, 600, false);
    }

    #[test]
    fn a_clock_that_jumps_does_no_harm() {
        let state = GuardState::default();
        for at in [START, 0, u32::MAX, START, START - 1, 7, u32::MAX - 1] {
            send(&state, at, 3, 3, 3);
        }
        assert_eq!(state.trips.load(Relaxed), 0);
    }
}
