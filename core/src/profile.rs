//! What an operator may know of a client: where its record stands, without what it is computed from.

use crate::checkpoint::{Decision, Origin, Verdict};
use crate::record::Record;

/// A record as it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Requests since the record was made.
    pub requests: u32,
    /// Time of the first request, unix seconds.
    pub first: u32,
    /// Time of the last request, unix seconds.
    pub last: u32,
    /// The last score, if there was one.
    pub score: Option<f32>,
    /// The worst verdict since the record was made or its last ban ended: `Passed`, `Suspect` or `Rejected`;
    /// `Allowed` while it is immune or its claim to be a bot is proven.
    pub verdict: Verdict,
    /// Why, as schema indices or the reasons that are no feature; 255 is none.
    pub reasons: [u8; 3],
    /// Number of the request whose evidence the verdict stands on: see [`crate::checkpoint::Standing`].
    pub evidence: u32,
    /// The ban in force.
    pub ban: Option<Decision>,
}

impl Record {
    /// Where this client stands at `at`, unix seconds.
    pub fn profile(&self, at: u32) -> Profile {
        // A proven bot is let through whatever a model or a trap said before.
        let ban = self
            .decision(at)
            .filter(|ban| !self.is_verified() || ban.origin == Origin::Operator);
        // The next request begins anew: what an ended ban was for is no longer held against the client.
        let ended = self.decision(at).is_none() && self.is(crate::record::flag::BANNED);
        let standing = if ended { 0 } else { self.standing };
        let allowed = ban.is_none() && (self.is_verified() || self.immune_until(at).is_some());
        let verdict = match standing {
            _ if allowed => Verdict::Allowed,
            0 => Verdict::Passed,
            1 => Verdict::Suspect,
            _ => Verdict::Rejected,
        };
        let scored = self.requests - u32::from(self.since_score).min(self.requests);
        Profile {
            requests: self.requests,
            first: self.first,
            last: self.last,
            score: (self.scored_at != 0).then_some(self.score),
            verdict,
            reasons: self.reasons,
            evidence: if standing == 0 { scored } else { self.flagged_at },
            ban,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{self, Policy, Trust};
    use crate::key::Seed;
    use crate::sketch::popularity::Rating;
    use crate::url::{Method, Visit};

    fn crawler(requests: u32) -> Record {
        let policy = Policy::new(0.5, 0.9);
        let mut record = Record::fresh(1, 100);
        for number in 0..requests {
            let target = format!("/{number}");
            let visit = Visit::new(Seed::FIXED, Method::Get, target.as_bytes(), None);
            let arrival = checkpoint::arrive(&mut record, 100 + number, &visit, Rating::Unrated, &policy);
            if let checkpoint::Arrival::Score = arrival {
                checkpoint::settle(&mut record, 100 + number, 0.95, &policy);
            }
        }
        record
    }

    #[test]
    fn a_profile_says_what_the_next_request_would_meet() {
        let profile = crawler(3).profile(103);
        assert_eq!((profile.score, profile.verdict), (None, Verdict::Passed));
        let mut record = crawler(12);
        let profile = record.profile(112);
        assert_eq!((profile.requests, profile.first, profile.last), (12, 100, 111));
        assert_eq!((profile.verdict, profile.evidence), (Verdict::Rejected, 10));
        assert_eq!(
            profile.ban.map(|ban| (ban.origin, ban.until)),
            Some((Origin::Model, 709))
        );
        let ended = record.profile(709);
        assert_eq!((ended.verdict, ended.ban), (Verdict::Passed, None));
        checkpoint::complete(&mut record, 120, 60);
        assert_eq!(record.profile(121).verdict, Verdict::Allowed);
        assert_eq!(record.profile(180).verdict, Verdict::Passed);
        checkpoint::ban(&mut record, 121, 60);
        assert_eq!(record.profile(122).verdict, Verdict::Rejected);
    }

    #[test]
    fn a_proven_bot_is_allowed() {
        let mut record = crawler(4);
        checkpoint::trust(&mut record, Trust::Verified);
        assert_eq!(record.profile(104).verdict, Verdict::Allowed);
    }
}
