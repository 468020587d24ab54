//! Guards that trip, from what running nginx say of themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Event, Fact, News, Page};
use crate::config::Topic;

/// Zones that are remembered: as many as are watched.
const MAX_ZONES: usize = 1024;

/// What a zone says of its guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardState {
    /// The nginx, as it is called here.
    pub nginx: String,
    /// The zone.
    pub zone: String,
    /// Since when it counts, by nginx's clock.
    pub since: u32,
    /// How often its breaker put enforcement off.
    pub trips: u64,
    /// Share of all requests that one key has, in percent, while it is taken for a proxy.
    pub proxy: Option<u32>,
}

/// What was known of a zone when it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    since: u32,
    trips: u64,
    proxy: bool,
}

/// What is known of all zones, by nginx and zone.
pub type Knowledge = BTreeMap<String, Known>;

/// What tripped since `known`, at Unix second `now`; `known` is brought up to date. What was tripped when a zone is
/// seen for the first time is told when it still goes on.
pub fn news(known: &mut Knowledge, states: &[GuardState], now: u32) -> Vec<News> {
    let mut news = Vec::new();
    for state in states {
        let name = format!("{}/{}", state.nginx, state.zone);
        let before = known.get(&name).copied();
        if before.is_none() && known.len() >= MAX_ZONES {
            continue;
        }
        // Counting that began anew began at nothing, unless nobody looked before.
        let trips = match before {
            Some(before) if before.since == state.since => before.trips,
            Some(_) => 0,
            None => state.trips,
        };
        if state.trips > trips {
            news.push(breaker(state, state.trips - trips, now));
        }
        if state.proxy.is_some() && !before.is_some_and(|before| before.proxy) {
            news.push(proxy(state, now));
        }
        let seen = Known {
            since: state.since,
            trips: state.trips,
            proxy: state.proxy.is_some(),
        };
        known.insert(name, seen);
    }
    news
}

fn breaker(state: &GuardState, times: u64, now: u32) -> News {
    let often = if times == 1 { String::new() } else { format!(" {times} times") };
    let facts = vec![
        Fact::new(format!("The breaker put enforcement off{often}: it would have hit too many of the recent clients or requests")),
        Fact::naming("Zone", [&state.zone]),
        Fact::naming("nginx", [&state.nginx]),
    ];
    News {
        key: format!("guard:{}/{}:{}:trip:{}", state.nginx, state.zone, state.since, state.trips),
        event: Event {
            kind: Topic::Guard,
            at: now,
            title: "The breaker tripped".to_owned(),
            facts,
            pages: vec![Page::Now, Page::Groups],
        },
        mark: String::new(),
        clients: Vec::new(),
    }
}

fn proxy(state: &GuardState, now: u32) -> News {
    let share = state.proxy.unwrap_or_default();
    let facts = vec![
        Fact::new(format!("One key has {share} % of all requests and is not enforced on: is realip set up?")),
        Fact::naming("Zone", [&state.zone]),
        Fact::naming("nginx", [&state.nginx]),
    ];
    News {
        key: format!("guard:{}/{}:{}:proxy:{now}", state.nginx, state.zone, state.since),
        event: Event {
            kind: Topic::Guard,
            at: now,
            title: "A key looks like a proxy".to_owned(),
            facts,
            pages: vec![Page::Now],
        },
        mark: String::new(),
        clients: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(since: u32, trips: u64, proxy: Option<u32>) -> GuardState {
        GuardState {
            nginx: "shop".into(),
            zone: "clients".into(),
            since,
            trips,
            proxy,
        }
    }

    #[test]
    fn a_guard_is_told_when_it_trips_and_once() {
        let mut known = Knowledge::new();
        let mut check = |states: &[GuardState], expected: &[&str]| {
            let news = news(&mut known, states, 1_800_000_000);
            let keys: Vec<&str> = news.iter().map(|news| news.key.as_str()).collect();
            assert_eq!(keys, expected);
        };
        check(&[state(5, 3, None)], &[]);
        check(&[state(5, 3, None)], &[]);
        check(&[state(5, 5, None)], &["guard:shop/clients:5:trip:5"]);
        check(&[state(5, 5, Some(61))], &["guard:shop/clients:5:proxy:1800000000"]);
        check(&[state(5, 5, Some(64))], &[]);
        check(&[state(5, 5, None)], &[]);
        check(&[state(9, 1, None)], &["guard:shop/clients:9:trip:1"]);
        check(&[], &[]);
    }

    #[test]
    fn zones_are_bounded() {
        let mut known = Knowledge::new();
        let states: Vec<GuardState> = (0..2 * MAX_ZONES)
            .map(|number| GuardState {
                zone: number.to_string(),
                ..state(1, 0, None)
            })
            .collect();
        assert!(news(&mut known, &states, 1).is_empty());
        assert_eq!(known.len(), MAX_ZONES);
    }
}
