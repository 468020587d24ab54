//! Why retraining did not go on.

use std::io;
use std::path::PathBuf;

use sekisho_core::model::ModelError;
use thiserror::Error;

use crate::config::{ConfigError, SecretError};
use crate::dataset::ListError;
use crate::registry::RegistryError;
use crate::scan::ScanError;
use crate::store::StoreError;
use crate::train::{CanaryError, TrainError};

/// Why nothing was done, or not all. A run that was begun goes on from where it stands when the command runs again.
#[derive(Debug, Error)]
pub enum RetrainError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key of the pseudonyms cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is nothing to learn from.
    #[error("there is no store {}: start `sekisho serve`, or set [store] path in the configuration (--config FILE)", .0.display())]
    NoStore(PathBuf),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory of models, or a model in it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Learning failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The canaries cannot be read.
    #[error(transparent)]
    Canary(#[from] CanaryError),
    /// The champion is refused.
    #[error(transparent)]
    Model(#[from] ScanError),
    /// The model that was learnt does not load.
    #[error("the model that was learnt is refused: {0}")]
    Learnt(#[from] ModelError),
    /// A list of user agents is broken.
    #[error(transparent)]
    Lists(#[from] ListError),
    /// An evaluation, or an account, is no JSON.
    #[error("what was found cannot be written down")]
    Json(#[from] serde_json::Error),
    /// No such run.
    #[error("there is no run {0}: `sekisho retrain status` shows them")]
    Unknown(i64),
    /// Its row cannot be understood.
    #[error("run {0} cannot be read: a newer sekisho wrote it, or the store is damaged")]
    Damaged(i64),
    /// Somebody else was faster.
    #[error(
        "run {0} was changed by somebody else meanwhile: look at `sekisho retrain status`, and try again"
    )]
    Overtaken(i64),
    /// It cannot be decided now.
    #[error("run {id} is {state}, so there is nothing to {what}")]
    NotWaiting {
        /// Its number.
        id: i64,
        /// Where it stands.
        state: &'static str,
        /// What was asked for.
        what: &'static str,
    },
    /// A person has to say why.
    #[error("say why, in 1 to {most} characters: --why TEXT")]
    Why {
        /// Characters at most.
        most: usize,
    },
    /// Another process does the same.
    #[error("another sekisho retrains right now: it holds {}", .0.display())]
    Running(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

impl From<rusqlite::Error> for RetrainError {
    fn from(error: rusqlite::Error) -> RetrainError {
        RetrainError::Store(error.into())
    }
}
