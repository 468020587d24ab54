//! Who changed what, and when. Lines are only added.

use rusqlite::Connection;
use serde_json::Value;

use super::{Store, StoreError};

impl Store {
    /// Writes a line into the audit log: at Unix second `at`, `actor` did `action` to `subject`. Neither `subject` nor
    /// `detail` may name a client, as nothing leaves this log: write `client:` and its number.
    pub fn audit(
        &self,
        at: u32,
        actor: &str,
        action: &str,
        subject: &str,
        detail: &Value,
    ) -> Result<(), StoreError> {
        audit(&self.connection, at, actor, action, subject, detail)
    }
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number.
    pub id: i64,
    /// Unix seconds.
    pub at: u32,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More of it, JSON.
    pub detail: String,
}

impl Store {
    /// At most `limit` lines of the audit log, newest first: those before the line of number `before`.
    pub fn audit_lines(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, at, actor, action, subject, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
        )?;
        let rows = select.query_map((before.unwrap_or(i64::MAX), limit), |row| {
            Ok(AuditLine {
                id: row.get(0)?,
                at: row.get(1)?,
                actor: row.get(2)?,
                action: row.get(3)?,
                subject: row.get(4)?,
                detail: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// The same within a transaction.
pub(super) fn audit(
    connection: &Connection,
    at: u32,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &Value,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")?
        .execute((at, actor, action, subject, detail.to_string()))?;
    Ok(())
}
