//! What the daemon knows: one SQLite file with samples, clients, labels and an audit log.
//!
//! The file is in WAL mode: readers see a finished state while one writer appends. Every write is one transaction
//! that takes the write lock at its beginning, so that none fails half way for another writer.

mod aside;
mod audit;
mod census;
mod decisions;
mod error;
mod explained;
mod feedback;
mod files;
mod forget;
mod groups;
mod ingest;
mod labels;
mod migrate;
mod names;
mod newest;
mod pages;
mod past;
mod period;
mod retention;
mod rows;
mod search;
mod site;
mod sources;
#[cfg(test)]
mod tests;
mod told;
mod traffic;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior};

pub use audit::AuditLine;
pub use census::Census;
pub use decisions::{DecisionEvent, DecisionQuery, DecisionRow, End, EventKind, NewDecision};
pub use error::StoreError;
pub use explained::{Kept, Others, PeerRow, SourceRow};
pub use feedback::{FeedbackRow, NewFeedback};
pub use files::{FileId, Line, MAX_FILES, Position};
pub use forget::Forgotten;
pub use groups::{Load, NetworkRow, Networks, Standing};
pub use ingest::{Counts, Intake, severity};
pub use labels::{Class, Origin, Outcome, StoredLabel};
pub use names::{Names, is_pseudonym};
pub use pages::{ClientOrder, ClientRow, MAX_PAGE, PageQuery, SampleRow};
pub use past::{CaseFeedback, CaseRow};
pub use period::{AuditCount, LabelCount, PeriodRow};
pub use retention::{Age, Retention};
pub use rows::{ExportRow, Selection};
pub use search::SearchPage;
pub use sources::{SourceTotals, Totals};
pub use told::ToldRow;
#[cfg(test)]
pub use traffic::TrafficRow;
pub use traffic::{COARSE, FINE, Reading, TrafficCounts};

/// Marks a SQLite file as ours (`PRAGMA application_id`): "Skst" in ASCII.
const APPLICATION: i32 = 0x536b_7374;
/// How long a writer waits for another one: longer than any transaction of ours takes.
const BUSY: Duration = Duration::from_secs(10);
/// Memory for pages, in KiB: the inner pages of ten million samples' indices and the leaves that are busy.
const CACHE_KIB: i64 = 64 * 1024;
/// What the write-ahead log is cut back to after a checkpoint, in bytes.
const WAL_LEFT: i64 = 64 << 20;
/// Pages in that log from which on they are moved into the file: as many as it is cut back to. Digests and ids are
/// random, so that the pages of their indices are written again and again: the longer they wait, the fewer times.
const CHECKPOINT: i64 = WAL_LEFT / 4096;

/// An open store. One connection: a thread that wants its own opens the file again.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens the store, makes it when there is none, and brings an older one up to date. Refuses one that a newer
    /// program wrote, and a database of another program.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        // SQLite gives its log and index beside the file the same permissions.
        let made = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path);
        made.map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
        Store::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens a store that exists; [`StoreError::Missing`] when there is none.
    pub fn open_existing(path: &Path) -> Result<Store, StoreError> {
        if path.is_file() {
            Store::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        } else {
            Err(StoreError::Missing(path.to_owned()))
        }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Store, StoreError> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        let application: i32 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(|error| StoreError::unreadable(path, error))?;
        let version = migrate::version(&connection)?;
        if application != APPLICATION && (application != 0 || version != 0 || !is_empty(&connection)?) {
            return Err(StoreError::Foreign(path.to_owned()));
        }
        if version == 0 {
            // Only before the first page is written does this take effect.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What was deleted is overwritten: "forgotten" means so, also for what retention deleted.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "journal_size_limit", WAL_LEFT)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        migrate::migrate(&connection, path, &migrate::MIGRATIONS)?;
        Ok(Store { connection })
    }

    /// The connection, for statements of other parts on their own tables.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A transaction that holds the write lock from its beginning.
    pub fn write(&self) -> Result<Transaction<'_>, StoreError> {
        Ok(Transaction::new_unchecked(
            &self.connection,
            TransactionBehavior::Immediate,
        )?)
    }

    /// Bounds the file, in bytes: a write beyond ends with [`StoreError::Full`] and changes nothing.
    pub fn limit(&self, bytes: u64) -> Result<(), StoreError> {
        let page: u64 = self.number("page_size")?;
        let pages = i64::try_from(bytes / page.max(1)).unwrap_or(i64::MAX);
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        Ok(())
    }

    /// Bytes of the file that hold something, free pages left out.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        let page: u64 = self.number("page_size")?;
        let pages: u64 = self.number("page_count")?;
        let free: u64 = self.number("freelist_count")?;
        Ok(page * pages.saturating_sub(free))
    }

    fn number(&self, pragma: &str) -> Result<u64, StoreError> {
        let number: i64 = self
            .connection
            .pragma_query_value(None, pragma, |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }
}

/// A count of a column: SQLite's integers are signed.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(tables == 0)
}
