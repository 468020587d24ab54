//! Who takes the load: networks, and flagged clients with what they do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::Row;
use sekisho_core::feature::{Features, schema_hash};

use super::labels::{Class, word};
use super::site::features;
use super::{Store, StoreError, count};

/// From a Unix second on, of a zone or of all. The pluses keep SQLite on the index that has networks beside each other: any
/// other would be sorted.
pub(super) const NETWORKS: &str =
    "SELECT network, SUM(requests), SUM(CASE WHEN severity >= 2 THEN requests ELSE 0 END), COUNT(*), MAX(last)
     FROM client WHERE +last >= ?1 AND (?2 IS NULL OR +zone = ?2) GROUP BY network";
/// The same, a limit, and the schema's hash.
pub(super) const STANDING: &str =
    "SELECT id, zone, name, network, first, last, samples, requests, score, worst, class, conflict, features
     FROM client CROSS JOIN newest ON newest.client = client.id AND schema = ?4
     WHERE severity >= 2 AND +last >= ?1 AND (?2 IS NULL OR +zone = ?2)
     ORDER BY requests DESC, id DESC LIMIT ?3";

/// How many clients with how many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// Requests that their samples count.
    pub requests: u64,
    /// Of these, requests of clients that were suspect or worse.
    pub flagged: u64,
    /// Clients.
    pub clients: u64,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkRow {
    /// Its clients together.
    pub load: Load,
    /// Unix seconds at which one of them was seen last.
    pub last: u32,
    /// Its name, plain or a pseudonym; empty for clients whose names are no addresses.
    pub network: String,
}

/// The networks of a zone, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// The busiest, most requests first.
    pub busiest: Vec<NetworkRow>,
    /// All of them together.
    pub all: Load,
    /// How many there are.
    pub total: u64,
}

/// A flagged client with the features of its newest sample.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its number.
    pub id: i64,
    /// Its zone.
    pub zone: String,
    /// Its name, plain or a pseudonym.
    pub name: String,
    /// Its network, plain or a pseudonym.
    pub network: String,
    /// First and last sample, Unix seconds.
    pub span: (u32, u32),
    /// Samples.
    pub samples: u64,
    /// Most requests that one of its samples counted.
    pub requests: u32,
    /// Newest score.
    pub score: Option<f64>,
    /// The worst verdict.
    pub worst: String,
    /// What is believed of it.
    pub class: Option<Class>,
    /// Whether labels contradict each other.
    pub conflict: bool,
    /// Features.
    pub features: Features,
}

impl Store {
    /// The busiest networks among clients seen from a Unix second on. It reads one index and no row.
    pub fn networks(&self, zone: Option<&str>, since: u32, limit: usize) -> Result<Networks, StoreError> {
        let mut select = self.connection.prepare_cached(NETWORKS)?;
        let mut rows = select.query((since, zone))?;
        let mut found = Networks::default();
        let mut busiest: BinaryHeap<Reverse<NetworkRow>> = BinaryHeap::new();
        while let Some(row) = rows.next()? {
            let network = network_row(row)?;
            found.total += 1;
            found.all.requests += network.load.requests;
            found.all.flagged += network.load.flagged;
            found.all.clients += network.load.clients;
            busiest.push(Reverse(network));
            if busiest.len() > limit {
                busiest.pop();
            }
        }
        let sorted = busiest.into_sorted_vec();
        found.busiest = sorted.into_iter().map(|Reverse(network)| network).collect();
        Ok(found)
    }

    /// The busiest flagged clients that were seen from a Unix second on, each with its newest features; those whose
    /// newest sample is of another schema are left out.
    pub fn standing(&self, zone: Option<&str>, since: u32, limit: u32) -> Result<Vec<Standing>, StoreError> {
        let mut select = self.connection.prepare_cached(STANDING)?;
        let found = select.query_map((since, zone, limit, schema_hash()), standing)?;
        let found: Vec<Option<Standing>> = found.collect::<Result<_, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn network_row(row: &Row<'_>) -> rusqlite::Result<NetworkRow> {
    Ok(NetworkRow {
        network: row.get(0)?,
        load: Load {
            requests: count(row, 1)?,
            flagged: count(row, 2)?,
            clients: count(row, 3)?,
        },
        last: row.get(4)?,
    })
}

fn standing(row: &Row<'_>) -> rusqlite::Result<Option<Standing>> {
    let labelled = row.get::<_, Option<String>>(10)?.is_some();
    let bytes: Vec<u8> = row.get(12)?;
    let Some(features) = features(&bytes) else {
        return Ok(None);
    };
    Ok(Some(Standing {
        id: row.get(0)?,
        zone: row.get(1)?,
        name: row.get(2)?,
        network: row.get(3)?,
        span: (row.get(4)?, row.get(5)?),
        samples: count(row, 6)?,
        requests: row.get(7)?,
        score: row.get(8)?,
        worst: row.get(9)?,
        class: labelled.then(|| word(row, 10, Class::from_word)).transpose()?,
        conflict: row.get(11)?,
        features,
    }))
}
