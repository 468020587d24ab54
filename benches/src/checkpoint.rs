//! A zone outside nginx: the table, the popularity sketch, and the path of a request through them.

use std::sync::atomic::AtomicU16;

use sekisho_core::checkpoint::{self, Arrival, Policy};
use sekisho_core::feature::Features;
use sekisho_core::key::Seed;
use sekisho_core::model::{Model, top_reasons};
use sekisho_core::record::NO_REASON;
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::{Geometry, Set, set_index};
use sekisho_core::url::Visit;

use crate::traffic::Request;

/// What scores a client when a score is due.
pub trait Judge {
    /// Score, 0 to 1.
    fn score(&mut self, features: &Features) -> f32;
    /// The features that speak most for it; asked for when a verdict turns.
    fn reasons(&mut self, _: &Features) -> [u8; 3] {
        [NO_REASON; 3]
    }
}

/// No model: what a request costs apart from it.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Judge for Nobody {
    fn score(&mut self, _: &Features) -> f32 {
        0.0
    }
}

/// The model, as in the module.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// The model.
    pub model: &'a Model,
}

impl Judge for Evaluator<'_> {
    fn score(&mut self, features: &Features) -> f32 {
        self.model.score(features)
    }

    fn reasons(&mut self, features: &Features) -> [u8; 3] {
        top_reasons(self.model, features)
    }
}

/// Keeps the features that were to be scored.
#[derive(Debug, Default)]
pub struct Collector {
    /// One row a score.
    pub rows: Vec<Features>,
}

impl Judge for Collector {
    fn score(&mut self, features: &Features) -> f32 {
        self.rows.push(*features);
        0.0
    }
}

/// A zone's memory.
#[derive(Debug)]
pub struct Zone {
    sets: Vec<Set>,
    state: PopularityState,
    cells: Vec<AtomicU16>,
    policy: Policy,
}

impl Zone {
    /// An empty zone for about this many clients.
    pub fn for_clients(clients: usize) -> Zone {
        let geometry = Geometry::for_clients(clients);
        let mut cells = Vec::new();
        cells.resize_with(geometry.cells(), AtomicU16::default);
        Zone {
            sets: vec![Set::default(); geometry.sets as usize],
            state: PopularityState::default(),
            cells,
            // About those of the default model.
            policy: Policy::new(0.95, 0.995),
        }
    }

    /// One request and its response. `at` is in unix seconds. Whether a score was due.
    pub fn pass(&mut self, request: &Request, hash: u64, at: u32, judge: &mut impl Judge) -> bool {
        let visit = Visit::new(
            Seed::FIXED,
            request.method,
            &request.target,
            request.referer.as_deref(),
        );
        let rating = Popularity::new(&self.state, &self.cells).visit(visit.url());
        let index = set_index(hash, self.sets.len() as u32) as usize;
        let set = &mut self.sets[index];
        let (way, _) = set.admit(hash, at);
        let record = set.record_mut(way);
        let scored = match checkpoint::arrive(record, at, &visit, rating, &self.policy) {
            Arrival::Settled(_) => false,
            Arrival::Score => {
                let features = record.features();
                let standing = checkpoint::settle(record, at, judge.score(&features), &self.policy);
                if standing.turned {
                    checkpoint::explain(record, judge.reasons(&features));
                }
                true
            }
        };
        checkpoint::depart(record, request.status, request.bytes);
        scored
    }

    /// The features of one client as they stand; `None` when it has no record.
    pub fn features(&self, hash: u64) -> Option<Features> {
        let set = &self.sets[set_index(hash, self.sets.len() as u32) as usize];
        set.find(hash).map(|way| set.record(way).features())
    }
}
