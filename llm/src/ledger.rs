//! What was spent, kept by whoever can keep it.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::price::Cost;

/// Entries the ledger in memory keeps: more than a run makes.
const MOST_ENTRIES: usize = 10_000;

/// One attempt, as it is booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it ended, unix seconds.
    pub at: u64,
    /// What the question was for.
    pub operation: String,
    /// Name of the target.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// Model that answered, by its own word: somebody else's text, bounded and without hidden characters.
    pub served: Option<String>,
    /// `ok`, or the class of the error.
    pub outcome: String,
    /// Of the attempt.
    pub duration_ms: u64,
    /// Tokens of the prompt, if the provider said.
    pub tokens_in: Option<u64>,
    /// Tokens of the answer, if the provider said.
    pub tokens_out: Option<u64>,
    /// What it costs.
    pub cost: Cost,
}

/// Sums over entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Billionths of the currency's unit, of what has a price.
    pub nanos: u64,
    /// Tokens in both directions.
    pub tokens: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts without a price.
    pub unpriced: u64,
}

impl Spend {
    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) {
        let tokens = [entry.tokens_in, entry.tokens_out].into_iter().flatten();
        self.tokens = tokens.fold(self.tokens, u64::saturating_add);
        self.attempts = self.attempts.saturating_add(1);
        match entry.cost {
            Cost::Nothing => {}
            Cost::Nanos(nanos) => self.nanos = self.nanos.saturating_add(nanos),
            Cost::Unpriced => self.unpriced = self.unpriced.saturating_add(1),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Spend) -> Spend {
        Spend {
            nanos: self.nanos.saturating_add(other.nanos),
            tokens: self.tokens.saturating_add(other.tokens),
            attempts: self.attempts.saturating_add(other.attempts),
            unpriced: self.unpriced.saturating_add(other.unpriced),
        }
    }
}

/// Why a ledger cannot be written or read.
#[derive(Clone, Debug, Error)]
#[error("the ledger of language models: {0}")]
pub struct LedgerError(
    /// What the store said.
    pub String,
);

/// Where attempts are booked. The methods may block: they are called from a thread that may wait.
pub trait Ledger: Send + Sync + 'static {
    /// Books an attempt; it must outlive this process.
    ///
    /// # Errors
    /// When it could not be kept. It then counts until the process ends.
    fn record(&self, entry: &Entry) -> Result<(), LedgerError>;

    /// What was spent at `since`, unix seconds, and later.
    ///
    /// # Errors
    /// When that cannot be told. Nothing more is then spent if a budget is set.
    fn spent(&self, since: u64) -> Result<Spend, LedgerError>;
}

/// A ledger that forgets with the process: for tests, and single runs without a store.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    entries: Mutex<Vec<Entry>>,
}

impl MemoryLedger {
    /// What was booked last, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Ledger for MemoryLedger {
    fn record(&self, entry: &Entry) -> Result<(), LedgerError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_ENTRIES {
            return Err(LedgerError(format!(
                "{MOST_ENTRIES} entries are the most in memory"
            )));
        }
        entries.push(entry.clone());
        Ok(())
    }

    fn spent(&self, since: u64) -> Result<Spend, LedgerError> {
        let mut spend = Spend::default();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter().filter(|entry| entry.at >= since) {
            spend.add(entry);
        }
        Ok(spend)
    }
}
