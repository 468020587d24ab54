//! Which features made a score, by occlusion: the log-odds of the score minus the log-odds with that one
//! feature set to the typical human's value. Exact for what it says and cheap (a few evaluations for all);
//! unlike Shapley values the contributions do not sum to the score, because features that only matter
//! together are counted in each.

use super::Scorer;
use crate::record::NO_REASON;

/// What one feature adds to a score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Contribution {
    /// Index of the feature in the schema.
    pub feature: usize,
    /// The client's value.
    pub value: f32,
    /// The typical human's value.
    pub baseline: f32,
    /// Log-odds; positive towards automated.
    pub contribution: f32,
}

impl Scorer {
    /// Fills `out`, one place for each feature, with the contributions to the score of `features`, largest
    /// first and in schema order where equal. Allocates nothing.
    pub fn contributions<const N: usize>(&self, features: &[f32; N]) -> [Contribution; N] {
        let mut typical = [0.0; N];
        for (place, &baseline) in typical.iter_mut().zip(&self.card().baseline) {
            *place = baseline;
        }
        let mut out = [Contribution::default(); N];
        for (feature, (place, contribution)) in out
            .iter_mut()
            .zip(self.occlusions(features, &typical))
            .enumerate()
        {
            *place = Contribution {
                feature,
                value: features[feature],
                baseline: typical[feature],
                contribution,
            };
        }
        out.sort_unstable_by(|a, b| {
            b.contribution
                .total_cmp(&a.contribution)
                .then(a.feature.cmp(&b.feature))
        });
        out
    }
}

/// The first three features with a positive contribution, [`NO_REASON`] where there are fewer.
pub(super) fn top(sorted: &[Contribution]) -> [u8; 3] {
    let mut reasons = [NO_REASON; 3];
    let positive = sorted.iter().filter(|reason| reason.contribution > 0.0);
    for (place, reason) in reasons.iter_mut().zip(positive) {
        *place = u8::try_from(reason.feature).unwrap_or(NO_REASON);
    }
    reasons
}
