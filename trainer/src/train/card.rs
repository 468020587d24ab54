//! The model card: what a person should know before trusting the model.

use std::fmt::Write;

use sekisho_core::feature::FEATURES;
use sekisho_core::model::Card;
use sha2::{Digest, Sha256};

use crate::dataset::Site;
use crate::learn::{Settings, TRAINING_COUNTS};

/// One line for the model's metadata.
pub(super) fn data_line(sites: &[Site]) -> String {
    let part = |site: &Site| {
        let (crawlers, humans) = site.labelled();
        format!(
            "{} ({} lines, {crawlers} crawlers, {humans} likely humans)",
            site.name, site.lines
        )
    };
    sites.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// Deciles of the training scores, as JSON.
pub(super) fn score_stats(scores: &[f64]) -> String {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let decile = |tenth: usize| {
        sorted
            .get((sorted.len().saturating_sub(1)) * tenth / 10)
            .copied()
            .unwrap_or_default()
    };
    let deciles: Vec<String> = (0..=10).map(|tenth| format!("{:.4}", decile(tenth))).collect();
    format!(r#"{{"rows":{},"deciles":[{}]}}"#, scores.len(), deciles.join(","))
}

/// The card as Markdown.
pub(super) fn markdown(sites: &[Site], card: &Card, settings: Settings, model: &[u8]) -> String {
    let mut text = String::new();
    let thresholds = card.thresholds;
    let digest: String = Sha256::digest(model)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let _ = write!(
        text,
        "# Model card\n\n\
         Probability that a client of a web site is automated, from {} numbers on how it behaves. The user \
         agent is not among them.\n\n\
         | | |\n|---|---|\n| file | {} bytes, SHA-256 `{digest}` |\n| schema | `{}` |\n\
         | kind | {} boosted trees of depth {}, TreeEnsembleClassifier |\n\
         | suspect from | {} ({:.2} % of likely humans on sites not learnt from) |\n\
         | reject from | {} ({:.2} % of likely humans on sites not learnt from) |\n\n",
        FEATURES.len(),
        model.len(),
        card.schema,
        settings.trees,
        settings.depth,
        thresholds.suspect,
        thresholds.suspect_fpr * 100.0,
        thresholds.reject,
        thresholds.reject_fpr * 100.0,
    );
    data(&mut text, sites);
    features(&mut text, card);
    text.push_str(LIMITS);
    text
}

fn data(text: &mut String, sites: &[Site]) {
    let counts: Vec<String> = TRAINING_COUNTS.iter().map(u32::to_string).collect();
    let _ = write!(
        text,
        "## Data\n\n| log | lines | not parsed | clients | crawlers | likely humans |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for site in sites {
        let (crawlers, humans) = site.labelled();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {crawlers} | {humans} |",
            site.name,
            site.lines,
            site.unparsable,
            site.clients.len(),
        );
    }
    let _ = write!(
        text,
        "\nLabels are weak: crawlers declare themselves by user agent; likely humans have a browser's, load \
         scripts and pictures with referers, and show at most three user agents. Others are left out. Rows are \
         taken at {} requests and at the last.\n\n",
        counts.join(", ")
    );
}

fn features(text: &mut String, card: &Card) {
    text.push_str("## Features\n\n| feature | unit | typical human |\n|---|---|--:|\n");
    for (feature, typical) in FEATURES.iter().zip(&card.baseline) {
        let _ = writeln!(
            text,
            "| {} | {} | {typical:.3} |",
            feature.name,
            feature.unit.as_str()
        );
    }
    text.push('\n');
}

const LIMITS: &str = "\
## Limits

- Automated is not abusive: monitors, feed readers and search engines score high and are meant to be allowed.
- Ranking carries over to other sites, thresholds do not: run it dry and calibrate before enforcing.
- Crawlers that drive a browser and load what a page needs look like people for as long as they are polite.
- Trained on blogs and a forum of 2005 to 2018. Shops, single-page applications and APIs are not in it.
- Weak labels are contaminated: scanners behind a browser's user agent count as neither or as human.
";
