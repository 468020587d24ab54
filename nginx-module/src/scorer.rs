//! A model: read from a file or from this library, and checked before anything is scored.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sekisho_core::feature::{COUNT, Features};
use sekisho_core::model::{Contribution, Limits, Model, ModelError, contributions, top_reasons};

pub use sekisho_core::model::Thresholds;

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
    /// A pipe or a device, which could keep us waiting.
    #[error("it is no regular file")]
    Kind,
    /// The file was refused.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A checked model. Scoring needs no state of its own, so all workers share the one they began with.
pub struct Scorer {
    model: Model,
}

impl Scorer {
    fn load(bytes: &[u8]) -> Result<Scorer, ScorerError> {
        Ok(Scorer {
            model: Model::load(bytes, &Limits::DEFAULT)?,
        })
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

/// Loads the model of a file. Reads one byte more than a model may have, never more.
pub fn load_file(path: &Path) -> Result<Scorer, ScorerError> {
    let mut bytes = Vec::new();
    // Without this, the open of a pipe waits for somebody to write.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(ScorerError::Kind);
    }
    file.take(Limits::DEFAULT.max_bytes as u64 + 1)
        .read_to_end(&mut bytes)?;
    Scorer::load(&bytes)
}

/// Loads the model that this library was built with.
pub fn load_default() -> Result<Scorer, ScorerError> {
    Scorer::load(DEFAULT.ok_or(ScorerError::None)?)
}
