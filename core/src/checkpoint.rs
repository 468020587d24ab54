//! The one path that a request takes, live and offline.
//!
//! A caller holds the record's lock for [`arrive`], lets it go to evaluate the model when a score is due,
//! and takes it again for [`settle`]. Most requests end at [`arrive`].

use crate::feature::Features;
use crate::model::Thresholds;
use crate::record::Record;
use crate::sketch::popularity::Rating;
use crate::url::Visit;

/// Requests before which no verdict but `PASSED` is given, unless configured otherwise: at 10 requests nine
/// of ten crawlers are told apart, at 5 hardly one.
pub const DEFAULT_MIN_REQUESTS: u32 = 10;
/// Most that `min_requests` may be: evidence after a ban is counted in a window that falls back to 127.
pub const MAX_MIN_REQUESTS: u32 = 127;
/// How long a ban lasts, in seconds.
pub const DEFAULT_BAN_SECONDS: u32 = 600;

/// What was concluded for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Nothing against it.
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

/// From what score on a client is what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Scores from here on are `SUSPECT`.
    pub suspect: f32,
    /// Scores from here on are `REJECTED`.
    pub reject: f32,
    /// Fewer requests than this are always `PASSED`.
    pub min_requests: u32,
    /// How long a rejection lasts, in seconds; then the client starts anew.
    pub ban_seconds: u32,
}

impl Policy {
    /// Thresholds with the default patience.
    pub fn new(suspect: f32, reject: f32) -> Policy {
        Policy {
            suspect,
            reject,
            min_requests: DEFAULT_MIN_REQUESTS,
            ban_seconds: DEFAULT_BAN_SECONDS,
        }
    }

    fn judge(&self, score: Option<f32>, evidence: u32) -> Verdict {
        match score {
            Some(score) if evidence >= self.min_requests && score >= self.reject => Verdict::Rejected,
            Some(score) if evidence >= self.min_requests && score >= self.suspect => Verdict::Suspect,
            _ => Verdict::Passed,
        }
    }
}

/// What an operator may set; the rest is the model's, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Score from which a client is rejected.
    pub threshold: Option<f32>,
    /// Score from which a client is suspect.
    pub suspect: Option<f32>,
    /// Requests before a client can be judged.
    pub min_requests: Option<u32>,
}

impl Overrides {
    /// The policy of these under a model. A threshold below the model's own suspicion takes it along.
    pub fn policy(&self, model: Thresholds) -> Policy {
        let reject = self.threshold.unwrap_or(model.reject);
        let policy = Policy::new(self.suspect.unwrap_or(model.suspect.min(reject)), reject);
        Policy {
            min_requests: self.min_requests.unwrap_or(policy.min_requests),
            ..policy
        }
    }
}

/// Where a client stands at a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// `Passed`, `Suspect` or `Rejected`.
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
}

/// What [`arrive`] leaves to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// Nothing: the last score still holds.
    Settled(Standing),
    /// The evidence changed: score these, then [`settle`].
    Score(Features),
}

/// A request came. `at` is in unix seconds.
pub fn arrive(record: &mut Record, at: u32, visit: &Visit, rating: Rating, policy: &Policy) -> Arrival {
    if record.banned_until != 0 && at >= record.banned_until {
        record.forgive();
    }
    record.observe_request(at, visit, rating);
    if record.due(at, policy.min_requests) {
        Arrival::Score(record.features())
    } else {
        Arrival::Settled(stand(record, at, policy))
    }
}

/// The score that [`arrive`] asked for is in.
pub fn settle(record: &mut Record, at: u32, score: f32, policy: &Policy) -> Standing {
    record.score = score;
    record.scored_at = at;
    record.since_score = 0;
    record.scored = 1;
    stand(record, at, policy)
}

/// Keeps why a client was flagged: feature indices, 255 for none. To be called when [`Standing::turned`]
/// asks for it. Reasons cost a score for every feature, so they are found when a verdict turns, not at every
/// score.
pub fn explain(record: &mut Record, reasons: [u8; 3]) {
    record.reasons = reasons;
}

/// A response went out. Not to be called for a request that we stopped: a ban would feed itself.
pub fn depart(record: &mut Record, status: u16, body_bytes: u64) {
    record.observe_response(status, body_bytes);
}

fn stand(record: &mut Record, at: u32, policy: &Policy) -> Standing {
    let score = (record.scored != 0).then_some(record.score);
    let verdict = policy.judge(score, record.evidence());
    if verdict == Verdict::Rejected && record.banned_until == 0 {
        record.banned_until = at.saturating_add(policy.ban_seconds.max(1));
    }
    // Locations may judge one record by different thresholds: only a verdict worse than all before turns.
    let turned = verdict as u8 > record.standing;
    record.standing = record.standing.max(verdict as u8);
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
        evidence: if verdict == Verdict::Passed {
            scored_at
        } else {
            record.flagged_at
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Seed;
    use crate::url::Method;

    const POLICY: Policy = Policy {
        suspect: 0.5,
        reject: 0.9,
        min_requests: 10,
        ban_seconds: 600,
    };

    /// Sends `requests` one a second, each scored `score`; the numbers of those that were scored.
    fn drive(record: &mut Record, from: u32, requests: u32, score: f32) -> (Vec<u32>, Standing) {
        let (mut scored, mut last) = (Vec::new(), None);
        for number in 0..requests {
            let target = format!("/item/{from}/{number}");
            let visit = Visit::new(Seed::FIXED, Method::Get, target.as_bytes(), None);
            last = Some(
                match arrive(record, from + number, &visit, Rating::Unrated, &POLICY) {
                    Arrival::Settled(standing) => standing,
                    Arrival::Score(_) => {
                        scored.push(record.requests());
                        settle(record, from + number, score, &POLICY)
                    }
                },
            );
        }
        (scored, last.expect("at least one request"))
    }

    #[test]
    fn scores_are_due_when_the_evidence_changed() {
        let mut record = Record::fresh(1, 100);
        let (scored, _) = drive(&mut record, 100, 120, 0.1);
        assert_eq!(scored, [4, 6, 8, 10, 12, 16, 24, 32, 62, 92]);
    }

    #[test]
    fn a_slow_client_is_scored_by_time() {
        let mut record = Record::fresh(1, 100);
        let mut scored = Vec::new();
        for number in 1..=50 {
            let visit = Visit::new(Seed::FIXED, Method::Get, b"/", None);
            let at = 100 + number * 60;
            if let Arrival::Score(_) = arrive(&mut record, at, &visit, Rating::Unrated, &POLICY) {
                scored.push(number);
                settle(&mut record, at, 0.1, &POLICY);
            }
        }
        assert_eq!(scored, [4, 6, 8, 10, 12, 16, 24, 32, 40, 48]);
    }

    #[test]
    fn a_verdict_follows_score_and_patience() {
        #[track_caller]
        fn check(requests: u32, score: f32, verdict: Verdict, evidence: u32) {
            let (_, standing) = drive(&mut Record::fresh(1, 100), 100, requests, score);
            assert_eq!(
                (standing.verdict, standing.evidence),
                (verdict, evidence),
                "{requests} at {score}"
            );
        }
        check(3, 0.99, Verdict::Passed, 0);
        check(9, 0.99, Verdict::Passed, 8);
        check(10, 0.99, Verdict::Rejected, 10);
        check(20, 0.6, Verdict::Suspect, 10);
        check(20, 0.4, Verdict::Passed, 16);
    }

    #[test]
    fn a_ban_ends_and_the_client_starts_anew() {
        let mut record = Record::fresh(1, 100);
        assert_eq!(drive(&mut record, 100, 20, 0.99).1.verdict, Verdict::Rejected);
        assert_eq!(
            drive(&mut record, 700, 1, 0.99).1.verdict,
            Verdict::Rejected,
            "still within ten minutes"
        );
        let after = drive(&mut record, 709, 9, 0.99).1;
        assert_eq!(
            (after.verdict, after.requests, after.evidence),
            (Verdict::Passed, 30, 29)
        );
        assert_eq!(
            drive(&mut record, 718, 1, 0.99).1.verdict,
            Verdict::Rejected,
            "ten new requests"
        );
        assert_eq!(record.bans, 1);
    }

    #[test]
    fn reasons_are_asked_for_when_a_verdict_turns() {
        let mut record = Record::fresh(1, 100);
        assert!(
            !drive(&mut record, 100, 9, 0.6).1.turned,
            "too early for a verdict"
        );
        assert!(drive(&mut record, 109, 1, 0.6).1.turned);
        explain(&mut record, [1, 2, 255]);
        let standing = drive(&mut record, 110, 1, 0.6).1;
        assert_eq!((standing.turned, standing.reasons), (false, [1, 2, 255]));
        assert!(drive(&mut record, 111, 5, 0.99).1.verdict == Verdict::Rejected);
    }

    #[test]
    fn two_policies_on_one_record_turn_it_once() {
        let mut record = Record::fresh(1, 100);
        drive(&mut record, 100, 10, 0.7);
        let strict = Policy {
            suspect: 0.1,
            reject: 0.2,
            ..POLICY
        };
        let visit = Visit::new(Seed::FIXED, Method::Get, b"/", None);
        let mut turns = 0;
        for number in 0..20 {
            let policy = if number % 2 == 0 { &strict } else { &POLICY };
            let standing = match arrive(&mut record, 110 + number, &visit, Rating::Unrated, policy) {
                Arrival::Settled(standing) => standing,
                Arrival::Score(_) => settle(&mut record, 110 + number, 0.7, policy),
            };
            turns += u32::from(standing.turned);
        }
        assert_eq!(turns, 1);
    }

    #[test]
    fn a_turn_is_told_once() {
        let mut record = Record::fresh(1, 100);
        assert!(!drive(&mut record, 100, 9, 0.99).1.turned);
        assert!(drive(&mut record, 109, 1, 0.99).1.turned);
        assert!(!drive(&mut record, 110, 1, 0.99).1.turned);
    }
}
