//! Guards that trip, from what running nginx say of themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Event, Fact, News, Page};
use crate::config::Topic;
use crate::nginx::Zone;
use crate::watch::Live;

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
    /// How many keys were taken for a proxy.
    pub proxies: u64,
}

/// What was known of a zone when it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    since: u32,
    trips: u64,
    proxies: u64,
}

impl GuardState {
    /// Of every zone of every watched nginx that answered.
    pub fn of(live: &Live) -> Vec<GuardState> {
        let answered = live
            .now()
            .into_iter()
            .filter_map(|nginx| Some((nginx.name, nginx.status.ok()?)));
        let zones = answered.flat_map(|(nginx, status)| {
            let state = |zone: &Zone| {
                let count = |name: &str| zone.counters.get(name).copied().unwrap_or_default();
                GuardState {
                    nginx: nginx.clone(),
                    zone: zone.name.clone(),
                    since: zone.since,
                    trips: count("breaker_trips"),
                    proxies: count("proxies"),
                }
            };
            status.zones.iter().map(state).collect::<Vec<_>>()
        });
        zones.collect()
    }
}

/// What is known of all zones, by nginx and zone.
pub type Knowledge = BTreeMap<String, Known>;

/// What tripped since `known`, at Unix second `now`; `known` is brought up to date. What was
/// before a zone was seen for the first time is nobody's news.
pub fn news(known: &mut Knowledge, states: &[GuardState], now: u32) -> Vec<News> {
    let mut news = Vec::new();
    for state in states {
        let name = format!("{}/{}", state.nginx, state.zone);
        let before = known.get(&name).copied();
        if before.is_none() && known.len() >= MAX_ZONES {
            continue;
        }
        let seen = Known {
            since: state.since,
            trips: state.trips,
            proxies: state.proxies,
        };
        // Counting that began anew began at nothing, unless nobody looked before.
        let (trips, proxies) = match before {
            Some(before) if before.since == state.since => (before.trips, before.proxies),
            Some(_) => (0, 0),
            None => (seen.trips, seen.proxies),
        };
        if seen.trips > trips {
            news.push(breaker(state, seen.trips - trips, now));
        }
        if seen.proxies > proxies {
            news.push(proxy(state, now));
        }
        known.insert(name, seen);
    }
    news
}

fn breaker(state: &GuardState, times: u64, now: u32) -> News {
    let often = if times == 1 {
        String::new()
    } else {
        format!(" {times} times")
    };
    let facts = vec![
        Fact::new(format!(
            "The breaker put enforcement off{often}: it would have hit too many of the recent clients or requests"
        )),
        Fact::naming("Zone", [&state.zone]),
        Fact::naming("nginx", [&state.nginx]),
    ];
    News {
        key: format!(
            "guard:{}/{}:{}:trip:{}",
            state.nginx, state.zone, state.since, state.trips
        ),
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
    let facts = vec![
        Fact::new(
            "One key has an implausible share of all requests and is not enforced on: is realip set up?",
        ),
        Fact::naming("Zone", [&state.zone]),
        Fact::naming("nginx", [&state.nginx]),
    ];
    News {
        key: format!(
            "guard:{}/{}:{}:proxy:{}",
            state.nginx, state.zone, state.since, state.proxies
        ),
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

    fn state(since: u32, trips: u64, proxies: u64) -> GuardState {
        GuardState {
            nginx: "shop".into(),
            zone: "clients".into(),
            since,
            trips,
            proxies,
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
        check(&[state(5, 3, 1)], &[]);
        check(&[state(5, 3, 1)], &[]);
        check(&[state(5, 5, 1)], &["guard:shop/clients:5:trip:5"]);
        check(&[state(5, 5, 2)], &["guard:shop/clients:5:proxy:2"]);
        check(&[state(5, 5, 2)], &[]);
        check(&[state(9, 1, 0)], &["guard:shop/clients:9:trip:1"]);
        check(&[], &[]);
    }

    #[test]
    fn zones_are_bounded() {
        let mut known = Knowledge::new();
        let states: Vec<GuardState> = (0..2 * MAX_ZONES)
            .map(|number| GuardState {
                zone: number.to_string(),
                ..state(1, 0, 0)
            })
            .collect();
        assert!(news(&mut known, &states, 1).is_empty());
        assert_eq!(known.len(), MAX_ZONES);
    }
}
