//! What people say of explanations.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;

use super::audit::audit;
use super::labels::{Class, add_by_operator};
use super::{Store, StoreError};

/// Judgements kept at most; the oldest go. Calibration learns nothing from more.
const MOST_JUDGEMENTS: u32 = 10_000;
/// Words that a verdict may have.
const VERDICTS: [&str; 4] = ["correct", "wrong_category", "false_positive", "unclear"];

/// What a person says of one snapshot's explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFeedback<'a> {
    /// Id of the snapshot.
    pub snapshot: &'a str,
    /// `correct`, `wrong_category`, `false_positive` or `unclear`.
    pub verdict: &'a str,
    /// Category that it was told as.
    pub told: &'a str,
    /// Category that the person names instead.
    pub said: Option<&'a str>,
    /// Votes on claims: canonical JSON, and whether it is a good one.
    pub votes: &'a [(String, bool)],
    /// The person.
    pub author: &'a str,
    /// Who brought it, for the audit log: what the feedback says of itself is anybody's word.
    pub actor: &'a str,
    /// Why.
    pub note: &'a str,
    /// The confidence that was computed, and whether the explanation was right; `None` where the verdict says neither.
    pub judgement: Option<(f64, bool)>,
    /// What the client is by this verdict, with the note of the label.
    pub label: Option<(Class, &'a str)>,
}

/// Feedback as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackRow {
    /// Its number.
    pub id: i64,
    /// Id of the snapshot.
    pub snapshot: String,
    /// Unix seconds.
    pub at: u32,
    /// The person.
    pub author: String,
    /// `correct`, `wrong_category`, `false_positive` or `unclear`.
    pub verdict: String,
    /// Category that it was told as.
    pub told: String,
    /// Category that the person named instead.
    pub said: Option<String>,
    /// Why.
    pub note: String,
    /// Votes on claims: canonical JSON, and whether it is a good one.
    pub votes: Vec<(String, bool)>,
}

/// An explanation that is kept, newest of its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRow {
    /// Whom the snapshot is of.
    pub client: i64,
    /// The snapshot, canonical JSON.
    pub document: String,
    /// The explanation, JSON.
    pub explanation: String,
    /// Category that it told.
    pub told: Option<String>,
}

impl Store {
    /// Stores feedback, the judgement and the label that follow from it, with a line in the audit log; its number, and
    /// whether it is new. The same word of the same person as the newest of that snapshot adds nothing.
    ///
    /// # Errors
    /// The store refuses; a snapshot that is not there is one.
    pub fn add_feedback(&self, feedback: &NewFeedback<'_>, now: u32) -> Result<(i64, bool), StoreError> {
        let transaction = self.write()?;
        let before = newest(&transaction, feedback.snapshot)?;
        if let Some(before) = before.as_ref().filter(|before| is_same(before, feedback)) {
            return Ok((before.id, false));
        }
        let judgement = judge(&transaction, feedback)?;
        transaction.execute(
            "INSERT INTO feedback (snapshot, at, author, verdict, told, said, note, judgement)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                feedback.snapshot,
                now,
                feedback.author,
                feedback.verdict,
                feedback.told,
                feedback.said,
                feedback.note,
                judgement,
            ),
        )?;
        let id = transaction.last_insert_rowid();
        for (claim, up) in feedback.votes {
            transaction
                .prepare_cached("INSERT INTO feedback_claim VALUES (?, ?, ?) ON CONFLICT DO NOTHING")?
                .execute((id, claim, up))?;
        }
        let client: i64 = transaction.query_row(
            "SELECT client FROM snapshot WHERE id = ?",
            [feedback.snapshot],
            |row| row.get(0),
        )?;
        let subject = format!("client:{client}");
        let detail = json!({"feedback": id, "verdict": feedback.verdict, "told": feedback.told, "said": feedback.said,
            "author": feedback.author});
        audit(&transaction, now, feedback.actor, "feedback", &subject, &detail)?;
        if let Some((class, note)) = feedback.label {
            let by = (feedback.author, feedback.actor, now);
            add_by_operator(&transaction, client, class, by, note)?;
        }
        transaction.commit()?;
        Ok((id, true))
    }

    /// All feedback on a snapshot, oldest first; of all snapshots the newest `limit` where none is named.
    ///
    /// # Errors
    /// The store refuses.
    pub fn feedback(&self, snapshot: Option<&str>, limit: u32) -> Result<Vec<FeedbackRow>, StoreError> {
        // Two statements: "?1 IS NULL OR snapshot = ?1" would leave the index aside.
        let condition = snapshot.map_or("?1 IS NULL", |_| "snapshot = ?1");
        let mut select = self.connection().prepare_cached(&format!(
            "SELECT {COLUMNS} FROM feedback WHERE {condition} ORDER BY id DESC LIMIT ?2"
        ))?;
        let rows = select.query_map((snapshot, limit), read_feedback)?;
        let mut rows: Vec<FeedbackRow> = rows.collect::<Result<_, _>>()?;
        rows.reverse();
        for row in &mut rows {
            row.votes = votes(self.connection(), row.id)?;
        }
        Ok(rows)
    }

    /// Category, confidence and whether it was right, of all judgements, oldest first.
    ///
    /// # Errors
    /// The store refuses.
    pub fn judgements(&self) -> Result<Vec<(String, f64, bool)>, StoreError> {
        let mut select = self
            .connection()
            .prepare_cached("SELECT category, confidence, correct FROM judgement ORDER BY id")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A kept snapshot with its newest explanation.
    ///
    /// # Errors
    /// The store refuses.
    pub fn explained(&self, snapshot: &str) -> Result<Option<ExplainedRow>, StoreError> {
        let mut select = self.connection().prepare_cached(
            "SELECT past.client, snapshot.document, explanation.document, told
             FROM snapshot JOIN past ON past.snapshot = snapshot.id JOIN explanation ON explanation.snapshot = snapshot.id
             WHERE snapshot.id = ? ORDER BY explanation.id DESC LIMIT 1",
        )?;
        let read = |row: &Row<'_>| {
            Ok(ExplainedRow {
                client: row.get(0)?,
                document: row.get(1)?,
                explanation: row.get(2)?,
                told: row.get(3)?,
            })
        };
        Ok(select.query_row([snapshot], read).optional()?)
    }

    /// The newest kept snapshot of a client.
    ///
    /// # Errors
    /// The store refuses.
    pub fn newest_snapshot(&self, client: i64) -> Result<Option<String>, StoreError> {
        let mut select = self.connection().prepare_cached(
            "SELECT snapshot.id FROM snapshot_client JOIN snapshot ON snapshot.id = snapshot_client.snapshot
             WHERE snapshot_client.client = ?1 AND snapshot.client = ?1 ORDER BY at DESC, snapshot.id LIMIT 1",
        )?;
        Ok(select.query_row([client], |row| row.get(0)).optional()?)
    }
}

/// Deletes the judgements that follow from a client's snapshots.
pub(super) fn drop_judgements(connection: &Connection, client: i64) -> Result<usize, StoreError> {
    let delete = "DELETE FROM judgement WHERE id IN (SELECT judgement FROM feedback JOIN snapshot_client
        ON snapshot_client.snapshot = feedback.snapshot WHERE snapshot_client.client = ?)";
    Ok(connection.prepare_cached(delete)?.execute([client])?)
}

const COLUMNS: &str = "id, snapshot, at, author, verdict, told, said, note";

fn read_feedback(row: &Row<'_>) -> rusqlite::Result<FeedbackRow> {
    let verdict: String = row.get(4)?;
    if !VERDICTS.contains(&verdict.as_str()) {
        return Err(rusqlite::Error::InvalidColumnType(4, verdict, Type::Text));
    }
    Ok(FeedbackRow {
        id: row.get(0)?,
        snapshot: row.get(1)?,
        at: row.get(2)?,
        author: row.get(3)?,
        verdict,
        told: row.get(5)?,
        said: row.get(6)?,
        note: row.get(7)?,
        votes: Vec::new(),
    })
}

fn votes(connection: &Connection, feedback: i64) -> Result<Vec<(String, bool)>, StoreError> {
    let select = "SELECT claim, up FROM feedback_claim WHERE feedback = ? ORDER BY claim";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([feedback], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest word on a snapshot.
fn newest(connection: &Connection, snapshot: &str) -> Result<Option<FeedbackRow>, StoreError> {
    let select = format!("SELECT {COLUMNS} FROM feedback WHERE snapshot = ? ORDER BY id DESC LIMIT 1");
    let row = connection
        .prepare_cached(&select)?
        .query_row([snapshot], read_feedback)
        .optional()?;
    let Some(mut row) = row else { return Ok(None) };
    row.votes = votes(connection, row.id)?;
    Ok(Some(row))
}

fn is_same(before: &FeedbackRow, feedback: &NewFeedback<'_>) -> bool {
    let mut votes = feedback.votes.to_vec();
    votes.sort();
    before.author == feedback.author
        && before.verdict == feedback.verdict
        && before.told == feedback.told
        && before.said.as_deref() == feedback.said
        && before.note == feedback.note
        && before.votes == votes
}

/// Notes whether the explanation was right. A snapshot has one judgement, whoever gave how much feedback on it.
fn judge(connection: &Connection, feedback: &NewFeedback<'_>) -> Result<Option<i64>, StoreError> {
    let before: Option<i64> = connection
        .prepare_cached(
            "SELECT judgement FROM feedback WHERE snapshot = ? AND judgement IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?
        .query_row([feedback.snapshot], |row| row.get(0))
        .optional()?;
    if let Some(before) = before {
        connection.execute("DELETE FROM judgement WHERE id = ?", [before])?;
    }
    let Some((confidence, correct)) = feedback.judgement else {
        return Ok(None);
    };
    connection
        .prepare_cached("INSERT INTO judgement (category, confidence, correct) VALUES (?, ?, ?)")?
        .execute((feedback.told, confidence, correct))?;
    let id = connection.last_insert_rowid();
    connection
        .prepare_cached("DELETE FROM judgement WHERE id <= ?")?
        .execute([id - i64::from(MOST_JUDGEMENTS)])?;
    Ok(Some(id))
}
