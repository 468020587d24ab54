//! Answers of language models that are kept, so that the same is not asked twice, and what became of their claims.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row};

use crate::store::{Store, StoreError};

/// An answer to exactly the same question serves so long, in seconds: thirty days, as samples do.
const EXACT: u32 = 30 * 86_400;
/// An answer about a client that is nearly the same serves so long: a week, within which a crawl is the same crawl.
const ALIKE: u32 = 7 * 86_400;
/// Answers kept at most; the oldest go.
const MOST: u32 = 100_000;

/// What an answer is found by: SHA-256 in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Of everything that is asked, and of who could answer.
    pub exact: String,
    /// The same with a coarser snapshot.
    pub likeness: String,
}

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// What it is found by.
    pub key: String,
    /// Target that gave it.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// The answer, JSON.
    pub value: String,
    /// Whether exactly this was asked, and not the same of a client that is nearly the same.
    pub exact: bool,
}

impl Store {
    /// The newest kept answer to a question, else to one about a client that is nearly the same.
    pub fn kept_answer(&self, keys: &Keys, now: u32) -> Result<Option<KeptAnswer>, StoreError> {
        let read = |exact| {
            move |row: &Row<'_>| {
                Ok(KeptAnswer {
                    provider: row.get(0)?,
                    model: row.get(1)?,
                    value: row.get(2)?,
                    key: row.get(3)?,
                    exact,
                })
            }
        };
        let connection = self.connection();
        let same = connection
            .prepare_cached("SELECT provider, model, value, key FROM answer WHERE key = ? AND at >= ?")?
            .query_row((&keys.exact, now.saturating_sub(EXACT)), read(true))
            .optional()?;
        if same.is_some() {
            return Ok(same);
        }
        let alike = connection
            .prepare_cached(
                "SELECT provider, model, value, key FROM answer WHERE likeness = ? AND at >= ? ORDER BY at DESC, key LIMIT 1",
            )?
            .query_row((&keys.likeness, now.saturating_sub(ALIKE)), read(false))
            .optional()?;
        Ok(alike)
    }

    /// Other answers about clients that are nearly the same than the one with this key, the newest first.
    pub fn answers_alike(
        &self,
        likeness: &str,
        except: &str,
        now: u32,
        limit: u32,
    ) -> Result<Vec<KeptAnswer>, StoreError> {
        let mut select = self.connection().prepare_cached(
            "SELECT provider, model, value, key FROM answer
             WHERE likeness = ? AND key <> ? AND at >= ? ORDER BY at DESC, key LIMIT ?",
        )?;
        let rows = select.query_map((likeness, except, now.saturating_sub(ALIKE), limit), |row| {
            Ok(KeptAnswer {
                provider: row.get(0)?,
                model: row.get(1)?,
                value: row.get(2)?,
                key: row.get(3)?,
                exact: false,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps an answer about a snapshot that is kept.
    pub fn keep_answer(
        &self,
        keys: &Keys,
        snapshot: &str,
        (provider, model, value): (&str, &str, &str),
        now: u32,
    ) -> Result<(), StoreError> {
        let transaction = self.write()?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute((&keys.exact, &keys.likeness, now, snapshot, provider, model, value))?;
        transaction.execute("DELETE FROM answer WHERE at < ?", [now.saturating_sub(EXACT)])?;
        transaction.execute(
            "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY at DESC LIMIT -1 OFFSET ?)",
            [MOST],
        )?;
        Ok(transaction.commit()?)
    }

    /// Counts what became of the claims of a model's answer: `kept`, or why not.
    pub fn count_claims(
        &self,
        provider: &str,
        model: &str,
        outcomes: &BTreeMap<String, u64>,
    ) -> Result<(), StoreError> {
        let transaction = self.write()?;
        for (outcome, count) in outcomes {
            transaction
                .prepare_cached(
                    "INSERT INTO claim VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (provider, model, outcome) DO UPDATE SET count = count + excluded.count",
                )?
                .execute((provider, model, outcome, count.cast_signed()))?;
        }
        Ok(transaction.commit()?)
    }

    /// What became of all claims of a model so far.
    pub fn claims_of(&self, provider: &str, model: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut select = self
            .connection()
            .prepare_cached("SELECT outcome, count FROM claim WHERE provider = ? AND model = ?")?;
        let rows = select.query_map((provider, model), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
