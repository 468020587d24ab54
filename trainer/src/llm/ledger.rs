//! What language models cost, kept in the store.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::OptionalExtension;
use sekisho_llm::{Cost, Entry, Ledger, LedgerError, Spend};
use serde::Serialize;

use crate::store::{Store, StoreError};
use crate::visible::escaped;

/// Entries older than this go, in seconds: a year and a month, so that months can be compared.
const KEPT: u64 = 400 * 86_400;

/// Serving models that are told apart: their names are the providers' words.
const MOST_MODELS: u32 = 50;
/// Characters of such a name.
const MOST_NAME: usize = 80;

/// How a target did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests.
    pub attempts: u64,
    /// Of them, those without an answer.
    pub failures: u64,
    /// Class of the last failure.
    pub last_error: Option<String>,
    /// Half of the requests took no longer, in milliseconds.
    pub half_ms: Option<u64>,
    /// 95 in a hundred took no longer.
    pub most_ms: Option<u64>,
}

/// What a model cost in a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelCost {
    /// The target.
    pub provider: String,
    /// The model that served, by its own word, made visible; the one that was asked where none answered.
    pub model: String,
    /// Requests.
    pub attempts: u64,
    /// Of them, those with an answer.
    pub answered: u64,
    /// Tokens of prompts, as far as the provider said.
    pub tokens_in: u64,
    /// Tokens of answers, likewise.
    pub tokens_out: u64,
    /// Cost of what has a price, in the currency's unit.
    pub cost: f64,
    /// Requests whose cost is not known.
    pub unpriced: u64,
}

/// The table `attempt` of a store.
#[derive(Debug)]
pub struct StoreLedger(Mutex<Store>);

impl StoreLedger {
    /// Over a connection of its own.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn open(path: &Path) -> Result<StoreLedger, StoreError> {
        Ok(StoreLedger(Mutex::new(Store::open_existing(path)?)))
    }

    fn with<T>(&self, question: impl FnOnce(&Store) -> Result<T, StoreError>) -> Result<T, LedgerError> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        question(&store).map_err(|error| LedgerError(error.to_string()))
    }
}

impl Ledger for StoreLedger {
    fn record(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.with(|store| store.book(entry))
    }

    fn spent(&self, since: u64) -> Result<Spend, LedgerError> {
        self.with(|store| store.spent(since))
    }
}

impl Store {
    /// Books one request to a language model.
    pub fn book(&self, entry: &Entry) -> Result<(), StoreError> {
        let nanos = match entry.cost {
            Cost::Nothing => Some(0),
            Cost::Nanos(nanos) => Some(nanos.cast_signed()),
            Cost::Unpriced => None,
        };
        let transaction = self.write()?;
        transaction
            .prepare_cached(
                "INSERT INTO attempt (at, operation, provider, model, served, outcome, duration_ms, tokens_in, tokens_out,
                     nanos) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                entry.at.cast_signed(),
                &entry.operation,
                &entry.provider,
                &entry.model,
                &entry.served,
                &entry.outcome,
                entry.duration_ms.cast_signed(),
                entry.tokens_in.map(u64::cast_signed),
                entry.tokens_out.map(u64::cast_signed),
                nanos,
            ))?;
        transaction.execute(
            "DELETE FROM attempt WHERE at < ?",
            [entry.at.saturating_sub(KEPT).cast_signed()],
        )?;
        Ok(transaction.commit()?)
    }

    /// What was spent from a Unix second on.
    pub fn spent(&self, since: u64) -> Result<Spend, StoreError> {
        let select = "SELECT COALESCE(SUM(nanos), 0), COALESCE(SUM(COALESCE(tokens_in, 0) + COALESCE(tokens_out, 0)), 0),
                COUNT(*), COUNT(*) - COUNT(nanos) FROM attempt WHERE at >= ?";
        let spent = self
            .connection()
            .prepare_cached(select)?
            .query_row([since.cast_signed()], |row| {
                let number =
                    |place: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(place)?.cast_unsigned());
                Ok(Spend {
                    nanos: number(0)?,
                    tokens: number(1)?,
                    attempts: number(2)?,
                    unpriced: number(3)?,
                })
            });
        Ok(spent?)
    }

    /// What language models cost from a Unix second on, before another, by target and serving model, the dearest first.
    pub fn llm_costs(&self, range: &Range<u32>) -> Result<Vec<ModelCost>, StoreError> {
        let mut select = self.connection().prepare_cached(
            "SELECT provider, COALESCE(served, model) AS serving, COUNT(*), COUNT(*) FILTER (WHERE outcome = 'ok'),
                COALESCE(SUM(tokens_in), 0), COALESCE(SUM(tokens_out), 0), COALESCE(SUM(nanos), 0),
                COUNT(*) - COUNT(nanos)
             FROM attempt WHERE at >= ? AND at < ? GROUP BY provider, serving
             ORDER BY SUM(nanos) DESC, COUNT(*) DESC, provider, serving LIMIT ?",
        )?;
        let rows = select.query_map((range.start, range.end, MOST_MODELS), |row| {
            let number = |place: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(place)?.cast_unsigned());
            Ok(ModelCost {
                provider: row.get(0)?,
                model: escaped(row.get::<_, String>(1)?.as_bytes(), MOST_NAME),
                attempts: number(2)?,
                answered: number(3)?,
                tokens_in: number(4)?,
                tokens_out: number(5)?,
                cost: number(6)? as f64 / 1e9,
                unpriced: number(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How a target did since a Unix second.
    pub fn attempts(&self, provider: &str, model: &str, since: u64) -> Result<Seen, StoreError> {
        let which = (since.cast_signed(), provider, model);
        let connection = self.connection();
        let (attempts, failures) = connection
            .prepare_cached(
                "SELECT COUNT(*), COUNT(*) FILTER (WHERE outcome <> 'ok') FROM attempt
                 WHERE at >= ? AND provider = ? AND model = ?",
            )?
            .query_row(which, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let last_error = connection
            .prepare_cached(
                "SELECT outcome FROM attempt WHERE at >= ? AND provider = ? AND model = ? AND outcome <> 'ok'
                 ORDER BY id DESC LIMIT 1",
            )?
            .query_row(which, |row| row.get(0))
            .optional()?;
        // The nearest rank: of a hundred, the fiftieth.
        let percentile = |percent: i64| {
            connection
                .prepare_cached(
                    "SELECT duration_ms FROM attempt WHERE at >= ? AND provider = ? AND model = ?
                     ORDER BY duration_ms LIMIT 1 OFFSET ?",
                )?
                .query_row(
                    (which.0, provider, model, (attempts * percent - 1).max(0) / 100),
                    |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()),
                )
                .optional()
        };
        Ok(Seen {
            attempts: attempts.cast_unsigned(),
            failures: failures.cast_unsigned(),
            last_error,
            half_ms: percentile(50)?,
            most_ms: percentile(95)?,
        })
    }
}
