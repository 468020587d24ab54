//! AUC, recall at a false-positive rate, and the same for rules that have no score.

use serde::Serialize;

use super::COUNTS;
use sekisho_core::model::Thresholds;

use crate::dataset::{Client, Label, Rule, Site};
use crate::learn::ranking::{auc, recall};
use crate::learn::{Scores, highest};

/// Requests that a client must have made to be judged at its last one.
const LEAST_REQUESTS: u32 = 10;

/// Figures of one model on one site.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// Area under the ROC curve at each client's last request, clients of at least 10 requests.
    pub auc: Option<f64>,
    /// The same without crawlers that render pages as a browser does.
    pub auc_without_rendering: Option<f64>,
    /// Figures after so many requests.
    pub at: Vec<MeasuredAt>,
}

/// Figures after some requests.
#[derive(Debug, Serialize)]
pub(crate) struct MeasuredAt {
    pub requests: u32,
    pub crawlers: usize,
    pub humans: usize,
    pub auc: Option<f64>,
    pub recall_at_1_percent: Option<f64>,
    pub recall_at_1_permille: Option<f64>,
}

/// What a model does at thresholds that were set without the site.
#[derive(Debug, Serialize)]
pub(crate) struct AtThresholds {
    pub suspect: f32,
    pub reject: f32,
    /// Of clients of at least 10 requests.
    pub crawlers: Flagged,
    /// Of clients of at least 10 requests.
    pub humans: Flagged,
}

/// Clients of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Flagged {
    pub clients: usize,
    /// Suspect, never rejected.
    pub suspect: usize,
    pub rejected: usize,
}

/// Figures of a rule on one site.
#[derive(Debug, Serialize)]
pub(crate) struct RuleMeasured {
    pub rule: &'static str,
    /// Share of crawlers stopped ever, and within so many requests of [`COUNTS`].
    pub crawlers_stopped: f64,
    /// Share of likely humans stopped ever.
    pub humans_stopped: f64,
    pub at: Vec<RuleAt>,
}

/// A rule after some requests.
#[derive(Debug, Serialize)]
pub(crate) struct RuleAt {
    pub requests: u32,
    pub crawlers_stopped: f64,
    pub humans_stopped: f64,
}

/// Measures scores.
pub(super) fn of_scores(site: &Site, scores: &Scores) -> Measured {
    let last = |keep: &dyn Fn(&Client) -> bool| {
        let clients = site.clients.iter().zip(scores);
        let judged = clients.filter(|(client, _)| client.requests >= LEAST_REQUESTS && keep(client));
        split(judged.filter_map(|(client, scores)| Some((client.label?, *scores.last()?))))
    };
    let (crawlers, humans) = last(&|_| true);
    let (honest, _) = last(&|client| !client.renders);
    let at = COUNTS.map(|requests| {
        let clients = site.clients.iter().zip(scores).filter_map(|(client, scores)| {
            let row = client.rows.iter().position(|row| row.requests == requests)?;
            Some((client.label?, *scores.get(row)?))
        });
        let (crawlers, humans) = split(clients);
        MeasuredAt {
            requests,
            crawlers: crawlers.len(),
            humans: humans.len(),
            auc: auc(&crawlers, &humans),
            recall_at_1_percent: recall(&crawlers, &humans, 0.01),
            recall_at_1_permille: recall(&crawlers, &humans, 0.001),
        }
    });
    Measured {
        auc: auc(&crawlers, &humans),
        auc_without_rendering: auc(&honest, &humans),
        at: at.into(),
    }
}

/// Counts verdicts at thresholds, a client's worst.
pub(super) fn at_thresholds(site: &Site, scores: &Scores, thresholds: Thresholds) -> AtThresholds {
    let (mut crawlers, mut humans) = (Flagged::default(), Flagged::default());
    for (client, scores) in site.clients.iter().zip(scores) {
        let (Some(label), Some(score)) = (client.label, highest(client, scores)) else {
            continue;
        };
        let flagged = if label == Label::Human {
            &mut humans
        } else {
            &mut crawlers
        };
        flagged.clients += 1;
        if score >= f64::from(thresholds.reject) {
            flagged.rejected += 1;
        } else if score >= f64::from(thresholds.suspect) {
            flagged.suspect += 1;
        }
    }
    AtThresholds {
        suspect: thresholds.suspect,
        reject: thresholds.reject,
        crawlers,
        humans,
    }
}

/// Measures a rule over clients of at least 10 requests, and over those that made so many.
pub(super) fn of_rule(site: &Site, rule: Rule) -> RuleMeasured {
    let index = Rule::ALL
        .iter()
        .position(|other| *other == rule)
        .unwrap_or_default();
    let share = |human: bool, least: u32, within: u32| {
        let labelled = site.clients.iter().filter(|client| client.requests >= least);
        let of_class: Vec<&Client> = labelled
            .filter(|client| client.label.is_some_and(|label| (label == Label::Human) == human))
            .collect();
        let stopped = |client: &&&Client| client.stopped_at[index].is_some_and(|at| at <= within);
        of_class.iter().filter(stopped).count() as f64 / of_class.len().max(1) as f64
    };
    RuleMeasured {
        rule: rule.name(),
        crawlers_stopped: share(false, LEAST_REQUESTS, u32::MAX),
        humans_stopped: share(true, LEAST_REQUESTS, u32::MAX),
        at: COUNTS
            .map(|requests| RuleAt {
                requests,
                crawlers_stopped: share(false, requests, requests),
                humans_stopped: share(true, requests, requests),
            })
            .into(),
    }
}

/// Crawlers' scores and humans' scores.
fn split(scores: impl Iterator<Item = (Label, f64)>) -> (Vec<f64>, Vec<f64>) {
    let (mut crawlers, mut humans) = (Vec::new(), Vec::new());
    for (label, score) in scores {
        if label == Label::Human {
            humans.push(score)
        } else {
            crawlers.push(score)
        }
    }
    (crawlers, humans)
}
