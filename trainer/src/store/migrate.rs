//! From one version of the store to the next.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{APPLICATION, StoreError};

/// One step: its number, name and statements. A step that was published is never changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    /// The version that it leads to; steps are numbered from 1 without a gap.
    pub number: u32,
    /// Name of its file.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// All steps, in order.
pub(super) const MIGRATIONS: [Migration; 12] = [
    Migration {
        number: 1,
        name: "001_samples",
        sql: include_str!("migrations/001_samples.sql"),
    },
    Migration {
        number: 2,
        name: "002_registry",
        sql: include_str!("migrations/002_registry.sql"),
    },
    Migration {
        number: 3,
        name: "003_retrain",
        sql: include_str!("migrations/003_retrain.sql"),
    },
    Migration {
        number: 4,
        name: "004_explain",
        sql: include_str!("migrations/004_explain.sql"),
    },
    Migration {
        number: 5,
        name: "005_llm",
        sql: include_str!("migrations/005_llm.sql"),
    },
    Migration {
        number: 6,
        name: "006_feedback",
        sql: include_str!("migrations/006_feedback.sql"),
    },
    Migration {
        number: 7,
        name: "007_watch",
        sql: include_str!("migrations/007_watch.sql"),
    },
    Migration {
        number: 8,
        name: "008_users",
        sql: include_str!("migrations/008_users.sql"),
    },
    Migration {
        number: 9,
        name: "009_notice",
        sql: include_str!("migrations/009_notice.sql"),
    },
    Migration {
        number: 10,
        name: "010_pages",
        sql: include_str!("migrations/010_pages.sql"),
    },
    Migration {
        number: 11,
        name: "011_past",
        sql: include_str!("migrations/011_past.sql"),
    },
    Migration {
        number: 12,
        name: "012_search",
        sql: include_str!("migrations/012_search.sql"),
    },
];

/// The version of a store; 0 is an empty file.
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Applies the steps that are missing, each in a transaction of its own.
pub(super) fn migrate(connection: &Connection, path: &Path, steps: &[Migration]) -> Result<(), StoreError> {
    let known = steps.iter().map(|step| step.number).max().unwrap_or_default();
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for step in steps.iter().filter(|step| step.number > found) {
        let failed = |source| StoreError::Migration {
            path: path.to_owned(),
            number: step.number,
            name: step.name,
            source,
        };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        // Somebody else may have been first while we waited for the lock.
        if version(&transaction)? >= step.number {
            continue;
        }
        transaction.execute_batch(step.sql).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", step.number)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Migration = Migration {
        number: 2,
        name: "002_next",
        sql: "ALTER TABLE client ADD COLUMN colour TEXT; CREATE TABLE more (id INTEGER PRIMARY KEY);",
    };

    fn older() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, Path::new("old"), &MIGRATIONS[..1]).unwrap();
        connection
            .execute(
                "INSERT INTO client (zone, name, first, last) VALUES ('z', 'a', 1, 2)",
                [],
            )
            .unwrap();
        connection
    }

    #[test]
    fn an_older_store_keeps_its_rows_and_gets_the_new_version() {
        let connection = older();
        migrate(&connection, Path::new("old"), &[MIGRATIONS[0], NEXT]).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        let name: String = connection
            .query_row("SELECT name FROM client WHERE colour IS NULL", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(name, "a");
    }

    #[test]
    fn a_step_that_fails_leaves_the_store_as_it_was() {
        let connection = older();
        let broken = Migration {
            sql: "CREATE TABLE more (id INTEGER PRIMARY KEY); SELECT nothing FROM nowhere;",
            ..NEXT
        };
        let error = migrate(&connection, Path::new("old"), &[MIGRATIONS[0], broken]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("version 2 (002_next); it is unchanged"),
            "{error}"
        );
        assert_eq!(version(&connection).unwrap(), 1);
        let tables: i64 = connection
            .query_row(
                "SELECT COUNT(*) FROM sqlite_master WHERE name = 'more'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_newer_store_is_refused() {
        let connection = older();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&connection, Path::new("new"), &MIGRATIONS).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has version 99, this program knows up to"),
            "{error}"
        );
    }

    #[test]
    fn steps_are_numbered_without_a_gap() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|step| step.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    }
}
