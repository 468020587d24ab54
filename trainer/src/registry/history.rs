//! Who made which model the champion, and when: tables `promotion` and `audit` of the store.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

/// Promotions that are looked back on. Beyond, a rollback finds nothing to go back to.
const LOOK_BACK: u32 = 10_000;

/// What happened to the champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A model became the champion.
    Promote,
    /// The one before became it again.
    Rollback,
}

impl Action {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Promote => "promote",
            Action::Rollback => "rollback",
        }
    }
}

/// One change of the champion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// When, unix seconds.
    pub at: i64,
    /// What.
    pub action: Action,
    /// The champion from then on.
    pub digest: String,
    /// The champion before; absent where there was no file.
    pub previous: Option<String>,
    /// Who.
    pub actor: String,
    /// In whose words.
    pub note: String,
    /// The evaluation it stood on, JSON.
    #[serde(skip)]
    pub evaluation: Option<String>,
    /// What the gates found, JSON.
    #[serde(skip)]
    pub gates: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// When, unix seconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what: a model's digest.
    pub subject: String,
    /// JSON.
    pub detail: String,
}

/// The history in an open store.
pub struct History<'a> {
    connection: &'a Connection,
}

impl<'a> History<'a> {
    /// The history in a store that has the tables.
    pub fn of(connection: &'a Connection) -> History<'a> {
        History { connection }
    }

    /// Every change of the champion, oldest first.
    pub fn changes(&self) -> rusqlite::Result<Vec<Change>> {
        let mut statement = self.connection.prepare(
            "SELECT at, action, digest, previous, actor, note FROM \
             (SELECT * FROM promotion ORDER BY id DESC LIMIT ?1) ORDER BY id",
        )?;
        let rows = statement.query_map([LOOK_BACK], change)?;
        rows.collect()
    }

    /// Changes of the champion with a number above `after`, oldest first, with their numbers.
    pub fn changes_after(&self, after: i64) -> rusqlite::Result<Vec<(i64, Change)>> {
        let mut statement = self.connection.prepare(
            "SELECT at, action, digest, previous, actor, note, id FROM promotion WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, LOOK_BACK], |row| Ok((row.get(6)?, change(row)?)))?;
        rows.collect()
    }

    /// The number of the last change; 0 before the first.
    pub fn last(&self) -> rusqlite::Result<i64> {
        let sql = "SELECT COALESCE(MAX(id), 0) FROM promotion";
        self.connection.query_row(sql, [], |row| row.get(0))
    }

    /// The digest of the model that was promoted, or taken back, last, and when; `None` before the first time.
    pub fn champion(&self) -> rusqlite::Result<Option<(String, i64)>> {
        let sql = "SELECT digest, at FROM promotion ORDER BY id DESC LIMIT 1";
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.connection.query_row(sql, [], row).optional()
    }

    /// The evaluation that the last promotion of a model stood on, JSON.
    pub fn evaluation_of(&self, digest: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT evaluation FROM promotion WHERE digest = ?1 AND evaluation IS NOT NULL ORDER BY id DESC LIMIT 1";
        self.connection
            .query_row(sql, [digest], |row| row.get(0))
            .optional()
    }

    /// Champions one upon the other, the present one last.
    pub fn stack(&self) -> rusqlite::Result<Vec<String>> {
        Ok(stack(&self.changes()?))
    }

    /// The newest lines of the audit log that concern models, newest first.
    pub fn audit(&self, limit: u32) -> rusqlite::Result<Vec<AuditRow>> {
        let sql = "SELECT at, actor, action, subject, detail FROM audit WHERE action LIKE 'model %' ORDER BY id DESC LIMIT ?1";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([limit], |row| {
            Ok(AuditRow {
                at: row.get(0)?,
                actor: row.get(1)?,
                action: row.get(2)?,
                subject: row.get(3)?,
                detail: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    /// A transaction that holds the write lock from its beginning.
    pub fn write(&self) -> rusqlite::Result<Transaction<'a>> {
        Transaction::new_unchecked(self.connection, TransactionBehavior::Immediate)
    }
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let action: String = row.get(1)?;
    Ok(Change {
        at: row.get(0)?,
        action: if action == "rollback" {
            Action::Rollback
        } else {
            Action::Promote
        },
        digest: row.get(2)?,
        previous: row.get(3)?,
        actor: row.get(4)?,
        note: row.get(5)?,
        evaluation: None,
        gates: None,
    })
}

/// Writes a change of the champion and its line in the audit log.
pub fn record(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO promotion (at, action, digest, previous, actor, note, evaluation, gates) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            change.at,
            change.action.as_str(),
            change.digest,
            change.previous,
            change.actor,
            change.note,
            change.evaluation,
            change.gates
        ],
    )?;
    let gates: Option<serde_json::Value> = change
        .gates
        .as_deref()
        .and_then(|gates| serde_json::from_str(gates).ok());
    let detail = serde_json::json!({ "previous": change.previous, "note": change.note, "gates": gates });
    audit(
        transaction,
        &AuditRow {
            at: change.at,
            actor: change.actor.clone(),
            action: format!("model {}", change.action.as_str()),
            subject: change.digest.clone(),
            detail: detail.to_string(),
        },
    )
}

/// Adds a line to the audit log.
pub fn audit(connection: &Connection, row: &AuditRow) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![row.at, row.actor, row.action, row.subject, row.detail],
    )?;
    Ok(())
}

/// Champions one upon the other: a promotion adds one, a rollback takes them away down to the one it names. A
/// champion that came without the registry is put below the one that replaced it.
fn stack(changes: &[Change]) -> Vec<String> {
    let mut stack: Vec<String> = Vec::new();
    for change in changes {
        match change.action {
            Action::Promote => {
                if let Some(previous) = &change.previous
                    && stack.last() != Some(previous)
                {
                    stack.push(previous.clone());
                }
                stack.push(change.digest.clone());
            }
            Action::Rollback => match stack.iter().rposition(|digest| *digest == change.digest) {
                Some(at) => stack.truncate(at + 1),
                None => stack.push(change.digest.clone()),
            },
        }
    }
    stack
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: Action, digest: &str, previous: Option<&str>) -> Change {
        Change {
            at: 1,
            action,
            digest: digest.to_owned(),
            previous: previous.map(str::to_owned),
            actor: "operator".to_owned(),
            note: String::new(),
            evaluation: None,
            gates: None,
        }
    }

    #[test]
    fn each_rollback_goes_one_further_back() {
        #[track_caller]
        fn check(changes: &[(Action, &str, Option<&str>)], expected: &[&str]) {
            let changes: Vec<Change> = changes.iter().map(|&(a, d, p)| change(a, d, p)).collect();
            assert_eq!(stack(&changes), expected);
        }
        use Action::{Promote, Rollback};
        check(&[], &[]);
        check(&[(Promote, "a", None)], &["a"]);
        check(&[(Promote, "a", Some("x"))], &["x", "a"]);
        let two = [(Promote, "a", Some("x")), (Promote, "b", Some("a"))];
        check(&two, &["x", "a", "b"]);
        check(&[&two[..], &[(Rollback, "a", Some("b"))]].concat(), &["x", "a"]);
        let back = [(Rollback, "a", Some("b")), (Rollback, "x", Some("a"))];
        check(&[&two[..], &back[..]].concat(), &["x"]);
        check(
            &[&two[..], &back[..], &[(Promote, "c", Some("x"))]].concat(),
            &["x", "c"],
        );
        // Somebody replaced the file by hand.
        check(
            &[(Promote, "a", None), (Promote, "b", Some("y"))],
            &["a", "y", "b"],
        );
        check(&[(Promote, "a", None), (Rollback, "z", Some("a"))], &["a", "z"]);
    }

    #[test]
    fn nothing_is_changed_or_removed() {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = crate::store::Store::open(&scratch.path().join("store.db")).expect("opens");
        let connection = store.connection();
        let history = History::of(connection);
        let transaction = history.write().expect("begins");
        record(&transaction, &change(Action::Promote, "a", None)).expect("records");
        transaction.commit().expect("commits");
        for (sql, expected) in [
            (
                "UPDATE promotion SET actor = 'x'",
                "the history of models is never changed",
            ),
            ("DELETE FROM promotion", "nothing leaves the history of models"),
            ("UPDATE audit SET actor = 'x'", "the audit log is never changed"),
            ("DELETE FROM audit", "nothing leaves the audit log"),
        ] {
            let error = connection.execute(sql, []).expect_err(sql).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let rows = history.audit(9).expect("reads");
        assert_eq!(
            (rows.len(), rows[0].action.as_str(), rows[0].subject.as_str()),
            (1, "model promote", "a")
        );
    }
}
