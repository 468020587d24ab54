//! The analysis as data. Its names are those of `--format json`, and stay.

use serde::Serialize;

use super::access::{Counts, Kind};
use super::evidence::{Evidence, Pair, Shift, Split};
use super::hypotheses::{Hypothesis, hypotheses};
use super::metrics::Changed;
use crate::report::Span;

/// Kinds of requests and of messages that are told.
const KINDS: usize = 10;
/// Metrics that are told.
const METRICS: usize = 20;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Analysis {
    /// What the operator said, made visible.
    pub event: String,
    /// The time.
    pub span: Span,
    /// Where before ends.
    pub split: Split,
    /// What was read.
    pub seen: Seen,
    /// Counts of the logs that changed their level.
    pub shifts: Vec<Shift>,
    /// Metrics that changed their level; others are left out.
    pub metrics: Vec<Changed>,
    /// Kinds of requests that came more often, those that grew most first.
    pub requests: Vec<Kind>,
    /// Kinds of messages of the error log that came more often.
    pub messages: Vec<Kind>,
    /// Kinds of requests that the event's words name.
    pub named: Vec<Kind>,
    /// What may have happened, the likeliest first.
    pub hypotheses: Vec<Hypothesis>,
    /// What to know before trusting it.
    pub notes: Vec<String>,
}

/// What was read.
#[derive(Debug, Default, Serialize)]
pub struct Seen {
    /// Requests of the access logs before and since; absent without one.
    pub access: Option<(Counts, Counts)>,
    /// How long these two are, seconds.
    pub access_seconds: Option<(f64, f64)>,
    /// Messages of the error logs.
    pub error_lines: Option<u64>,
    /// Series of metrics.
    pub series: Option<usize>,
    /// Samples of flagged requests in the store before and since.
    pub flagged: Option<(u64, u64)>,
}

impl Analysis {
    /// What the evidence says of an event.
    pub fn of(event: String, evidence: &Evidence, series: Option<usize>, mut notes: Vec<String>) -> Analysis {
        let access = evidence.access.as_ref();
        let errors = evidence.errors.as_ref();
        if let Some(access) = access.filter(|access| access.beyond > 0) {
            notes.push(format!(
                "{} requests are of networks beyond those that are looked at one by one",
                access.beyond
            ));
        }
        let requests = access.map_or(Vec::new(), |access| rising(&access.kinds, access.seconds));
        let messages = errors.map_or(Vec::new(), |errors| rising(&errors.kinds, evidence.seconds()));
        Analysis {
            event,
            span: evidence.span,
            split: evidence.split,
            seen: Seen {
                access: access.map(|access| access.totals),
                access_seconds: access.map(|access| access.seconds),
                error_lines: errors.map(|errors| errors.lines),
                series,
                flagged: evidence.decisions.as_ref().map(|decisions| {
                    let (before, after) = &decisions.totals;
                    (before.flagged, after.flagged)
                }),
            },
            shifts: evidence.shifts.clone(),
            metrics: evidence.metrics.iter().take(METRICS).cloned().collect(),
            requests,
            messages,
            named: named(evidence),
            hypotheses: hypotheses(evidence),
            notes,
        }
    }
}

/// Kinds that came more often than chance explains.
fn rising(kinds: &[Kind], seconds: (f64, f64)) -> Vec<Kind> {
    let mut rising: Vec<(f64, &Kind)> = kinds
        .iter()
        .map(|kind| (Pair::new(kind.before, kind.after, seconds), kind))
        .filter(|(pair, _)| pair.grew())
        .map(|(pair, kind)| (pair.excess(), kind))
        .collect();
    rising.sort_by(|one, other| other.0.total_cmp(&one.0));
    rising
        .into_iter()
        .take(KINDS)
        .map(|(_, kind)| kind.clone())
        .collect()
}

fn named(evidence: &Evidence) -> Vec<Kind> {
    let words = &evidence.event.words;
    let mut named: Vec<Kind> = evidence
        .access
        .iter()
        .flat_map(|access| &access.kinds)
        .filter(|kind| {
            let template = kind.template.to_lowercase();
            words.iter().any(|word| template.contains(word))
        })
        .cloned()
        .collect();
    named.sort_by_key(|kind| std::cmp::Reverse(kind.before + kind.after));
    named.truncate(KINDS);
    named
}
