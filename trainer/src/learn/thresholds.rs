//! Where to cut: from scores of sites that the model had not seen.

use sekisho_core::checkpoint::DEFAULT_MIN_REQUESTS;
use sekisho_core::model::Thresholds;

use super::booster::{FitError, Settings};
use super::folds::{Scores, by_families, by_others};
use crate::dataset::{Client, Label, Site};

/// Shares of likely humans that may be suspect and rejected, on a site the model had not seen.
const SUSPECT_FPR: f64 = 0.01;
const REJECT_FPR: f64 = 0.002;

/// Request counts at which rows are needed, so that a client has about the chances to be flagged that it has
/// live: from the first verdict on, then as often as slow clients are scored.
pub const SCORED_COUNTS: [u32; 66] = {
    let mut counts = [0; 66];
    let early = [10, 12, 16, 20, 24];
    let mut index = 0;
    while index < counts.len() {
        counts[index] = if index < early.len() {
            early[index]
        } else {
            8 * (index as u32 - 1)
        };
        index += 1;
    }
    counts
};

/// Thresholds for a model of these sites. Each site is scored by a model of the others; where those lack
/// crawlers or humans, by models of the site itself with families kept apart.
pub fn choose_thresholds(sites: &[&Site], settings: Settings) -> Result<Thresholds, FitError> {
    let mut scores = Vec::new();
    for site in sites {
        let others: Vec<&Site> = sites
            .iter()
            .copied()
            .filter(|other| !std::ptr::eq(*other, *site))
            .collect();
        let scored = match by_others(site, &others, settings, true) {
            Err(FitError::OneClass { .. }) => by_families(site, settings, true),
            scored => scored,
        };
        match scored {
            Ok(scored) => scores.push(human_scores(site, &scored)),
            Err(FitError::OneClass { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    scores.retain(|site| !site.is_empty());
    if scores.is_empty() {
        Err(FitError::NoThresholds)
    } else {
        Ok(choose(&scores))
    }
}

fn human_scores(site: &Site, scores: &Scores) -> Vec<f64> {
    let humans = site
        .clients
        .iter()
        .zip(scores)
        .filter(|(client, _)| client.label == Some(Label::Human));
    humans
        .filter_map(|(client, scores)| highest(client, scores))
        .collect()
}

/// The highest of a client's scores from which a verdict can follow: from [`DEFAULT_MIN_REQUESTS`] requests on.
pub fn highest(client: &Client, scores: &[f64]) -> Option<f64> {
    let rows = client.rows.iter().zip(scores);
    rows.filter(|(row, _)| row.requests >= DEFAULT_MIN_REQUESTS)
        .map(|(_, score)| *score)
        .reduce(f64::max)
}

/// Thresholds that the humans of `scores` stay below but for the allowed share, each site counting the same.
fn choose(scores: &[Vec<f64>]) -> Thresholds {
    let (suspect, suspect_fpr) = cut(scores, SUSPECT_FPR);
    let (reject, reject_fpr) = cut(scores, REJECT_FPR);
    Thresholds {
        suspect,
        reject,
        suspect_fpr,
        reject_fpr,
    }
}

/// The least threshold in thousandths at which the mean share of humans, site by site, is within `allowed`.
fn cut(scores: &[Vec<f64>], allowed: f64) -> (f32, f32) {
    let sites: Vec<&Vec<f64>> = scores.iter().filter(|site| !site.is_empty()).collect();
    let rate = |threshold: f32| {
        let share = |site: &&Vec<f64>| {
            site.iter()
                .filter(|score| **score >= f64::from(threshold))
                .count() as f64
                / site.len() as f64
        };
        sites.iter().map(share).sum::<f64>() / sites.len().max(1) as f64
    };
    let mut thousandths = 500u16;
    while thousandths < 999 && rate(f32::from(thousandths) / 1000.0) > allowed {
        thousandths += 1;
    }
    let threshold = f32::from(thousandths) / 1000.0;
    (threshold, rate(threshold) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_keep_to_their_shares() {
        let site: Vec<f64> = (0..1000).map(|rank| f64::from(rank) / 1000.0 * 0.9).collect();
        let thresholds = choose(&[site.clone(), site]);
        assert!((thresholds.suspect - 0.891).abs() < 0.002, "{thresholds:?}");
        assert!(
            thresholds.suspect <= thresholds.reject && thresholds.reject_fpr <= 0.002,
            "{thresholds:?}"
        );
    }

    #[test]
    fn no_humans_no_leniency() {
        assert_eq!(choose(&[]).suspect, 0.5);
    }
}
