//! What several pages know of the site, a bounded time old.

use std::sync::Arc;

use super::findings::Made;
use super::recent::Recent;
use crate::explain::people;
use crate::report::{ReportError, Swarm, swarms};
use crate::store::{Networks, PeerRow, Store, StoreError};

/// Seconds for which visitors count as those of now: few of 2,000 change in this time.
const PEOPLE: u32 = 300;
/// Seconds for which the load of networks counts as that of now.
const LOAD: u32 = 60;
/// Zones, and times that can be chosen, whose answers are kept.
const MOST: usize = 24;
/// Networks that are told one by one.
pub const NETWORKS: usize = 60;
/// Busiest flagged clients that are compared with each other: two thousand take a tenth of a second.
pub const COMPARED: u32 = 1000;

/// Of which time, by the seconds before now, and of which zone.
pub type Range = (Option<u32>, Option<String>);

/// What is known.
#[derive(Debug)]
pub struct Known {
    people: Recent<String, Vec<PeerRow>>,
    networks: Recent<Range, Networks>,
    swarms: Recent<Range, Vec<Swarm>>,
    /// Reports that were made.
    pub made: Arc<Made>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            people: Recent::new(PEOPLE, MOST),
            networks: Recent::new(LOAD, MOST),
            swarms: Recent::new(LOAD, MOST),
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
