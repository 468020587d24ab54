//! Where to cut: from scores of sites that the model had not seen.

use sekisho_core::checkpoint::DEFAULT_MIN_REQUESTS;
use sekisho_core::model::Thresholds;

use super::booster::{FitError, Fitted, Settings};
use super::examples::training_examples;
use crate::dataset::{Label, Site};

/// Shares of likely humans that may be suspect and rejected, on a site the model had not seen.
const SUSPECT_FPR: f64 = 0.01;
const REJECT_FPR: f64 = 0.002;

/// Greatest score of each likely human from [`DEFAULT_MIN_REQUESTS`] requests on, by models that had not
/// seen its site; one list a site.
pub fn out_of_site_scores(sites: &[Site], settings: Settings) -> Result<Vec<Vec<f64>>, FitError> {
    let mut scores = Vec::new();
    for (held_out, site) in sites.iter().enumerate() {
        let others = sites.iter().enumerate().filter(|(index, _)| *index != held_out);
        let examples = training_examples(others.map(|(_, site)| (site, site.clients.iter().collect())));
        let fitted = Fitted::fit(&examples, settings, true)?;
        let humans = site
            .clients
            .iter()
            .filter(|client| client.label == Some(Label::Human));
        let greatest = humans.filter_map(|client| {
            let rows: Vec<_> = client
                .rows
                .iter()
                .filter(|row| row.requests >= DEFAULT_MIN_REQUESTS)
                .map(|row| &row.features)
                .collect();
            fitted.score(rows.into_iter()).into_iter().reduce(f64::max)
        });
        scores.push(greatest.collect());
    }
    Ok(scores)
}

/// Thresholds that the humans of `scores` stay below but for the allowed share, each site counting the same.
pub fn choose(scores: &[Vec<f64>]) -> Thresholds {
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
