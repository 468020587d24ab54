//! What is counted, and how Prometheus reads it.

mod histogram;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::latency::Latency;
use crate::outcome::{Ended, Outcome};
use crate::price::Cost;
use crate::status::Claims;
use histogram::{Histogram, line};

/// Names of serving models without a price that are kept: the names are the providers' words.
const MOST_UNPRICED: usize = 20;

/// Provider and model, as configured: few, and no client's text.
type Model = (String, String);

/// All counts of a chain.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    models: BTreeMap<Model, Figures>,
    operations: BTreeMap<(&'static str, &'static str), Histogram>,
    fallbacks: BTreeMap<(&'static str, &'static str), u64>,
    all: Operations,
    unpriced: BTreeSet<String>,
}

/// Counts of one target.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    durations: BTreeMap<&'static str, Histogram>,
    tokens_in: u64,
    tokens_out: u64,
    cost: f64,
    unpriced: u64,
    /// Requests.
    pub attempts: u64,
    /// Of them, those without an answer.
    pub failures: u64,
    /// Label of the last failure.
    pub last_error: Option<String>,
    /// Of the last requests.
    pub latency: Latency,
    /// What the caller told of them.
    pub claims: Claims,
}

/// Counts of all operations.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// Questions.
    pub count: u64,
    /// Of them, those with an answer.
    pub answered: u64,
    /// Of the last ones, over all their targets.
    pub latency: Latency,
}

/// A breaker as it is shown.
pub struct BreakerState<'a> {
    /// Target.
    pub provider: &'a str,
    /// Its model.
    pub model: &'a str,
    /// `closed`, `open`, `half-open`.
    pub label: &'static str,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation with all its attempts.
    pub fn record(&self, operation: &'static str, outcome: &Outcome) {
        let mut counts = self.counts();
        for attempt in &outcome.attempts {
            let key = (attempt.provider.clone(), attempt.model.clone());
            let figures = counts.models.entry(key).or_default();
            figures
                .durations
                .entry(attempt.label())
                .or_default()
                .add(attempt.duration);
            figures.latency.add(attempt.duration);
            figures.attempts += 1;
            figures.tokens_in = figures.tokens_in.saturating_add(attempt.tokens_in.unwrap_or(0));
            figures.tokens_out = figures.tokens_out.saturating_add(attempt.tokens_out.unwrap_or(0));
            figures.cost += attempt.cost.known();
            if attempt.error.is_some() {
                figures.failures += 1;
                figures.last_error = Some(attempt.label().to_owned());
            }
            if attempt.cost == Cost::Unpriced {
                figures.unpriced += 1;
                let name = attempt.served.as_ref().unwrap_or(&attempt.model);
                if counts.unpriced.len() < MOST_UNPRICED {
                    counts.unpriced.insert(name.clone());
                }
            }
        }
        let is_answered = matches!(outcome.ended, Ended::Answered(_));
        let ended = if is_answered { "answered" } else { "unanswered" };
        counts
            .operations
            .entry((operation, ended))
            .or_default()
            .add(outcome.duration);
        counts.all.count += 1;
        counts.all.answered += u64::from(is_answered);
        counts.all.latency.add(outcome.duration);
        if let Some(reason) = outcome.fallback {
            let to = if is_answered { "target" } else { "text" };
            *counts.fallbacks.entry((reason, to)).or_default() += 1;
        }
    }

    /// Counts claims of a model.
    pub fn claims(&self, provider: &str, model: &str, kept: u64, dropped: u64) {
        let mut counts = self.counts();
        let key = (provider.to_owned(), model.to_owned());
        let claims = &mut counts.models.entry(key).or_default().claims;
        claims.kept = claims.kept.saturating_add(kept);
        claims.dropped = claims.dropped.saturating_add(dropped);
    }

    /// Of one target.
    pub fn of_target(&self, provider: &str, model: &str) -> Figures {
        let key = (provider.to_owned(), model.to_owned());
        self.counts().models.get(&key).cloned().unwrap_or_default()
    }

    /// Of all operations.
    pub fn operations(&self) -> Operations {
        self.counts().all.clone()
    }

    /// Serving models that have no price.
    pub fn unpriced_models(&self) -> Vec<String> {
        self.counts().unpriced.iter().cloned().collect()
    }

    /// Prometheus's text format, version 0.0.4.
    pub fn render(&self, currency: &str, breakers: &[BreakerState<'_>]) -> String {
        let counts = self.counts();
        let mut text = String::new();
        counts.render_models(currency, &mut text);
        let name = "sekisho_llm_operation_duration_seconds";
        head(
            &mut text,
            name,
            "histogram",
            "Whole operations, over all targets, waits and retries.",
        );
        for ((operation, ended), histogram) in &counts.operations {
            let labels = format!("operation=\"{}\",outcome=\"{ended}\",", quoted(operation));
            histogram.render(name, &labels, &mut text);
        }
        let name = "sekisho_llm_fallbacks_total";
        head(
            &mut text,
            name,
            "counter",
            "Operations that the first target did not answer.",
        );
        for ((reason, to), count) in &counts.fallbacks {
            line(
                &mut text,
                format_args!("{name}{{reason=\"{reason}\",to=\"{to}\"}} {count}"),
            );
        }
        let name = "sekisho_llm_breaker_state";
        head(
            &mut text,
            name,
            "gauge",
            "1 for the state that the breaker is in.",
        );
        for breaker in breakers {
            for state in ["closed", "half-open", "open"] {
                let (provider, model) = (quoted(breaker.provider), quoted(breaker.model));
                let labels = format!("provider=\"{provider}\",model=\"{model}\",state=\"{state}\"");
                let is_in = u8::from(state == breaker.label);
                line(&mut text, format_args!("{name}{{{labels}}} {is_in}"));
            }
        }
        text
    }
}

impl Counts {
    fn render_models(&self, currency: &str, text: &mut String) {
        let name = "sekisho_llm_attempt_duration_seconds";
        head(text, name, "histogram", "Single requests to a model.");
        for (model, figures) in &self.models {
            for (outcome, histogram) in &figures.durations {
                let labels = format!("{},outcome=\"{outcome}\",", labels(model));
                histogram.render(name, &labels, text);
            }
        }
        let name = "sekisho_llm_tokens_total";
        head(text, name, "counter", "Tokens, as the providers count them.");
        for (model, figures) in &self.models {
            let labels = labels(model);
            line(
                text,
                format_args!("{name}{{{labels},direction=\"input\"}} {}", figures.tokens_in),
            );
            line(
                text,
                format_args!("{name}{{{labels},direction=\"output\"}} {}", figures.tokens_out),
            );
        }
        let name = "sekisho_llm_cost_total";
        head(
            text,
            name,
            "counter",
            "Cost of what has a price, in the currency.",
        );
        for (model, figures) in &self.models {
            let labels = labels(model);
            line(
                text,
                format_args!(
                    "{name}{{{labels},currency=\"{}\"}} {}",
                    quoted(currency),
                    figures.cost
                ),
            );
        }
        let name = "sekisho_llm_unpriced_total";
        head(text, name, "counter", "Requests whose cost is not known.");
        for (model, figures) in &self.models {
            line(
                text,
                format_args!("{name}{{{}}} {}", labels(model), figures.unpriced),
            );
        }
        let name = "sekisho_llm_claims_total";
        head(
            text,
            name,
            "counter",
            "Claims of models, after they were checked.",
        );
        for (model, figures) in &self.models {
            let labels = labels(model);
            line(
                text,
                format_args!("{name}{{{labels},outcome=\"kept\"}} {}", figures.claims.kept),
            );
            line(
                text,
                format_args!(
                    "{name}{{{labels},outcome=\"dropped\"}} {}",
                    figures.claims.dropped
                ),
            );
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn labels((provider, model): &Model) -> String {
    format!("provider=\"{}\",model=\"{}\"", quoted(provider), quoted(model))
}

/// A label's value with what the format gives a meaning escaped.
fn quoted(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
