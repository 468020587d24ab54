//! The lowest thresholds that a budget of false positives allows, and whether they hold later.
//!
//! With n people, the number k that may be above a threshold is the greatest whose upper bound keeps to the budget.
//! It depends on n alone, so choosing by the scores themselves costs no confidence: a threshold above all but the k
//! worst people keeps to the budget but for one in twenty times (Wilks, 1941).

use serde::Serialize;
use thiserror::Error;

use crate::learn::proportion::{effective, interval, least_sample, lower, upper};

/// Confidence in a bound, one-sided, and of intervals, two-sided.
pub const CONFIDENCE: f64 = 0.95;
/// No threshold is lower: below even odds nobody is stopped, however well people do.
const FLOOR: f32 = 0.5;
/// Steps of a threshold: four digits, as directives show them.
const STEP: f64 = 10_000.0;

/// A person's worst score.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// 0 to 1.
    pub score: f32,
    /// Clients that it stands for.
    pub weight: f64,
}

/// Shares of people that may ever be rejected, and be suspect or worse.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Budgets {
    /// Rejected.
    pub reject: f64,
    /// Suspect or worse.
    pub suspect: f64,
}

/// Why a budget cannot be kept.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Too few people.
    #[error(
        "too little evidence for a budget of {budget}: it takes {needed} people judged in the earlier half of the data, \
         and there are {have}; {missing} more are missing, as many again in the later half{}; a budget of {possible} \
         can be shown with what is there", in_days(*more_days)
    )]
    TooFew {
        /// Asked for.
        budget: f64,
        /// People it takes.
        needed: u64,
        /// People there are, at their effective size.
        have: u64,
        /// People missing.
        missing: u64,
        /// Days of data that are missing at the site's pace, where it has one.
        more_days: Option<f64>,
        /// The least budget that so many people can show.
        possible: f64,
    },
    /// People score as high as can be.
    #[error(
        "no threshold keeps to a budget of {budget}: people score up to {highest}; this model does not tell this site's \
         people from crawlers, train one on the site (sekisho train) or allow a larger budget"
    )]
    NoRoom {
        /// Asked for.
        budget: f64,
        /// The worst score of a person.
        highest: f32,
    },
    /// The later half is another site.
    #[error(
        "the thresholds of the earlier half do not hold in the later one: {rejected} of {people} people would be \
         rejected, at least {least:.4} of all where the budget is {budget}; the site has changed, calibrate on newer \
         data only (--since)"
    )]
    Changed {
        /// Asked for.
        budget: f64,
        /// People rejected.
        rejected: f64,
        /// People judged.
        people: usize,
        /// Lower bound of the share.
        least: f64,
    },
}

fn in_days(days: Option<f64>) -> String {
    days.map(|days| format!(", about {:.0} more days of data in all", days.max(1.0)))
        .unwrap_or_default()
}

/// A threshold, and people above it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cut {
    /// Scores from here on.
    pub threshold: f32,
    /// The people there.
    pub people: Counted,
}

/// People at a threshold or above.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counted {
    /// Clients that were counted.
    pub clients: usize,
    /// People judged in all, weighed.
    pub judged: f64,
    /// People above, weighed.
    pub above: f64,
    /// `above / judged`.
    pub rate: f64,
    /// Interval of the rate at [`CONFIDENCE`].
    pub interval: (f64, f64),
}

impl Counted {
    /// Counts.
    pub fn at(people: &[Scored], threshold: f32) -> Counted {
        let judged: f64 = people.iter().map(|person| person.weight).sum();
        let above = people.iter().filter(|person| person.score >= threshold);
        // A sum of nothing is minus zero.
        let above: f64 = above.map(|person| person.weight).sum::<f64>() + 0.0;
        let size = effective(people.iter().map(|person| person.weight));
        let rate = if judged > 0.0 { above / judged } else { 0.0 };
        Counted {
            clients: people.len(),
            judged,
            above,
            rate,
            interval: interval(rate * size, size, CONFIDENCE),
        }
    }
}

/// Both thresholds.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// From here on rejected.
    pub reject: Cut,
    /// From here on suspect.
    pub suspect: Cut,
}

/// People of the later half at the thresholds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Held {
    /// Rejected.
    pub reject: Counted,
    /// Suspect or worse.
    pub suspect: Counted,
}

impl Chosen {
    /// Thresholds for these people, who came within so many days.
    ///
    /// # Errors
    /// [`Refusal::TooFew`] and [`Refusal::NoRoom`].
    pub fn of(people: &[Scored], budgets: Budgets, days: f64) -> Result<Chosen, Refusal> {
        let reject = cut(people, budgets.reject, days)?;
        let suspect = cut(people, budgets.suspect, days)?;
        Ok(Chosen { reject, suspect })
    }

    /// Looks at people that the choice did not know.
    ///
    /// # Errors
    /// [`Refusal::Changed`] when these people show that the budget is not kept.
    pub fn check(&self, people: &[Scored], budgets: Budgets) -> Result<Held, Refusal> {
        let reject = Counted::at(people, self.reject.threshold);
        let size = effective(people.iter().map(|person| person.weight));
        let least = lower(reject.rate * size, size, CONFIDENCE);
        if least > budgets.reject {
            return Err(Refusal::Changed {
                budget: budgets.reject,
                rejected: reject.above,
                people: reject.clients,
                least,
            });
        }
        let suspect = Counted::at(people, self.suspect.threshold);
        Ok(Held { reject, suspect })
    }
}

fn cut(people: &[Scored], budget: f64, days: f64) -> Result<Cut, Refusal> {
    let size = effective(people.iter().map(|person| person.weight));
    let total: f64 = people.iter().map(|person| person.weight).sum();
    let keeps = |above: f64| upper(above / total * size, size, CONFIDENCE) <= budget;
    if people.is_empty() || !keeps(0.0) {
        return Err(too_few(size, budget, days));
    }
    let mut worst = people.to_vec();
    worst.sort_by(|left, right| right.score.total_cmp(&left.score));
    let mut above = 0.0;
    let excess = worst.iter().find(|person| {
        above += person.weight;
        !keeps(above)
    });
    let threshold = excess.map_or(FLOOR, |person| just_above(person.score)).max(FLOOR);
    if threshold > 1.0 {
        let highest = worst[0].score;
        return Err(Refusal::NoRoom { budget, highest });
    }
    Ok(Cut {
        threshold,
        people: Counted::at(people, threshold),
    })
}

/// The least number of four digits that is above a score.
fn just_above(score: f32) -> f32 {
    let mut steps = (f64::from(score) * STEP).floor() + 1.0;
    while (steps / STEP) as f32 <= score {
        steps += 1.0;
    }
    (steps / STEP) as f32
}

fn too_few(size: f64, budget: f64, days: f64) -> Refusal {
    let (needed, have) = (least_sample(budget, CONFIDENCE), size.floor() as u64);
    let missing = needed.saturating_sub(have).max(1);
    let more_days = (have > 0).then(|| 2.0 * missing as f64 / (size / days));
    let possible = (upper(0.0, size, CONFIDENCE) * STEP).ceil() / STEP;
    Refusal::TooFew {
        budget,
        needed,
        have,
        missing,
        more_days,
        possible,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn people(scores: impl Iterator<Item = f32>) -> Vec<Scored> {
        scores.map(|score| Scored { score, weight: 1.0 }).collect()
    }

    const BUDGETS: Budgets = Budgets {
        reject: 0.01,
        suspect: 0.05,
    };

    #[test]
    fn as_many_people_may_be_above_as_the_bound_allows() {
        #[track_caller]
        fn check(count: u16, above: f64) {
            let people = people((0..count).map(|rank| 0.5 + 0.4 * f32::from(rank) / f32::from(count)));
            let chosen = Chosen::of(&people, BUDGETS, 10.0).unwrap();
            assert_eq!(chosen.reject.people.above, above, "{chosen:?}");
            assert!(chosen.suspect.threshold <= chosen.reject.threshold);
        }
        // Upper bounds at 95 %: 2.996 / n for none, 4.74 / n for one, 6.30 / n for two.
        check(299, 0.0);
        check(472, 0.0);
        check(474, 1.0);
        check(2000, 12.0);
    }

    #[test]
    fn too_little_evidence_says_how_much_is_missing() {
        #[track_caller]
        fn check(count: u16, message: &str) {
            let people = people((0..count).map(|_| 0.1));
            let refusal = Chosen::of(&people, BUDGETS, 10.0).unwrap_err().to_string();
            assert!(refusal.contains(message), "{refusal}");
        }
        check(
            0,
            "it takes 299 people judged in the earlier half of the data, and there are 0",
        );
        check(200, "99 more are missing");
        check(200, "about 10 more days");
        check(200, "a budget of 0.0149 can be shown");
    }

    #[test]
    fn people_at_the_top_leave_no_room() {
        let refusal = Chosen::of(&people([1.0; 400].into_iter()), BUDGETS, 1.0).unwrap_err();
        assert!(matches!(refusal, Refusal::NoRoom { .. }), "{refusal}");
    }

    #[test]
    fn a_later_half_that_differs_is_refused() {
        let chosen = Chosen::of(&people([0.6; 400].into_iter()), BUDGETS, 1.0).unwrap();
        assert_eq!(chosen.reject.threshold, 0.6001);
        let changed = people((0..400).map(|rank| if rank % 20 == 0 { 0.9 } else { 0.1 }));
        assert!(matches!(
            chosen.check(&changed, BUDGETS),
            Err(Refusal::Changed { .. })
        ));
        let held = chosen.check(&people([0.6; 400].into_iter()), BUDGETS).unwrap();
        assert_eq!(held.reject.above, 0.0);
    }

    proptest! {
        #[test]
        fn a_threshold_is_above_its_score_and_reads_back(score in 0f32..0.9999) {
            let threshold = just_above(score);
            prop_assert!(threshold > score && threshold - score < 2.1e-4);
            prop_assert_eq!(format!("{threshold:.4}").parse::<f32>().unwrap(), threshold);
        }

        #[test]
        fn the_bound_keeps_to_the_budget(scores in prop::collection::vec(0f32..1.0, 60..400), budget in 0.05f64..0.3) {
            let budgets = Budgets { reject: budget, suspect: budget };
            let people = people(scores.into_iter());
            if let Ok(chosen) = Chosen::of(&people, budgets, 1.0) {
                let counted = &chosen.reject.people;
                prop_assert!(upper(counted.above, people.len() as f64, CONFIDENCE) <= budget);
            }
        }
    }
}
