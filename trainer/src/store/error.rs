//! Why the store does not do what it was asked for.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the store cannot be used, or took nothing.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be made or opened.
    #[error("cannot open the store {}: give it a directory that this user may write to", path.display())]
    File {
        /// The store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is none.
    #[error("there is no store {}: start `sekisho serve`, or name another with --store", .0.display())]
    Missing(PathBuf),
    /// It is no store.
    #[error("{} is no store of sekisho: name another file in [store] path", .0.display())]
    Foreign(PathBuf),
    /// A newer program made it.
    #[error("the store {} has version {found}, this program knows up to {known}: install the newer sekisho again", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// An older one cannot be brought up to date; it is as it was.
    #[error("the store {} cannot be brought to version {number} ({name}); it is unchanged", path.display())]
    Migration {
        /// The store.
        path: PathBuf,
        /// Number of the step that failed.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Addresses are kept otherwise than is asked for.
    #[error(
        "the store holds addresses as {found}, the configuration asks for {wanted}: set [store] addresses and its key back, or begin a new store"
    )]
    Addresses {
        /// How it keeps them.
        found: String,
        /// How they would be kept.
        wanted: String,
    },
    /// No room.
    #[error(
        "the disk is full, or [store] max_bytes is reached; nothing was changed: make room, or lower retention_days"
    )]
    Full(#[source] rusqlite::Error),
    /// Another writer holds it.
    #[error("the store is busy: another program has been writing to it for too long")]
    Busy(#[source] rusqlite::Error),
    /// It is damaged.
    #[error("the store is damaged: restore it from a backup, or move it away and begin a new one")]
    Damaged(#[source] rusqlite::Error),
    /// Anything else that SQLite refuses.
    #[error("the store refused")]
    Sql(#[source] rusqlite::Error),
}

impl StoreError {
    /// A file whose first page cannot be read.
    pub(super) fn unreadable(path: &Path, error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::Foreign(path.to_owned()),
            _ => error.into(),
        }
    }

    /// Whether it may go better later, without anybody changing the configuration.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Full(_) | StoreError::Busy(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            // SQLite says "I/O error" where the index of the log, which is mapped, cannot grow on a full disk.
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => StoreError::Full(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error),
            _ => StoreError::Sql(error),
        }
    }
}
