//! What others may know of a chain: metrics, spans, its status.

use std::time::SystemTime;

use super::Chain;
use crate::budget::Period;
use crate::clock::millis;
use crate::metrics::BreakerState;
use crate::outcome::Outcome;
use crate::question::Question;
use crate::status::{PeriodStatus, Status, TargetStatus};

impl Chain {
    pub(super) fn watch(&self, question: &Question, outcome: &Outcome, now: SystemTime) {
        self.metrics.record(question.operation, outcome);
        if let Some(telemetry) = &self.telemetry {
            telemetry.record(question, outcome, now, &self.config);
        }
    }

    /// Says how many claims of a model's answer were kept and how many dropped, after the caller checked them.
    pub fn claims(&self, provider: &str, model: &str, kept: u64, dropped: u64) {
        self.metrics.claims(provider, model, kept, dropped);
        if let Some(telemetry) = &self.telemetry {
            telemetry.claims(provider, model, kept, dropped);
        }
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self, now: SystemTime) -> String {
        let now = millis(now);
        let states = self
            .config
            .targets
            .iter()
            .enumerate()
            .map(|(index, target)| BreakerState {
                provider: &target.name,
                model: &target.model,
                label: self.breaker(index, |breaker| breaker.label(now)),
            });
        self.metrics
            .render(&self.config.currency, &states.collect::<Vec<_>>())
    }

    /// Everything an operator wants to know. Reads the ledger, so it may block.
    pub fn status(&self, now: SystemTime) -> Status {
        let moment = millis(now);
        let targets = self.config.targets.iter().enumerate().map(|(index, target)| {
            let figures = self.metrics.of_target(&target.name, &target.model);
            let (breaker, until) =
                self.breaker(index, |breaker| (breaker.label(moment), breaker.until(moment)));
            TargetStatus {
                name: target.name.clone(),
                kind: target.kind,
                model: target.model.clone(),
                base_url: target.base_url.clone(),
                local_only: target.local_only,
                breaker: breaker.to_owned(),
                open_until: until.map(|until| until / 1000),
                attempts: figures.attempts,
                failures: figures.failures,
                last_error: figures.last_error,
                p50_ms: figures.latency.percentile(50),
                p95_ms: figures.latency.percentile(95),
                claims: figures.claims,
            }
        });
        let periods = Period::ALL.map(|period| {
            let limit = self.config.budget.of(period);
            let spent = self.spent(period, now);
            PeriodStatus {
                period,
                used_up: spent
                    .as_ref()
                    .map(|spent| limit.is_used_up(spent))
                    .unwrap_or(limit.is_set()),
                error: spent.as_ref().err().map(ToString::to_string),
                spent: spent.unwrap_or_default(),
                limit: *limit,
            }
        });
        let operations = self.metrics.operations();
        Status {
            on: self.is_on(),
            currency: self.config.currency.clone(),
            targets: targets.collect(),
            operations: operations.count,
            answered: operations.answered,
            p50_ms: operations.latency.percentile(50),
            p95_ms: operations.latency.percentile(95),
            periods: periods.to_vec(),
            unpriced_models: self.metrics.unpriced_models(),
        }
    }

    /// Sends what telemetry still holds, for as long as its exporter allows.
    pub async fn flush(&self) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.flush().await;
        }
    }
}
