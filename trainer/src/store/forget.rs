//! Everything about one client goes, for good.

use rusqlite::Connection;
use serde::Serialize;
use serde_json::json;

use super::audit::audit;
use super::explained::drop_snapshots;
use super::feedback::drop_judgements;
use super::{Names, Store, StoreError};

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Clients: the same name in several zones.
    pub clients: usize,
    /// Their samples.
    pub samples: usize,
    /// Their labels.
    pub labels: usize,
    /// Snapshots that stood on its samples, alone or among others.
    pub snapshots: usize,
    /// Lines of a newer version that named it.
    pub aside: usize,
    /// Bans on it, those in force too: nginx keeps these until they end.
    pub decisions: usize,
}

impl Store {
    /// Forgets the client of this name, in one zone or in all; `actor` did it at Unix second `at`. The audit log gets a
    /// line that does not name it. The bytes are gone only after [`Store::scrub`].
    pub fn forget(
        &self,
        zone: Option<&str>,
        name: &str,
        names: &Names,
        (at, actor): (u32, &str),
    ) -> Result<Forgotten, StoreError> {
        let kept = names.client(name);
        let transaction = self.write()?;
        let clients: Vec<i64> = transaction
            .prepare("SELECT id FROM client WHERE name = ?1 AND (?2 IS NULL OR zone = ?2)")?
            .query_map((&kept, zone), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut forgotten = Forgotten {
            clients: clients.len(),
            ..Forgotten::default()
        };
        for client in clients {
            let delete = |sql: &str| -> Result<usize, StoreError> { Ok(transaction.execute(sql, [client])?) };
            forgotten.samples += delete("DELETE FROM sample WHERE client = ?")?;
            forgotten.labels += delete("DELETE FROM label WHERE client = ?")?;
            drop_judgements(&transaction, client)?;
            forgotten.snapshots += drop_snapshots(&transaction, client)?;
            delete(
                "DELETE FROM notice_event WHERE id IN (SELECT event FROM notice_client WHERE client = ?)",
            )?;
            delete("DELETE FROM client WHERE id = ?")?;
        }
        forgotten.decisions = transaction.execute(
            "DELETE FROM decision WHERE client = ?1 AND (?2 IS NULL OR zone = ?2)",
            (&kept, zone),
        )?;
        // What a newer version wrote may name it elsewhere than in the field that we know, as a whole string: the
        // name of one client is often the beginning of another's.
        forgotten.aside = transaction.execute(
            "DELETE FROM aside WHERE client = ?1 OR instr(line, CAST('\"' || ?1 || '\"' AS BLOB)) > 0",
            [&kept],
        )?;
        let sources = "UPDATE source SET first_broken = NULL WHERE instr(first_broken, ?) > 0";
        transaction.execute(sources, [&kept])?;
        let detail = json!(forgotten);
        audit(&transaction, at, actor, "forget", "client", &detail)?;
        transaction.commit()?;
        Ok(forgotten)
    }

    /// Writes the store anew, so that no page and no log holds what was deleted: SQLite zeroes what it deletes, but a
    /// page that was split keeps copies of rows that moved to another. Takes room for a second copy meanwhile.
    pub fn scrub(&self) -> Result<(), StoreError> {
        self.connection().execute_batch("VACUUM")?;
        let still_read = truncate_log(&self.connection)?;
        if still_read {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            let text = Some("somebody still reads the log of the store".to_owned());
            return Err(rusqlite::Error::SqliteFailure(busy, text).into());
        }
        Ok(())
    }
}

/// Empties the write-ahead log; true when readers kept it from that.
fn truncate_log(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?)
}
