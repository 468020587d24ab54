//! The model card: what a person should know before trusting the model.

use std::fmt::Write;

use sekisho_core::feature::FEATURES;
use sekisho_core::model::Card;
use sha2::{Digest, Sha256};

use super::recipe::{Account, Learnt};
use crate::dataset::Site;
use crate::learn::TRAINING_COUNTS;
use crate::learn::caps::Holder;
use crate::visible::masked;

/// What the metadata say before the time of the last request that was learnt from.
pub const LEARNT_UNTIL: &str = "learnt until ";

/// One line for the model's metadata.
pub(super) fn data_line(sites: &[Site], until: Option<u32>) -> String {
    let part = |site: &Site| {
        let (crawlers, humans) = site.labelled();
        format!(
            "{} ({} lines, {crawlers} crawlers, {humans} likely humans)",
            site.name, site.lines
        )
    };
    let mut line = sites.iter().map(part).collect::<Vec<_>>().join("; ");
    if let Some(until) = until {
        let _ = write!(line, "; {LEARNT_UNTIL}{}", day_and_time(until));
    }
    line
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
pub(super) fn markdown(sites: &[Site], card: &Card, learnt: &Learnt, model: &[u8]) -> String {
    let mut text = String::new();
    let settings = learnt.settings;
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
    if let Some(account) = &learnt.account {
        held_out(&mut text, account);
        weights(&mut text, account);
    }
    features(&mut text, card);
    text.push_str(LIMITS);
    if learnt.account.is_none() {
        text.push_str(LIMITS_OF_THE_LOGS);
    }
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

/// What a model of the earlier parts did on the part that it had not seen.
fn held_out(text: &mut String, account: &Account) {
    text.push_str(
        "## Held out\n\n| site | part | from | to | crawlers | people |\n|---|---|---|---|--:|--:|\n",
    );
    for part in &account.parts {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            masked(&part.site),
            part.part,
            day_and_time(part.from),
            day_and_time(part.to),
            part.crawlers,
            part.humans
        );
    }
    let _ = match account.stopped_at {
        Some(trees) => writeln!(
            text,
            "\nGrown until the validation part got no better: {trees} trees. Then grown from all parts with as many."
        ),
        None => writeln!(
            text,
            "\nA part lacks a class: all {} trees were grown.",
            account.most_trees
        ),
    };
    let _ = match &account.held_out {
        Some(held) => writeln!(
            text,
            "\nBefore that, on the test part ({} crawlers and {} people of ten requests and more, none of whose networks \
             had been learnt from): AUC {:.4}, {:.3} of the crawlers where 1 % of the people are above, {:.3} where 0.1 % \
             are.\n",
            held.crawlers, held.humans, held.auc, held.recall_at_1_percent, held.recall_at_1_permille
        ),
        None => writeln!(text, "\nThe test part lacks a class: nothing was measured.\n"),
    };
}

/// Who has how much of the weight, and whose label was not believed.
fn weights(text: &mut String, account: &Account) {
    text.push_str(
        "## Weights\n\nNo client, network or day may have more than its share of a class. Clients and networks are \
         not named here, where they could not be forgotten; training says who they are.\n\n\
         | of | largest | share | at most | share learnt with | cut down |\n|---|---|--:|--:|--:|--:|\n",
    );
    for capped in &account.caps {
        let holder = match capped.holder {
            Holder::Client => "client",
            Holder::Network => "network",
            Holder::Day => "day",
        };
        let class = if capped.crawlers { "crawlers" } else { "people" };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let _ = writeln!(
            text,
            "| {holder}, {class} | {} | {} | {} | {} | {} |",
            if capped.largest.is_empty() {
                "-"
            } else {
                &capped.largest
            },
            percent(capped.before),
            percent(capped.cap),
            percent(capped.after),
            capped.cut
        );
    }
    let _ = writeln!(
        text,
        "\n{} conversions beside a known crawler were not believed. {} canaries stayed what they are.\n",
        account.doubted, account.canaries
    );
}

fn day_and_time(at: u32) -> String {
    jiff::Timestamp::from_second(i64::from(at)).map_or_else(|_| at.to_string(), |time| time.to_string())
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
";

const LIMITS_OF_THE_LOGS: &str = "\
- Trained on blogs and a forum of 2005 to 2018. Shops, single-page applications and APIs are not in it.
- Weak labels are contaminated: scanners behind a browser's user agent count as neither or as human.
";
