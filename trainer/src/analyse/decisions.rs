//! What the module decided in a time, from the samples in the store.

use std::collections::BTreeMap;

use crate::registry::history::{Change, History};
use crate::report::Span;
use crate::store::{Class, PeriodRow, Store, StoreError};

/// Networks that are told apart; samples of others are counted in the totals only.
const MAX_NETWORKS: usize = 20_000;

/// Samples of a network, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Of requests that were let through.
    pub passed: u64,
    /// Of bots that proved to be who they are, and of allowed networks.
    pub allowed: u64,
    /// Suspect, rejected, trapped.
    pub flagged: u64,
    /// Of these, stopped in fact.
    pub stopped: u64,
    /// Of clients that are labelled human.
    pub human: u64,
}

impl Judged {
    fn take(&mut self, row: &PeriodRow) {
        match row.verdict.as_str() {
            "ALLOWED" => self.allowed += 1,
            "SUSPECT" | "REJECTED_DRY_RUN" => self.flagged += 1,
            "REJECTED" | "TRAPPED" => {
                self.flagged += 1;
                self.stopped += 1;
            }
            _ => self.passed += 1,
        }
        self.human += u64::from(row.class == Some(Class::Human));
    }
}

/// All of them, before and since.
#[derive(Debug, Default)]
pub struct Decisions {
    /// Totals of the two parts.
    pub totals: (Judged, Judged),
    /// Since, by network as the store names it.
    pub networks: BTreeMap<String, Judged>,
    /// Changes of the champion in the time.
    pub promotions: Vec<Change>,
}

/// Reads the store.
///
/// # Errors
/// The store's.
pub fn read(store: &Store, span: Span, split: u32) -> Result<Decisions, StoreError> {
    let mut decisions = Decisions::default();
    let mut after = (span.from, 0);
    loop {
        let rows = store.period(&span.range(), None, after)?;
        let Some(last) = rows.last() else { break };
        after = (last.at, last.seq);
        for row in &rows {
            decisions.take(row, split);
        }
    }
    let changes = History::of(store.connection()).changes()?;
    decisions.promotions = changes
        .into_iter()
        .filter(|change| u32::try_from(change.at).is_ok_and(|at| span.holds(at)))
        .collect();
    Ok(decisions)
}

impl Decisions {
    fn take(&mut self, row: &PeriodRow, split: u32) {
        if row.at < split {
            self.totals.0.take(row);
            return;
        }
        self.totals.1.take(row);
        if self.networks.len() < MAX_NETWORKS || self.networks.contains_key(&row.network) {
            self.networks.entry(row.network.clone()).or_default().take(row);
        }
    }
}
