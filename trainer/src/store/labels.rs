//! What clients are, who says so, and what is believed when they disagree.

use rusqlite::{Connection, Row};
use sekisho_core::key::shown_client;
use sekisho_core::sample;
use serde::{Deserialize, Serialize};

use super::audit::audit;
use super::ingest::{add_client, client_id};
use super::{Names, Store, StoreError};

/// Labels of one client that are looked at, newest first: an origin that changed its mind more often is not believed
/// any better.
const MOST_LABELS: u32 = 1000;

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person.
    Human,
    /// A program.
    Crawler,
}

/// Who says so; most trusted first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Origin {
    /// A person who runs the site.
    Operator,
    /// It proved to be the crawler that it claims to be.
    VerifiedBot,
    /// It came where only crawlers come.
    Trap,
    /// It completed what only people complete.
    Conversion,
    /// Its user agent says so.
    Declared,
}

impl Class {
    /// Both.
    pub const ALL: [Class; 2] = [Class::Human, Class::Crawler];

    /// The word in the store and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Human => "human",
            Class::Crawler => "crawler",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl Origin {
    /// All, most trusted first.
    pub const ALL: [Origin; 5] = [
        Origin::Operator,
        Origin::VerifiedBot,
        Origin::Trap,
        Origin::Conversion,
        Origin::Declared,
    ];

    /// The word in the store and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Operator => "operator",
            Origin::VerifiedBot => "verified_bot",
            Origin::Trap => "trap",
            Origin::Conversion => "conversion",
            Origin::Declared => "declared",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.as_str() == word)
    }
}

impl From<sample::Class> for Class {
    fn from(class: sample::Class) -> Class {
        match class {
            sample::Class::Human => Class::Human,
            sample::Class::Crawler => Class::Crawler,
        }
    }
}

impl From<sample::Origin> for Origin {
    fn from(origin: sample::Origin) -> Origin {
        match origin {
            sample::Origin::Trap => Origin::Trap,
            sample::Origin::Conversion => Origin::Conversion,
            sample::Origin::VerifiedBot => Origin::VerifiedBot,
            sample::Origin::Operator => Origin::Operator,
        }
    }
}

/// One label as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredLabel {
    /// Zone of the client.
    pub zone: String,
    /// Its name.
    pub client: String,
    /// What it is.
    pub class: Class,
    /// Who says so.
    pub origin: Origin,
    /// The person or program that did.
    pub author: String,
    /// Unix seconds.
    pub at: u32,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// What became of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was added.
    Added,
    /// The same label was there.
    AlreadyThere,
    /// The store does not know its client.
    UnknownClient,
}

/// What is believed of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// What it is.
    pub class: Class,
    /// The most trusted origin that says so.
    pub origin: Origin,
    /// Whether an origin that is trusted less says otherwise.
    pub conflict: bool,
}

/// What is believed when a client has these labels (class, origin, Unix seconds), in the order in which they were
/// stored: of each origin the newest, of those the most trusted.
pub fn resolve(labels: &[(Class, Origin, u32)]) -> Option<Resolved> {
    let newest = |origin: Origin| {
        let of_origin = labels.iter().filter(|label| label.1 == origin);
        of_origin.max_by_key(|label| label.2).map(|label| label.0)
    };
    let mut said = Origin::ALL
        .into_iter()
        .filter_map(|origin| newest(origin).map(|class| (class, origin)));
    let (class, origin) = said.next()?;
    let conflict = said.any(|(other, _)| other != class);
    Some(Resolved {
        class,
        origin,
        conflict,
    })
}

impl Store {
    /// Adds labels in one transaction, each with a line in the audit log that says who brought it and when, whatever
    /// the label says of itself; tells what became of each. An IPv6 address that is not in the store stands for its
    /// network, as the zone keeps it. A client that is not in the store either way is added when `unseen`.
    pub fn add_labels(
        &self,
        labels: &[StoredLabel],
        names: &Names,
        unseen: bool,
        (now, actor): (u32, &str),
    ) -> Result<Vec<Outcome>, StoreError> {
        let transaction = self.write()?;
        let mut outcomes = Vec::with_capacity(labels.len());
        for label in labels {
            let shown = shown_client(&label.client);
            let exact = client_id(&transaction, &label.zone, &names.client(&label.client))?;
            let name = names.client(&shown);
            let client =
                match exact.map_or_else(|| client_id(&transaction, &label.zone, &name), |id| Ok(Some(id)))? {
                    None if unseen => {
                        let network = names.network(&shown);
                        Some(add_client(&transaction, &label.zone, &name, &network, label.at)?)
                    }
                    known => known,
                };
            let Some(client) = client else {
                outcomes.push(Outcome::UnknownClient);
                continue;
            };
            if is_there(&transaction, client, label)? {
                outcomes.push(Outcome::AlreadyThere);
                continue;
            }
            outcomes.push(Outcome::Added);
            insert(
                &transaction,
                client,
                (label.class, label.origin),
                &label.author,
                label.at,
                &label.note,
            )?;
            believe(&transaction, client)?;
            let detail = serde_json::json!({
                "class": label.class, "origin": label.origin, "author": label.author, "said_at": label.at,
            });
            let subject = format!("client:{client}");
            audit(&transaction, now, actor, "label", &subject, &detail)?;
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Labels from number `after` on, at most `limit`, each with its number; of one client, or of all.
    pub fn labels(
        &self,
        client: Option<i64>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StoredLabel)>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, read_label(row)?));
        // Two statements: "?1 IS NULL OR client = ?1" would leave the index aside.
        let select = "SELECT label.id, zone, name, label.class, label.origin, author, at, note
             FROM label JOIN client ON client.id = label.client WHERE label.id > ?1";
        let rows = match client {
            None => self
                .connection
                .prepare_cached(&format!("{select} ORDER BY label.id LIMIT ?2"))?
                .query_map((after, limit), read)?
                .collect::<Result<_, _>>()?,
            Some(client) => self
                .connection
                .prepare_cached(&format!(
                    "{select} AND label.client = ?3 ORDER BY label.id LIMIT ?2"
                ))?
                .query_map((after, limit, client), read)?
                .collect::<Result<_, _>>()?,
        };
        Ok(rows)
    }

    /// The newest labels of a client, newest first.
    pub fn newest_labels(&self, client: i64, limit: u32) -> Result<Vec<StoredLabel>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT label.id, zone, name, label.class, label.origin, author, at, note
             FROM label JOIN client ON client.id = label.client
             WHERE label.client = ? ORDER BY label.id DESC LIMIT ?",
        )?;
        let rows = select.query_map((client, limit), read_label)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read_label(row: &Row<'_>) -> rusqlite::Result<StoredLabel> {
    Ok(StoredLabel {
        zone: row.get(1)?,
        client: row.get(2)?,
        class: word(row, 3, Class::from_word)?,
        origin: word(row, 4, Origin::from_word)?,
        author: row.get(5)?,
        at: row.get(6)?,
        note: row.get(7)?,
    })
}

/// A word of a column that the schema restricts to known ones.
pub(super) fn word<T>(row: &Row<'_>, column: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| rusqlite::Error::InvalidColumnType(column, text, rusqlite::types::Type::Text))
}

/// Adds what a sample tells of its client, unless that origin said the same last: a client that comes to a trap again
/// and again tells nothing new.
pub(super) fn add_automatic(
    connection: &Connection,
    client: i64,
    (class, origin): (Class, Origin),
    author: &str,
    at: u32,
    note: &str,
) -> Result<(), StoreError> {
    let labels = of_client(connection, client)?;
    let last = labels
        .iter()
        .filter(|label| label.1 == origin)
        .max_by_key(|label| label.2);
    if last.is_some_and(|last| last.0 == class) {
        return Ok(());
    }
    insert(connection, client, (class, origin), author, at, note)?;
    believe(connection, client)
}

/// Adds an operator's word on a client within a transaction, with its line in the audit log, unless it is what the
/// operators said last.
pub(super) fn add_by_operator(
    connection: &Connection,
    client: i64,
    class: Class,
    (author, actor, at): (&str, &str, u32),
    note: &str,
) -> Result<(), StoreError> {
    let labels = of_client(connection, client)?;
    let last = labels.iter().filter(|label| label.1 == Origin::Operator);
    if last
        .max_by_key(|label| label.2)
        .is_some_and(|last| last.0 == class)
    {
        return Ok(());
    }
    insert(connection, client, (class, Origin::Operator), author, at, note)?;
    believe(connection, client)?;
    let detail =
        serde_json::json!({"class": class, "origin": Origin::Operator, "author": author, "said_at": at});
    audit(
        connection,
        at,
        actor,
        "label",
        &format!("client:{client}"),
        &detail,
    )
}

fn insert(
    connection: &Connection,
    client: i64,
    (class, origin): (Class, Origin),
    author: &str,
    at: u32,
    note: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO label (client, class, origin, author, at, note) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute((client, class.as_str(), origin.as_str(), author, at, note))?;
    Ok(())
}

fn is_there(connection: &Connection, client: i64, label: &StoredLabel) -> Result<bool, StoreError> {
    let select = "SELECT EXISTS (SELECT 1 FROM label
        WHERE client = ? AND class = ? AND origin = ? AND author = ? AND at = ? AND note = ?)";
    let values = (
        client,
        label.class.as_str(),
        label.origin.as_str(),
        &label.author,
        label.at,
        &label.note,
    );
    Ok(connection
        .prepare_cached(select)?
        .query_row(values, |row| row.get(0))?)
}

fn of_client(connection: &Connection, client: i64) -> Result<Vec<(Class, Origin, u32)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT class, origin, at FROM (SELECT * FROM label WHERE client = ? ORDER BY id DESC LIMIT ?) ORDER BY id",
    )?;
    let rows = select.query_map((client, MOST_LABELS), |row| {
        Ok((
            word(row, 0, Class::from_word)?,
            word(row, 1, Origin::from_word)?,
            row.get(2)?,
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes what is believed of a client beside it.
fn believe(connection: &Connection, client: i64) -> Result<(), StoreError> {
    let resolved = resolve(&of_client(connection, client)?);
    connection
        .prepare_cached("UPDATE client SET class = ?, origin = ?, conflict = ? WHERE id = ?")?
        .execute((
            resolved.map(|resolved| resolved.class.as_str()),
            resolved.map(|resolved| resolved.origin.as_str()),
            resolved.is_some_and(|resolved| resolved.conflict),
            client,
        ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_trusted_origin_is_believed_and_its_newest_word() {
        use {Class::*, Origin::*};
        #[track_caller]
        fn check(labels: &[(Class, Origin, u32)], expected: Option<(Class, Origin, bool)>) {
            let resolved =
                resolve(labels).map(|resolved| (resolved.class, resolved.origin, resolved.conflict));
            assert_eq!(resolved, expected, "{labels:?}");
        }
        check(&[], None);
        check(&[(Human, Conversion, 5)], Some((Human, Conversion, false)));
        check(
            &[(Human, Conversion, 9), (Crawler, Trap, 1)],
            Some((Crawler, Trap, true)),
        );
        check(
            &[(Crawler, Declared, 9), (Crawler, VerifiedBot, 1)],
            Some((Crawler, VerifiedBot, false)),
        );
        check(
            &[
                (Crawler, Operator, 1),
                (Human, Operator, 2),
                (Human, Conversion, 1),
            ],
            Some((Human, Operator, false)),
        );
        check(
            &[(Crawler, Operator, 3), (Human, Operator, 2)],
            Some((Crawler, Operator, false)),
        );
        check(
            &[(Crawler, Operator, 2), (Human, Operator, 2)],
            Some((Human, Operator, false)),
        );
        check(
            &[(Human, Operator, 2), (Crawler, Trap, 2), (Human, Conversion, 3)],
            Some((Human, Operator, true)),
        );
    }

    #[test]
    fn words_are_read_back() {
        for origin in Origin::ALL {
            assert_eq!(Origin::from_word(origin.as_str()), Some(origin));
        }
        for class in Class::ALL {
            assert_eq!(Class::from_word(class.as_str()), Some(class));
        }
        assert!(Origin::Operator < Origin::VerifiedBot, "order is order of trust");
    }
}
