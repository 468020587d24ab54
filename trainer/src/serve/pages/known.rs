//! What several pages know of the site, a bounded time old.

use std::sync::Arc;

use super::findings::Made;
use super::now::{Row, Span, counted};
use super::recent::Recent;
use crate::explain::people;
use crate::report::{ReportError, Swarm, swarms};
use crate::store::{Networks, PeerRow, Store, StoreError, Totals};

/// Seconds for which visitors count as those of now: few of 2,000 change in this time.
const PEOPLE: u32 = 300;
/// Seconds for which the load of networks counts as that of now.
const LOAD: u32 = 60;
/// Seconds for which counts of all clients count as those of now: they take a twentieth of a second.
const TOTALS: u32 = 10;
/// Seconds for which samples by the hour count as those of now.
const HOURS: u32 = 60;
/// Hours of them.
const DAY_HOURS: u32 = 24;
/// Seconds of an hour.
const HOUR: u32 = 3_600;
/// Seconds for which steps of ten seconds count as those of now while no nginx was asked: nothing else changes them.
const FINE: u32 = 60;
/// Seconds for which a day by five minutes counts as that of now.
const DAY: u32 = 30;
/// Seconds for which a week by the hour counts as that of now.
const WEEK: u32 = 300;
/// Zones, and times that can be chosen, whose answers are kept.
const MOST: usize = 24;
/// Networks that are told one by one.
pub const NETWORKS: usize = 60;
/// Busiest flagged clients that are compared with each other: two thousand take a tenth of a second.
pub const COMPARED: u32 = 1000;

/// Of which time, by the seconds before now, and of which zone.
pub type Range = (Option<u32>, Option<String>);

/// When each hour began, and how many samples it has.
pub type Hours = Vec<(u32, u64)>;

/// What is known.
#[derive(Debug)]
pub struct Known {
    people: Recent<String, Vec<PeerRow>>,
    networks: Recent<Range, Networks>,
    swarms: Recent<Range, Vec<Swarm>>,
    totals: Recent<(), Totals>,
    hours: Recent<(), Hours>,
    fine: Recent<(String, Span, u64), Vec<Row>>,
    day: Recent<String, Vec<Row>>,
    week: Recent<String, Vec<Row>>,
    /// Reports that were made.
    pub made: Arc<Made>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            people: Recent::new(PEOPLE, MOST),
            networks: Recent::new(LOAD, MOST),
            swarms: Recent::new(LOAD, MOST),
            totals: Recent::new(TOTALS, 1),
            hours: Recent::new(HOURS, 1),
            fine: Recent::new(FINE, MOST),
            day: Recent::new(DAY, MOST),
            week: Recent::new(WEEK, MOST),
            made: Arc::default(),
        }
    }
}

impl Known {
    /// The visitors of a zone, and how many seconds ago they were read.
    ///
    /// # Errors
    /// The store refuses.
    pub fn people(
        &self,
        store: &Store,
        zone: &str,
        now: u32,
    ) -> Result<(Arc<Vec<PeerRow>>, u32), StoreError> {
        self.people.get(&zone.to_owned(), now, || people(store, zone))
    }

    /// The busiest networks, and how many seconds ago they were added up.
    ///
    /// # Errors
    /// The store refuses.
    pub fn networks(
        &self,
        store: &Store,
        range: &Range,
        now: u32,
    ) -> Result<(Arc<Networks>, u32), StoreError> {
        self.networks.get(range, now, || {
            store.networks(range.1.as_deref(), from(range, now), NETWORKS)
        })
    }

    /// How much there is, and how many seconds ago it was counted.
    ///
    /// # Errors
    /// The store refuses.
    pub fn totals(&self, store: &Store, now: u32) -> Result<(Arc<Totals>, u32), StoreError> {
        self.totals.get(&(), now, || store.totals())
    }

    /// Samples of each hour of the last day, and how many seconds ago they were counted.
    ///
    /// # Errors
    /// The store refuses.
    pub fn hours(&self, store: &Store, now: u32) -> Result<(Arc<Hours>, u32), StoreError> {
        let from = now.saturating_sub(DAY_HOURS * HOUR);
        self.hours
            .get(&(), now, || store.samples_over_time(from, now, HOUR))
    }

    /// What was counted of a zone in a span, in steps that were over when they were read. `turn` changes whenever an nginx was asked.
    ///
    /// # Errors
    /// The store refuses.
    pub fn counted(
        &self,
        store: &Store,
        zone: &str,
        span: Span,
        turn: u64,
        now: u32,
    ) -> Result<Arc<Vec<Row>>, StoreError> {
        let find = || counted(store, zone, span, now);
        let (rows, _) = match span {
            Span::Minutes | Span::Hour => self.fine.get(&(zone.to_owned(), span, turn), now, find),
            Span::Day => self.day.get(&zone.to_owned(), now, find),
            Span::Week => self.week.get(&zone.to_owned(), now, find),
        }?;
        Ok(rows)
    }

    /// Flagged clients that behave alike, and how many seconds ago they were compared.
    ///
    /// # Errors
    /// The store refuses, or the built-in model.
    pub fn swarms(
        &self,
        store: &Store,
        range: &Range,
        now: u32,
    ) -> Result<(Arc<Vec<Swarm>>, u32), ReportError> {
        self.swarms.get(range, now, || {
            let flagged = store.standing(range.1.as_deref(), from(range, now), COMPARED)?;
            let zones = match &range.1 {
                Some(zone) => vec![zone.clone()],
                None => store.zones()?,
            };
            let mut visitors: Vec<PeerRow> = Vec::new();
            for zone in zones.iter().take(MOST) {
                visitors.extend(self.people(store, zone, now)?.0.iter().cloned());
            }
            swarms(&flagged, &visitors)
        })
    }
}

fn from(range: &Range, now: u32) -> u32 {
    range.0.map_or(0, |seconds| now.saturating_sub(seconds))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::{Class, Names, Origin, StoredLabel, TrafficCounts};

    const NOW: u32 = 1_800_000_000;

    #[test]
    fn pages_that_are_live_share_what_was_read_until_an_nginx_is_asked_again() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let known = Known::default();
        // The store grows with every question: who reads it sees a count that nobody saw before.
        let ask = |span: Span, turn: u64, after: u32| -> u64 {
            let counts = TrafficCounts {
                requests: 1,
                ..TrafficCounts::default()
            };
            store
                .add_traffic(("shop", "clients"), (NOW - 600, 10), &counts)
                .unwrap();
            let rows = known.counted(&store, "clients", span, turn, NOW + after).unwrap();
            rows.iter().map(|row| row.counts.requests).sum()
        };
        for span in Span::ALL {
            let mut seen: Vec<u64> = (0..32).map(|_| ask(span, 7, 0)).collect();
            seen.dedup();
            assert_eq!(seen.len(), 1, "{span:?}");
        }
        for (span, fresh) in [(Span::Hour, FINE), (Span::Day, DAY), (Span::Week, WEEK)] {
            let before = ask(span, 7, fresh - 1);
            assert!(ask(span, 7, fresh) > before, "{span:?}");
        }
        let before = ask(Span::Hour, 8, FINE);
        assert!(before > ask(Span::Hour, 7, FINE), "an nginx was asked");
        assert_eq!(
            ask(Span::Day, 9, DAY),
            ask(Span::Day, 8, DAY),
            "a day may be older"
        );
    }

    #[test]
    fn all_clients_are_counted_for_many_at_once() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let known = Known::default();
        let clients = |at: u32| known.totals(&store, at).unwrap().0.clients;
        assert_eq!(clients(NOW), 0);
        let label = StoredLabel {
            zone: "clients".into(),
            client: "192.0.2.7".into(),
            class: Class::Human,
            origin: Origin::Operator,
            author: "ana".into(),
            at: NOW,
            note: String::new(),
        };
        store
            .add_labels(&[label], &Names::Plain, true, (NOW, "ana"))
            .unwrap();
        assert_eq!(clients(NOW + TOTALS - 1), 0);
        assert_eq!(clients(NOW + TOTALS), 1);
    }
}
