//! The population stability index, and how much of it chance explains.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Bins of a number: tenths of the reference.
const BINS: usize = 10;
/// Added to every bin's count, so that an empty one has a logarithm.
const SMOOTHING: f64 = 0.5;
/// Chance explains what is below this quantile of its distribution.
const CHANCE: f64 = 0.9995;

/// Weighed values of one number.
pub type Values = Vec<(f64, f64)>;

/// How far recent values are from the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability {
    /// Sum over bins of (recent - reference) * ln(recent / reference), shares of clients.
    pub index: f64,
    /// What two samples of one population reach once in two thousand times.
    pub by_chance: f64,
}

/// The index over tenths of the reference. Its distribution under no drift is that of chi-squared with one degree
/// less than there are bins, times (1/n + 1/m) (Yurdakul, 2018). `sizes` are the effective numbers of clients.
pub fn stability(reference: &Values, recent: &Values, sizes: (f64, f64)) -> Stability {
    let edges = edges(reference);
    let (before, after) = (shares(reference, &edges), shares(recent, &edges));
    let index = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after - before) * (after / before).ln())
        .sum::<f64>();
    let scale = 1.0 / sizes.0.max(1.0) + 1.0 / sizes.1.max(1.0);
    let quantile =
        ChiSquared::new(edges.len().max(1) as f64).map_or(0.0, |chance| chance.inverse_cdf(CHANCE));
    Stability {
        index: index.max(0.0),
        by_chance: quantile * scale,
    }
}

/// Values that part the reference into tenths; fewer where many clients have the same value.
fn edges(reference: &Values) -> Vec<f64> {
    let mut sorted = reference.clone();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut edges: Vec<f64> = Vec::new();
    let mut below = 0.0;
    for (value, weight) in sorted {
        if below > 0.0
            && below >= total * (edges.len() + 1) as f64 / BINS as f64
            && edges.last() != Some(&value)
        {
            edges.push(value);
        }
        below += weight;
        if edges.len() + 1 == BINS {
            break;
        }
    }
    edges
}

/// Share of the weight in each bin: below the first edge, from each edge on.
fn shares(values: &Values, edges: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; edges.len() + 1];
    for (value, weight) in values {
        sums[edges.partition_point(|edge| edge <= value)] += weight;
    }
    // Smoothed as counts of clients: a drawn client's weight must not drown it.
    let mean = values.iter().map(|(_, weight)| weight).sum::<f64>() / values.len().max(1) as f64;
    let counts = sums
        .iter()
        .map(|sum| sum / mean.max(f64::MIN_POSITIVE) + SMOOTHING);
    let total = values.len() as f64 + SMOOTHING * sums.len() as f64;
    counts.map(|count| count / total).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(range: std::ops::Range<u32>, of: f64) -> Values {
        range.map(|rank| (f64::from(rank) / of, 1.0)).collect()
    }

    #[test]
    fn what_moves_is_seen_and_what_stays_is_not() {
        let reference = values(0..1000, 1000.0);
        let same = stability(&reference, &values(0..500, 500.0), (1000.0, 500.0));
        assert!(same.index < 0.01 && same.index < same.by_chance, "{same:?}");
        let moved = stability(&reference, &values(300..1300, 1000.0), (1000.0, 1000.0));
        assert!(moved.index > 0.25 && moved.index > moved.by_chance, "{moved:?}");
        let few = stability(&reference, &values(0..12, 16.0), (1000.0, 12.0));
        assert!(few.index < few.by_chance, "twelve clients prove nothing: {few:?}");
    }

    #[test]
    fn a_constant_that_changes_is_seen() {
        let constant = |value: f64, count: usize| vec![(value, 1.0); count];
        let mixed = [constant(0.0, 900), constant(1.0, 100)].concat();
        let same = stability(&mixed, &mixed, (1000.0, 1000.0));
        assert!(same.index < 1e-9, "{same:?}");
        let turned = [constant(0.0, 500), constant(1.0, 500)].concat();
        assert!(stability(&mixed, &turned, (1000.0, 1000.0)).index > 0.25);
    }

    proptest! {
        #[test]
        fn an_index_is_finite_and_not_negative(
            reference in prop::collection::vec((-5f64..5.0, 0.1f64..100.0), 1..200),
            recent in prop::collection::vec((-5f64..5.0, 0.1f64..100.0), 1..200),
        ) {
            let found = stability(&reference, &recent, (200.0, 200.0));
            prop_assert!(found.index.is_finite() && found.index >= 0.0 && found.by_chance.is_finite());
        }

        #[test]
        fn tenths_are_ascending(reference in prop::collection::vec((0u8..20, 0.1f64..10.0), 1..200)) {
            let values: Values = reference.into_iter().map(|(value, weight)| (f64::from(value), weight)).collect();
            let edges = edges(&values);
            prop_assert!(edges.len() < BINS && edges.is_sorted_by(|one, next| one < next));
        }
    }
}
