//! Past cases: snapshots of which a person said what they were.

use std::collections::HashSet;

use rusqlite::Row;

use super::labels::{Class, word};
use super::{Store, StoreError};

/// Newest snapshots among which those of labelled clients are looked for.
const LOOKED_AT: u32 = 5000;

/// A past case, as much of it as others are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    /// Id of the snapshot.
    pub snapshot: String,
    /// Whom it was of.
    pub client: i64,
    /// Unix second of its last sample.
    pub until: u32,
    /// Features by name, JSON.
    pub features: String,
    /// Category that the newest explanation told.
    pub told: Option<String>,
    /// The newest word on it.
    pub feedback: Option<CaseFeedback>,
    /// What an operator says that the client is.
    pub class: Option<Class>,
}

/// What a person said of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFeedback {
    /// `correct`, `wrong_category`, `false_positive` or `unclear`.
    pub verdict: String,
    /// Category that it was told as.
    pub told: String,
    /// Category that the person named instead.
    pub said: Option<String>,
}

impl Store {
    /// Past cases of a zone: snapshots on which there is feedback, and those of clients that an operator labelled; the
    /// newest of each, at most `limit`, without the snapshot `except`.
    ///
    /// # Errors
    /// The store refuses.
    pub fn past_cases(&self, zone: &str, except: &str, limit: u32) -> Result<Vec<CaseRow>, StoreError> {
        let mut known = HashSet::new();
        let mut cases = Vec::new();
        for sql in statements() {
            let mut select = self.connection().prepare_cached(&sql)?;
            let rows = select.query_map((zone, except, limit), read)?;
            for case in rows {
                let case = case?;
                if known.insert(case.snapshot.clone()) {
                    cases.push(case);
                }
            }
        }
        Ok(cases)
    }
}

/// The statements for past cases, of zone `?1` without snapshot `?2`, at most `?3` each: those with feedback, and those of
/// clients that an operator labelled. Few snapshots are looked at, so each looks for its client, and never a zone for its
/// snapshots: CROSS JOIN keeps that order (SQLite, "Manual Control Of Query Plans Using CROSS JOIN").
pub(super) fn statements() -> [String; 2] {
    let columns = "past.snapshot, past.client, until, features, past.told,
         CASE client.origin WHEN 'operator' THEN client.class END, verdict, feedback.told, said";
    let newest = "(SELECT MAX(id) FROM feedback WHERE feedback.snapshot = past.snapshot)";
    let said = format!(
        "SELECT {columns}
         FROM (SELECT MAX(id) AS newest FROM feedback GROUP BY snapshot ORDER BY newest DESC LIMIT ?3) AS spoken
         CROSS JOIN feedback ON feedback.id = spoken.newest
         CROSS JOIN past ON past.snapshot = feedback.snapshot CROSS JOIN client ON client.id = past.client
         WHERE zone = ?1 AND past.snapshot <> ?2 ORDER BY newest DESC"
    );
    let labelled = format!(
        "SELECT {columns}
         FROM (SELECT snapshot, client, at FROM past ORDER BY at DESC, snapshot DESC LIMIT {LOOKED_AT}) AS new
         CROSS JOIN client ON client.id = new.client CROSS JOIN past ON past.snapshot = new.snapshot
         LEFT JOIN feedback ON feedback.id = {newest}
         WHERE zone = ?1 AND new.snapshot <> ?2 AND client.origin = 'operator'
         ORDER BY new.at DESC, new.snapshot DESC LIMIT ?3"
    );
    [said, labelled]
}

fn read(row: &Row<'_>) -> rusqlite::Result<CaseRow> {
    let class: Option<String> = row.get(5)?;
    let verdict: Option<String> = row.get(6)?;
    let feedback = match verdict {
        Some(verdict) => Some(CaseFeedback {
            verdict,
            told: row.get(7)?,
            said: row.get(8)?,
        }),
        None => None,
    };
    Ok(CaseRow {
        snapshot: row.get(0)?,
        client: row.get(1)?,
        until: row.get(2)?,
        features: row.get(3)?,
        told: row.get(4)?,
        feedback,
        class: class.map(|_| word(row, 5, Class::from_word)).transpose()?,
    })
}
