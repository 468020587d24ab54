//! The report as data. Its names are those of `--format json`, and stay.

use std::collections::BTreeMap;

use sekisho_core::feature::{FEATURES, Features};
use serde::Serialize;
use serde_json::Value;

use super::cases::{Case, case_text};
use super::clusters::{Cluster, Clusters, clusters, quantile};
use super::explained::Explainer;
use super::gather::{Gathered, Seen, VERDICTS};
use super::guards::{Guards, guards};
use super::span::Span;
use super::{ReportError, models};
use crate::llm::ModelCost;
use crate::scan::load_model;
use crate::store::{Class, LabelCount, Store};

/// Clients that passed, from which on their medians are the baseline; with fewer it is the built-in model's.
pub const LEAST_BASELINE: usize = 30;
/// Cases that are told.
const CASES: usize = 10;
/// Clients with contradicting labels that are named.
const CONFLICTS: usize = 10;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The time it is about.
    pub period: Span,
    /// The time before, of equal length.
    pub before: Span,
    /// The zone, when it is about one.
    pub zone: Option<String>,
    /// Whether there are no samples of this time.
    pub empty: bool,
    /// Of this time, and of the one before.
    pub totals: (Totals, Totals),
    /// Samples over time.
    pub timeline: Timeline,
    /// What is usual here.
    pub baseline: Baseline,
    /// Flagged clients that behave alike, the busiest first.
    pub clusters: Vec<Cluster>,
    /// Those of the time before that did not come again.
    pub gone: Vec<Cluster>,
    /// Flagged clients in no cluster: without features of this schema, or like none of too many.
    pub unclustered: u64,
    /// The flagged clients that cost most.
    pub cases: Vec<Case>,
    /// What people and the module said of clients.
    pub labels: Labels,
    /// What held enforcement back, and what people did.
    pub guards: Guards,
    /// Models in force, drift, retraining.
    pub models: models::Models,
    /// What flagged clients cost the site; absent when nothing is known.
    pub cost: Option<Cost>,
    /// What language models cost in this time.
    pub language_models: LanguageModels,
    /// What to know before trusting it.
    pub notes: Vec<String>,
}

/// How much there was.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Clients of which there are samples.
    pub clients: u64,
    /// Their requests, at least.
    pub requests: u64,
    /// Samples.
    pub samples: u64,
    /// Clients that were suspect or worse.
    pub flagged: u64,
    /// Their requests, at least.
    pub flagged_requests: u64,
    /// Clients by their worst verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
}

/// Samples over time.
#[derive(Debug, Serialize)]
pub struct Timeline {
    /// Width of a bin, seconds.
    pub width: u32,
    /// For each bin: samples of flagged requests, and others.
    pub bins: Vec<(u64, u64)>,
}

/// What is usual here.
#[derive(Debug, Serialize)]
pub struct Baseline {
    /// Where it is from.
    pub of: String,
    /// Values by feature.
    pub values: BTreeMap<&'static str, f32>,
}

/// What was said of clients.
#[derive(Debug, Default, Serialize)]
pub struct Labels {
    /// Labels given in this time.
    pub given: Vec<LabelCount>,
    /// Of the flagged clients: labelled crawler, labelled human, without a label.
    pub flagged: [u64; 3],
    /// Clients seen in this time whose labels contradict each other.
    pub conflicts: u64,
    /// The first of them.
    pub conflicting: Vec<String>,
}

/// What flagged clients cost the site.
#[derive(Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Their requests, at least.
    pub requests: u64,
    /// Bytes that were sent to them, about: requests times the mean response of each.
    pub bytes: u64,
    /// Of these, requests of clients that were rejected or trapped.
    pub rejected_requests: u64,
}

/// What language models cost.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct LanguageModels {
    /// What costs are in; empty when it is not known here.
    pub currency: String,
    /// By target and by the model that served.
    pub spent: Vec<ModelCost>,
}

impl Report {
    /// Reads the store.
    ///
    /// # Errors
    /// The store's; the built-in model's.
    pub fn of(store: &Store, period: Span, zone: Option<&str>) -> Result<Report, ReportError> {
        let now = Gathered::read(store, period, zone)?;
        let earlier = Gathered::read(store, period.before(), zone)?;
        let (baseline, features) = baseline(&now)?;
        let compared = earlier.samples > 0;
        let Clusters {
            now: groups,
            gone,
            of,
        } = clusters(now.flagged(), earlier.flagged(), &features, compared);
        let cases = cases(&now, &groups, &of, &features);
        let flagged = now.flagged().count() as u64;
        Ok(Report {
            period,
            before: period.before(),
            zone: zone.map(str::to_owned),
            empty: now.samples == 0,
            totals: (totals(&now), totals(&earlier)),
            timeline: Timeline {
                width: period.width(),
                bins: now.bins.clone(),
            },
            baseline,
            unclustered: flagged - of.len() as u64,
            clusters: groups,
            gone,
            cases,
            labels: labels(store, period, zone, &now)?,
            guards: guards(store, period, &now)?,
            models: models::models(store, period, &now)?,
            cost: cost(&now),
            language_models: LanguageModels {
                currency: String::new(),
                spent: store.llm_costs(&period.range())?,
            },
            notes: notes(&now, compared),
        })
    }

    /// Explains the cases, as far as there is something to explain.
    ///
    /// # Errors
    /// The store's, or a model's.
    pub fn explain(&mut self, explainer: &Explainer<'_>) -> Result<(), ReportError> {
        for case in &mut self.cases {
            case.explained = explainer.explain(case.id)?;
            case.text = case_text(case);
        }
        Ok(())
    }

    /// Clusters with this trend.
    pub fn trending(&self, wanted: super::clusters::Trend) -> impl Iterator<Item = &Cluster> {
        let all = self.clusters.iter().chain(&self.gone);
        all.filter(move |cluster| cluster.trend == Some(wanted))
    }

    /// The account of retraining and drift, as the store has it.
    pub fn drift(&self) -> &[Value] {
        &self.models.drift
    }
}

fn totals(gathered: &Gathered) -> Totals {
    let mut totals = Totals {
        clients: gathered.clients.len() as u64,
        samples: gathered.samples,
        ..Totals::default()
    };
    for client in gathered.clients.values() {
        totals.requests += client.requests;
        *totals.verdicts.entry(client.verdict()).or_default() += 1;
        if client.flagged() {
            totals.flagged += 1;
            totals.flagged_requests += client.requests;
        }
    }
    totals
}

/// The medians of those who passed; the built-in model's typical human when they are few.
pub(super) fn baseline(gathered: &Gathered) -> Result<(Baseline, Features), ReportError> {
    let passed: Vec<&Features> = gathered
        .clients
        .values()
        .filter(|client| !client.flagged())
        .filter_map(|client| client.features.as_ref())
        .collect();
    let mut features = Features::default();
    let of = if passed.len() >= LEAST_BASELINE {
        for (place, median) in features.iter_mut().enumerate() {
            let mut values: Vec<f32> = passed.iter().map(|features| features[place]).collect();
            values.sort_by(f32::total_cmp);
            *median = quantile(&values, 0.5).unwrap_or_default();
        }
        format!("the median of the {} clients that passed", passed.len())
    } else {
        let model = load_model(None)?;
        for (place, typical) in features.iter_mut().zip(&model.card().baseline) {
            *place = *typical;
        }
        format!(
            "the typical human of the built-in model, as only {} clients with a score passed",
            passed.len()
        )
    };
    let values = FEATURES
        .iter()
        .zip(features)
        .map(|(feature, value)| (feature.name, value));
    let values = values.collect();
    Ok((Baseline { of, values }, features))
}

fn cases(
    gathered: &Gathered,
    clusters: &[Cluster],
    of: &BTreeMap<i64, usize>,
    baseline: &Features,
) -> Vec<Case> {
    let all = gathered.clients.values().map(|client| client.requests).sum();
    let mut flagged: Vec<&Seen> = gathered.flagged().collect();
    flagged.sort_by_key(|client| (std::cmp::Reverse((client.requests, client.worst)), client.id));
    let cluster = |client: &Seen| {
        let place = of.get(&client.id)?;
        Some(clusters.get(*place)?.id.clone())
    };
    flagged
        .into_iter()
        .take(CASES)
        .map(|client| Case::new(client, cluster(client), all, baseline))
        .collect()
}

fn labels(
    store: &Store,
    period: Span,
    zone: Option<&str>,
    gathered: &Gathered,
) -> Result<Labels, ReportError> {
    let mut labels = Labels {
        given: store.labels_given(&period.range(), zone)?,
        ..Labels::default()
    };
    for client in gathered.flagged() {
        labels.flagged[match client.class {
            Some(Class::Crawler) => 0,
            Some(Class::Human) => 1,
            None => 2,
        }] += 1;
    }
    for client in gathered.clients.values().filter(|client| client.conflict) {
        labels.conflicts += 1;
        if labels.conflicting.len() < CONFLICTS {
            labels.conflicting.push(client.name.clone());
        }
    }
    Ok(labels)
}

fn cost(gathered: &Gathered) -> Option<Cost> {
    let place = sekisho_core::feature::index("response_bytes")?;
    let mut cost = Cost {
        requests: 0,
        bytes: 0,
        rejected_requests: 0,
    };
    for client in gathered.flagged() {
        cost.requests += client.requests;
        if client.worst >= VERDICTS.len() - 2 {
            cost.rejected_requests += client.requests;
        }
        if let Some(features) = &client.features {
            let mean = f64::from(features[place]).exp2() - 1.0;
            cost.bytes += (mean * client.requests as f64) as u64;
        }
    }
    (cost.requests > 0).then_some(cost)
}

fn notes(gathered: &Gathered, compared: bool) -> Vec<String> {
    let mut notes = vec![
        "The module writes samples of flagged clients and of a drawn part of the others: counts of clients and requests \
         are at least what happened, and shares are of what samples tell of"
            .to_owned(),
    ];
    if !compared {
        notes.push("There are no samples of the time before: nothing can be told new or gone".to_owned());
    }
    if gathered.beyond > 0 {
        notes.push(format!(
            "{} samples are of clients beyond those that are looked at one by one: choose a shorter time",
            gathered.beyond
        ));
    }
    let unread = gathered
        .flagged()
        .filter(|client| client.features.is_none())
        .count();
    if unread > 0 {
        notes.push(format!(
            "{unread} flagged clients have no features of this program's schema, and are in no cluster"
        ));
    }
    notes
}
