//! What is watched, and when it alarms.

use sekisho_core::feature::FEATURES;
use sekisho_core::model::Model;
use serde::Serialize;

use super::DriftError;
use super::index::{Stability, Values, stability};
use crate::dataset::Site;
use crate::learn::proportion::{effective, interval};
use crate::learn::{Judged, judge};

/// From here on an index is watched, and alarms: the cut-offs that scoring has used since Siddiqi (2006).
pub const WATCH: f64 = 0.1;
/// See [`WATCH`].
pub const ALARM: f64 = 0.25;
/// A share that moved this far alarms, half as far is watched.
pub const SHARE_ALARM: f64 = 0.1;
/// Scores between these are of clients that the model cannot tell.
const UNSURE: (f32, f32) = (0.2, 0.8);
/// Confidence of the intervals of shares.
const CONFIDENCE: f64 = 0.95;
/// Clients that it takes on both sides.
const LEAST: usize = 50;

/// How a number is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As before, or within what chance does.
    Steady,
    /// Look at it.
    Watch,
    /// The model judges others than it learnt.
    Alarm,
}

/// One number's drift.
#[derive(Clone, Debug, Serialize)]
pub struct Drifted {
    /// The feature, or `score`.
    pub name: &'static str,
    /// Population stability index.
    pub index: f64,
    /// What chance explains.
    pub by_chance: f64,
    /// Medians before and since.
    pub medians: (f64, f64),
    /// How it is doing.
    pub state: State,
}

/// A share of clients before and since.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    /// Of whom.
    pub name: &'static str,
    /// Before, with its interval.
    pub reference: (f64, (f64, f64)),
    /// Since, with its interval.
    pub recent: (f64, (f64, f64)),
    /// How it is doing.
    pub state: State,
}

/// Everything that is watched.
#[derive(Debug, Serialize)]
pub struct Drift {
    /// First and last request before, unix seconds, and clients judged.
    pub reference: (u32, u32, usize),
    /// The same since.
    pub recent: (u32, u32, usize),
    /// The worst score of each client.
    pub score: Drifted,
    /// Deciles of it, before and since.
    pub deciles: Vec<(f64, f64)>,
    /// Shares.
    pub shares: Vec<Moved>,
    /// Features at each client's last score, the most drifted first.
    pub features: Vec<Drifted>,
    /// Things that alarm.
    pub alarms: usize,
    /// Things to watch.
    pub watched: usize,
}

impl Drift {
    /// Compares the judged clients of two times.
    ///
    /// # Errors
    /// [`DriftError::TooFew`].
    pub fn between(
        reference: &Site,
        recent: &Site,
        model: &Model,
        min_requests: u32,
    ) -> Result<Drift, DriftError> {
        let judged = |site| -> Vec<Judged<'_>> {
            let all = judge(model, site, min_requests);
            all.into_iter()
                .filter(|judged| judged.worst().is_some())
                .collect()
        };
        let (before, since) = (judged(reference), judged(recent));
        if before.len().min(since.len()) < LEAST {
            return Err(DriftError::TooFew {
                reference: before.len(),
                recent: since.len(),
                least: LEAST,
            });
        }
        let drifted = |name, value: &dyn Fn(&Judged<'_>) -> f64| drifted(name, &before, &since, value);
        let last = |feature: usize| {
            move |judged: &Judged<'_>| {
                let row = judged.client.rows.last();
                row.map_or(0.0, |row| f64::from(row.features[feature]))
            }
        };
        let mut features: Vec<Drifted> = FEATURES
            .iter()
            .enumerate()
            .map(|(place, feature)| drifted(feature.name, &last(place)))
            .collect();
        features.sort_by(|left, right| right.index.total_cmp(&left.index));
        let worst = |judged: &Judged<'_>| f64::from(judged.worst().unwrap_or_default());
        let shares = shares(&before, &since, model);
        let score = drifted("score", &worst);
        let states: Vec<State> = features.iter().map(|feature| feature.state).collect();
        let states = states
            .into_iter()
            .chain(shares.iter().map(|share| share.state))
            .chain([score.state]);
        let states: Vec<State> = states.collect();
        let count = |wanted| states.iter().filter(|state| **state == wanted).count();
        let span = |site: &Site, judged: &[Judged<'_>]| {
            let (first, last) = site.span().unwrap_or_default();
            (first, last, judged.len())
        };
        let values = (values(&before, &worst), values(&since, &worst));
        Ok(Drift {
            reference: span(reference, &before),
            recent: span(recent, &since),
            deciles: (0..=10)
                .map(|tenth| (quantile(&values.0, tenth), quantile(&values.1, tenth)))
                .collect(),
            alarms: count(State::Alarm),
            watched: count(State::Watch),
            score,
            shares,
            features,
        })
    }
}

fn shares(before: &[Judged<'_>], since: &[Judged<'_>], model: &Model) -> Vec<Moved> {
    let unsure = |judged: &Judged<'_>| {
        judged
            .worst()
            .is_some_and(|score| score >= UNSURE.0 && score < UNSURE.1)
    };
    let reject = model.thresholds().reject;
    vec![
        moved("without a label", before, since, &|judged| {
            judged.client.label.is_none()
        }),
        moved("that the model cannot tell", before, since, &unsure),
        moved("that would be rejected", before, since, &|judged| {
            judged.reached(reject).is_some()
        }),
    ]
}

fn values(judged: &[Judged<'_>], value: &dyn Fn(&Judged<'_>) -> f64) -> Values {
    let mut values: Values = judged
        .iter()
        .map(|judged| (value(judged), judged.client.weight))
        .collect();
    values.sort_by(|left, right| left.0.total_cmp(&right.0));
    values
}

fn size(judged: &[Judged<'_>]) -> f64 {
    effective(judged.iter().map(|judged| judged.client.weight))
}

fn drifted(
    name: &'static str,
    before: &[Judged<'_>],
    since: &[Judged<'_>],
    value: &dyn Fn(&Judged<'_>) -> f64,
) -> Drifted {
    let (reference, recent) = (values(before, value), values(since, value));
    let found = stability(&reference, &recent, (size(before), size(since)));
    Drifted {
        name,
        index: found.index,
        by_chance: found.by_chance,
        medians: (quantile(&reference, 5), quantile(&recent, 5)),
        state: state(found),
    }
}

fn state(found: Stability) -> State {
    if found.index <= found.by_chance || found.index < WATCH {
        State::Steady
    } else if found.index < ALARM {
        State::Watch
    } else {
        State::Alarm
    }
}

fn moved(
    name: &'static str,
    before: &[Judged<'_>],
    since: &[Judged<'_>],
    holds: &dyn Fn(&Judged<'_>) -> bool,
) -> Moved {
    let share = |judged: &[Judged<'_>]| {
        let all: f64 = judged.iter().map(|judged| judged.client.weight).sum();
        let held = judged.iter().filter(|judged| holds(judged));
        let share = held.map(|judged| judged.client.weight).sum::<f64>() / all.max(f64::MIN_POSITIVE);
        let size = size(judged);
        (share.abs(), interval(share.abs() * size, size, CONFIDENCE))
    };
    let (reference, recent) = (share(before), share(since));
    let apart = reference.1.1 < recent.1.0 || recent.1.1 < reference.1.0;
    let far = (recent.0 - reference.0).abs();
    let state = match apart {
        true if far >= SHARE_ALARM => State::Alarm,
        true if far >= SHARE_ALARM / 2.0 => State::Watch,
        _ => State::Steady,
    };
    Moved {
        name,
        reference,
        recent,
        state,
    }
}

/// The value below which so many tenths of the weight are, of ascending values.
fn quantile(sorted: &Values, tenths: u32) -> f64 {
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let wanted = total * f64::from(tenths) / 10.0;
    let mut below = 0.0;
    let found = sorted.iter().find(|(_, weight)| {
        below += weight;
        below >= wanted
    });
    found.or(sorted.last()).map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_offs_count_only_beyond_chance() {
        #[track_caller]
        fn check(index: f64, by_chance: f64, expected: State) {
            assert_eq!(state(Stability { index, by_chance }), expected);
        }
        check(0.05, 0.01, State::Steady);
        check(0.15, 0.01, State::Watch);
        check(0.15, 0.2, State::Steady);
        check(0.3, 0.2, State::Alarm);
        check(0.3, 0.4, State::Steady);
    }

    #[test]
    fn quantiles_weigh() {
        let values = vec![(1.0, 1.0), (2.0, 1.0), (3.0, 8.0)];
        assert_eq!(
            [0, 1, 2, 5, 10].map(|tenth| quantile(&values, tenth)),
            [1.0, 1.0, 2.0, 3.0, 3.0]
        );
        assert_eq!(quantile(&Vec::new(), 5), 0.0);
    }
}
