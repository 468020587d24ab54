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
    /// The three features that add most to the score of `features`, as indices into the schema.
    pub fn reasons<const N: usize>(&self, features: &[f32; N]) -> [u8; 3] {
        top(&self.occlusions(features, &self.typical::<N>())[..N])
    }

    fn typical<const N: usize>(&self) -> [f32; N] {
        let mut typical = [0.0; N];
        for (place, &baseline) in typical.iter_mut().zip(&self.card().baseline) {
            *place = baseline;
        }
        typical
    }

    /// The contributions to the score of `features`, one for each feature, largest first and in schema order where
    /// equal. Allocates nothing.
    pub fn contributions<const N: usize>(&self, features: &[f32; N]) -> [Contribution; N] {
        let typical = self.typical::<N>();
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

/// The three features that add most, [`NO_REASON`] where fewer add anything; of equal ones the first.
pub(super) fn top(added: &[f32]) -> [u8; 3] {
    let mut best = [(0.0, NO_REASON); 3];
    for (feature, &contribution) in added.iter().enumerate() {
        let mut one = (contribution, u8::try_from(feature).unwrap_or(NO_REASON));
        for place in &mut best {
            if one.0 > place.0 {
                std::mem::swap(place, &mut one);
            }
        }
    }
    best.map(|(_, feature)| feature)
}
