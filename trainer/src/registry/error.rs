//! Why a command of the registry failed or refused.

use std::io;
use std::path::{Path, PathBuf};

use sekisho_core::model::ModelError;
use thiserror::Error;

use super::gates::GateResult;
use crate::config::ConfigError;
use crate::dataset::{ListError, SiteError};
use crate::onnx::import::ImportError;
use crate::store::StoreError;
use crate::visible::escaped;

/// Longest piece of somebody's text in a message.
const QUOTED: usize = 200;

/// Why nothing was done. The text says what to do instead.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    OpenStore(#[from] StoreError),
    /// Nobody said which file nginx reads.
    #[error("which file nginx loads is not known: set champion in [models], or give --champion")]
    NoChampionFile,
    /// A file that must be one is no model of ours.
    #[error("{name} is refused")]
    Model {
        /// Which.
        name: String,
        /// Why.
        source: ModelError,
    },
    /// A model of another library cannot be taken over.
    #[error("cannot import {}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ImportError>,
    },
    /// The model could not be run by the reference.
    #[error("the reference evaluator does not run the imported model: {0}")]
    Reference(String),
    /// A list of feature names or typical values is wrong.
    #[error("{}: {reason}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Thresholds that no model may have.
    #[error("--suspect and --reject must hold 0 < suspect <= reject <= 1")]
    Thresholds,
    /// No model is called like that.
    #[error(
        "no model is called {0:?}: `sekisho model list` shows them; the first digits of a digest are enough"
    )]
    Unknown(String),
    /// A file holds it, the registry does not.
    #[error("{0:?} is a model that is not kept here: `sekisho model add FILE --origin found` keeps it")]
    NotKept(String),
    /// Several are.
    #[error("{id:?} could be {count} models: give more digits")]
    Ambiguous {
        /// What was given.
        id: String,
        /// How many begin so.
        count: usize,
    },
    /// A kept model is not what it was.
    #[error("{} does not hold the model that its name says: restore it from a backup, or add the model again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// What describes a kept model cannot be understood.
    #[error("{} is no description of a model: {reason}; restore it from a backup", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A JSON file is no evaluation.
    #[error(
        "{name} is no evaluation: {reason}; write one with `sekisho evaluate --champion FILE --challenger FILE`"
    )]
    Evaluation {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The evaluation is of other models.
    #[error("the evaluation is of {role} {found}, but {expected} {role_is}: evaluate again")]
    OtherModels {
        /// Champion or challenger.
        role: &'static str,
        /// What it names.
        found: String,
        /// What it should name.
        expected: String,
        /// The end of the sentence.
        role_is: &'static str,
    },
    /// Nobody evaluated.
    #[error(
        "promotion needs an evaluation: give --evaluation FILE, as `sekisho evaluate --champion FILE --challenger FILE` writes it"
    )]
    NotEvaluated,
    /// A gate is closed.
    #[error("{} closed: {}", if .0.iter().filter(|result| !result.passed).count() == 1 { "a gate is" } else { "gates are" }, failed(.0))]
    Gates(Vec<GateResult>),
    /// Who says so?
    #[error("{0:?} is no name: give --by NAME with 1 to 64 visible characters, other than \"policy\"")]
    Approver(String),
    /// Nobody allowed it.
    #[error(
        "policy does not promote by itself: [retrain] policy must be \"automatic\", or a person approves with --by NAME"
    )]
    Policy,
    /// It is there already.
    #[error("{0} is the champion already")]
    AlreadyChampion(String),
    /// Somebody else is at it.
    #[error(
        "somebody else changes the champion right now ({holder}): wait, look at `sekisho model list`, and try again if it is still right"
    )]
    Locked {
        /// What the other one wrote into the lock.
        holder: String,
    },
    /// Another model was promoted meanwhile.
    #[error("{0} is no longer the champion: nothing was taken back")]
    OtherChampion(String),
    /// There is no model before this one.
    #[error("there is nothing to go back to: the history knows no champion before this one")]
    NoPrevious,
    /// Nobody signed.
    #[error(
        "{digest} is not signed by a trusted key: `sekisho model sign {digest}` with one of those in [models] trusted_keys"
    )]
    Unsigned {
        /// The model.
        digest: String,
    },
    /// There is no key to sign with.
    #[error(
        "the signing key {path} is not there: `sekisho model key {path}` makes one, or name another with --key or \
         signing_key_file in [models]", path = .0.display()
    )]
    NoKey(PathBuf),
    /// A key is wrong.
    #[error("{name}: {reason}")]
    Key {
        /// Which.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The store cannot be used.
    #[error("the store {} cannot be used", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was changed, the row was not written.
    #[error(
        "the champion is now {digest}, but the history could not be written ({reason}); \
         when the store works again, `sekisho model promote {digest}` again, or `sekisho model rollback`"
    )]
    Torn {
        /// What nginx loads.
        digest: String,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Log(#[from] SiteError),
    /// The lists of user agents are broken.
    #[error(transparent)]
    Agents(#[from] ListError),
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl RegistryError {
    pub(super) fn file(what: &'static str, path: &Path, source: io::Error) -> RegistryError {
        RegistryError::File {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn store(path: &Path, source: rusqlite::Error) -> RegistryError {
        RegistryError::Store {
            path: path.to_owned(),
            source,
        }
    }
}

fn failed(results: &[GateResult]) -> String {
    let told: Vec<String> = results
        .iter()
        .filter(|result| !result.passed)
        .map(GateResult::to_string)
        .collect();
    told.join("; ")
}

/// Somebody's text in a message.
pub(super) fn quoted(text: &str) -> String {
    escaped(text.as_bytes(), QUOTED)
}
