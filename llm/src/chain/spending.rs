//! What may still be spent, and booking what was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::time::timeout_at;

use super::{Chain, SLACK, as_millis};
use crate::budget::Period;
use crate::clock::{Clock, seconds};
use crate::ledger::{Entry, LedgerError, Spend};
use crate::outcome::{Attempt, Reason};
use crate::question::Question;

impl Chain {
    /// A new run begins: its budget is untouched.
    pub fn begin_run(&self) {
        *locked(&self.run) = Spend::default();
    }

    /// What was spent since `period` began.
    pub(super) fn spent(&self, period: Period, now: SystemTime) -> Result<Spend, LedgerError> {
        if period == Period::Run {
            return Ok(*locked(&self.run));
        }
        let spent = self.ledger.spent(period.began(seconds(now)))?;
        Ok(spent.plus(*locked(&self.unbooked)))
    }

    /// Whether every budget has something left. Questions under way at once may each overdraw it by one attempt.
    pub(super) async fn may_spend(&self, clock: &Clock) -> Result<(), Reason> {
        for period in Period::ALL {
            let limit = *self.config.budget.of(period);
            if !limit.is_set() {
                continue;
            }
            let spent = match period {
                Period::Run => *locked(&self.run),
                Period::Day | Period::Month => {
                    let (ledger, since) = (Arc::clone(&self.ledger), period.began(seconds(clock.now())));
                    let reading = tokio::task::spawn_blocking(move || ledger.spent(since));
                    let Ok(Ok(Ok(spent))) = timeout_at(clock.end(), reading).await else {
                        return Err(Reason::Ledger);
                    };
                    spent.plus(*locked(&self.unbooked))
                }
            };
            if limit.is_used_up(&spent) {
                return Err(Reason::Budget(period));
            }
        }
        Ok(())
    }

    /// Books an attempt: it is on record before its answer is used.
    pub(super) async fn book(&self, question: &Question, attempt: &Attempt, clock: &Clock) {
        let entry = Entry {
            at: seconds(clock.now()),
            operation: question.operation.to_owned(),
            provider: attempt.provider.clone(),
            model: attempt.model.clone(),
            served: attempt.served.clone(),
            outcome: attempt.label().to_owned(),
            duration_ms: as_millis(attempt.duration),
            tokens_in: attempt.tokens_in,
            tokens_out: attempt.tokens_out,
            cost: attempt.cost,
        };
        locked(&self.run).add(&entry);
        let (ledger, copy) = (Arc::clone(&self.ledger), entry.clone());
        let writing = tokio::task::spawn_blocking(move || ledger.record(&copy));
        let failure = match timeout_at(clock.end() + SLACK / 2, writing).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it was not done in time".to_owned(),
        };
        tracing::warn!(
            failure,
            "an attempt could not be booked; it counts until this process ends"
        );
        locked(&self.unbooked).add(&entry);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
