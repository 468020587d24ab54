//! Whether a series of numbers changed its level, and where.
//!
//! Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28(2), 1979: the rank sums of
//! what came before and after each point are compared; K is the greatest difference, and its chance under no change is
//! about 2 exp(-6 K^2 / (n^3 + n^2)). Ranks keep one outlier from looking like a change. Where it was is found by least
//! squares, as K is greatest near the step but not always at it. The test alone also finds
//! changes that nobody cares for, so the level must have moved by a factor and by more than it wavers.

use serde::Serialize;

/// Points that it takes: with fewer no K is so great that chance does not explain it.
pub const LEAST_POINTS: usize = 22;
/// Chance that a steady series of independent numbers looks changed; of a hundred series a tenth does.
const ALPHA: f64 = 0.001;
/// The level moved by this factor, up or down.
const FACTOR: f64 = 1.5;
/// The level moved by so many standard deviations of the numbers around their levels.
const BEYOND_WAVERING: f64 = 1.0;

/// Where a level changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The first point of the new level.
    pub place: usize,
    /// Mean before.
    pub before: f64,
    /// Mean from there on.
    pub after: f64,
    /// Chance of it under no change.
    pub chance: f64,
}

impl Change {
    /// The factor by which the level moved, above 1 whatever the direction; beside 0 everything is infinitely more.
    pub fn factor(&self) -> f64 {
        let (low, high) = (self.before.min(self.after), self.before.max(self.after));
        if low > 0.0 { high / low } else { f64::INFINITY }
    }
}

/// The change of a series, if there is one. Numbers are finite.
pub fn change_point(values: &[f64]) -> Option<Change> {
    let count = values.len();
    if count < LEAST_POINTS {
        return None;
    }
    let mut sum = 0.0;
    let middle = (count as f64 + 1.0) / 2.0;
    let statistics = ranks(values).into_iter().map(|rank| {
        sum += rank - middle;
        2.0 * f64::abs(sum)
    });
    let most = statistics.fold(0.0, f64::max);
    let place = step(values);
    let length = count as f64;
    let chance = (2.0 * (-6.0 * most * most / (length.powi(3) + length.powi(2))).exp()).min(1.0);
    let (before, after) = (mean(&values[..place]), mean(&values[place..]));
    let change = Change {
        place,
        before,
        after,
        chance,
    };
    let wavering = (spread(&values[..place], before) + spread(&values[place..], after)) / length;
    let moved = (after - before).abs() > BEYOND_WAVERING * wavering.sqrt();
    (chance <= ALPHA && moved && change.factor() >= FACTOR).then_some(change)
}

/// Where two levels fit best, by least squares. The outermost twentieths are cut off, so that no outlier is a level.
fn step(values: &[f64]) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (
        sorted[values.len() / 20],
        sorted[values.len() - 1 - values.len() / 20],
    );
    let cut: Vec<f64> = values.iter().map(|value| value.clamp(low, high)).collect();
    let (middle, length) = (mean(&cut), values.len() as f64);
    let mut sum = 0.0;
    let fits = cut
        .iter()
        .enumerate()
        .take(values.len() - 1)
        .map(|(place, value)| {
            sum += value - middle;
            let before = place as f64 + 1.0;
            (place + 1, sum * sum / (before * (length - before)))
        });
    let best = fits.max_by(|one, other| one.1.total_cmp(&other.1).then(other.0.cmp(&one.0)));
    best.map_or(1, |(place, _)| place)
}

/// Ranks from 1 on; equal numbers share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let same = order[from..]
            .iter()
            .take_while(|place| values[**place] == values[order[from]]);
        let to = from + same.count().max(1);
        for place in &order[from..to] {
            ranks[*place] = (from + 1 + to) as f64 / 2.0;
        }
        from = to;
    }
    ranks
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn spread(values: &[f64], mean: f64) -> f64 {
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn levels_that_moved_are_found_and_others_are_not() {
        #[track_caller]
        fn check(values: &[f64], expected: Option<usize>) {
            assert_eq!(change_point(values).map(|change| change.place), expected);
        }
        let levels = |one: f64, two: f64, at: usize, count: usize| -> Vec<f64> {
            (0..count)
                .map(|place| if place < at { one } else { two } + (place % 3) as f64 * 0.1)
                .collect()
        };
        check(&levels(1.0, 3.0, 20, 40), Some(20));
        check(&levels(3.0, 1.0, 12, 40), Some(12));
        check(&levels(0.0, 5.0, 30, 60), Some(30));
        check(&levels(1.0, 1.0, 20, 40), None);
        check(&levels(10.0, 11.0, 20, 40), None);
        check(&levels(1.0, 9.0, 5, 10), None);
        check(&[0.0; 50], None);
        let mut outlier = levels(1.0, 1.0, 20, 40);
        outlier[25] = 1e9;
        check(&outlier, None);
    }

    #[test]
    fn equal_numbers_share_their_ranks() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    fn noise(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.9f64..1.1, count)
    }

    proptest! {
        #[test]
        fn a_step_is_found_where_it_is(noise in noise(40..150), share in 0.3f64..0.7, factor in 3.0f64..20.0, up: bool) {
            let step = (noise.len() as f64 * share) as usize;
            let values: Vec<f64> = noise
                .iter()
                .enumerate()
                .map(|(place, value)| if (place >= step) == up { value * factor } else { *value })
                .collect();
            let found = change_point(&values).expect("a step");
            prop_assert_eq!(found.place, step);
            prop_assert!(found.factor() > 2.0);
        }

        #[test]
        fn noise_is_no_change(noise in noise(0..150)) {
            prop_assert_eq!(change_point(&noise), None);
        }

        #[test]
        fn any_numbers_are_answered(values in prop::collection::vec(-1e12f64..1e12, 0..100)) {
            if let Some(found) = change_point(&values) {
                prop_assert!(found.place > 0 && found.place < values.len());
            }
        }
    }
}
