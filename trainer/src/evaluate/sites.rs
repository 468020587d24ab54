//! Models of some sites on others: how well what is learnt carries over.

use sekisho_core::model::Thresholds;
use serde::Serialize;

use super::measure::{self, AtThresholds, Measured};
use crate::dataset::{Rule, Site};
use crate::learn::{FitError, Scores, Settings, by_families, by_others, choose_thresholds};

/// One site under one way of splitting.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// The site.
    pub site: String,
    /// Labelled clients.
    pub crawlers: usize,
    /// Labelled clients.
    pub humans: usize,
    /// Crawlers among them that render pages as a browser does.
    pub rendering: usize,
    /// Figures with all features.
    pub all: Measured,
    /// Figures without asset and referer features.
    pub behaviour_only: Measured,
    /// With all features, at thresholds set without this site.
    pub at_thresholds: Option<AtThresholds>,
    /// Figures of today's rules.
    pub rules: Vec<measure::RuleMeasured>,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Evaluation {
    pub leave_one_site_out: Vec<Judged>,
    pub within_site: Vec<Judged>,
    pub unseen: Vec<Judged>,
}

/// Each of `shipped` and `extra` by a model of the others and by itself; `extra` and `unseen` by the model of the
/// shipped ones.
pub(super) fn evaluate(shipped: &[Site], extra: &[Site], unseen: &[Site]) -> Result<Evaluation, FitError> {
    let known: Vec<&Site> = shipped.iter().chain(extra).collect();
    let settings = Settings::default();
    let has_both = |site: &&Site| site.labelled().0 > 0 && site.labelled().1 > 0;
    let mut evaluation = Evaluation {
        leave_one_site_out: Vec::new(),
        within_site: Vec::new(),
        unseen: Vec::new(),
    };
    for site in known.iter().copied().filter(has_both) {
        let others: Vec<&Site> = known
            .iter()
            .copied()
            .filter(|other| !std::ptr::eq(*other, site))
            .collect();
        evaluation
            .leave_one_site_out
            .push(by_model_of(site, &others, settings)?);
        evaluation
            .within_site
            .push(judged(site, |all| by_families(site, settings, all), None)?);
    }
    let shipped: Vec<&Site> = shipped.iter().collect();
    for site in extra.iter().chain(unseen) {
        evaluation.unseen.push(by_model_of(site, &shipped, settings)?);
    }
    Ok(evaluation)
}

fn by_model_of(site: &Site, others: &[&Site], settings: Settings) -> Result<Judged, FitError> {
    let thresholds = choose_thresholds(others, settings)?;
    judged(
        site,
        |all| by_others(site, others, settings, all),
        Some(thresholds),
    )
}

fn judged(
    site: &Site,
    score: impl Fn(bool) -> Result<Scores, FitError>,
    thresholds: Option<Thresholds>,
) -> Result<Judged, FitError> {
    let (crawlers, humans) = site.labelled();
    let scores = score(true)?;
    Ok(Judged {
        site: site.name.clone(),
        crawlers,
        humans,
        rendering: site
            .clients
            .iter()
            .filter(|client| client.renders && client.label.is_some())
            .count(),
        all: measure::of_scores(site, &scores),
        behaviour_only: measure::of_scores(site, &score(false)?),
        at_thresholds: thresholds.map(|thresholds| measure::at_thresholds(site, &scores, thresholds)),
        rules: Rule::ALL
            .iter()
            .map(|&rule| measure::of_rule(site, rule))
            .collect(),
    })
}
