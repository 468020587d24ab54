//! What the dashboard shows of kept models.

use rusqlite::Connection;

use super::anatomy::{Anatomy, dissect};
use super::error::RegistryError;
use super::history::{Change, History};
use super::settings::Settings;
use super::shelf::{Entry, Shelf, digest_of, short};

/// Changes of the champion that a page shows.
const SHOWN_CHANGES: usize = 20;
/// Kept models that a page shows.
const SHOWN_MODELS: usize = 100;

/// Which models there are, and which are in force.
#[derive(Debug)]
pub struct Board {
    /// Digest of the file that nginx loads; absent where there is none, or nobody said which.
    pub champion: Option<String>,
    /// Digest of the file that only scores.
    pub challenger: Option<String>,
    /// What it is that has no place: the configuration names no file of the champion.
    pub is_placed: bool,
    /// Kept models, newest first.
    pub entries: Vec<Entry>,
    /// Changes of the champion, newest first.
    pub changes: Vec<Change>,
    /// What a rollback would bring back.
    pub before: Option<String>,
}

/// One kept model.
#[derive(Debug)]
pub struct Kept {
    /// What is written beside it; its evaluation is that of its promotion where it came without one.
    pub entry: Entry,
    /// Bytes of its file.
    pub bytes: usize,
    /// What it is made of.
    pub anatomy: Anatomy,
    /// When it became or ceased to be the champion, newest first.
    pub changes: Vec<Change>,
}

/// Looks at files and history; makes no directory.
///
/// # Errors
/// A file or the store cannot be read.
pub fn board(settings: &Settings, connection: &Connection) -> Result<Board, RegistryError> {
    let digest = |path: Option<&std::path::PathBuf>| path.map(|path| digest_of(path)).transpose();
    let champion = digest(settings.champion.as_ref())?.flatten();
    let challenger = digest(settings.challenger.as_ref())?.flatten();
    let mut entries = match Shelf::existing(&settings.directory) {
        Some(shelf) => shelf.entries()?,
        None => Vec::new(),
    };
    entries.truncate(SHOWN_MODELS);
    let history = History::of(connection);
    let failed = |source| RegistryError::store(&settings.store, source);
    let mut stack = history.stack().map_err(failed)?;
    if stack.last() == champion.as_ref() {
        stack.pop();
    }
    let mut changes = history.changes().map_err(failed)?;
    changes.reverse();
    changes.truncate(SHOWN_CHANGES);
    Ok(Board {
        before: stack.pop().filter(|_| champion.is_some()),
        is_placed: settings.champion.is_some(),
        champion,
        challenger,
        entries,
        changes,
    })
}

/// All that is known of a model, by the first digits of its digest.
///
/// # Errors
/// There is none, or several; its file is damaged.
pub fn kept(settings: &Settings, connection: &Connection, id: &str) -> Result<Option<Kept>, RegistryError> {
    let Some(shelf) = Shelf::existing(&settings.directory) else {
        return Ok(None);
    };
    let digest = match shelf.find(id) {
        Ok(digest) => digest,
        Err(RegistryError::Unknown(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = shelf.read(&digest)?;
    let mut entry = shelf.entry(&digest)?;
    let history = History::of(connection);
    let failed = |source| RegistryError::store(&settings.store, source);
    if entry.evaluation.is_none() {
        let recorded = history.evaluation_of(&digest).map_err(failed)?;
        entry.evaluation = recorded.and_then(|text| serde_json::from_str(&text).ok());
    }
    let mut changes = history.changes().map_err(failed)?;
    changes.retain(|change| change.digest == digest || change.previous.as_deref() == Some(&digest));
    changes.reverse();
    changes.truncate(SHOWN_CHANGES);
    Ok(Some(Kept {
        bytes: bytes.len(),
        anatomy: dissect(&bytes, short(&digest))?,
        entry,
        changes,
    }))
}
