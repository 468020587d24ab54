//! The one path that a request takes, live and offline.
//!
//! A caller holds the record's lock for [`arrive`], lets it go to evaluate the model when a score is due,
//! and takes it again for [`settle`]. Most requests end at [`arrive`].

mod decision;
mod policy;
#[cfg(test)]
mod tests;

use crate::record::{Record, flag};
use crate::sketch::popularity::Rating;
use crate::url::Visit;

pub use decision::{Decision, Origin, Trust, ban, complete, lift, trap, trust};
pub use policy::{
    DEFAULT_BAN_MAX, DEFAULT_BAN_SECONDS, DEFAULT_GROUP_REQUESTS, DEFAULT_MIN_REQUESTS, LONGEST_BAN,
    MAX_MIN_REQUESTS, Overrides, Policy,
};

/// Requests after which immunity ends for a client whose score says reject.
const IMMUNE_REQUESTS: u32 = 50;

/// What was concluded for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Nothing against it.
    #[default]
    Passed = 0,
    /// The score reached `suspect`.
    Suspect = 1,
    /// The score reached `reject`.
    Rejected = 2,
    /// It would have been rejected, had enforcement been on.
    RejectedDryRun = 3,
    /// Allowed whatever the score.
    Allowed = 4,
    /// It walked into a trap.
    Trapped = 5,
}

impl Verdict {
    /// The verdict as `$sekisho_status` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Passed => "PASSED",
            Verdict::Suspect => "SUSPECT",
            Verdict::Rejected => "REJECTED",
            Verdict::RejectedDryRun => "REJECTED_DRY_RUN",
            Verdict::Allowed => "ALLOWED",
            Verdict::Trapped => "TRAPPED",
        }
    }
}

/// Where a client stands at a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// `Passed`, `Suspect`, `Rejected`; `Allowed` while immune, `Trapped` at the request that walked into a trap.
    pub verdict: Verdict,
    /// The last score, if there was one.
    pub score: Option<f32>,
    /// Requests so far, this one included.
    pub requests: u32,
    /// Features that speak most for the score, as indices into the schema; 255 is none.
    pub reasons: [u8; 3],
    /// Whether the verdict is worse than any since the record began or its last ban ended. `reasons` are then
    /// not those for it yet: see [`explain`].
    pub turned: bool,
    /// Number of the request whose evidence the verdict stands on: the one at which it turned, or while
    /// nothing is held against the client the one scored last. With the key it makes the reference id, so a
    /// ban has one id from its first stop to its last.
    pub evidence: u32,
    /// End of the ban in force, unix seconds; 0 is none.
    pub banned_until: u32,
}

impl Standing {
    /// Whether the client can be judged by itself, so that its group need not be asked.
    pub fn is_judged(&self, policy: &Policy) -> bool {
        self.banned_until != 0
            || self.verdict == Verdict::Allowed
            || (self.score.is_some() && self.requests >= policy.min_requests)
    }
}

/// What [`arrive`] leaves to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// Nothing: the last score still holds.
    Settled(Standing),
    /// The evidence changed: score [`Record::features`], then [`settle`].
    Score,
}

/// A request came. `at` is in unix seconds.
#[inline]
pub fn arrive(record: &mut Record, at: u32, visit: &Visit, rating: Rating, policy: &Policy) -> Arrival {
    decision::expire(record, at);
    record.observe_request(at, visit, rating);
    if record.due(policy.min_requests) {
        Arrival::Score
    } else {
        Arrival::Settled(stand(record, at, policy))
    }
}

/// The score that [`arrive`] asked for is in.
pub fn settle(record: &mut Record, at: u32, score: f32, policy: &Policy) -> Standing {
    record.score = score;
    // 0 marks a client without a score.
    record.scored_at = at.max(1);
    record.since_score = 0;
    stand(record, at, policy)
}

/// The score that [`arrive`] asked for is not to be used yet: the verdict stays what it was.
pub fn postpone(record: &mut Record, at: u32, policy: &Policy) -> Standing {
    stand(record, at, policy)
}

/// Keeps why a client was flagged: feature indices, 255 for none. To be called when [`Standing::turned`]
/// asks for it. Reasons cost a score for every feature, so they are found when a verdict turns, not at every
/// score.
pub fn explain(record: &mut Record, reasons: [u8; 3]) {
    record.reasons = reasons;
}

/// A response went out. Not to be called for a request that we stopped: a ban would feed itself.
#[inline]
pub fn depart(record: &mut Record, status: u16, body_bytes: u64) {
    record.observe_response(status, body_bytes);
}

#[inline]
fn stand(record: &mut Record, at: u32, policy: &Policy) -> Standing {
    let score = (record.scored_at != 0).then_some(record.score);
    let distrusting;
    let policy = if record.is(flag::FALSE_CLAIM) {
        distrusting = policy.for_false_claim();
        &distrusting
    } else {
        policy
    };
    let verdict = decision::weigh(record, at, policy.judge(score, record.evidence()), policy);
    // Locations may judge one record by different thresholds: only a verdict worse than all before turns.
    let severity = if verdict == Verdict::Allowed {
        0
    } else {
        verdict as u8
    };
    let turned = severity > record.standing;
    record.standing = record.standing.max(severity);
    if turned {
        record.flagged_at = record.requests;
    }
    let scored_at = record.requests - u32::from(record.since_score).min(record.requests);
    Standing {
        verdict,
        score,
        requests: record.requests,
        reasons: record.reasons,
        turned,
        evidence: if severity == 0 {
            scored_at
        } else {
            record.flagged_at
        },
        banned_until: if record.is_banned(at) { record.until } else { 0 },
    }
}
