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
