//! What is too old, or too much, goes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::explained::drop_snapshots;
use super::{Store, StoreError};

/// Samples that one transaction deletes: some tens of milliseconds during which nothing is stored.
const CHUNK: u32 = 2000;
/// Of the bound in bytes so much is used after something had to go, in hundredths: the next samples find room.
const FILL: u64 = 90;
/// Free pages given back to the disk in one step.
const PAGES_BACK: u32 = 4096;

/// So far may a clock be ahead of what the store has seen before it is doubted, in seconds: who collects once a week
/// notices nothing.
const AHEAD: u32 = 7 * 86_400;
/// So far may it be behind, in seconds: two machines' clocks differ by less.
const BEHIND: u32 = 3600;
/// Name of the last trusted time in the table `setting`.
const CLOCK: &str = "retention.clock";

/// By when the age of samples is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// This is the time.
    Known(u32),
    /// The machine's clock is so many seconds ahead of what the store has seen; ages are measured by this time.
    Ahead(u32, u32),
    /// It is so many seconds behind: nothing is too old.
    Behind(u32),
}

impl Age {
    /// What a machine's clock `now` is worth to a store that was at `seen` before.
    fn of(now: u32, seen: Option<u32>) -> Age {
        let seen = seen.unwrap_or(now);
        let latest = seen.saturating_add(AHEAD);
        if now > latest {
            Age::Ahead(now - seen, latest)
        } else if now < seen.saturating_sub(BEHIND) {
            Age::Behind(seen - now)
        } else {
            Age::Known(now)
        }
    }
}

/// How long, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Samples older than this go, in seconds.
    pub seconds: u32,
    /// The oldest go when more than so many bytes are used.
    pub bytes: u64,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Samples.
    pub samples: u64,
    /// Clients of which nothing is left.
    pub clients: u64,
}

impl Store {
    /// Deletes what is too old at Unix second `now`, then what is too much. Clients go with their last sample, and
    /// their labels with them; one that an operator labelled stays.
    pub fn prune(&self, retention: Retention, now: u32) -> Result<Pruned, StoreError> {
        let cutoff = now.saturating_sub(retention.seconds);
        let mut pruned = Pruned::default();
        loop {
            let gone = self.prune_chunk(cutoff, cutoff)?;
            pruned.add(gone);
            if gone.samples < u64::from(CHUNK) {
                break;
            }
        }
        self.connection
            .execute("DELETE FROM aside WHERE arrived < ?", [cutoff])?;
        self.connection
            .execute("DELETE FROM file WHERE seen < ?", [cutoff])?;
        self.connection
            .execute("DELETE FROM snapshot WHERE at < ?", [cutoff])?;
        self.prune_traffic(cutoff, now)?;
        self.prune_decisions(cutoff)?;
        if self.used_bytes()? > retention.bytes {
            let aim = retention.bytes / 100 * FILL;
            while self.used_bytes()? > aim {
                let gone = self.prune_chunk(u32::MAX, cutoff)?;
                pruned.add(gone);
                if gone.samples == 0 {
                    break;
                }
            }
        }
        if pruned.samples > 0 {
            self.connection
                .execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_BACK})"))?;
        }
        Ok(pruned)
    }

    /// The last time that was trusted, or that of the newest sample; nothing in an empty store.
    pub fn clock(&self) -> Result<Option<u32>, StoreError> {
        let kept: Option<String> = self
            .connection
            .query_row("SELECT value FROM setting WHERE name = ?", [CLOCK], |row| {
                row.get(0)
            })
            .optional()?;
        match kept.and_then(|text| text.parse().ok()) {
            Some(at) => Ok(Some(at)),
            None => self.newest(),
        }
    }

    fn newest(&self) -> Result<Option<u32>, StoreError> {
        let newest = "SELECT MAX(aged) FROM sample";
        Ok(self.connection.query_row(newest, [], |row| row.get(0))?)
    }

    /// Writes that it is this time.
    pub fn set_clock(&self, at: u32) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (CLOCK, at.to_string()),
        )?;
        Ok(())
    }

    /// By when ages are measured where nobody watches the clock of the machine, which says that it is `now`; `seen` is
    /// what [`Store::clock`] said before this call took anything. A clock that is years ahead deletes at most a week more
    /// each time, and one that was set back deletes nothing.
    pub fn age(&self, now: u32, seen: Option<u32>) -> Result<Age, StoreError> {
        let age = Age::of(now, seen);
        self.set_clock(match age {
            Age::Known(at) | Age::Ahead(_, at) => at,
            // Now or before the clock was wrong: the samples tell.
            Age::Behind(_) => self.newest()?.map_or(now, |newest| newest.max(now)),
        })?;
        Ok(age)
    }

    /// Deletes the oldest samples before `cutoff`, and clients without any that were last seen before `idle` or lost
    /// theirs just now.
    fn prune_chunk(&self, cutoff: u32, idle: u32) -> Result<Pruned, StoreError> {
        let transaction = self.write()?;
        let mut gone: BTreeMap<i64, u64> = BTreeMap::new();
        {
            let mut delete = transaction.prepare_cached(
                "DELETE FROM sample WHERE seq IN (SELECT seq FROM sample WHERE aged < ? ORDER BY aged LIMIT ?)
                 RETURNING client",
            )?;
            let mut clients = delete.query((cutoff, CHUNK))?;
            while let Some(row) = clients.next()? {
                *gone.entry(row.get(0)?).or_default() += 1;
            }
        }
        let mut pruned = Pruned::default();
        for (&client, &samples) in &gone {
            transaction
                .prepare_cached("UPDATE client SET samples = samples - ? WHERE id = ?")?
                .execute((samples.cast_signed(), client))?;
            pruned.samples += samples;
            pruned.clients += u64::from(drop_if_empty(&transaction, client)?);
        }
        // A client that was named in advance and never came has no sample to lose.
        if gone.is_empty() {
            let empty: Vec<i64> = transaction
                .prepare_cached("SELECT id FROM client WHERE last < ? AND samples = 0 LIMIT ?")?
                .query_map((idle, CHUNK), |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for client in empty {
                pruned.clients += u64::from(drop_if_empty(&transaction, client)?);
            }
        }
        transaction.commit()?;
        Ok(pruned)
    }
}

impl Pruned {
    fn add(&mut self, other: Pruned) {
        self.samples += other.samples;
        self.clients += other.clients;
    }
}

fn drop_if_empty(connection: &Connection, client: i64) -> Result<bool, StoreError> {
    let stays = "SELECT samples > 0 OR EXISTS
        (SELECT 1 FROM label WHERE client = ?1 AND origin = 'operator') FROM client WHERE id = ?1";
    if connection
        .prepare_cached(stays)?
        .query_row([client], |row| row.get(0))?
    {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM label WHERE client = ?")?
        .execute([client])?;
    drop_snapshots(connection, client)?;
    connection
        .prepare_cached("DELETE FROM client WHERE id = ?")?
        .execute([client])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_worth_what_the_store_has_seen() {
        const SEEN: u32 = 1_800_000_000;
        #[track_caller]
        fn check(now: u32, seen: Option<u32>, expected: Age) {
            assert_eq!(Age::of(now, seen), expected);
        }
        check(SEEN, None, Age::Known(SEEN));
        check(SEEN, Some(SEEN), Age::Known(SEEN));
        check(SEEN + AHEAD, Some(SEEN), Age::Known(SEEN + AHEAD));
        check(SEEN + AHEAD + 1, Some(SEEN), Age::Ahead(AHEAD + 1, SEEN + AHEAD));
        check(u32::MAX, Some(SEEN), Age::Ahead(u32::MAX - SEEN, SEEN + AHEAD));
        check(SEEN - BEHIND, Some(SEEN), Age::Known(SEEN - BEHIND));
        check(SEEN - BEHIND - 1, Some(SEEN), Age::Behind(BEHIND + 1));
        check(0, Some(SEEN), Age::Behind(SEEN));
        check(u32::MAX, Some(u32::MAX - 5), Age::Known(u32::MAX));
    }
}
