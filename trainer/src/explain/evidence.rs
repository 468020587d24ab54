//! Which features speak, and what would have let the client pass.

use sekisho_core::feature::{FEATURES, Features, index};
use sekisho_core::model::{Model, contributions};

use super::canonical::tidy;
use super::measure::Measure;
use super::snapshot::{Counterfactual, Evidence, MAX_EVIDENCE};
use super::visitors::Visitors;

/// Log-odds below which an attribution is not worth a line.
const LEAST_ATTRIBUTION: f32 = 0.05;
/// Places kept for what stands out among the site's visitors without moving the score.
const FOR_CHANGE: usize = 3;
/// Places between a value and the end of its range where the score is looked at: trees have at most 64 cuts a feature.
const GRID: u16 = 256;
/// Halvings between two of them: to a millionth of the distance.
const HALVINGS: usize = 20;

/// A client's features before a model and the site's visitors.
pub struct Case<'a> {
    /// The model.
    pub model: &'a Model,
    /// A score from here on speaks against a client.
    pub suspect: f32,
    /// The client's.
    pub features: &'a Features,
    /// The site's.
    pub visitors: &'a Visitors,
}

impl Case<'_> {
    /// The evidence, what adds most to the score first. `wanted` features are among them in any case; `source` is the
    /// digest of the samples that the features come from.
    pub fn evidence(&self, wanted: &[&str], source: &str) -> Vec<Evidence> {
        let added = contributions(self.model, self.features);
        let mut chosen: Vec<usize> = wanted.iter().filter_map(|name| index(name)).collect();
        chosen.truncate(MAX_EVIDENCE);
        let mut add = |candidates: &mut dyn Iterator<Item = usize>, most: usize| {
            for feature in candidates {
                if chosen.len() < most && !chosen.contains(&feature) {
                    chosen.push(feature);
                }
            }
        };
        let strong = |each: &&sekisho_core::model::Contribution| each.contribution >= LEAST_ATTRIBUTION;
        let mut by_score = added.iter().filter(strong).map(|each| each.feature);
        add(&mut by_score, MAX_EVIDENCE - FOR_CHANGE);
        let mut changed: Vec<(f32, usize)> = FEATURES
            .iter()
            .enumerate()
            .map(|(index, feature)| {
                let change = self.visitors.change(index, self.features[index], feature.range);
                (change, index)
            })
            // How many requests there were is no behaviour.
            .filter(|(change, index)| *change > 0.0 && FEATURES[*index].name != "requests")
            .collect();
        changed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        add(&mut changed.into_iter().map(|(_, feature)| feature), MAX_EVIDENCE);
        let mut rest = added.iter().filter(strong).map(|each| each.feature);
        add(&mut rest, MAX_EVIDENCE);
        let in_order = added.iter().filter(|each| chosen.contains(&each.feature));
        let items = in_order.zip(1..).map(|(each, number): (_, u32)| {
            let feature = &FEATURES[each.feature];
            let measure = Measure::of(feature);
            Evidence {
                id: format!("e{number}"),
                feature: feature.name.to_owned(),
                value: measure.tidy(f64::from(each.value)),
                unit: measure.as_str().to_owned(),
                baseline: self.visitors.baseline(each.feature, |raw| measure.tidy(raw)),
                threshold: self.threshold(each.feature),
                attribution: tidy(f64::from(each.contribution)),
                source: source.to_owned(),
            }
        });
        items.collect()
    }

    /// The value nearest to the client's, on the side of the visitors' median, at which the score falls below the
    /// threshold when nothing else changes; in the unit that is shown, rounded so that it still passes.
    fn threshold(&self, feature: usize) -> Option<f64> {
        let value = f64::from(self.features[feature]);
        let (low, high) = FEATURES[feature].range;
        let median = f64::from(self.visitors.median()[feature]);
        if !self.fails(feature, value) || median == value {
            return None;
        }
        let end = f64::from(if median < value { low } else { high });
        let at = |step: u16| value + (end - value) * f64::from(step) / f64::from(GRID);
        let step = (1..=GRID).find(|&step| !self.fails(feature, at(step)))?;
        let (mut fails, mut passes) = (at(step - 1), at(step));
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(fails, passes);
            if self.fails(feature, middle) {
                fails = middle;
            } else {
                passes = middle;
            }
        }
        let measure = Measure::of(&FEATURES[feature]);
        let down = if end < value { -1.0 } else { 1.0 };
        // Rounding may step back over the cut; the next ten-thousandth is on its other side.
        let rounded = measure.tidy(passes);
        let mut near = (0..3u8).map(|steps| tidy(rounded + down * f64::from(steps) / 10_000.0));
        near.find(|&shown| !self.fails(feature, measure.raw(shown)))
    }

    fn fails(&self, feature: usize, raw: f64) -> bool {
        let mut changed = *self.features;
        changed[feature] = raw as f32;
        self.model.score(&changed) >= self.suspect
    }

    /// What would have let the client pass: the strongest evidence whose threshold alone would, else as few as
    /// possible together at the visitors' medians.
    pub fn counterfactual(&self, evidence: &[Evidence]) -> Counterfactual {
        if self.model.score(self.features) < self.suspect {
            return Counterfactual::Passed;
        }
        // How many requests there were is no behaviour that anybody would change.
        let by_behaviour = |item: &&Evidence| item.threshold.is_some() && item.feature != "requests";
        if let Some(item) = evidence.iter().find(by_behaviour) {
            return Counterfactual::Single {
                evidence: item.id.clone(),
            };
        }
        let with = |items: &[&Evidence]| {
            let mut changed = *self.features;
            for feature in items.iter().filter_map(|item| index(&item.feature)) {
                changed[feature] = self.visitors.median()[feature];
            }
            self.model.score(&changed)
        };
        let mut together: Vec<&Evidence> = Vec::new();
        for item in evidence.iter().filter(|item| item.feature != "requests") {
            together.push(item);
            if with(&together) < self.suspect {
                break;
            }
        }
        if with(&together) >= self.suspect {
            return Counterfactual::Nothing;
        }
        for item in together.clone() {
            let without: Vec<&Evidence> = together
                .iter()
                .copied()
                .filter(|other| other.id != item.id)
                .collect();
            if with(&without) < self.suspect {
                together = without;
            }
        }
        Counterfactual::Joint {
            evidence: together.iter().map(|item| item.id.clone()).collect(),
        }
    }
}
