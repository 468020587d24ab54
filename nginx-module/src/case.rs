//! One request before one zone: accounted, scored when its evidence changed, judged.

use sekisho_core::checkpoint::{self, Arrival, Overrides, Policy, Standing, Trust};
use sekisho_core::feature::Features;
use sekisho_core::key::ClientKey;
use sekisho_core::record::{NO_REASON, REASON_FALSE_CLAIM, Record};
use sekisho_core::sketch::popularity::Rating;
use sekisho_core::table::{Admission, set_index};
use sekisho_core::url::Visit;

use crate::ffi::request::Request;
use crate::ffi::shm::{Zone, ZoneData};
use crate::injected::{Fault, fault};
use crate::scorer::Scorer;
use crate::zone::Counters;

/// Requests beyond `min_requests` after which a client is judged although its claim to be a bot is still open: who
/// changes its address within its network would never be judged.
const OPEN_REQUESTS: u32 = 32;

/// A request before a zone.
pub struct Case<'a> {
    /// The request.
    pub request: Request<'a>,
    /// The zone as configured.
    pub data: &'a ZoneData,
    /// The zone's memory.
    pub zone: Zone<'a>,
    /// The model in force.
    pub scorer: &'a Scorer,
    /// How clients are judged here.
    pub policy: Policy,
    /// What the operator set of that.
    pub limits: &'a Overrides,
    /// The client's key, within the zone's prefixes.
    pub key: ClientKey<'a>,
    /// Its hash.
    pub hash: u64,
    /// Unix seconds.
    pub at: u32,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Where the client stands.
    pub standing: Standing,
    /// Time of its request before this one, unix seconds; 0 when there was none.
    pub before: u32,
    /// Where in its set the record is.
    pub way: usize,
    /// Where a score is due: requests that the client is judged by, and whether it was scored before.
    evidence: u32,
    scored: bool,
    /// Whether its claim to be somebody's bot was just proven.
    pub proven: bool,
}

/// What [`Case::judge`] asks about the client's claim to be somebody's bot.
pub struct Asked {
    /// What is known of it.
    pub trust: Trust,
    /// Whether the client may be judged already.
    pub judge: bool,
}

impl Asked {
    /// Nothing is known, and nothing is asked.
    pub const UNKNOWN: Asked = Asked {
        trust: Trust::Unknown,
        judge: true,
    };
}

impl Case<'_> {
    /// Accounts the request and, when a score is due, evaluates the model outside the lock. `None` when the
    /// record could not be had: the request then goes on as if it had not been seen. `outcome` is filled; `shown`
    /// gets the features that the client was just scored by, or that show why its verdict turned; most requests have
    /// none, and none is moved then.
    #[inline(always)]
    pub fn judge(
        &self,
        visit: &Visit,
        claim: impl FnOnce() -> Asked,
        outcome: &mut Outcome,
        shown: &mut Option<Features>,
    ) -> Option<()> {
        let rating = self.zone.popularity().visit(visit.url());
        if !self.observe(visit, rating, outcome, shown)? {
            self.score(claim, outcome, shown)?;
        }
        if outcome.standing.turned {
            self.explain(&mut outcome.standing, shown);
        }
        Some(())
    }

    #[inline(never)]
    fn score(
        &self,
        claim: impl FnOnce() -> Asked,
        outcome: &mut Outcome,
        shown: &mut Option<Features>,
    ) -> Option<()> {
        let counters = self.zone.counters();
        Counters::add(&counters.scores);
        let score = self.scorer.score(shown.as_ref()?);
        counters.score.add(score);
        // A claim is looked at when it makes a difference: where the score speaks against the client, and before its
        // first verdict.
        let matters = score >= self.policy.suspect || !outcome.scored;
        let Asked { trust, judge } = if matters { claim() } else { Asked::UNKNOWN };
        let judge = judge || outcome.evidence > self.policy.min_requests.saturating_add(OPEN_REQUESTS);
        let settle = |record: &mut Record| {
            outcome.proven = trust == Trust::Verified && !record.is_verified();
            checkpoint::trust(record, trust);
            match judge {
                true => checkpoint::settle(record, self.at, score, &self.policy),
                false => checkpoint::postpone(record, self.at, &self.policy),
            }
        };
        outcome.standing = with_record_at(self.zone, self.hash, outcome.way, settle)?;
        if !judge {
            *shown = None;
        }
        Some(())
    }

    /// The client walked into a trap.
    pub fn trap(&self, seconds: u32) -> Option<Standing> {
        self.with_record(|record| checkpoint::trap(record, self.at, seconds, &self.policy))
    }

    /// The record's features as they are now.
    pub fn features(&self) -> Option<Features> {
        self.with_record(|record| record.features())
    }

    /// Finds the reasons for a verdict that just turned, keeps them, and returns the features that show them.
    /// Under another location's thresholds a verdict can turn without a new score; they are then those of now.
    #[cold]
    fn explain(&self, standing: &mut Standing, shown: &mut Option<Features>) {
        *shown = shown.or_else(|| self.features());
        let Some(features) = shown else { return };
        let [first, second, third] = self.scorer.reasons(features);
        let keep = |record: &mut Record| {
            let reasons = match record.is_false_claim() {
                true => [REASON_FALSE_CLAIM, first, second],
                false => [first, second, third],
            };
            checkpoint::explain(record, reasons);
            reasons
        };
        standing.reasons = self.with_record(keep).unwrap_or([NO_REASON; 3]);
    }

    /// Changes the client's record under its lock; `None` when the lock or the record is not to be had.
    pub fn with_record<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        with_record(self.zone, self.hash, change)
    }

    /// Whether the last score still holds; `outcome` then says what follows from it, and else `shown` what to score.
    #[inline(always)]
    fn observe(
        &self,
        visit: &Visit,
        rating: Rating,
        outcome: &mut Outcome,
        shown: &mut Option<Features>,
    ) -> Option<bool> {
        let index = set_index(self.hash, self.zone.sets());
        self.zone.locked(index, |set| {
            let counters = self.zone.counters();
            Counters::add(&counters.requests);
            let way = set.victim(self.hash, self.at);
            outcome.way = way;
            set.announce(way);
            match set.admit_at(way, self.hash, self.at) {
                Admission::Known => outcome.before = set.record(way).seen().1,
                Admission::Fresh => set.set_name(way, self.key.as_bytes()),
                Admission::Evicted => {
                    set.set_name(way, self.key.as_bytes());
                    Counters::add(&counters.evictions);
                }
            }
            fault(&self.request, Fault::PanicLocked);
            fault(&self.request, Fault::DieLocked);
            let record = set.record_mut(way);
            match checkpoint::arrive(record, self.at, visit, rating, &self.policy) {
                Arrival::Settled(standing) => {
                    outcome.standing = standing;
                    true
                }
                Arrival::Score => {
                    (outcome.evidence, outcome.scored) = (record.evidence(), record.is_scored());
                    *shown = Some(record.features());
                    false
                }
            }
        })
    }
}

/// Changes a known client's record under its lock; `None` when the lock or the record is not to be had.
pub fn with_record<T>(zone: Zone<'_>, hash: u64, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
    with_record_at(zone, hash, 0, change)
}

/// The same for a record that was at `way` a moment ago.
#[inline(always)]
pub fn with_record_at<T>(
    zone: Zone<'_>,
    hash: u64,
    way: usize,
    change: impl FnOnce(&mut Record) -> T,
) -> Option<T> {
    let changed = zone.locked(set_index(hash, zone.sets()), |set| {
        let way = set.find_at(way, hash)?;
        set.announce(way);
        Some(change(set.record_mut(way)))
    });
    changed.flatten()
}
