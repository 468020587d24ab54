//! How likely an explanation is right, computed and never asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, LEAST};
use super::canonical::tidy;
use super::category::{Category, is_held_against};
use super::snapshot::Snapshot;
use crate::store::{Store, StoreError};

/// The score's margin counts as much as two of the others: it is there for every client.
const MARGIN: f64 = 2.0;
/// Weight of the claims of a language model, and of the agreement of its answers.
const CLAIMS: f64 = 1.0;
/// Weight of a category's record before anybody said anything: what nobody has judged is never nearly certain.
const RECORD: f64 = 1.0;
/// What it gains with ever so many verdicts.
const PROVEN: f64 = 1.0;
/// Verdicts at which it has gained half of that.
const HALF: f64 = 10.0;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Of these.
    pub good: u64,
    /// All.
    pub all: u64,
}

/// What confidence is computed from, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// How far the score is from the threshold of suspicion, in parts of how far it could be on its side, 0 to 1.
    pub margin: f64,
    /// Claims of a language model that hold; nothing where none were made.
    pub claims: Option<Tally>,
    /// Answers of language models that name the category that is told; nothing below two.
    pub agreement: Option<Tally>,
    /// Verdicts of people that this category was right.
    pub record: Tally,
}

/// How likely it is that a person finds the explanation right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// 0 to 1: how often people agreed with one like it, or the computed number where too few have said.
    pub value: f64,
    /// As computed, before people's verdicts are looked at.
    pub raw: f64,
    /// Whether [`Confidence::value`] is what people's verdicts make of it.
    pub calibrated: bool,
    /// Verdicts so far.
    pub verdicts: u64,
    /// Verdicts that it takes.
    pub verdicts_needed: u64,
    /// What it was computed from.
    pub parts: Parts,
}

/// What people's verdicts tell of earlier explanations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    records: BTreeMap<String, Tally>,
    calibration: Calibration,
    verdicts: u64,
}

impl History {
    /// All verdicts of a store.
    ///
    /// # Errors
    /// The store refuses.
    pub fn of(store: &Store) -> Result<History, StoreError> {
        Ok(History::new(&store.judgements()?))
    }

    /// Category, computed confidence and whether it was right, of each.
    pub fn new(judgements: &[(String, f64, bool)]) -> History {
        let mut records: BTreeMap<String, Tally> = BTreeMap::new();
        for (category, _, right) in judgements {
            let record = records.entry(category.clone()).or_default();
            record.all += 1;
            record.good += u64::from(*right);
        }
        let pairs: Vec<(f64, bool)> = judgements.iter().map(|(_, raw, right)| (*raw, *right)).collect();
        History {
            records,
            calibration: Calibration::of(&pairs),
            verdicts: judgements.len() as u64,
        }
    }

    /// Verdicts on explanations that told this category.
    pub fn record(&self, category: Category) -> Tally {
        self.records.get(category.as_str()).copied().unwrap_or_default()
    }

    /// The confidence that these parts make.
    pub fn confidence(&self, parts: Parts) -> Confidence {
        let raw = tidy(raw(&parts));
        let calibrated = self.calibration.apply(raw);
        Confidence {
            value: tidy(calibrated.unwrap_or(raw)),
            raw,
            calibrated: calibrated.is_some(),
            verdicts: self.verdicts,
            verdicts_needed: LEAST as u64,
            parts,
        }
    }
}

/// How far a snapshot's score is from the threshold of suspicion, on the side on which it is told; 0 for a client that
/// something else than its score speaks against.
pub fn margin(snapshot: &Snapshot) -> f64 {
    let (score, suspect) = (snapshot.score, snapshot.policy.suspect);
    let part = if is_held_against(snapshot) {
        (score - suspect) / (1.0 - suspect).max(f64::MIN_POSITIVE)
    } else {
        (suspect - score) / suspect.max(f64::MIN_POSITIVE)
    };
    tidy(part.clamp(0.0, 1.0))
}

/// The weighted mean of the parts that are there. Shares of few count as if one more of either kind were there, and a
/// record weighs the more the more verdicts it has.
fn raw(parts: &Parts) -> f64 {
    let share = |tally: Tally| (tally.good.min(tally.all) as f64 + 1.0) / (tally.all as f64 + 2.0);
    let verdicts = parts.record.all as f64;
    // From the threshold on, half; at the end of the scale, all.
    let mut weighted = vec![(MARGIN, f64::midpoint(1.0, parts.margin.clamp(0.0, 1.0)))];
    weighted.extend(parts.claims.map(|claims| (CLAIMS, share(claims))));
    weighted.extend(parts.agreement.map(|agreement| (CLAIMS, share(agreement))));
    weighted.push((
        RECORD + PROVEN * verdicts / (verdicts + HALF),
        share(parts.record),
    ));
    let all: f64 = weighted.iter().map(|(weight, _)| weight).sum();
    weighted.iter().map(|(weight, value)| weight * value).sum::<f64>() / all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(good: u64, all: u64) -> Tally {
        Tally { good, all }
    }

    #[test]
    fn four_things_make_confidence() {
        #[track_caller]
        fn check(
            margin: f64,
            claims: Option<(u64, u64)>,
            agreement: Option<(u64, u64)>,
            record: (u64, u64),
            expected: f64,
        ) {
            let some = |(good, all)| tally(good, all);
            let parts = Parts {
                margin,
                claims: claims.map(some),
                agreement: agreement.map(some),
                record: some(record),
            };
            assert_eq!((raw(&parts) * 1000.0).round() / 1000.0, expected, "{parts:?}");
        }
        check(0.0, None, None, (0, 0), 0.5);
        check(1.0, None, None, (0, 0), 0.833);
        check(0.6, None, None, (0, 0), 0.7);
        check(0.6, Some((6, 6)), None, (0, 0), 0.744);
        check(0.6, Some((0, 6)), None, (0, 0), 0.556);
        check(0.6, None, Some((3, 3)), (0, 0), 0.725);
        check(0.6, None, Some((1, 3)), (0, 0), 0.625);
        check(0.6, None, None, (10, 10), 0.85);
        check(0.6, None, None, (0, 10), 0.493);
        check(0.6, None, None, (0, 1000), 0.401);
    }

    #[test]
    fn until_enough_people_have_said_it_is_uncalibrated() {
        let said = |right: usize, all: usize| -> Vec<(String, f64, bool)> {
            (0..all)
                .map(|number| ("price_watch".to_owned(), 0.9, number < right))
                .collect()
        };
        #[track_caller]
        fn check(judgements: &[(String, f64, bool)], expected: (f64, bool, u64)) {
            let history = History::new(judgements);
            let parts = Parts {
                margin: 0.8,
                ..Parts::default()
            };
            let found = history.confidence(parts);
            assert_eq!((found.value, found.calibrated, found.verdicts), expected);
            assert_eq!(found.raw, 0.7667);
        }
        check(&[], (0.7667, false, 0));
        check(&said(40, 49), (0.7667, false, 49));
        check(&said(30, 60), (0.5, true, 60));
        let history = History::new(&said(40, 49));
        assert_eq!(history.record(Category::PriceWatch), tally(40, 49));
        assert_eq!(history.record(Category::Unclear), tally(0, 0));
    }

    proptest! {
        #[test]
        fn more_that_speaks_for_it_is_more_confidence(
            margin in 0.0f64..=1.0, all in 0u64..40, good in 0u64..40, record in 0u64..400, right in 0u64..400,
        ) {
            let parts = Parts {
                margin,
                claims: Some(tally(good.min(all), all)),
                agreement: None,
                record: tally(right.min(record), record),
            };
            let before = raw(&parts);
            prop_assert!((0.0..=1.0).contains(&before));
            let more = Parts { margin: 1.0, ..parts };
            prop_assert!(raw(&more) >= before);
            let better = Parts { claims: Some(tally(all, all)), ..parts };
            prop_assert!(raw(&better) >= before);
            let proven = Parts { record: tally(record, record), ..parts };
            prop_assert!(raw(&proven) >= before);
        }
    }
}
