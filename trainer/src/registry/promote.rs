//! Changing the champion: the gates, the lock, the file, the rows.
//!
//! One at a time, by a lock that ends with its process. The rows are written before the file and committed after it:
//! a store that is full or read-only is found out while the old champion still stands. What a crash between file and
//! commit leaves behind, a champion that the history does not name, `sekisho model list` tells.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use rusqlite::Connection;

use super::error::{RegistryError, quoted};
use super::evaluation::Evaluation;
use super::gates::{self, GateResult, Gates};
use super::history::{Action, Change, History, record};
use super::settings::Settings;
use super::shelf::{Origin, Provenance, Shelf, digest_of, load, read_bounded, replace, short};
use super::signature;
use crate::visible::is_hidden;

/// Longest name of an approver, in characters.
const LONGEST_NAME: usize = 64;
/// Longest note, in characters.
const LONGEST_NOTE: usize = 1_000;
/// How the operator's policy is called where a person's name would stand.
pub const POLICY: &str = "policy";
/// The lock, in the directory of models.
const LOCK: &str = ".lock";
/// Longest text in the lock that is repeated.
const MAX_HOLDER: u64 = 400;

/// Who approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approver {
    /// A person.
    Person(String),
    /// The operator's policy, where it is automatic.
    Policy,
}

impl Approver {
    /// The name for the history.
    ///
    /// # Errors
    /// It is no name, or the policy does not promote by itself.
    pub fn name(&self, settings: &Settings) -> Result<&str, RegistryError> {
        match self {
            Approver::Policy if settings.automatic => Ok(POLICY),
            Approver::Policy => Err(RegistryError::Policy),
            Approver::Person(name) => {
                let visible = !name.trim().is_empty() && !name.chars().any(is_hidden);
                if visible && name.chars().count() <= LONGEST_NAME && name != POLICY {
                    Ok(name)
                } else {
                    Err(RegistryError::Approver(quoted(name)))
                }
            }
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who approves.
    pub approver: Approver,
    /// Why, in a person's words.
    pub note: String,
    /// When, unix seconds.
    pub now: i64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The champion now.
    pub digest: String,
    /// The champion before.
    pub previous: Option<String>,
    /// What the gates found; empty for a rollback.
    pub gates: Vec<GateResult>,
}

/// Makes a kept model the champion.
///
/// # Errors
/// When a gate is closed, nobody approves, a signature is missing, or somebody else is at it. Then the champion is
/// what it was.
pub fn promote(
    settings: &Settings,
    gates: &Gates,
    connection: &Connection,
    id: &str,
    evaluation: Option<serde_json::Value>,
    request: &Request,
) -> Result<Changed, RegistryError> {
    let actor = request.approver.name(settings)?.to_owned();
    let (shelf, place) = (Shelf::open(&settings.directory)?, settings.champion()?);
    let _lock = lock(shelf.directory(), &actor)?;
    let digest = shelf.find(id)?;
    let bytes = shelf.read(&digest)?;
    load(&bytes, short(&digest))?;
    check_signature(settings, &shelf, &digest)?;
    let history = History::of(connection);
    let failed = |source| RegistryError::store(&settings.store, source);
    let (present, recorded) = (digest_of(place)?, history.stack().map_err(failed)?.pop());
    if present.as_ref() == Some(&digest) && recorded.as_ref() == Some(&digest) {
        return Err(RegistryError::AlreadyChampion(short(&digest).to_owned()));
    }
    // Where a promotion of this very model was cut off, the champion before it is in the history.
    let (previous, measure) = if present.as_ref() == Some(&digest) {
        (recorded.clone(), recorded)
    } else {
        // Workers keep a model in force whose file was taken away.
        (present.clone(), present.or(recorded))
    };
    let evaluation = match evaluation {
        Some(evaluation) => evaluation,
        None => shelf
            .entry(&digest)?
            .evaluation
            .ok_or(RegistryError::NotEvaluated)?,
    };
    let results = judge(gates, &evaluation, &digest, measure.as_deref())?;
    keep_previous(&shelf, place, previous.as_deref(), request.now)?;
    let change = Change {
        at: request.now,
        action: Action::Promote,
        digest: digest.clone(),
        previous: previous.clone(),
        actor,
        note: note(&request.note),
        evaluation: Some(evaluation.to_string()),
        gates: serde_json::to_string(&results).ok(),
    };
    put(settings, &history, place, &bytes, &change)?;
    Ok(Changed {
        digest,
        previous,
        gates: results,
    })
}

/// Makes the model before the champion the champion again; or, where somebody put another file in its place, the one
/// that the history names. Needs no evaluation and no signature: it was the champion already. `expected` is the model
/// that is to go; another one in its place stays.
///
/// # Errors
/// When there is none before, or its file is no longer good. Then the champion is what it was.
pub fn rollback(
    settings: &Settings,
    connection: &Connection,
    request: &Request,
    expected: Option<&str>,
) -> Result<Changed, RegistryError> {
    let actor = match &request.approver {
        // Going back is always safe to do by itself.
        Approver::Policy => POLICY.to_owned(),
        person => person.name(settings)?.to_owned(),
    };
    let (shelf, place) = (Shelf::open(&settings.directory)?, settings.champion()?);
    let _lock = lock(shelf.directory(), &actor)?;
    let history = History::of(connection);
    let failed = |source| RegistryError::store(&settings.store, source);
    let mut stack = history.stack().map_err(failed)?;
    let present = digest_of(place)?;
    if let Some(expected) = expected
        && (present.as_deref() != Some(expected) || stack.last().map(String::as_str) != Some(expected))
    {
        return Err(RegistryError::OtherChampion(short(expected).to_owned()));
    }
    if stack.last() == present.as_ref() {
        stack.pop();
    }
    let digest = stack.pop().ok_or(RegistryError::NoPrevious)?;
    let bytes = shelf.read(&digest)?;
    load(&bytes, short(&digest))?;
    let change = Change {
        at: request.now,
        action: Action::Rollback,
        digest: digest.clone(),
        previous: present.clone(),
        actor,
        note: note(&request.note),
        evaluation: None,
        gates: None,
    };
    put(settings, &history, place, &bytes, &change)?;
    Ok(Changed {
        digest,
        previous: present,
        gates: Vec::new(),
    })
}

/// The rows, the file, and only then the rows for good.
fn put(
    settings: &Settings,
    history: &History<'_>,
    place: &Path,
    bytes: &[u8],
    change: &Change,
) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::store(&settings.store, source);
    let transaction = history.write().map_err(failed)?;
    record(&transaction, change).map_err(failed)?;
    replace(place, bytes)?;
    transaction.commit().map_err(|reason| RegistryError::Torn {
        digest: short(&change.digest).to_owned(),
        reason,
    })
}

fn note(text: &str) -> String {
    text.chars().take(LONGEST_NOTE).collect()
}

fn check_signature(settings: &Settings, shelf: &Shelf, digest: &str) -> Result<(), RegistryError> {
    let trusted = signature::trusted(&settings.trusted_keys)?;
    if trusted.is_empty() {
        return Ok(());
    }
    let signatures = signature::signatures(shelf, digest, &trusted)?;
    if signatures.iter().any(signature::Signed::counts) {
        Ok(())
    } else {
        Err(RegistryError::Unsigned {
            digest: short(digest).to_owned(),
        })
    }
}

/// Whether the evaluation is of these two models, and what the gates make of it.
fn judge(
    gates: &Gates,
    document: &serde_json::Value,
    digest: &str,
    champion: Option<&str>,
) -> Result<Vec<GateResult>, RegistryError> {
    let evaluation: Evaluation = Evaluation::read(document).map_err(|error| RegistryError::Evaluation {
        name: "the document".to_owned(),
        reason: quoted(&error.to_string()),
    })?;
    let other = |role, found: &str, expected: &str, role_is| RegistryError::OtherModels {
        role,
        found: quoted(short(found)),
        expected: short(expected).to_owned(),
        role_is,
    };
    if evaluation.challenger.digest != digest {
        return Err(other(
            "challenger",
            &evaluation.challenger.digest,
            digest,
            "is to be promoted",
        ));
    }
    let against = evaluation
        .champion
        .as_ref()
        .map(|champion| champion.digest.as_str());
    // Where nothing is in force yet, any model may have been the measure.
    if champion.is_some() && against != champion {
        let none = "nothing";
        return Err(other(
            "champion",
            against.unwrap_or(none),
            champion.unwrap_or(none),
            "is the champion now",
        ));
    }
    let results = gates::check(gates, &evaluation);
    if results.iter().all(|result| result.passed) {
        Ok(results)
    } else {
        Err(RegistryError::Gates(results))
    }
}

/// A champion that the registry does not know is kept too, so that there is a way back. One that does not load is no
/// way back, and nobody's to keep.
fn keep_previous(shelf: &Shelf, place: &Path, digest: Option<&str>, now: i64) -> Result<(), RegistryError> {
    let known = digest.is_none_or(|digest| shelf.entry(digest).is_ok());
    if known {
        return Ok(());
    }
    let bytes = read_bounded(place, sekisho_core::model::Limits::DEFAULT.max_bytes as u64)?;
    let from = Provenance {
        origin: Origin::Found,
        parent: None,
        note: "was the champion before the registry knew it".to_owned(),
        evaluation: None,
    };
    match shelf.add(&bytes, "the champion", from, now) {
        Err(RegistryError::Model { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Holds the lock until it is dropped, or the process ends.
fn lock(directory: &Path, actor: &str) -> Result<File, RegistryError> {
    let path = directory.join(LOCK);
    let failed = |source| RegistryError::file("lock", &path, source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message; the lock itself has been refused.
            let _ = Read::by_ref(&mut file)
                .take(MAX_HOLDER)
                .read_to_string(&mut holder);
            return Err(RegistryError::Locked {
                holder: quoted(holder.trim()),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    fs::write(&path, format!("{actor}, process {}\n", std::process::id())).map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(file)
}
