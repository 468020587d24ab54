//! From what score on a client is what, and for how long.

use super::Verdict;
use crate::model::Thresholds;
pub use crate::record::LONGEST_BAN;

/// Requests before which no verdict but `PASSED` is given, unless configured otherwise: at 10 requests nine
/// of ten crawlers are told apart, at 5 hardly one.
pub const DEFAULT_MIN_REQUESTS: u32 = 10;
/// Most that `min_requests` may be: evidence after a ban is counted in a window that falls back to 127.
pub const MAX_MIN_REQUESTS: u32 = 127;
/// How long a first ban lasts, in seconds.
pub const DEFAULT_BAN_SECONDS: u32 = 600;
/// How long a ban lasts at most, in seconds, however often it is repeated: a day.
pub const DEFAULT_BAN_MAX: u32 = 86_400;
/// Requests before which a group's verdict counts, unless configured otherwise: more than one of its members
/// makes before it is judged alone.
pub const DEFAULT_GROUP_REQUESTS: u32 = 100;

const _: () = assert!(DEFAULT_GROUP_REQUESTS <= MAX_MIN_REQUESTS);

/// From what score on a client is what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Scores from here on are `SUSPECT`.
    pub suspect: f32,
    /// Scores from here on are `REJECTED`.
    pub reject: f32,
    /// Fewer requests than this are always `PASSED`.
    pub min_requests: u32,
    /// How long a first ban lasts, in seconds; then the client starts anew.
    pub ban_seconds: u32,
    /// Each repeated ban lasts twice as long, up to this many seconds.
    pub ban_max: u32,
}

impl Policy {
    /// Thresholds with the default patience.
    pub fn new(suspect: f32, reject: f32) -> Policy {
        Policy {
            suspect,
            reject,
            min_requests: DEFAULT_MIN_REQUESTS,
            ban_seconds: DEFAULT_BAN_SECONDS,
            ban_max: DEFAULT_BAN_MAX,
        }
    }

    /// For a client that claims to be a bot whose operator says it is not: suspect whatever its score, and
    /// rejected where others are suspect.
    pub fn for_false_claim(self) -> Policy {
        Policy {
            suspect: 0.0,
            reject: self.suspect,
            ..self
        }
    }

    /// For a client that is not to be judged: no score reaches these thresholds.
    pub fn for_allowed(self) -> Policy {
        Policy {
            suspect: f32::INFINITY,
            reject: f32::INFINITY,
            ..self
        }
    }

    /// How long the next ban lasts, in seconds, after `bans` others.
    pub fn ban_length(&self, bans: u8) -> u32 {
        let doubled = u64::from(self.ban_seconds.max(1)) << bans.min(31);
        let most = u64::from(self.ban_max.max(self.ban_seconds).clamp(1, LONGEST_BAN));
        doubled.min(most) as u32
    }

    #[inline]
    pub(super) fn judge(&self, score: Option<f32>, evidence: u32) -> Verdict {
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
    /// How long a first ban lasts, in seconds.
    pub ban_seconds: Option<u32>,
    /// How long a ban lasts at most, in seconds.
    pub ban_max: Option<u32>,
}

impl Overrides {
    /// The policy of these under a model. A threshold below the model's own suspicion takes it along.
    #[inline]
    pub fn policy(&self, model: Thresholds) -> Policy {
        let reject = self.threshold.unwrap_or(model.reject);
        let policy = Policy::new(self.suspect.unwrap_or(model.suspect.min(reject)), reject);
        Policy {
            min_requests: self.min_requests.unwrap_or(policy.min_requests),
            ban_seconds: self.ban_seconds.unwrap_or(policy.ban_seconds),
            ban_max: self.ban_max.unwrap_or(policy.ban_max),
            ..policy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_bans_double_up_to_a_cap() {
        #[track_caller]
        fn check(first: u32, most: u32, bans: u8, expected: u32) {
            let policy = Policy {
                ban_seconds: first,
                ban_max: most,
                ..Policy::new(0.5, 0.9)
            };
            assert_eq!(policy.ban_length(bans), expected, "{first} {most} {bans}");
        }
        check(600, 86_400, 0, 600);
        check(600, 86_400, 3, 4_800);
        check(600, 86_400, 8, 86_400);
        check(600, 86_400, 255, 86_400);
        check(600, 60, 4, 600);
        check(0, 0, 9, 1);
        check(u32::MAX, u32::MAX, 9, LONGEST_BAN);
    }

    #[test]
    fn a_false_claim_is_suspect_at_once_and_rejected_where_others_are_suspect() {
        let policy = Policy::new(0.5, 0.9).for_false_claim();
        assert_eq!(policy.judge(Some(0.01), 10), Verdict::Suspect);
        assert_eq!(policy.judge(Some(0.6), 10), Verdict::Rejected);
        assert_eq!(policy.judge(Some(0.6), 9), Verdict::Passed);
    }
}
