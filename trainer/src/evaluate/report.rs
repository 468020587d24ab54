//! The figures as Markdown.

use std::fmt::Write;

use super::measure::{Measured, MeasuredAt};
use super::sites::{Evaluation, Judged};

pub(super) fn markdown(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Labels are weak. AUC is at each client's last request, clients of at least 10 requests; in brackets without \
         declared crawlers that render pages as a browser does. Recall is the share of declared crawlers over the \
         threshold that 1 % (0.1 %) of the likely humans of the same site exceed; with fewer than 100 (1,000) of them, \
         none.\n"
    );
    section(
        &mut text,
        "Leave one site out",
        "Each site by a model of the others. Crawler families that walk all sites, as Googlebot does, are on both sides.",
        &evaluation.leave_one_site_out,
    );
    section(
        &mut text,
        "Within a site",
        "Each fifth of the crawler families and of the people by a model of the rest.",
        &evaluation.within_site,
    );
    section(
        &mut text,
        "The shipped model on sites it never saw",
        "",
        &evaluation.unseen,
    );
    at_thresholds(&mut text, evaluation);
    rules(&mut text, evaluation);
    text
}

fn section(text: &mut String, title: &str, lead: &str, judged: &[Judged]) {
    if judged.is_empty() {
        return;
    }
    let _ = writeln!(text, "### {title}\n");
    if !lead.is_empty() {
        let _ = writeln!(text, "{lead}\n");
    }
    text.push_str("| site | crawlers (rendering) / humans | features | AUC | recall at 1 % (0.1 %) after 5 | 10 | 20 | 50 requests |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for site in judged {
        row(text, site, "all", &site.all);
        row(text, site, "no assets, no referer", &site.behaviour_only);
    }
    text.push('\n');
}

fn row(text: &mut String, site: &Judged, features: &str, measured: &Measured) {
    let who = format!("{} ({}) / {}", site.crawlers, site.rendering, site.humans);
    let auc = measured
        .auc
        .map_or("no pair".to_owned(), |auc| format!("{auc:.4}"));
    let honest = measured
        .auc_without_rendering
        .map(|auc| format!(" ({auc:.4})"))
        .unwrap_or_default();
    let _ = write!(text, "| {} | {who} | {features} | {auc}{honest}", site.site);
    for at in &measured.at {
        let _ = write!(text, " | {}", recall(at));
    }
    text.push_str(" |\n");
}

/// What the model's own thresholds do, set without the site: nobody has the site's humans beforehand.
fn at_thresholds(text: &mut String, evaluation: &Evaluation) {
    text.push_str("### At the model's own thresholds\n\n");
    text.push_str(
        "Recall above is at a cut that takes the site's own humans to set. This is what the defaults do on a site that \
         neither model nor thresholds have seen: clients of at least 10 requests, the worst verdict of each.\n\n",
    );
    text.push_str(
        "| site | model of | crawlers rejected | suspect | of | humans rejected | suspect | of |\n",
    );
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
    let others = evaluation
        .leave_one_site_out
        .iter()
        .map(|site| (site, "the other sites"));
    let shipped = evaluation.unseen.iter().map(|site| (site, "the shipped logs"));
    for (site, model) in others.chain(shipped) {
        let Some(at) = &site.at_thresholds else { continue };
        let _ = write!(text, "| {} | {model}", site.site);
        for class in [at.crawlers, at.humans] {
            let _ = write!(
                text,
                " | {} | {} | {}",
                class.rejected, class.suspect, class.clients
            );
        }
        text.push_str(" |\n");
    }
    text.push('\n');
}

fn recall(at: &MeasuredAt) -> String {
    match (at.recall_at_1_percent, at.recall_at_1_permille) {
        (Some(percent), Some(permille)) => {
            let auc = at.auc.unwrap_or_default();
            format!("{percent:.3} ({permille:.3}), AUC {auc:.3}, {} humans", at.humans)
        }
        _ => "-".to_owned(),
    }
}

fn rules(text: &mut String, evaluation: &Evaluation) {
    text.push_str("### Today's rules on the same clients\n\n");
    text.push_str("Share of declared crawlers / of likely humans that the rule would have stopped, clients of at least 10 requests.\n\n");
    text.push_str(
        "| site | rule | ever | within 5 | 10 | 20 | 50 requests |\n|---|---|---|---|---|---|---|\n",
    );
    let unseen = evaluation.unseen.iter().filter(|site| {
        !evaluation
            .leave_one_site_out
            .iter()
            .any(|other| other.site == site.site)
    });
    for site in evaluation.leave_one_site_out.iter().chain(unseen) {
        for rule in &site.rules {
            let pair =
                |crawlers: f64, humans: f64| format!("{:.1} % / {:.1} %", crawlers * 100.0, humans * 100.0);
            let _ = write!(
                text,
                "| {} | {} | {}",
                site.site,
                rule.rule,
                pair(rule.crawlers_stopped, rule.humans_stopped)
            );
            for at in &rule.at {
                let _ = write!(text, " | {}", pair(at.crawlers_stopped, at.humans_stopped));
            }
            text.push_str(" |\n");
        }
    }
    text.push('\n');
}
