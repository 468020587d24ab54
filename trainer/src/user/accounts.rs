//! The users in the store. Each change writes its line of the audit log in the same transaction.

use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Role, UserError};
use crate::store::{Store, StoreError};

/// Users at most: teams that are larger have a proxy that knows them.
pub const MOST: u32 = 500;
/// Bytes of a name.
const MAX_NAME: usize = 64;

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// By which somebody logs in.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Unix seconds of when it was made.
    pub made: u32,
    /// Unix seconds of when it was last seen in a session that still is.
    pub seen: Option<u32>,
    /// Sessions that are.
    pub sessions: u32,
}

/// Who changes something, and when, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The name that the audit log gets.
    pub actor: &'a str,
    /// When.
    pub at: u32,
}

/// Whether a text can be a name.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
}

/// Whether there is any user.
pub fn any(store: &Store) -> Result<bool, StoreError> {
    let found = store
        .connection()
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM user)")?
        .query_row([], |row| row.get(0))?;
    Ok(found)
}

/// All, by name.
pub fn all(store: &Store) -> Result<Vec<Account>, StoreError> {
    let mut select = store.connection().prepare_cached(
        "SELECT name, role, made, MAX(session.seen), COUNT(session.id) FROM user \
         LEFT JOIN session ON session.user = user.id GROUP BY user.id ORDER BY name LIMIT ?",
    )?;
    let rows = select.query_map([MOST], account)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get(0)?,
        role: row.get(1)?,
        made: row.get(2)?,
        seen: row.get(3)?,
        sessions: row.get(4)?,
    })
}

/// Number and hash of the password of a user.
pub fn find(store: &Store, name: &str) -> Result<Option<(i64, String)>, StoreError> {
    let found = store
        .connection()
        .prepare_cached("SELECT id, password FROM user WHERE name = ?")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

/// Adds a user with the hash of its password.
pub fn add(store: &Store, name: &str, role: Role, hash: &str, by: By<'_>) -> Result<(), UserError> {
    if !is_name(name) {
        return Err(UserError::Name);
    }
    let transaction = store.write()?;
    let count: u32 = transaction
        .query_row("SELECT COUNT(*) FROM user", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if count >= MOST {
        return Err(UserError::Many(count));
    }
    let insert = "INSERT INTO user (name, role, password, made, changed) VALUES (?1, ?2, ?3, ?4, ?4) \
                  ON CONFLICT DO NOTHING";
    let added = transaction
        .execute(insert, (name, role, hash, by.at))
        .map_err(StoreError::from)?;
    if added == 0 {
        return Err(UserError::Taken(name.to_owned()));
    }
    told(&transaction, by, "user.add", name, &json!({ "role": role }))?;
    Ok(commit(transaction)?)
}

/// Gives another role. It holds from the next request on.
pub fn set_role(store: &Store, name: &str, role: Role, by: By<'_>) -> Result<(), UserError> {
    let update = "UPDATE user SET role = ?2, changed = ?3 WHERE name = ?1";
    change(
        store,
        name,
        by,
        "user.role",
        &json!({ "role": role }),
        |transaction| transaction.execute(update, (name, role, by.at)),
    )
}

/// Sets the hash of another password, and ends all sessions.
pub fn set_password(store: &Store, name: &str, hash: &str, by: By<'_>) -> Result<(), UserError> {
    let update = "UPDATE user SET password = ?2, changed = ?3 WHERE name = ?1";
    let sessions = "DELETE FROM session WHERE user = (SELECT id FROM user WHERE name = ?)";
    change(store, name, by, "user.password", &json!({}), |transaction| {
        transaction.execute(sessions, [name])?;
        transaction.execute(update, (name, hash, by.at))
    })
}

/// Removes a user and its sessions; the last one only when `may_open`, as everybody may read while there is none.
pub fn remove(store: &Store, name: &str, may_open: bool, by: By<'_>) -> Result<(), UserError> {
    let delete = "DELETE FROM user WHERE name = ?1 AND (?2 OR EXISTS (SELECT 1 FROM user WHERE name <> ?1))";
    let removed = change(store, name, by, "user.remove", &json!({}), |transaction| {
        transaction.execute(delete, (name, may_open))
    });
    match removed {
        Err(UserError::Unknown(_)) if find(store, name)?.is_some() => Err(UserError::Last(name.to_owned())),
        other => other,
    }
}

fn change(
    store: &Store,
    name: &str,
    by: By<'_>,
    action: &str,
    detail: &Value,
    statement: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<usize>,
) -> Result<(), UserError> {
    if !is_name(name) {
        return Err(UserError::Name);
    }
    let transaction = store.write()?;
    if statement(&transaction).map_err(StoreError::from)? == 0 {
        return Err(UserError::Unknown(name.to_owned()));
    }
    told(&transaction, by, action, name, detail)?;
    Ok(commit(transaction)?)
}

fn told(
    transaction: &Transaction<'_>,
    by: By<'_>,
    action: &str,
    name: &str,
    detail: &Value,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
        (
            by.at,
            by.actor,
            action,
            format!("user:{name}"),
            detail.to_string(),
        ),
    )?;
    Ok(())
}

fn commit(transaction: Transaction<'_>) -> Result<(), StoreError> {
    Ok(transaction.commit()?)
}
