//! How a model is made of sites: from everything, as the shipped one is, or with parts held out and with caps.

use indicatif::ProgressBar;
use sekisho_core::model::Thresholds;
use serde::{Deserialize, Serialize};

use super::progress::step;
use crate::dataset::{Client, Site};
use crate::learn::caps::{self, Capped, Holder};
use crate::learn::ranking::{auc, recall};
use crate::learn::{self, Example, FitError, Fitted, Parts, Settings, doubt_conversions, highest};
use crate::visible::masked;

/// Thresholds where nobody can say how people score whom the model does not know: at most all of them are above.
const UNKNOWN: Thresholds = Thresholds {
    suspect: 0.95,
    reject: 0.99,
    suspect_fpr: 1.0,
    reject_fpr: 1.0,
};
/// Doubted clients that are named; the others are counted.
const NAMED: usize = 5;
/// Steps of a recipe, for the progress bar.
pub const STEPS: usize = 3;

/// A model, before it is written.
pub struct Learnt {
    /// The trees.
    pub fitted: Fitted,
    /// What they were grown with.
    pub settings: Settings,
    /// Where to cut.
    pub thresholds: Thresholds,
    /// Scores of what was learnt.
    pub scores: Vec<f64>,
    /// What was held out, capped and doubted; `None` when everything was learnt as it is.
    pub account: Option<Account>,
    /// Who was cut down and who was doubted, for whoever trains now: no file names them.
    pub named: Vec<String>,
}

/// How the model came about.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Clients with a label in each part of each site.
    pub parts: Vec<Part>,
    /// Trees asked for at most, and trees that the validation part allowed; `None` without one.
    pub most_trees: usize,
    /// See above.
    pub stopped_at: Option<usize>,
    /// The same recipe on the parts before the test, measured on the test part; `None` when it lacks a class.
    pub held_out: Option<HeldOut>,
    /// Shares of weight.
    pub caps: Vec<Capped>,
    /// People by conversion whose label was not believed.
    pub doubted: usize,
    /// Unix seconds of the last request that was learnt from.
    pub learnt_until: u32,
    /// Canaries that stayed what they are.
    pub canaries: usize,
}

/// A part of a site.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// The site.
    pub site: String,
    /// `learn`, `validate` or `test`.
    pub part: &'static str,
    /// First request, unix seconds.
    pub from: u32,
    /// Last request, unix seconds.
    pub to: u32,
    /// Clients labelled crawler.
    pub crawlers: usize,
    /// Clients labelled human.
    pub humans: usize,
}

/// Figures on clients of ten requests and more whose networks are not in what was learnt, at their worst score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Clients.
    pub crawlers: usize,
    /// Clients.
    pub humans: usize,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Share of crawlers found where 1 % of the people are above.
    pub recall_at_1_percent: f64,
    /// Where 0.1 % are.
    pub recall_at_1_permille: f64,
}

/// Learns from everything with a fixed number of trees, as the shipped model does.
pub fn whole(sites: &[Site], settings: Settings, bar: &ProgressBar) -> Result<Learnt, FitError> {
    step(bar, "learning".to_owned());
    let examples = learn::training_examples(sites.iter().map(everyone));
    let fitted = Fitted::fit(&examples, settings, true)?;
    step(bar, "thresholds".to_owned());
    let thresholds = learn::choose_thresholds(&sites.iter().collect::<Vec<_>>(), settings)?;
    Ok(Learnt {
        scores: scores(&fitted, &examples),
        fitted,
        settings,
        thresholds,
        account: None,
        named: Vec::new(),
    })
}

/// Finds the number of trees on a validation part, measures on a test part, then learns from everything with that
/// number. Conversions may be doubted and weights are capped throughout.
pub fn guarded(sites: &mut [Site], settings: Settings, bar: &ProgressBar) -> Result<Learnt, FitError> {
    accounted(sites, settings, bar).map(|(learnt, _)| learnt)
}

/// The same, with the account of it beside.
pub fn accounted(
    sites: &mut [Site],
    settings: Settings,
    bar: &ProgressBar,
) -> Result<(Learnt, Account), FitError> {
    let doubted: Vec<String> = sites.iter_mut().flat_map(doubt_conversions).collect();
    let split: Vec<Parts> = sites.iter().map(Parts::of).collect();
    let part = |choose: fn(&Parts) -> &Site| -> Vec<&Site> { split.iter().map(choose).collect() };
    let (first, then, last) = (part(|of| &of.learn), part(|of| &of.validate), part(|of| &of.test));

    step(bar, "learning with parts held out".to_owned());
    let trial = trial(&first, &then, settings)?;
    let most_trees = settings.trees;
    let settings = Settings {
        trees: trial.as_ref().map_or(settings.trees, Fitted::trees).max(1),
        ..settings
    };
    let mut account = Account {
        parts: parts(&split),
        most_trees,
        stopped_at: trial.as_ref().map(Fitted::trees),
        held_out: trial.as_ref().and_then(|fitted| measure(fitted, &last)),
        caps: Vec::new(),
        doubted: doubted.len(),
        learnt_until: sites
            .iter()
            .filter_map(Site::span)
            .map(|(_, last)| last)
            .max()
            .unwrap_or_default(),
        canaries: 0,
    };
    step(bar, "learning".to_owned());
    let (examples, caps) = capped(&sites.iter().collect::<Vec<_>>());
    account.caps = caps.iter().map(Capped::unnamed).collect();
    let fitted = Fitted::fit(&examples, settings, true)?;
    step(bar, "thresholds".to_owned());
    let thresholds = match learn::choose_thresholds(&sites.iter().collect::<Vec<_>>(), settings) {
        Err(FitError::NoThresholds) => UNKNOWN,
        thresholds => thresholds?,
    };
    let learnt = Learnt {
        scores: scores(&fitted, &examples),
        fitted,
        settings,
        thresholds,
        account: Some(account.clone()),
        named: named(&caps, &doubted),
    };
    Ok((learnt, account))
}

/// Lines that name clients and networks, for a terminal.
fn named(caps: &[Capped], doubted: &[String]) -> Vec<String> {
    let largest = caps
        .iter()
        .filter(|capped| capped.cut > 0 && capped.holder != Holder::Day);
    let mut lines: Vec<String> = largest
        .map(|capped| {
            format!(
                "cut down, {:.1} % of the {} before: {}",
                capped.before * 100.0,
                if capped.crawlers { "crawlers" } else { "people" },
                masked(&capped.largest)
            )
        })
        .collect();
    if !doubted.is_empty() {
        let first: Vec<String> = doubted.iter().take(NAMED).map(|name| masked(name)).collect();
        let more = if doubted.len() > NAMED { ", ..." } else { "" };
        lines.push(format!(
            "conversions that were not believed: {}{more}",
            first.join(", ")
        ));
    }
    lines
}

/// Whether thresholds are a guess.
pub fn is_guess(thresholds: Thresholds) -> bool {
    thresholds == UNKNOWN
}

/// A model of the first part that stops growing when the validation part says so; `None` when a part lacks a class.
fn trial(first: &[&Site], then: &[&Site], settings: Settings) -> Result<Option<Fitted>, FitError> {
    let ((examples, _), (validation, _)) = (capped(first), capped(then));
    match Fitted::fit_until(&examples, &validation, settings) {
        Err(FitError::OneClass { .. }) => Ok(None),
        fitted => fitted.map(Some),
    }
}

fn capped<'a>(sites: &[&'a Site]) -> (Vec<Example<'a>>, Vec<Capped>) {
    let mut examples = learn::training_examples(sites.iter().map(|site| everyone(site)));
    let caps = caps::cap(&mut examples);
    (examples, caps)
}

fn everyone(site: &Site) -> (&Site, Vec<&Client>) {
    (site, site.clients.iter().collect())
}

fn scores(fitted: &Fitted, examples: &[Example<'_>]) -> Vec<f64> {
    fitted.score(examples.iter().map(|example| example.features))
}

fn measure(fitted: &Fitted, sites: &[&Site]) -> Option<HeldOut> {
    let (mut crawlers, mut humans) = (Vec::new(), Vec::new());
    for client in sites.iter().flat_map(|site| &site.clients) {
        let scores = fitted.score(client.rows.iter().map(|row| &row.features));
        let Some(worst) = highest(client, &scores).filter(|_| client.label.is_some()) else {
            continue;
        };
        if client.is_human() {
            &mut humans
        } else {
            &mut crawlers
        }
        .push(worst);
    }
    Some(HeldOut {
        crawlers: crawlers.len(),
        humans: humans.len(),
        auc: auc(&crawlers, &humans)?,
        recall_at_1_percent: recall(&crawlers, &humans, 0.01)?,
        recall_at_1_permille: recall(&crawlers, &humans, 0.001)?,
    })
}

fn parts(split: &[Parts]) -> Vec<Part> {
    let of = |part: &'static str, site: &Site| {
        let (crawlers, humans) = site.labelled();
        let (from, to) = site.span().unwrap_or_default();
        Part {
            site: site.name.clone(),
            part,
            from,
            to,
            crawlers,
            humans,
        }
    };
    let parts = split.iter().flat_map(|parts| {
        [
            of("learn", &parts.learn),
            of("validate", &parts.validate),
            of("test", &parts.test),
        ]
    });
    parts.collect()
}
