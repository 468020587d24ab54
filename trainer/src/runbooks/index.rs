//! Runbooks in the store: sections, and an FTS5 index of their words.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::RunbookError;
use super::folder::{Stamp, look, text};
use super::sections::{Page, read};
use super::words::indexed;
use crate::registry::shelf::hex;
use crate::store::{Store, StoreError};

/// Version of sections and words: an index of another one is made anew.
const VERSION: u32 = 1;
/// Name of what the index was made of in the table `setting`.
const MADE_OF: &str = "runbooks.index";
/// Sections at most: those of two hundred long pages.
const MAX_SECTIONS: i64 = 20_000;
/// A word of a heading counts as much as so many of the text.
const HEADING: f64 = 4.0;

/// One indexed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexedFile {
    /// Its path within the directory, made visible.
    pub path: String,
    /// Title.
    pub title: String,
    /// Unix second by which its age counts.
    pub date: u32,
    /// Whether its front matter says so; else it is when the file was written.
    pub dated: bool,
    /// Sections.
    pub sections: u64,
    /// SHA-256 of its text.
    pub digest: String,
    /// Why it is not read.
    pub refused: Option<String>,
}

/// A section that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Path of its file.
    pub path: String,
    /// Title of its file; empty when it has none.
    pub title: String,
    /// Its heading; empty before the first one.
    pub heading: String,
    /// Its text.
    pub text: String,
    /// Unix second by which its age counts.
    pub date: u32,
    /// Whether the file's front matter says so.
    pub dated: bool,
}

/// What an index holds after a look at the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refreshed {
    /// Files.
    pub files: u64,
    /// Sections.
    pub sections: u64,
    /// Files that were read just now.
    pub read: u64,
    /// A line for each that is not read, which says why.
    pub refused: Vec<String>,
}

/// Brings the index up to date with a directory. Files whose time and size are as before are not read again, unless
/// `anew`.
///
/// # Errors
/// The directory cannot be read, or the store refuses.
pub fn refresh(store: &Store, directory: &Path, anew: bool) -> Result<Refreshed, RunbookError> {
    let found = look(directory)?;
    let made_of = format!("{VERSION} {}", directory.display());
    let (known, before) = (stamps(store.connection())?, setting(store.connection())?);
    let same = before.as_deref() == Some(made_of.as_str()) && !anew;
    let now: Vec<&Stamp> = found.files.iter().map(|(stamp, _)| stamp).collect();
    let mut read_now = 0;
    if !same || known.iter().ne(now.iter().copied()) {
        let transaction = store.write()?;
        // Whoever had the lock may have changed it: what is known is what is there now.
        let known = stamps(&transaction)?;
        for stamp in &known {
            if !same || !now.contains(&stamp) {
                remove(&transaction, &stamp.path)?;
            }
        }
        for (stamp, path) in &found.files {
            if !same || !known.contains(stamp) {
                add(&transaction, stamp, text(path))?;
                read_now += 1;
            }
        }
        transaction.execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (MADE_OF, &made_of),
        )?;
        transaction.commit()?;
    }
    let files = files(store)?;
    let unread = files.iter().filter_map(|file| {
        let why = file.refused.as_ref()?;
        Some(format!("{}: {why}", file.path))
    });
    Ok(Refreshed {
        files: files.iter().filter(|file| file.refused.is_none()).count() as u64,
        sections: files.iter().map(|file| file.sections).sum(),
        read: read_now,
        refused: found.refused.iter().cloned().chain(unread).collect(),
    })
}

/// All files of the index, by path.
///
/// # Errors
/// The store refuses.
pub fn files(store: &Store) -> Result<Vec<IndexedFile>, StoreError> {
    let mut select = store.connection().prepare_cached(
        "SELECT path, title, date, dated, digest, refused,
             (SELECT COUNT(*) FROM runbook_section WHERE runbook_section.path = runbook_file.path)
         FROM runbook_file ORDER BY path",
    )?;
    let rows = select.query_map([], |row| {
        Ok(IndexedFile {
            path: row.get(0)?,
            title: row.get(1)?,
            date: row.get(2)?,
            dated: row.get(3)?,
            digest: row.get(4)?,
            refused: row.get(5)?,
            sections: row.get::<_, i64>(6)?.cast_unsigned(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sections that fit a query of [`super::words::query`], the best first; with `required`, only those that fit that one
/// too. Of equally good ones, the order is that of their files.
///
/// # Errors
/// The store refuses.
pub fn search(
    store: &Store,
    query: &str,
    required: Option<&str>,
    limit: u32,
) -> Result<Vec<Hit>, StoreError> {
    let mut select = store.connection().prepare_cached(&format!(
        "SELECT section.path, title, section.heading, section.text, date, dated
         FROM runbook_words JOIN runbook_section AS section ON section.id = runbook_words.rowid
             JOIN runbook_file ON runbook_file.path = section.path
         WHERE runbook_words MATCH ?1
             AND runbook_words.rowid IN (SELECT rowid FROM runbook_words WHERE runbook_words MATCH ?2)
         ORDER BY bm25(runbook_words, {HEADING}, 1.0), section.path, section.place LIMIT ?3"
    ))?;
    let rows = select.query_map((query, required.unwrap_or(query), limit), hit)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn hit(row: &Row<'_>) -> rusqlite::Result<Hit> {
    Ok(Hit {
        path: row.get(0)?,
        title: row.get(1)?,
        heading: row.get(2)?,
        text: row.get(3)?,
        date: row.get(4)?,
        dated: row.get(5)?,
    })
}

fn stamps(connection: &Connection) -> Result<Vec<Stamp>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT path, written, size FROM runbook_file ORDER BY path")?;
    let rows = select.query_map([], |row| {
        Ok(Stamp {
            path: row.get(0)?,
            written: row.get(1)?,
            size: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn setting(connection: &Connection) -> Result<Option<String>, StoreError> {
    let select = "SELECT value FROM setting WHERE name = ?";
    Ok(connection
        .query_row(select, [MADE_OF], |row| row.get(0))
        .optional()?)
}

fn remove(connection: &Connection, path: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM runbook_words WHERE rowid IN (SELECT id FROM runbook_section WHERE path = ?)",
        )?
        .execute([path])?;
    connection
        .prepare_cached("DELETE FROM runbook_file WHERE path = ?")?
        .execute([path])?;
    Ok(())
}

fn add(connection: &Connection, stamp: &Stamp, text: Result<String, String>) -> Result<(), StoreError> {
    let (digest, page, mut refused) = match text {
        Ok(text) => (hex(&Sha256::digest(text.as_bytes())), read(&text), None),
        Err(why) => (String::new(), Page::default(), Some(why)),
    };
    let select = "SELECT COUNT(*) FROM runbook_section";
    let sections: i64 = connection
        .prepare_cached(select)?
        .query_row([], |row| row.get(0))?;
    let page = if sections + page.sections.len() as i64 > MAX_SECTIONS {
        refused = Some(format!("there are more than {MAX_SECTIONS} sections"));
        Page::default()
    } else {
        page
    };
    let written = u32::try_from(stamp.written / 1_000_000_000).unwrap_or_default();
    connection
        .prepare_cached("INSERT INTO runbook_file VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute((
            &stamp.path,
            stamp.written,
            stamp.size,
            &page.title,
            page.date.unwrap_or(written),
            page.date.is_some(),
            digest,
            refused,
        ))?;
    for (section, place) in page.sections.iter().zip(1i64..) {
        connection
            .prepare_cached("INSERT INTO runbook_section (path, place, heading, text) VALUES (?, ?, ?, ?)")?
            .execute((&stamp.path, place, &section.heading, &section.text))?;
        let heading = indexed(&format!("{} / {}", page.title, section.heading));
        connection
            .prepare_cached("INSERT INTO runbook_words (rowid, heading, words) VALUES (?, ?, ?)")?
            .execute((connection.last_insert_rowid(), heading, indexed(&section.text)))?;
    }
    Ok(())
}
