//! Clusters of crawlers that nobody was told of yet.

use std::cmp::Reverse;

use sekisho_core::feature::{COUNT, Features};
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::cases::Case;
use super::clusters::{Cluster, Clusters, Trend, clusters};
use super::document::baseline;
use super::gather::{Gathered, Seen};
use super::likeness::near;
use super::span::Span;
use crate::store::Store;

/// Requests of a cluster from which on it is worth a message: below, it takes nothing from anybody.
const LEAST_REQUESTS: u64 = 100;
/// Of its clients so many, one in two, were to be rejected: the others are only suspect.
const LEAST_REJECTED: u64 = 2;
/// Verdicts of clients that were rejected, or would have been.
const REJECTED: [&str; 3] = ["REJECTED_DRY_RUN", "REJECTED", "TRAPPED"];

/// Who leads a cluster: what others are compared with, later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leader {
    features: Vec<f32>,
    network: String,
}

impl Leader {
    /// Whether a client behaves like this one; one of another schema is like none.
    fn is_like(&self, client: &Seen) -> bool {
        let ours: Option<&Features> = self.features.first_chunk::<COUNT>();
        let pair = ours
            .filter(|_| self.features.len() == COUNT)
            .zip(client.features.as_ref());
        pair.is_some_and(|(ours, theirs)| near((ours, &self.network), (theirs, &client.network)).is_some())
    }
}

/// A cluster that is new.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The cluster.
    pub cluster: Cluster,
    /// Its busiest client.
    pub leader: Leader,
    /// That client's number in the store, and what is to be said of it.
    pub busiest: (i64, String),
    /// All its clients.
    pub clients: Vec<i64>,
    /// Targets that its clients asked for, the busiest clients' first; clients' text.
    pub targets: Vec<String>,
}

/// The clusters of a time of which there was none before, and that are like none of `told`, the busiest first.
///
/// # Errors
/// The store's; the built-in model's.
pub fn fresh(store: &Store, now: Span, before: Span, told: &[Leader]) -> Result<Vec<Fresh>, ReportError> {
    let seen = Gathered::read(store, now, None)?;
    if seen.flagged().next().is_none() {
        return Ok(Vec::new());
    }
    let earlier = Gathered::read(store, before, None)?;
    let (_, features) = baseline(&seen)?;
    let Clusters { now: groups, of, .. } =
        clusters(seen.flagged(), earlier.flagged(), &features, earlier.samples > 0);
    let all = seen.clients.values().map(|client| client.requests).sum();
    let mut found = Vec::new();
    for (place, cluster) in groups.into_iter().enumerate() {
        let rejected: u64 = REJECTED
            .iter()
            .filter_map(|verdict| cluster.verdicts.get(verdict))
            .sum();
        let is_heavy = cluster.load.requests >= LEAST_REQUESTS;
        if cluster.trend != Some(Trend::New) || !is_heavy || rejected * LEAST_REJECTED < cluster.load.clients
        {
            continue;
        }
        let mut members: Vec<&Seen> = (of.iter())
            .filter(|(_, group)| **group == place)
            .filter_map(|(id, _)| seen.clients.get(id))
            .collect();
        members.sort_by_key(|client| (Reverse(client.requests), client.id));
        let Some(first) = members.first() else { continue };
        if told.iter().any(|leader| leader.is_like(first)) {
            continue;
        }
        let case = Case::new(first, None, all, &features);
        found.push(Fresh {
            leader: Leader {
                features: first
                    .features
                    .map(|features| features.to_vec())
                    .unwrap_or_default(),
                network: first.network.clone(),
            },
            busiest: (first.id, case.text),
            clients: members.iter().map(|client| client.id).collect(),
            targets: members.iter().map(|client| client.target().to_owned()).collect(),
            cluster,
        });
    }
    Ok(found)
}
