//! When to leave a failing model alone, and when to try it again. Pure: the time is an argument.

use crate::config::BreakerSettings;

/// A probe that was never heard of again is given up after this many milliseconds, and another may go. Longer than
/// an attempt may take.
const PROBE_LEASE: u64 = 10 * 60 * 1000;
/// A quota's reset is believed for at most an hour: a wrong one must not switch a target off for a month, and one
/// refused request an hour costs nothing.
pub(crate) const LONGEST_REST: u64 = 60 * 60 * 1000;

/// A caller's clock may be this much behind an attempt's end, in milliseconds: it may count in seconds, and attempts go
/// on while it waits. What is more behind was set back.
const BEHIND: u64 = 60 * 1000;

/// The breaker of one target. All times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// Openings since the last success: each makes the pause twice as long.
    openings: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { since: u64, until: u64 },
    Probing { since: u64 },
}

impl Default for State {
    fn default() -> State {
        State::Closed { failures: 0 }
    }
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Pass,
    /// It may, as the one that finds out.
    Probe,
    /// Not before this time.
    Refuse(u64),
}

impl Breaker {
    /// Asks for a request at `now`.
    pub fn admit(&mut self, now: u64) -> Admission {
        let admission = self.would_admit(now);
        if admission == Admission::Probe {
            self.state = State::Probing { since: now };
        }
        admission
    }

    /// What [`Breaker::admit`] would say, without taking the probe.
    pub fn would_admit(&self, now: u64) -> Admission {
        // A clock that was set back would keep it closed to requests for as long as it jumped.
        let within = |since: u64, until: u64| now.saturating_add(BEHIND) >= since && now < until;
        match self.state {
            State::Closed { .. } => Admission::Pass,
            State::Open { since, until } if within(since, until) => Admission::Refuse(until),
            State::Probing { since } if within(since, since.saturating_add(PROBE_LEASE)) => {
                Admission::Refuse(since.saturating_add(PROBE_LEASE))
            }
            State::Open { .. } | State::Probing { .. } => Admission::Probe,
        }
    }

    /// A request succeeded. One that began before the breaker opened does not close it: a probe does.
    pub fn success(&mut self) {
        if !matches!(self.state, State::Open { .. }) {
            *self = Breaker::default();
        }
    }

    /// A request failed at `now`.
    pub fn failure(&mut self, now: u64, settings: &BreakerSettings) {
        match self.state {
            State::Closed { failures } if failures + 1 < settings.failures => {
                self.state = State::Closed {
                    failures: failures + 1,
                };
            }
            State::Closed { .. } | State::Probing { .. } => self.open(now, settings),
            State::Open { .. } => {}
        }
    }

    /// The provider said that nothing goes before `until`, if it said until when.
    pub fn exhausted(&mut self, now: u64, until: Option<u64>, settings: &BreakerSettings) {
        match until {
            Some(until) => {
                let until = until.clamp(now, now.saturating_add(LONGEST_REST));
                self.state = State::Open { since: now, until };
            }
            None => self.open(now, settings),
        }
    }

    /// Neither good nor bad was learnt: a probe that was cut short by the operation's own deadline may be repeated.
    pub fn undecided(&mut self, now: u64) {
        if let State::Probing { .. } = self.state {
            self.state = State::Open {
                since: now,
                until: now,
            };
        }
    }

    /// `closed`, `open` or `half-open`.
    pub fn label(&self, now: u64) -> &'static str {
        match (&self.state, self.would_admit(now)) {
            (State::Closed { .. }, _) => "closed",
            (State::Open { .. }, Admission::Refuse(_)) => "open",
            _ => "half-open",
        }
    }

    /// Until when it is open.
    pub fn until(&self, now: u64) -> Option<u64> {
        match (&self.state, self.would_admit(now)) {
            (State::Open { .. }, Admission::Refuse(until)) => Some(until),
            _ => None,
        }
    }

    fn open(&mut self, now: u64, settings: &BreakerSettings) {
        let longest = settings.longest_seconds.saturating_mul(1000);
        let doubled = 1u64.checked_shl(self.openings).unwrap_or(u64::MAX);
        let pause = settings
            .pause_seconds
            .saturating_mul(1000)
            .saturating_mul(doubled);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open {
            since: now,
            until: now.saturating_add(pause.min(longest)),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 3,
        pause_seconds: 30,
        longest_seconds: 100,
    };

    #[test]
    fn it_opens_probes_and_closes() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failure(1000, &SETTINGS);
            assert_eq!(breaker.admit(1000), Admission::Pass);
        }
        breaker.failure(1000, &SETTINGS);
        assert_eq!(breaker.admit(30_999), Admission::Refuse(31_000));
        assert_eq!(breaker.label(30_999), "open");
        assert_eq!(breaker.admit(31_000), Admission::Probe);
        assert_eq!(breaker.admit(31_001), Admission::Refuse(31_000 + PROBE_LEASE));
        breaker.failure(31_002, &SETTINGS);
        assert_eq!(breaker.admit(31_003), Admission::Refuse(31_002 + 60_000));
        assert_eq!(breaker.admit(91_002), Admission::Probe);
        breaker.failure(91_003, &SETTINGS);
        assert_eq!(breaker.admit(91_004), Admission::Refuse(91_003 + 100_000));
        assert_eq!(breaker.admit(191_003), Admission::Probe);
        breaker.success();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failure(0, &SETTINGS);
            breaker.failure(0, &SETTINGS);
            breaker.success();
        }
        assert_eq!(breaker.admit(0), Admission::Pass);
    }

    #[test]
    fn a_used_up_quota_rests_until_its_reset() {
        #[track_caller]
        fn check(until: Option<u64>, expected: u64) {
            let mut breaker = Breaker::default();
            breaker.exhausted(5000, until, &SETTINGS);
            assert_eq!(breaker.admit(5000), Admission::Refuse(expected));
        }
        check(Some(9000), 9000);
        check(Some(u64::MAX), 5000 + LONGEST_REST);
        check(None, 35_000);
    }

    #[test]
    fn a_clock_set_back_or_a_lost_probe_does_not_keep_it_open() {
        let mut breaker = Breaker::default();
        breaker.exhausted(1_000_000, Some(2_000_000), &SETTINGS);
        assert_eq!(breaker.admit(10), Admission::Probe);
        assert_eq!(breaker.admit(10 + PROBE_LEASE), Admission::Probe);
        breaker.undecided(20 + PROBE_LEASE);
        assert_eq!(breaker.admit(20 + PROBE_LEASE), Admission::Probe);
    }

    #[derive(Clone, Debug)]
    enum Event {
        Wait(u64),
        Ask,
        Succeed,
        Fail,
        Exhaust(Option<u64>),
        Undecided,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u64..200_000).prop_map(Event::Wait),
            Just(Event::Ask),
            Just(Event::Succeed),
            Just(Event::Fail),
            proptest::option::of(0u64..10_000_000).prop_map(Event::Exhaust),
            Just(Event::Undecided),
        ]
    }

    proptest! {
        /// Whatever happens: a refusal names a time in a bounded future, at that time a probe goes, and beside one
        /// probe goes no other request.
        #[test]
        fn it_always_comes_back(events in proptest::collection::vec(event(), 0..200)) {
            let mut breaker = Breaker::default();
            let mut now = 1_000_000;
            let mut failures = 0;
            for event in events {
                match event {
                    Event::Wait(millis) => now += millis,
                    Event::Ask => match breaker.admit(now) {
                        Admission::Pass => prop_assert!(failures < SETTINGS.failures),
                        Admission::Probe => {
                            prop_assert!(matches!(breaker.admit(now), Admission::Refuse(_)));
                        }
                        Admission::Refuse(until) => {
                            prop_assert!(until > now && until <= now + LONGEST_REST.max(PROBE_LEASE));
                            prop_assert_eq!(breaker.would_admit(until), Admission::Probe);
                        }
                    },
                    Event::Succeed => { breaker.success(); failures = 0; }
                    Event::Fail => { breaker.failure(now, &SETTINGS); failures += 1; }
                    Event::Exhaust(after) => breaker.exhausted(now, after.map(|after| now + after), &SETTINGS),
                    Event::Undecided => breaker.undecided(now),
                }
            }
        }
    }
}
