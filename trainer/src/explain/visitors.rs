//! The site's visitors: what evidence is compared with.

use sekisho_core::feature::{COUNT, Features};
use sekisho_core::model::Model;

use super::snapshot::{Baseline, Site};
use crate::store::PeerRow;

/// Visitors from which on the store's are the baseline; below, a percentile of them says nothing.
pub const LEAST: usize = 20;

/// What visitors are like, feature by feature.
#[derive(Clone, Debug)]
pub struct Visitors {
    median: Features,
    tails: Option<(Features, Features)>,
    clients: usize,
}

impl Visitors {
    /// Those of the store, or the model's typical human where they are too few.
    pub fn of(others: &[&PeerRow], model: &Model) -> Visitors {
        if others.len() < LEAST {
            return Visitors {
                median: *model.baseline(),
                tails: None,
                clients: others.len(),
            };
        }
        let (mut low, mut median, mut high) = ([0.0; COUNT], [0.0; COUNT], [0.0; COUNT]);
        for feature in 0..COUNT {
            let mut values: Vec<f32> = others.iter().map(|other| other.features[feature]).collect();
            values.sort_by(f32::total_cmp);
            low[feature] = quantile(&values, 5);
            median[feature] = quantile(&values, 50);
            high[feature] = quantile(&values, 95);
        }
        Visitors {
            median,
            tails: Some((low, high)),
            clients: others.len(),
        }
    }

    /// How a snapshot tells what it was compared with.
    pub fn site(&self) -> Site {
        Site {
            baseline: if self.tails.is_some() { "site" } else { "model" }.to_owned(),
            clients: self.clients as u64,
        }
    }

    /// The middle of them.
    pub fn median(&self) -> &Features {
        &self.median
    }

    /// One feature's baseline, shown through `show`.
    pub fn baseline(&self, feature: usize, show: impl Fn(f64) -> f64) -> Baseline {
        let at = |values: &Features| show(f64::from(values[feature]));
        Baseline {
            median: at(&self.median),
            tails: self.tails.as_ref().map(|(low, high)| (at(low), at(high))),
        }
    }

    /// Fifth and ninety-fifth percentile of a feature, as the model sees it; none where only the typical human is known.
    pub fn tails(&self, feature: usize) -> Option<(f32, f32)> {
        let (low, high) = self.tails.as_ref()?;
        Some((low[feature], high[feature]))
    }

    /// How far a value lies outside of what nine tenths of the visitors have, in widths of that; 0 inside, and where
    /// only the typical human is known.
    pub fn change(&self, feature: usize, value: f32, range: (f32, f32)) -> f32 {
        let Some((low, high)) = &self.tails else {
            return 0.0;
        };
        let (low, high) = (low[feature], high[feature]);
        let outside = (value - high).max(low - value).max(0.0);
        // All visitors may have the same value: a hundredth of what is possible is then the width.
        outside / (high - low).max((range.1 - range.0) / 100.0)
    }
}

/// Nearest-rank percentile of sorted values.
fn quantile(sorted: &[f32], percent: usize) -> f32 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or_default()
}

/// How far two rows of features are apart: root mean square of the differences, each in parts of what is far for its
/// unit, without the number of requests. 0 is alike, 1 is far.
pub fn distance(one: &Features, other: &Features) -> f32 {
    use sekisho_core::feature::{FEATURES, Unit};
    let far = |unit: Unit| match unit {
        Unit::Share => 1.0,
        Unit::Bits => 2.0,
        Unit::Number | Unit::LogSeconds | Unit::Segments => 4.0,
        Unit::LogBytes | Unit::LogCount => 8.0,
    };
    let mut sum = 0.0;
    for (feature, (a, b)) in FEATURES.iter().zip(one.iter().zip(other)) {
        if feature.name != "requests" {
            let apart = ((a - b) / far(feature.unit)).clamp(-1.0, 1.0);
            sum += apart * apart;
        }
    }
    (sum / (COUNT - 1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f32> = (1..=100).map(|value| value as f32).collect();
        assert_eq!(
            [5, 50, 95].map(|percent| quantile(&values, percent)),
            [5.0, 50.0, 95.0]
        );
        assert_eq!(quantile(&values[..1], 5), 1.0);
        assert_eq!(quantile(&[], 50), 0.0);
    }

    #[test]
    fn distance_is_none_to_oneself_and_one_at_most() {
        let (low, high) = ([0.0; COUNT], [1000.0; COUNT]);
        assert_eq!(distance(&low, &low), 0.0);
        assert_eq!(distance(&low, &high), 1.0);
        let mut other = low;
        other[0] = 20.0;
        assert_eq!(distance(&low, &other), 0.0, "requests do not matter");
        other[1] = 1.0;
        assert!((0.1..0.3).contains(&distance(&low, &other)));
    }
}
