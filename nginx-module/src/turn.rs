//! The line of the error log that says that a client is stopped from now on.

use std::fmt::{self, Display};

use sekisho_core::checkpoint::Verdict;

use crate::case::Case;
use crate::handler::Conclusion;
use crate::variables::write_reasons;

/// A verdict that just turned to REJECTED or TRAPPED.
pub struct Turn<'a> {
    conclusion: &'a Conclusion,
    case: &'a Case<'a>,
    dry_run: bool,
}

impl<'a> Turn<'a> {
    /// The line for a conclusion.
    pub fn new(conclusion: &'a Conclusion, case: &'a Case<'a>, dry_run: bool) -> Turn<'a> {
        Turn {
            conclusion,
            case,
            dry_run,
        }
    }
}

impl Display for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conclusion {
            standing, verdict, ..
        } = self.conclusion;
        let id = self.conclusion.id();
        if *verdict == Verdict::Trapped {
            f.write_str("sekisho: trapped client,")?;
        } else {
            let score = standing.score.unwrap_or_default();
            let threshold = self.case.policy.reject;
            let (score, threshold) = (Places(score), Places(threshold));
            write!(
                f,
                "sekisho: rejecting client, score {score}, threshold {threshold},"
            )?;
        }
        write!(f, " at request {}, reasons \"", standing.requests)?;
        write_reasons(f, standing.reasons)?;
        let seconds = standing.banned_until.saturating_sub(self.case.at);
        write!(
            f,
            "\", for {seconds} s, id {id:016x}, by zone \"{}\"",
            self.case.data.name
        )?;
        if self.dry_run {
            f.write_str(", dry run")
        } else {
            Ok(())
        }
    }
}

/// A score to four places. As a whole number: to round a float exactly costs more than finding the reasons.
struct Places(f32);

impl Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !(0.0..=1.0).contains(&self.0) {
            return write!(f, "{}", self.0);
        }
        let places = (f64::from(self.0) * 10_000.0).round_ties_even() as u32;
        write!(f, "{}.{:04}", places / 10_000, places % 10_000)
    }
}
