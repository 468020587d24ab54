//! What waits to be told, in the store: a restart neither forgets an event nor makes two of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::backoff::Next;
use super::bucket::Bucket;
use super::event::{Event, News};
use crate::config::{NotifySection, Topic};
use crate::store::{Store, StoreError};

/// Events that a message tells at length; the rest of its time is counted.
pub const MOST_TOLD: usize = 10;
/// Events that wait for a target at most: the newest beyond are counted.
const MOST_WAITING: i64 = 100;
/// Seconds after which events and messages go: a week, so that somebody can look back.
const KEPT: u32 = 7 * 86_400;

/// Events that were not told at length, by kind.
pub type Suppressed = BTreeMap<Topic, u64>;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// When it was made, unix seconds.
    pub made: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// What it tells, what cannot wait first.
    pub events: Vec<Event>,
    /// What it only counts.
    pub suppressed: Suppressed,
}

/// How a target is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Its name.
    pub target: String,
    /// Messages that were taken.
    pub sent: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Events that were only counted.
    pub suppressed: u64,
    /// Events and messages that wait.
    pub waiting: u64,
    /// When the next message is tried, unix seconds.
    pub due: Option<u32>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// The outbox of a store.
pub struct Outbox<'a>(pub &'a Store);

impl Outbox<'_> {
    /// Takes what is new, for the targets that want it, and moves the cursors up to which was looked: all of it or
    /// nothing. What was told before is left out.
    pub fn take(
        &self,
        news: &[News],
        targets: &[NotifySection],
        cursors: &[(&str, String)],
        now: u32,
    ) -> Result<u64, StoreError> {
        let transaction = self.0.write()?;
        let mut taken = 0;
        for news in news {
            let document = serde_json::to_string(&news.event).unwrap_or_default();
            let inserted = transaction
                .prepare_cached(
                    "INSERT INTO notice_event (key, at, kind, document, mark) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                )?
                .execute((&news.key, news.event.at, news.event.kind.as_str(), document, &news.mark))?;
            if inserted == 0 {
                continue;
            }
            taken += 1;
            let event = transaction.last_insert_rowid();
            for client in &news.clients {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO notice_client (client, event) VALUES (?, ?)")?
                    .execute((client, event))?;
            }
            let wanting = targets
                .iter()
                .filter(|target| target.events.contains(&news.event.kind));
            for target in wanting {
                wait(&transaction, &target.name, event, news.event.kind, now)?;
            }
        }
        for (name, value) in cursors {
            set(&transaction, name, value)?;
        }
        transaction.commit()?;
        Ok(taken)
    }

    /// Makes a message of what waits for a target, when its time has come and it may be told something.
    pub fn group(&self, target: &NotifySection, now: u32) -> Result<bool, StoreError> {
        let transaction = self.0.write()?;
        let oldest: Option<u32> = transaction.query_row(
            "SELECT MIN(at) FROM notice_item JOIN notice_event ON id = event WHERE target = ? AND notice IS NULL",
            [&target.name],
            |row| row.get(0),
        )?;
        let Some(oldest) = oldest else {
            return Ok(false);
        };
        // A clock that was set back does not hold it for ever.
        if now >= oldest && now - oldest < target.group_window {
            return Ok(false);
        }
        let (bucket, mut suppressed) = state(&transaction, &target.name, now)?;
        let Some(bucket) = bucket.at(now, target.min_interval).take() else {
            return Ok(false);
        };
        let waiting = waiting(&transaction, &target.name)?;
        let (told, counted) = waiting.split_at(waiting.len().min(MOST_TOLD));
        for (event, kind) in counted {
            *suppressed.entry(*kind).or_default() += 1;
            transaction.execute(
                "DELETE FROM notice_item WHERE target = ? AND event = ?",
                (&target.name, event),
            )?;
        }
        transaction.execute(
            "INSERT INTO notice (target, made, due, suppressed) VALUES (?1, ?2, ?2, ?3)",
            (&target.name, now, json(&suppressed)),
        )?;
        let notice = transaction.last_insert_rowid();
        for (event, _) in told {
            transaction.execute(
                "UPDATE notice_item SET notice = ? WHERE target = ? AND event = ?",
                (notice, &target.name, event),
            )?;
        }
        transaction.execute(
            "UPDATE notice_target SET tokens = ?, filled = ?, suppressed = '{}', spared = spared + ? WHERE name = ?",
            (bucket.tokens, bucket.filled, counted.len() as i64, &target.name),
        )?;
        transaction.commit()?;
        Ok(true)
    }

    /// The message that a target should get now; the oldest first, so that nothing overtakes.
    pub fn due(&self, target: &str, now: u32) -> Result<Option<Notice>, StoreError> {
        let connection = self.0.connection();
        let row = connection
            .prepare_cached(
                "SELECT id, made, attempts, suppressed, due FROM notice WHERE target = ? AND state = 'waiting'
                 ORDER BY id LIMIT 1",
            )?
            .query_row([target], |row| {
                Ok((
                    Notice {
                        id: row.get(0)?,
                        made: row.get(1)?,
                        attempts: row.get(2)?,
                        suppressed: parsed(&row.get::<_, String>(3)?),
                        events: Vec::new(),
                    },
                    row.get::<_, u32>(4)?,
                ))
            })
            .optional()?;
        let Some((mut notice, due)) = row else {
            return Ok(None);
        };
        let set_back = due.saturating_sub(now) > super::backoff::TOO_OLD;
        if due > now && !set_back {
            return Ok(None);
        }
        notice.events = events(connection, notice.id)?;
        if notice.events.is_empty() && notice.suppressed.is_empty() {
            // The clients that it was about were forgotten.
            connection.execute("DELETE FROM notice WHERE id = ?", [notice.id])?;
            return Ok(None);
        }
        Ok(Some(notice))
    }

    /// Writes down what became of an attempt.
    pub fn ended(&self, target: &str, notice: i64, next: &Next, now: u32) -> Result<(), StoreError> {
        let transaction = self.0.write()?;
        let (word, due, error) = match next {
            Next::Sent => ("sent", now, ""),
            Next::Failed(why) => ("failed", now, why.as_str()),
            Next::At(at, why) => ("waiting", *at, why.as_str()),
        };
        transaction.execute(
            "UPDATE notice SET state = ?, due = ?, error = ?, attempts = attempts + 1 WHERE id = ?",
            (word, due, error, notice),
        )?;
        let column = match next {
            Next::Sent => Some("sent"),
            Next::Failed(_) => Some("failed"),
            Next::At(..) => None,
        };
        if let Some(column) = column {
            let sql = format!("UPDATE notice_target SET {column} = {column} + 1 WHERE name = ?");
            transaction.execute(&sql, [target])?;
            let before = now.saturating_sub(KEPT);
            transaction.execute(
                "DELETE FROM notice WHERE state <> 'waiting' AND due < ?",
                [before],
            )?;
            transaction.execute(
                "DELETE FROM notice_event WHERE at < ? AND id NOT IN (SELECT event FROM notice_item)",
                [before],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// What events of a kind left to be compared with, since a Unix second.
    pub fn marks(&self, kind: Topic, since: u32) -> Result<Vec<String>, StoreError> {
        let mut select = self.0.connection().prepare_cached(
            "SELECT mark FROM notice_event WHERE kind = ? AND at >= ? AND mark <> '' ORDER BY id",
        )?;
        let marks = select.query_map((kind.as_str(), since), |row| row.get(0))?;
        Ok(marks.collect::<Result<_, _>>()?)
    }

    /// Up to where was looked.
    pub fn cursor(&self, name: &str) -> Result<Option<String>, StoreError> {
        let select = "SELECT value FROM setting WHERE name = ?";
        let value = self.0.connection().query_row(select, [name], |row| row.get(0));
        Ok(value.optional()?)
    }

    /// How these targets are doing; one that was never told anything has zeros.
    pub fn tallies(&self, targets: impl IntoIterator<Item = String>) -> Result<Vec<Tally>, StoreError> {
        targets.into_iter().map(|target| self.tally(target)).collect()
    }

    fn tally(&self, target: String) -> Result<Tally, StoreError> {
        let connection = self.0.connection();
        let counts = connection
            .prepare_cached("SELECT sent, failed, spared FROM notice_target WHERE name = ?")?
            .query_row([&target], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
            .optional()?;
        let [sent, failed, suppressed] = counts.unwrap_or([0_i64; 3]).map(i64::cast_unsigned);
        let items: i64 = connection.query_row(
            "SELECT COUNT(*) FROM notice_item WHERE target = ? AND notice IS NULL",
            [&target],
            |row| row.get(0),
        )?;
        let (notices, due): (i64, Option<u32>) = connection.query_row(
            "SELECT COUNT(*), MIN(due) FROM notice WHERE target = ? AND state = 'waiting'",
            [&target],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let newest = "SELECT error FROM notice WHERE target = ? ORDER BY id DESC LIMIT 1";
        let error: Option<String> = connection
            .query_row(newest, [&target], |row| row.get(0))
            .optional()?;
        Ok(Tally {
            sent,
            failed,
            suppressed,
            waiting: (items + notices).cast_unsigned(),
            due,
            error: error.filter(|error| !error.is_empty()),
            target,
        })
    }
}

/// Lets an event wait for a target, or counts it where too many wait.
fn wait(
    transaction: &Transaction<'_>,
    target: &str,
    event: i64,
    kind: Topic,
    now: u32,
) -> Result<(), StoreError> {
    let (_, mut suppressed) = state(transaction, target, now)?;
    let count: i64 = transaction
        .prepare_cached("SELECT COUNT(*) FROM notice_item WHERE target = ? AND notice IS NULL")?
        .query_row([target], |row| row.get(0))?;
    if count < MOST_WAITING {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO notice_item (target, event) VALUES (?, ?)")?
            .execute((target, event))?;
        return Ok(());
    }
    *suppressed.entry(kind).or_default() += 1;
    transaction
        .prepare_cached("UPDATE notice_target SET suppressed = ?, spared = spared + 1 WHERE name = ?")?
        .execute((json(&suppressed), target))?;
    Ok(())
}

/// What a target has left, and what it was spared since its last message.
fn state(connection: &Connection, target: &str, now: u32) -> Result<(Bucket, Suppressed), StoreError> {
    let full = Bucket::full(now);
    connection
        .prepare_cached(
            "INSERT INTO notice_target (name, tokens, filled) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute((target, full.tokens, full.filled))?;
    let row = connection
        .prepare_cached("SELECT tokens, filled, suppressed FROM notice_target WHERE name = ?")?
        .query_row([target], |row| {
            let bucket = Bucket {
                tokens: row.get(0)?,
                filled: row.get(1)?,
            };
            Ok((bucket, parsed(&row.get::<_, String>(2)?)))
        })?;
    Ok(row)
}

/// Events that wait for a target, what cannot wait first.
fn waiting(connection: &Connection, target: &str) -> Result<Vec<(i64, Topic)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id, kind FROM notice_item JOIN notice_event ON id = event WHERE target = ? AND notice IS NULL
         ORDER BY id",
    )?;
    let rows = select.query_map([target], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let mut waiting = Vec::new();
    for row in rows {
        let (event, kind) = row?;
        waiting.extend(Topic::from_word(&kind).map(|kind| (event, kind)));
    }
    waiting.sort_by_key(|(event, kind)| (*kind, *event));
    Ok(waiting)
}

fn events(connection: &Connection, notice: i64) -> Result<Vec<Event>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT document FROM notice_item JOIN notice_event ON id = event WHERE notice = ? ORDER BY id",
    )?;
    let rows = select.query_map(params![notice], |row| row.get::<_, String>(0))?;
    let mut events: Vec<Event> = Vec::new();
    for row in rows {
        events.extend(serde_json::from_str::<Event>(&row?).ok());
    }
    events.sort_by_key(|event| event.kind);
    Ok(events)
}

fn set(connection: &Connection, name: &str, value: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute((name, value))?;
    Ok(())
}

fn json(suppressed: &Suppressed) -> String {
    serde_json::to_string(suppressed).unwrap_or_else(|_| "{}".to_owned())
}

fn parsed(text: &str) -> Suppressed {
    serde_json::from_str(text).unwrap_or_default()
}
