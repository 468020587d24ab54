//! Explanations that were kept.

use rusqlite::{OptionalExtension, Row};

use super::{Store, StoreError};

/// An explanation with what it stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldRow {
    /// Its number.
    pub id: i64,
    /// Unix seconds at which it was kept.
    pub at: u32,
    /// `rules`, or who answered.
    pub source: String,
    /// What was made of the snapshot, as canonical JSON.
    pub document: String,
    /// The snapshot's digest.
    pub snapshot: String,
    /// The snapshot, as canonical JSON.
    pub evidence: String,
    /// Whom was asked about.
    pub client: i64,
    /// Its zone and name, while the store knows it.
    pub named: Option<(String, String)>,
}

const SELECT: &str =
    "SELECT explanation.id, explanation.at, explanation.source, explanation.document, snapshot.id,
        snapshot.document, snapshot.client, zone, name
     FROM explanation CROSS JOIN snapshot ON snapshot.id = explanation.snapshot
     LEFT JOIN client ON client.id = snapshot.client";

/// Before a number, with a limit.
pub(super) fn page() -> String {
    format!("{SELECT} WHERE explanation.id < ? ORDER BY explanation.id DESC LIMIT ?")
}

impl Store {
    /// Explanations before number `before`, the newest first, at most `limit`.
    pub fn explanations(&self, before: Option<i64>, limit: u32) -> Result<Vec<ToldRow>, StoreError> {
        let mut select = self.connection.prepare_cached(&page())?;
        let rows = select.query_map((before.unwrap_or(i64::MAX), limit), told)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One of them.
    pub fn explanation(&self, id: i64) -> Result<Option<ToldRow>, StoreError> {
        let sql = format!("{SELECT} WHERE explanation.id = ?");
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_row([id], told).optional()?)
    }
}

fn told(row: &Row<'_>) -> rusqlite::Result<ToldRow> {
    let zone: Option<String> = row.get(7)?;
    Ok(ToldRow {
        id: row.get(0)?,
        at: row.get(1)?,
        source: row.get(2)?,
        document: row.get(3)?,
        snapshot: row.get(4)?,
        evidence: row.get(5)?,
        client: row.get(6)?,
        named: zone.zip(row.get(8)?),
    })
}
