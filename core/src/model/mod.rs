//! The model file: ONNX in, a checked and compiled evaluator out.
//!
//! A model is an ONNX graph with the input `features`, float32 \[N, F\] in schema order, and as output the
//! probability that a client is automated: column 1 of the `probabilities` of a `TreeEnsembleClassifier`,
//! or the only column of a dense graph. What else it must know (schema, thresholds, the typical human)
//! travels in `metadata_props`.
//!
//! Nothing in a file is trusted before it is checked: the checksum first, then every count, index and
//! number. Only a graph that passed reaches tract, which serves as the reference: on a row of probes the
//! compiled evaluator must give the same scores. tract runs while a model is loaded and never after.

mod attributes;
mod card;
mod contribution;
mod dense;
mod ensemble;
mod error;
mod forest;
mod graph;
mod limits;
mod parity;
mod scorer;
mod seal;
mod tree;

#[cfg(test)]
mod tests;

pub use card::{Card, Thresholds};
pub use contribution::Contribution;
pub use error::{ModelError, Quoted};
pub use limits::Limits;
pub use parity::PARITY;
pub use scorer::{Schema, Scorer};
pub use seal::{checksum, seal};
pub use tract_onnx::pb;
pub use tree::{Tree, TreeNode};

use crate::feature::{COUNT, FEATURES, Features, schema_hash};

/// The ONNX message of a tree ensemble whose leaves hold log-odds, not yet sealed. The same trees and card
/// give the same message.
pub fn encode(trees: &[Tree], card: &Card) -> pb::ModelProto {
    graph::tree_model(trees, card)
}

/// The logistic function.
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

/// The model of this build's feature schema.
#[derive(Debug)]
pub struct Model {
    scorer: Scorer,
    baseline: Features,
}

// Workers of one process share a model with the threads of a trainer.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Model>();
};

impl Model {
    /// Loads and checks a model file, compiles it and compares it with tract.
    ///
    /// # Errors
    /// The first check that fails; the text names it and says what to do.
    pub fn load(bytes: &[u8], limits: &Limits) -> Result<Model, ModelError> {
        let schema = Schema {
            hash: schema_hash(),
            names: &FEATURES.map(|feature| feature.name),
        };
        let scorer = Scorer::load(bytes, &schema, limits)?;
        let mut baseline = [0.0; COUNT];
        baseline
            .iter_mut()
            .zip(&scorer.card().baseline)
            .for_each(|(place, &value)| *place = value);
        Ok(Model { scorer, baseline })
    }

    /// The probability, 0 to 1, that a client with these features is automated.
    pub fn score(&self, features: &Features) -> f32 {
        self.scorer.score(features)
    }

    /// The score in log-odds, natural logarithm.
    pub fn log_odds(&self, features: &Features) -> f32 {
        self.scorer.log_odds(features)
    }

    /// The scores at which verdicts change.
    pub fn thresholds(&self) -> Thresholds {
        self.scorer.card().thresholds
    }

    /// SHA-256 of the file in lower-case hex.
    pub fn digest(&self) -> &str {
        self.scorer.digest()
    }

    /// The typical human's features.
    pub fn baseline(&self) -> &Features {
        &self.baseline
    }

    /// What the file says about itself.
    pub fn card(&self) -> &Card {
        self.scorer.card()
    }
}

/// What each feature adds to the score, largest first: see [`Contribution`].
pub fn contributions(model: &Model, features: &Features) -> [Contribution; COUNT] {
    model.scorer.contributions(features)
}

/// The up to three features that speak most for automation, as indices in the schema; [`NO_REASON`] where
/// there are fewer.
pub fn top_reasons(model: &Model, features: &Features) -> [u8; 3] {
    model.scorer.reasons(features)
}
