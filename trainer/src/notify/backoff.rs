//! When a message is tried again, and when it is given up.

/// Seconds until the second attempt; each further one waits twice as long.
const FIRST: u32 = 5;
/// Seconds between two attempts at most.
const LONGEST: u32 = 900;
/// Seconds of `Retry-After` that are waited at most: who asks for more is asked again then.
const LONGEST_ASKED: u32 = 3_600;
/// Attempts at most.
pub const MOST_ATTEMPTS: u32 = 12;
/// Seconds after which a message is no news any more.
pub const TOO_OLD: u32 = 86_400;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Sent,
    /// It may be taken later; seconds that the target asked for.
    Later(String, Option<u32>),
    /// It never will be.
    Refused(String),
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more.
    Sent,
    /// Another attempt at this Unix second.
    At(u32, String),
    /// It is given up.
    Failed(String),
}

/// After attempt number `attempts` (1 is the first) at a message that was made at `made`, at Unix second `now`.
pub fn next(attempt: Attempt, attempts: u32, made: u32, now: u32) -> Next {
    match attempt {
        Attempt::Sent => Next::Sent,
        Attempt::Refused(why) => Next::Failed(why),
        Attempt::Later(why, asked) => {
            let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
            let wait = asked.map_or(doubled.min(LONGEST), |asked| asked.clamp(1, LONGEST_ASKED));
            let at = now.saturating_add(wait);
            if attempts >= MOST_ATTEMPTS || at.saturating_sub(made) > TOO_OLD {
                Next::Failed(format!("given up after {attempts} attempts: {why}"))
            } else {
                Next::At(at, why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        #[track_caller]
        fn check(attempts: u32, asked: Option<u32>, made: u32, expected: Option<u32>) {
            let found = next(Attempt::Later("500".into(), asked), attempts, made, 100_000);
            let at = match found {
                Next::At(at, _) => Some(at - 100_000),
                Next::Failed(_) => None,
                Next::Sent => panic!("it was not sent"),
            };
            assert_eq!(at, expected, "{attempts} {asked:?}");
        }
        check(1, None, 100_000, Some(5));
        check(2, None, 100_000, Some(10));
        check(9, None, 100_000, Some(900));
        check(12, None, 100_000, None);
        check(1, None, 13_000, None);
        check(1, Some(120), 100_000, Some(120));
        check(1, Some(0), 100_000, Some(1));
        check(1, Some(1_000_000), 100_000, Some(3_600));
        let refused = next(Attempt::Refused("404".into()), 1, 100_000, 100_000);
        assert_eq!(refused, Next::Failed("404".into()));
    }
}
