//! Drives the core with log lines, in parallel, without changing a result.
//!
//! The table is split into contiguous ranges of sets. Clients of different sets never touch each other, so
//! each range goes through its own lines in order, whatever the other ranges do. Only the popularity sketch
//! is shared; within one of its epochs the order does not matter, so lines are rated epoch by epoch first.
//! The number of ranges is fixed: results do not depend on the number of threads.

use std::collections::HashMap;
use std::sync::atomic::AtomicU16;

use rayon::prelude::*;
use sekisho_core::checkpoint::{self, Arrival, Policy, Verdict};
use sekisho_core::feature::{self, Features};
use sekisho_core::model::Model;
use sekisho_core::record::Record;
use sekisho_core::sketch::popularity::{Popularity, PopularityState, Rating};
use sekisho_core::table::{Geometry, Set, WAYS, set_index};
use sekisho_core::url::Visit;

use super::allow::AllowList;
use super::slot::Slot;

/// Ranges of sets.
const RANGES: usize = 64;
/// Clients that each range remembers after their records were evicted; half of the places are for flagged ones.
const EVICTED_KEPT: usize = 2048;
/// Lines that one thread rates at a time.
const RATE_CHUNK: usize = 256;

/// One request and its response, digested.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// Hash of the client's key.
    pub hash: u64,
    /// Unix seconds.
    pub at: u32,
    /// What was asked for.
    pub visit: Visit,
    /// Response status.
    pub status: u16,
    /// Bytes of the response body.
    pub bytes: u64,
    /// The client as the log shows it.
    pub client: &'a [u8],
}

/// What a hit is judged by.
pub struct Rules<'a> {
    /// The model.
    pub model: &'a Model,
    /// Thresholds.
    pub policy: Policy,
    /// Networks that are never stopped.
    pub allow: &'a AllowList,
    /// Learn from responses to rejected clients.
    pub dry_run: bool,
}

/// Clients that were forgotten to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many; one that comes back and is forgotten again counts again.
    pub clients: u64,
    /// Their requests.
    pub requests: u64,
    /// How many of them had been flagged: only when there were more than can be kept.
    pub flagged: u64,
    /// Their requests that would have been stopped.
    pub stopped: u64,
}

/// A client and the features to show for it: those at its highest score, or as they are now.
pub struct Outcome {
    /// What is remembered.
    pub slot: Slot,
    /// In schema order.
    pub features: Features,
}

/// The table, the sketch, and what is remembered beside them.
pub struct Engine<'a> {
    rules: Rules<'a>,
    geometry: Geometry,
    sets: Vec<Set>,
    slots: Vec<Slot>,
    ranges: Vec<Range>,
    state: PopularityState,
    cells: Vec<AtomicU16>,
}

/// What one range remembers beside its sets.
#[derive(Default)]
struct Range {
    evicted: Vec<Outcome>,
    forgotten: Forgotten,
    /// This batch's hits, in order.
    hits: Vec<u32>,
}

impl<'a> Engine<'a> {
    /// An empty table.
    pub fn new(geometry: Geometry, rules: Rules<'a>) -> Engine<'a> {
        Engine {
            rules,
            geometry,
            sets: vec![Set::default(); geometry.sets as usize],
            slots: vec![Slot::default(); geometry.sets as usize * WAYS],
            ranges: (0..RANGES).map(|_| Range::default()).collect(),
            state: PopularityState::default(),
            cells: std::iter::repeat_with(AtomicU16::default)
                .take(geometry.cells())
                .collect(),
        }
    }

    /// Sends hits through the checkpoint, in order.
    pub fn observe(&mut self, hits: &[Hit<'_>]) {
        let ratings = self.rate(hits);
        let width = self.range_width();
        for range in &mut self.ranges {
            range.hits.clear();
        }
        for (index, hit) in hits.iter().enumerate() {
            let set = set_index(hit.hash, self.geometry.sets) as usize;
            self.ranges[set / width].hits.push(index as u32);
        }
        let Engine {
            rules,
            geometry,
            sets,
            slots,
            ranges,
            ..
        } = self;
        sets.par_chunks_mut(width)
            .zip(slots.par_chunks_mut(width * WAYS))
            .zip(ranges.par_iter_mut())
            .enumerate()
            .with_max_len(1)
            .for_each(|(index, ((sets, slots), range))| {
                for at in std::mem::take(&mut range.hits) {
                    let hit = &hits[at as usize];
                    let set = set_index(hit.hash, geometry.sets) as usize - index * width;
                    let slots = &mut slots[set * WAYS..(set + 1) * WAYS];
                    range.observe(rules, &mut sets[set], slots, hit, ratings[at as usize]);
                }
            });
    }

    fn range_width(&self) -> usize {
        self.sets.len().div_ceil(RANGES)
    }

    fn rate(&self, hits: &[Hit<'_>]) -> Vec<Rating> {
        let popularity = Popularity::new(&self.state, &self.cells);
        let mut ratings = Vec::with_capacity(hits.len());
        let mut rest = hits;
        while !rest.is_empty() {
            let (epoch, later) = rest.split_at(rest.len().min(popularity.room() as usize));
            let rated = epoch.par_iter().with_min_len(RATE_CHUNK);
            ratings.par_extend(rated.map(|hit| popularity.rate_and_add(hit.visit.url())));
            popularity.advance(epoch.len() as u32);
            rest = later;
        }
        ratings
    }

    /// Every client that is remembered, and what was forgotten.
    pub fn finish(self) -> (Vec<Outcome>, Forgotten) {
        let mut forgotten = Forgotten::default();
        let mut evicted: HashMap<Box<[u8]>, Outcome> = HashMap::new();
        for range in self.ranges {
            forgotten.clients += range.forgotten.clients;
            forgotten.requests += range.forgotten.requests;
            forgotten.flagged += range.forgotten.flagged;
            forgotten.stopped += range.forgotten.stopped;
            for mut outcome in range.evicted {
                if let Some(earlier) = evicted.remove(&outcome.slot.name) {
                    outcome.absorb(earlier);
                }
                evicted.insert(outcome.slot.name.clone(), outcome);
            }
        }
        let records = self
            .sets
            .iter()
            .flat_map(|set| (0..WAYS).map(|way| set.record(way)));
        let mut outcomes = Vec::new();
        for (slot, record) in self
            .slots
            .into_iter()
            .zip(records)
            .filter(|(slot, _)| slot.taken())
        {
            let mut outcome = Outcome::new(slot, record);
            if let Some(earlier) = evicted.remove(&outcome.slot.name) {
                outcome.absorb(earlier);
            }
            outcomes.push(outcome);
        }
        outcomes.extend(evicted.into_values());
        (outcomes, forgotten)
    }
}

impl Outcome {
    fn new(slot: Slot, record: &Record) -> Outcome {
        let features = slot
            .peak
            .as_ref()
            .map_or_else(|| feature::of(record), |peak| peak.features);
        Outcome { slot, features }
    }

    /// Joins what was remembered of the same client before its record was evicted.
    fn absorb(&mut self, earlier: Outcome) {
        self.slot.absorb(earlier.slot);
        if let Some(peak) = &self.slot.peak {
            self.features = peak.features;
        }
    }
}

impl Range {
    fn observe(
        &mut self,
        rules: &Rules<'_>,
        set: &mut Set,
        slots: &mut [Slot],
        hit: &Hit<'_>,
        rating: Rating,
    ) {
        if set.find(hit.hash).is_none() {
            let way = set.victim(hit.hash, hit.at);
            let client = Slot::new(hit.client, rules.allow.contains(hit.client));
            self.evict(std::mem::replace(&mut slots[way], client), set.record(way));
        }
        let (way, _) = set.admit(hit.hash, hit.at);
        let slot = &mut slots[way];
        let record = set.record_mut(way);
        let standing = match checkpoint::arrive(record, hit.at, &hit.visit, rating, &rules.policy) {
            Arrival::Settled(standing) => standing,
            Arrival::Score => {
                let features = record.features();
                let score = rules.model.score(&features);
                slot.scored(score, &features);
                checkpoint::settle(record, hit.at, score, &rules.policy)
            }
        };
        slot.count(hit.at, &standing, rules.policy.min_requests);
        if standing.verdict != Verdict::Rejected || slot.allowed || rules.dry_run {
            checkpoint::depart(record, hit.status, hit.bytes);
        }
    }

    /// A flagged client's row must not be lost; others are kept while there is room.
    fn evict(&mut self, slot: Slot, record: &Record) {
        if !slot.taken() {
            return;
        }
        let flagged = slot.flag.is_some();
        if self.evicted.len() < if flagged { EVICTED_KEPT } else { EVICTED_KEPT / 2 } {
            self.evicted.push(Outcome::new(slot, record));
            return;
        }
        self.forgotten.clients += 1;
        self.forgotten.requests += slot.requests;
        self.forgotten.flagged += u64::from(flagged);
        self.forgotten.stopped += slot.stopped;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use sekisho_core::key::{Seed, key_hash};
    use sekisho_core::model::Limits;
    use sekisho_core::url::Method;

    use super::super::run::DEFAULT_MODEL;
    use super::*;

    static MODEL: LazyLock<Model> = LazyLock::new(|| Model::load(DEFAULT_MODEL, &Limits::default()).unwrap());

    /// What is known of a client at the end, scores as their bits.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Account {
        requests: u64,
        stopped: u64,
        last_score: Option<u32>,
        peak_score: Option<u32>,
    }

    /// A client as the module sees it, and what it does not keep.
    #[derive(Default)]
    struct Plain {
        account: Account,
        /// Since its record was made.
        requests: u64,
        /// The highest (whether it could be judged, score).
        peak: Option<(bool, f32)>,
    }

    /// As the module does it: one request after the other.
    fn one_by_one(hits: &[Hit<'_>], geometry: Geometry, policy: &Policy) -> HashMap<u64, Account> {
        let state = PopularityState::default();
        let cells: Vec<_> = std::iter::repeat_with(AtomicU16::default)
            .take(geometry.cells())
            .collect();
        let popularity = Popularity::new(&state, &cells);
        let mut sets = vec![Set::default(); geometry.sets as usize];
        let mut clients: HashMap<u64, Plain> = HashMap::new();
        for hit in hits {
            let rating = popularity.visit(hit.visit.url());
            let client = clients.entry(hit.hash).or_default();
            let set = &mut sets[set_index(hit.hash, geometry.sets) as usize];
            if set.find(hit.hash).is_none() {
                client.requests = 0;
            }
            let (way, _) = set.admit(hit.hash, hit.at);
            let record = set.record_mut(way);
            let standing = match checkpoint::arrive(record, hit.at, &hit.visit, rating, policy) {
                Arrival::Settled(standing) => standing,
                Arrival::Score => {
                    let features = record.features();
                    let score = MODEL.score(&features);
                    client.account.last_score = Some(score.to_bits());
                    checkpoint::settle(record, hit.at, score, policy)
                }
            };
            client.requests += 1;
            client.account.requests += 1;
            if let Some(score) = standing.score {
                let rank = (client.requests >= u64::from(policy.min_requests), score);
                client.peak = client.peak.filter(|peak| *peak >= rank).or(Some(rank));
                client.account.peak_score = client.peak.map(|peak| peak.1.to_bits());
            }
            if standing.verdict == Verdict::Rejected {
                client.account.stopped += 1;
            } else {
                checkpoint::depart(record, hit.status, hit.bytes);
            }
        }
        let accounts = clients.into_iter();
        accounts.map(|(hash, client)| (hash, client.account)).collect()
    }

    fn accounts(outcomes: &[Outcome]) -> HashMap<u64, Account> {
        let account = |slot: &Slot| Account {
            requests: slot.requests,
            stopped: slot.stopped,
            last_score: slot.last_score.map(f32::to_bits),
            peak_score: slot.peak.as_ref().map(|peak| peak.score.to_bits()),
        };
        outcomes
            .iter()
            .map(|outcome| (key_hash(Seed::FIXED, &outcome.slot.name), account(&outcome.slot)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn ranges_and_batches_change_nothing(
            requests in prop::collection::vec((0u8..40, 0u16..300, 0u32..90), 1000..3000),
            // Tables that hold all 40 clients; that evict some; that evict more than are remembered.
            clients in prop_oneof![300usize..1000, 8usize..40, Just(1)],
            batch in 1usize..1500,
        ) {
            let names: Vec<String> = (0..40).map(|n| format!("192.0.2.{n}")).collect();
            let mut at = 1_455_944_445;
            let hits: Vec<Hit<'_>> = requests.iter().map(|&(client, page, pause)| {
                at += pause;
                let client = names[usize::from(client)].as_bytes();
                let page = page / (1 + 50 * u16::from(client[8] % 3));
                let target = format!("/item/{page}{}", if page % 4 == 0 { ".png" } else { "" });
                let referer = (page % 5 > 1).then_some(&b"http://shop.example/item/1"[..]);
                let visit = Visit::new(Seed::FIXED, Method::Get, target.as_bytes(), referer);
                let status = if page % 7 == 0 { 404 } else { 200 };
                Hit { hash: key_hash(Seed::FIXED, client), at, visit, status, bytes: u64::from(page) * 99, client }
            }).collect();
            let geometry = Geometry::for_clients(clients);
            let policy = Policy::new(0.5, 0.9);
            let allow = AllowList::default();
            let rules = Rules { model: &MODEL, policy, allow: &allow, dry_run: false };
            let mut engine = Engine::new(geometry, rules);
            hits.chunks(batch).for_each(|hits| engine.observe(hits));
            let (outcomes, forgotten) = engine.finish();
            let requests: u64 = outcomes.iter().map(|outcome| outcome.slot.requests).sum();
            prop_assert_eq!(requests + forgotten.requests, hits.len() as u64);

            let expected = one_by_one(&hits, geometry, &policy);
            let stopped: u64 = outcomes.iter().map(|outcome| outcome.slot.stopped).sum();
            let all = expected.values().map(|account| account.stopped).sum::<u64>();
            prop_assert_eq!(stopped + forgotten.stopped, all);
            if forgotten == Forgotten::default() {
                prop_assert_eq!(accounts(&outcomes), expected);
            }
            if clients >= 300 {
                prop_assert_eq!(forgotten, Forgotten::default());
                prop_assert!(all > 0, "nobody was stopped: the comparison says little");
            }
        }
    }
}
