//! Bans and immunity: who began them, and how they end. Every one of them expires.

use super::{IMMUNE_REQUESTS, LONGEST_BAN, Policy, Standing, Verdict, stand};
use crate::record::{NO_REASON, REASON_OPERATOR, REASON_TRAP, Record, flag};

/// Who banned a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its score.
    Model,
    /// A location that only crawlers reach.
    Trap,
    /// A person.
    Operator,
}

impl Origin {
    /// In lower case, for JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Model => "model",
            Origin::Trap => "trap",
            Origin::Operator => "operator",
        }
    }
}

/// A ban in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who began it.
    pub origin: Origin,
    /// When it ends, unix seconds.
    pub until: u32,
}

impl Record {
    /// The ban in force, if there is one.
    pub fn decision(&self, at: u32) -> Option<Decision> {
        let origin = match self.flags {
            flags if flags & flag::OPERATOR != 0 => Origin::Operator,
            flags if flags & flag::TRAPPED != 0 => Origin::Trap,
            _ => Origin::Model,
        };
        self.is_banned(at).then_some(Decision {
            origin,
            until: self.until,
        })
    }

    /// When immunity ends, unix seconds, if the client has any.
    pub fn immune_until(&self, at: u32) -> Option<u32> {
        (self.is(flag::IMMUNE) && self.lasts(at)).then_some(self.until)
    }

    /// Whether it once did what only a person does.
    pub fn is_human(&self) -> bool {
        self.is(flag::HUMAN)
    }

    /// Bans so far, the present one included; 255 is that or more.
    pub fn bans(&self) -> u8 {
        self.bans.saturating_add(u8::from(self.is(flag::BANNED)))
    }

    /// Whether it is a bot whose operator says so.
    pub fn is_verified(&self) -> bool {
        self.is(flag::VERIFIED)
    }

    /// Whether it claims to be a bot whose operator says it is not.
    pub fn is_false_claim(&self) -> bool {
        self.is(flag::FALSE_CLAIM)
    }

    fn begin_ban(&mut self, at: u32, seconds: u32, origin: u8) {
        self.flags &= !(flag::IMMUNE | flag::TRAPPED | flag::OPERATOR);
        self.flags |= flag::BANNED | origin;
        self.until = at.saturating_add(seconds.clamp(1, LONGEST_BAN));
    }

    fn end_ban(&mut self) {
        self.bans = self.bans.saturating_add(1);
        self.forget();
    }
}

/// What is known of a client's claim to be somebody's bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It claims nothing.
    None,
    /// It claims something that is not known yet: what was known before stays.
    Unknown,
    /// Its operator says it is.
    Verified,
    /// Its operator says it is not.
    FalseClaim,
}

/// Keeps what became known of a client's claim. To be called before [`super::settle`].
pub fn trust(record: &mut Record, trust: Trust) {
    let (clear, set) = match trust {
        Trust::Unknown => (0, 0),
        Trust::None => (flag::FALSE_CLAIM | flag::VERIFIED, 0),
        Trust::Verified => (flag::FALSE_CLAIM, flag::VERIFIED),
        Trust::FalseClaim => (flag::VERIFIED, flag::FALSE_CLAIM),
    };
    record.flags = record.flags & !clear | set;
}

/// Ends what is over.
#[inline]
pub(super) fn expire(record: &mut Record, at: u32) {
    if record.lasts(at) {
        return;
    }
    if record.is(flag::BANNED) {
        record.end_ban();
    }
    record.flags &= !flag::IMMUNE;
}

/// What the judgement comes to under bans and immunity; begins a ban when it says reject.
#[inline]
pub(super) fn weigh(record: &mut Record, at: u32, judged: Verdict, policy: &Policy) -> Verdict {
    if record.is(flag::VERIFIED) && !record.is(flag::OPERATOR) {
        return Verdict::Allowed;
    }
    if record.is(flag::BANNED) {
        return Verdict::Rejected;
    }
    let rejected = judged == Verdict::Rejected;
    if record.is(flag::IMMUNE) && !(rejected && record.evidence() >= IMMUNE_REQUESTS) {
        return Verdict::Allowed;
    }
    if rejected {
        // Who behaved for as long as the longest ban is banned as if for the first time.
        if at.saturating_sub(record.until) > policy.ban_max {
            record.bans = 0;
        }
        record.begin_ban(at, policy.ban_length(record.bans), 0);
    }
    judged
}

/// The client, known to [`super::arrive`], walked into a trap: banned for `seconds`, unless it is immune or a
/// verified bot.
pub fn trap(record: &mut Record, at: u32, seconds: u32, policy: &Policy) -> Standing {
    if record.immune_until(at).is_some() || record.is(flag::VERIFIED) {
        return stand(record, at, policy);
    }
    let first = !record.is(flag::TRAPPED | flag::OPERATOR);
    if !record.is(flag::OPERATOR) {
        // Who is banned for longer already does not get away with less.
        let left = if record.is_banned(at) {
            record.until.saturating_sub(at)
        } else {
            0
        };
        record.begin_ban(at, seconds.max(left), flag::TRAPPED);
        record.reasons = [REASON_TRAP, NO_REASON, NO_REASON];
    }
    Standing {
        verdict: Verdict::Trapped,
        // News even of a client that was rejected before: this is no opinion of a model.
        turned: first,
        ..stand(record, at, policy)
    }
}

/// The client did what only a person does: what it did before is forgotten, a ban ends, and for `seconds` it is
/// immune, or until it makes another fifty requests that a model rejects. False, and without effect, for a client
/// that is immune already: who asks again and again would never be judged. A person's ban stays, too.
pub fn complete(record: &mut Record, at: u32, seconds: u32) -> bool {
    let by_person = record.is(flag::OPERATOR) && record.is_banned(at);
    if by_person || record.immune_until(at).is_some() {
        return false;
    }
    record.forget();
    record.flags |= flag::IMMUNE | flag::HUMAN;
    record.until = at.saturating_add(seconds.clamp(1, LONGEST_BAN));
    true
}

/// A person bans the client for `seconds`, whatever it does.
pub fn ban(record: &mut Record, at: u32, seconds: u32) {
    expire(record, at);
    record.begin_ban(at, seconds, flag::OPERATOR);
    record.standing = Verdict::Rejected as u8;
    record.flagged_at = record.requests;
    record.reasons = [REASON_OPERATOR, NO_REASON, NO_REASON];
}

/// A person lifts the client's ban; false when there is none in force.
pub fn lift(record: &mut Record, at: u32) -> bool {
    let banned = record.is_banned(at);
    if banned {
        // A ban that a person found wrong does not make the next one longer.
        record.forget();
        record.until = at;
    }
    banned
}

#[cfg(test)]
mod tests {
    use super::super::tests::{POLICY, drive};
    use super::*;

    fn crawler() -> Record {
        let mut record = Record::fresh(1, 100);
        drive(&mut record, 100, 10, 0.99);
        record
    }

    #[test]
    fn a_ban_lasts_whatever_the_score_says_and_the_next_one_longer() {
        let mut record = crawler();
        let decision = Decision {
            origin: Origin::Model,
            until: 709,
        };
        assert_eq!(record.decision(109), Some(decision));
        assert_eq!(drive(&mut record, 110, 40, 0.01).1.verdict, Verdict::Rejected);
        let again = drive(&mut record, 709, 10, 0.99).1;
        assert_eq!(
            (again.verdict, again.banned_until),
            (Verdict::Rejected, 718 + 1200)
        );
        assert_eq!(record.bans(), 2);
    }

    #[test]
    fn who_behaved_for_long_is_banned_as_if_for_the_first_time() {
        let mut record = crawler();
        let late = 709 + POLICY.ban_max + 1;
        assert_eq!(drive(&mut record, late, 10, 0.99).1.banned_until, late + 9 + 600);
    }

    #[test]
    fn a_trap_bans_at_once_and_says_so() {
        let mut record = Record::fresh(1, 100);
        drive(&mut record, 100, 1, 0.0);
        let standing = trap(&mut record, 100, 3600, &POLICY);
        assert_eq!((standing.verdict, standing.turned), (Verdict::Trapped, true));
        assert_eq!((standing.banned_until, standing.reasons[0]), (3700, REASON_TRAP));
        assert_eq!(record.decision(101).map(|ban| ban.origin), Some(Origin::Trap));
        assert_eq!(drive(&mut record, 101, 1, 0.0).1.verdict, Verdict::Rejected);
        assert_eq!(drive(&mut record, 3700, 1, 0.0).1.verdict, Verdict::Passed);
    }

    #[test]
    fn a_completion_ends_a_ban_and_makes_immune_until_behaviour_turns() {
        let mut record = crawler();
        complete(&mut record, 120, 3600);
        assert_eq!(
            (record.decision(120), record.immune_until(120)),
            (None, Some(3720))
        );
        assert_eq!(drive(&mut record, 120, 49, 0.99).1.verdict, Verdict::Allowed);
        assert_eq!(trap(&mut record, 169, 60, &POLICY).verdict, Verdict::Allowed);
        assert_eq!(record.decision(169), None, "the trap does not ban it");
        assert_eq!(drive(&mut record, 170, 13, 0.99).1.verdict, Verdict::Rejected);
        assert!(record.immune_until(200).is_none() && record.is_human());
    }

    #[test]
    fn immunity_ends_by_itself() {
        let mut record = Record::fresh(1, 100);
        drive(&mut record, 100, 1, 0.0);
        assert!(complete(&mut record, 100, 60));
        assert_eq!(drive(&mut record, 101, 20, 0.99).1.verdict, Verdict::Allowed);
        assert_eq!(drive(&mut record, 160, 4, 0.99).1.verdict, Verdict::Rejected);
    }

    #[test]
    fn a_person_bans_and_lifts() {
        let mut record = Record::fresh(1, 100);
        assert!(!lift(&mut record, 100));
        ban(&mut record, 100, 50);
        assert_eq!(
            record.decision(100).map(|ban| (ban.origin, ban.until)),
            Some((Origin::Operator, 150))
        );
        assert_eq!(drive(&mut record, 101, 30, 0.0).1.verdict, Verdict::Rejected);
        assert!(lift(&mut record, 140));
        assert_eq!(record.bans(), 0);
        assert_eq!(drive(&mut record, 141, 5, 0.0).1.verdict, Verdict::Passed);
        ban(&mut record, 150, u32::MAX);
        assert_eq!(
            record.decision(150).map(|ban| ban.until),
            Some(150 + LONGEST_BAN),
            "every ban expires"
        );
    }

    #[test]
    fn a_trap_shortens_no_ban_and_tells_once() {
        let mut record = crawler();
        let standing = trap(&mut record, 110, 60, &POLICY);
        assert_eq!(
            (standing.turned, standing.banned_until),
            (true, 709),
            "the model's ban was longer"
        );
        assert!(!trap(&mut record, 111, 60, &POLICY).turned);
        ban(&mut record, 112, 50);
        assert!(
            !trap(&mut record, 113, 3600, &POLICY).turned,
            "a person's ban stays as it is"
        );
        assert_eq!(
            record.decision(113).map(|ban| (ban.origin, ban.until)),
            Some((Origin::Operator, 162))
        );
        assert!(!complete(&mut record, 114, 3600), "and no completion lifts it");
    }

    #[test]
    fn a_ban_from_a_clock_that_was_wrong_is_over() {
        let mut record = crawler();
        record.until = 109 + 2 * LONGEST_BAN;
        assert_eq!(record.decision(109), None);
        assert_eq!(drive(&mut record, 110, 1, 0.0).1.banned_until, 0);
    }

    #[test]
    fn a_verified_bot_is_allowed_and_a_false_claim_held_against_it() {
        let mut record = Record::fresh(1, 100);
        trust(&mut record, Trust::Verified);
        assert_eq!(drive(&mut record, 100, 20, 0.99).1.verdict, Verdict::Allowed);
        assert_eq!(trap(&mut record, 120, 60, &POLICY).verdict, Verdict::Allowed);
        trust(&mut record, Trust::Unknown);
        assert!(record.is_verified());
        ban(&mut record, 121, 60);
        assert_eq!(
            drive(&mut record, 122, 1, 0.0).1.verdict,
            Verdict::Rejected,
            "a person's word counts"
        );

        let mut record = Record::fresh(2, 100);
        trust(&mut record, Trust::FalseClaim);
        assert_eq!(drive(&mut record, 100, 10, 0.1).1.verdict, Verdict::Suspect);
        trust(&mut record, Trust::None);
        assert_eq!(drive(&mut record, 110, 1, 0.1).1.verdict, Verdict::Passed);
        trust(&mut record, Trust::FalseClaim);
        assert_eq!(drive(&mut record, 111, 9, 0.6).1.verdict, Verdict::Rejected);
    }
}
