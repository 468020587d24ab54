//! A model: read from a file or from this library, and checked before anything is scored.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use sekisho_core::feature::{COUNT, Features};
use sekisho_core::model::{Contribution, Limits, Model, ModelError, contributions, top_reasons};

pub use sekisho_core::model::Thresholds;

use crate::regular_file;

#[cfg(default_model)]
const DEFAULT: Option<&[u8]> = Some(include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../models/default.onnx"
)));
#[cfg(not(default_model))]
const DEFAULT: Option<&[u8]> = None;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// This library was built without a model, and none is configured.
    #[error("\"sekisho\" needs a model: this module was built without one, add \"sekisho_model\"")]
    None,
    /// The file cannot be read.
    #[error("the model file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file was refused.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A checked model. Scoring needs no state of its own, so all workers share the one they began with.
pub struct Scorer {
    model: Model,
    number: u32,
}

impl Scorer {
    fn load(bytes: &[u8]) -> Result<Scorer, ScorerError> {
        static LOADED: AtomicU32 = AtomicU32::new(0);
        Ok(Scorer {
            model: Model::load(bytes, &Limits::DEFAULT)?,
            number: LOADED.fetch_add(1, Relaxed),
        })
    }

    /// Tells it from all others that this process loaded.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The probability that a client with these features is automated.
    pub fn score(&self, features: &Features) -> f32 {
        self.model.score(features)
    }

    /// The features that speak most for it, as schema indices.
    pub fn reasons(&self, features: &Features) -> [u8; 3] {
        top_reasons(&self.model, features)
    }

    /// What each feature adds to the score, largest first.
    pub fn contributions(&self, features: &Features) -> [Contribution; COUNT] {
        contributions(&self.model, features)
    }

    /// The scores at which verdicts change, unless configured otherwise.
    pub fn thresholds(&self) -> Thresholds {
        self.model.thresholds()
    }

    /// SHA-256 of the model file, in hex.
    pub fn digest(&self) -> &str {
        self.model.digest()
    }
}

/// Loads the model of a file.
pub fn load_file(path: &Path) -> Result<Scorer, ScorerError> {
    Scorer::load(&regular_file::read(path, Limits::DEFAULT.max_bytes)?)
}

/// Loads the model that this library was built with.
pub fn load_default() -> Result<Scorer, ScorerError> {
    Scorer::load(DEFAULT.ok_or(ScorerError::None)?)
}
