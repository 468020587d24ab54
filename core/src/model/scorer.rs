//! A loaded model for any feature schema: what [`Model`](super::Model) is for the schema of this build.

use super::dense::Dense;
use super::ensemble::Link;
use super::forest::Forest;
use super::graph::{self, Body};
use super::limits::ROW;
use super::tree::{Tree, TreeNode};
use super::{Card, Limits, ModelError, Quoted, logistic, parity, seal};

/// The features a build computes: their hash, and their names in order. At most [`ROW`] of them.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// Hash over names and meaning.
    pub hash: &'a str,
    /// Names in schema order.
    pub names: &'a [&'a str],
}

/// A checked, compiled model. Evaluating it neither allocates nor panics, and needs no lock: share it
/// freely.
#[derive(Debug)]
pub struct Scorer {
    evaluator: Evaluator,
    card: Card,
    digest: String,
}

#[derive(Debug)]
enum Evaluator {
    Forest(Forest, Link),
    Dense(Dense),
}

/// Probabilities nearer to 0 or 1 than this count as this near when turned into log-odds.
const EDGE: f32 = 1e-6;

impl Scorer {
    /// Loads a model file: size, checksum, metadata, graph, compilation, comparison with tract, in this
    /// order.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn load(bytes: &[u8], schema: &Schema<'_>, limits: &Limits) -> Result<Scorer, ModelError> {
        if bytes.len() > limits.max_bytes {
            return Err(ModelError::TooLarge {
                bytes: bytes.len(),
                max: limits.max_bytes,
            });
        }
        let proto = seal::open(bytes)?;
        let card = Card::read(&proto)?;
        check_schema(&card, schema)?;
        let valid = graph::validate(&proto, schema.names.len(), limits)?;
        let (evaluator, values) = match valid.body {
            Body::Trees(ensemble) => {
                let values = split_values(&ensemble.trees, &card.baseline);
                (
                    Evaluator::Forest(Forest::new(&ensemble.trees), ensemble.link),
                    values,
                )
            }
            Body::Dense(dense) => (Evaluator::Dense(dense), spread(&card.baseline)),
        };
        let scorer = Scorer {
            evaluator,
            digest: seal::hex(bytes),
            card,
        };
        let rows = parity::probes(&values, &scorer.card.baseline);
        parity::check(&valid.reference, &rows, |row| scorer.raw(row))?;
        Ok(scorer)
    }

    /// The probability, 0 to 1, that a client with these features is automated. Values beyond the schema
    /// are ignored, missing ones and numbers that are not finite count as 0.
    pub fn score(&self, features: &[f32]) -> f32 {
        let score = self.raw(features);
        // Fail open: a graph that overflows for some row must not stop anybody.
        if score.is_nan() {
            0.0
        } else {
            score.clamp(0.0, 1.0)
        }
    }

    /// The score in log-odds, natural logarithm.
    pub fn log_odds(&self, features: &[f32]) -> f32 {
        match &self.evaluator {
            Evaluator::Forest(forest, Link::Logistic) => forest.sum(&finite_row(features)),
            Evaluator::Forest(_, Link::Identity) => {
                let p = self.score(features).clamp(EDGE, 1.0 - EDGE);
                libm::logf(p / (1.0 - p))
            }
            Evaluator::Dense(dense) => dense.margin(&finite_row(features)),
        }
    }

    /// For each feature the log-odds of `features` minus the log-odds with that one taken from `typical`.
    pub(super) fn occlusions(&self, features: &[f32], typical: &[f32]) -> [f32; ROW] {
        let (row, typical) = (finite_row(features), finite_row(typical));
        if let Evaluator::Forest(forest, Link::Logistic) = &self.evaluator {
            return forest.occlusions(&row, &typical);
        }
        let (whole, mut occluded, mut added) = (self.log_odds(&row), row, [0.0; ROW]);
        for feature in 0..features.len().min(ROW) {
            // A feature that has the typical value makes no difference, and each costs a score.
            if row[feature] != typical[feature] {
                occluded[feature] = typical[feature];
                added[feature] = whole - self.log_odds(&occluded);
                occluded[feature] = row[feature];
            }
        }
        added
    }

    fn raw(&self, features: &[f32]) -> f32 {
        let row = finite_row(features);
        match &self.evaluator {
            Evaluator::Forest(forest, Link::Logistic) => logistic(forest.sum(&row)),
            Evaluator::Forest(forest, Link::Identity) => forest.sum(&row),
            Evaluator::Dense(dense) => logistic(dense.margin(&row)),
        }
    }

    /// What the file says about itself.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// SHA-256 of the file in lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn finite_row(features: &[f32]) -> [f32; ROW] {
    let mut row = [0.0; ROW];
    for (place, &value) in row.iter_mut().zip(features) {
        *place = if value.is_finite() { value } else { 0.0 };
    }
    row
}

fn check_schema(card: &Card, schema: &Schema<'_>) -> Result<(), ModelError> {
    if card.schema != schema.hash {
        return Err(ModelError::Schema {
            model: Quoted::new(&card.schema),
            ours: schema.hash.to_owned(),
        });
    }
    if card.features != schema.names {
        return Err(ModelError::FeatureNames {
            model: Quoted::new(&card.features.join(",")),
        });
    }
    if schema.names.len() > ROW {
        return Err(ModelError::TooMany {
            what: "features",
            count: schema.names.len(),
            max: ROW,
        });
    }
    Ok(())
}

/// For each feature its thresholds and their nearest neighbours, where evaluators would differ first.
fn split_values(trees: &[Tree], baseline: &[f32]) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = baseline.iter().map(|&value| vec![value]).collect();
    for node in trees.iter().flat_map(|tree| &tree.nodes) {
        if let TreeNode::Split {
            feature, threshold, ..
        } = *node
            && let Some(values) = values.get_mut(feature)
        {
            values.extend(
                [threshold.next_down(), threshold, threshold.next_up()].map(|x| x.clamp(f32::MIN, f32::MAX)),
            );
        }
    }
    values
}

/// For each feature multiples of the typical value, and some of the size that shares and counts have.
fn spread(baseline: &[f32]) -> Vec<Vec<f32>> {
    let around = |&typical: &f32| {
        let multiples = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0].map(|factor| typical * factor);
        multiples
            .into_iter()
            .chain([-1.0, 0.1, 1.0, 10.0])
            .filter(|value| value.is_finite())
            .collect()
    };
    baseline.iter().map(around).collect()
}
