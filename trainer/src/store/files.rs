//! What was read of each sample file, kept in the same transaction as what was read.

use rusqlite::Row;

use super::ingest::{Counts, Intake, Run};
use super::{Store, StoreError, count, sources};

/// Files of one source that are looked at: a daily rotation that keeps some months, with room.
pub const MAX_FILES: u32 = 256;
/// Positions of one source that are remembered. A rotation by `copytruncate` makes two: the copy, and the file anew.
const MAX_POSITIONS: u32 = 4 * MAX_FILES;

/// Which file of the system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its row; `None` until something was taken.
    pub row: Option<i64>,
    /// Where it was last.
    pub path: String,
    /// Which it is.
    pub id: FileId,
    /// Digest of its first `head_length` bytes.
    pub head: Vec<u8>,
    /// How many these are.
    pub head_length: u64,
    /// Bytes that were taken.
    pub offset: u64,
    /// Whether `offset` lies within a line that is too long.
    pub skipping: bool,
}

/// What a reader cut from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its newline.
    Whole(&'a [u8]),
    /// A line too long to be one; so many bytes of it were seen.
    Overlong(usize),
}

impl Store {
    /// Takes lines of a file and moves its position, both or neither. The position's row is set when it is new.
    pub fn take(
        &self,
        intake: Intake<'_>,
        lines: &[Line<'_>],
        position: &mut Position,
    ) -> Result<Counts, StoreError> {
        let transaction = self.write()?;
        let mut run = Run::new(&transaction, intake);
        for line in lines {
            match line {
                Line::Whole(line) => run.take(line)?,
                Line::Overlong(bytes) => run.take_overlong(*bytes),
            }
        }
        let counts = run.finish()?;
        sources::add(&transaction, intake.source, &counts)?;
        let file = (
            intake.source,
            &position.path,
            position.id.device.cast_signed(),
            position.id.inode.cast_signed(),
            &position.head,
            position.head_length.cast_signed(),
            position.offset.cast_signed(),
            position.skipping,
            intake.now,
        );
        let row = match position.row {
            Some(row) => {
                transaction
                    .prepare_cached(
                        "UPDATE file SET source = ?1, path = ?2, device = ?3, inode = ?4, head = ?5,
                            head_length = ?6, offset = ?7, skipping = ?8, seen = ?9 WHERE id = ?10",
                    )?
                    .execute((
                        file.0, file.1, file.2, file.3, file.4, file.5, file.6, file.7, file.8, row,
                    ))?;
                row
            }
            None => {
                transaction
                    .prepare_cached(
                        "INSERT INTO file (source, path, device, inode, head, head_length, offset, skipping, seen)
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    )?
                    .execute(file)?;
                let row = transaction.last_insert_rowid();
                transaction
                    .prepare_cached(
                        "DELETE FROM file WHERE source = ?1 AND id NOT IN
                            (SELECT id FROM file WHERE source = ?1 ORDER BY id DESC LIMIT ?2)",
                    )?
                    .execute((intake.source, MAX_POSITIONS))?;
                row
            }
        };
        transaction.commit()?;
        position.row = Some(row);
        Ok(counts)
    }

    /// Marks files as still there at Unix second `now`, so that [`Store::prune`] keeps their positions.
    pub fn mark_files(&self, rows: &[i64], now: u32) -> Result<(), StoreError> {
        let transaction = self.write()?;
        for row in rows {
            transaction
                .prepare_cached("UPDATE file SET seen = ? WHERE id = ?")?
                .execute((now, row))?;
        }
        Ok(transaction.commit()?)
    }

    /// The positions of a source, newest first.
    pub fn positions(&self, source: &str) -> Result<Vec<Position>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(Position {
                row: row.get(0)?,
                path: row.get(1)?,
                id: FileId {
                    device: count(row, 2)?,
                    inode: count(row, 3)?,
                },
                head: row.get(4)?,
                head_length: count(row, 5)?,
                offset: count(row, 6)?,
                skipping: row.get(7)?,
            })
        };
        let mut select = self.connection.prepare_cached(
            "SELECT id, path, device, inode, head, head_length, offset, skipping
             FROM file WHERE source = ? ORDER BY id DESC",
        )?;
        let rows = select.query_map([source], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
