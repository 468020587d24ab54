//! The report as Markdown.

use std::fmt::Write;

use super::clusters::{Cluster, Place, Trend};
use super::document::{Report, Totals};
use super::span::time;
use crate::figures::grouped;
use crate::registry::shelf::short;
use crate::store::Class;

/// Clusters that are told at length; the table has all.
const AT_LENGTH: usize = 8;

/// A visitor's text as code that neither ends early nor begins a cell. It was made visible before.
pub fn code(text: &str) -> String {
    let safe = text.replace('`', "\\u{60}").replace('|', "\\u{7c}");
    if safe.is_empty() {
        "-".to_owned()
    } else {
        format!("`{safe}`")
    }
}

/// `1 label`, `2,000 labels`.
fn many(count: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// All of it.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# Sekisho: findings from {} to {}\n\n{}\n",
        time(report.period.from),
        time(report.period.to),
        headline(report)
    );
    if let Some(zone) = &report.zone {
        let _ = writeln!(text, "\nOnly zone {}.", code(zone));
    }
    if !report.empty {
        totals(&mut text, report);
        news(&mut text, report);
        clusters(&mut text, report);
        cases(&mut text, report);
    }
    labels(&mut text, report);
    guards(&mut text, report);
    models(&mut text, report);
    cost(&mut text, report);
    super::spending::markdown(&mut text, report);
    text += "\n## What to know\n\n";
    for note in &report.notes {
        let _ = writeln!(text, "- {note}.");
    }
    text
}

/// What happened, in a sentence or two. Nothing in it is a visitor's text.
pub fn headline(report: &Report) -> String {
    let (now, before) = &report.totals;
    if report.empty {
        return "There are no samples of this time: either nothing was flagged or drawn, or the module's samples do not \
                reach the store. `sekisho doctor` tells which."
            .to_owned();
    }
    let share = |totals: &Totals| totals.flagged_requests as f64 * 100.0 / totals.requests.max(1) as f64;
    let mut text = format!(
        "In these {} samples tell of {} clients with at least {} requests. {} of them were flagged; they made {:.0} % of \
         these requests.",
        report.period.length(),
        grouped(now.clients),
        grouped(now.requests),
        grouped(now.flagged),
        share(now)
    );
    if before.samples > 0 {
        let _ = write!(
            text,
            " In as long before it were {} of {} clients, with {:.0} %.",
            grouped(before.flagged),
            grouped(before.clients),
            share(before)
        );
    }
    let new = report.trending(Trend::New).count();
    let grown = report.trending(Trend::Grown).count();
    if new + grown > 0 {
        let _ = write!(
            text,
            " Of the clusters of like clients {new} {} new, and {grown} grew.",
            if new == 1 { "is" } else { "are" }
        );
    }
    text
}

/// One of the totals.
type Total = fn(&Totals) -> u64;

fn totals(text: &mut String, report: &Report) {
    let (now, before) = &report.totals;
    text.push_str("\n## Totals\n\n| | this time | before |\n|---|--:|--:|\n");
    let rows: [(&str, Total); 5] = [
        ("clients of which there are samples", |totals| totals.clients),
        ("their requests, at least", |totals| totals.requests),
        ("samples", |totals| totals.samples),
        ("flagged clients", |totals| totals.flagged),
        ("their requests, at least", |totals| totals.flagged_requests),
    ];
    for (name, value) in rows {
        let _ = writeln!(
            text,
            "| {name} | {} | {} |",
            grouped(value(now)),
            grouped(value(before))
        );
    }
    let mut verdicts: Vec<&str> = now
        .verdicts
        .keys()
        .chain(before.verdicts.keys())
        .copied()
        .collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    for verdict in verdicts {
        let of = |totals: &Totals| grouped(totals.verdicts.get(verdict).copied().unwrap_or_default());
        let _ = writeln!(
            text,
            "| clients at worst {verdict} | {} | {} |",
            of(now),
            of(before)
        );
    }
}

fn news(text: &mut String, report: &Report) {
    if report.totals.1.samples == 0 {
        return;
    }
    text.push_str("\n## What is new\n\n");
    let before = text.len();
    for (trend, name) in [
        (Trend::New, "New"),
        (Trend::Grown, "Grown"),
        (Trend::Shrunk, "Shrunk"),
        (Trend::Gone, "Gone"),
    ] {
        for cluster in report.trending(trend) {
            let _ = writeln!(
                text,
                "- {name}: {}, {} ({} requests before, {} now)",
                cluster.id,
                cluster.says,
                grouped(cluster.before.requests),
                grouped(cluster.load.requests)
            );
        }
    }
    if text.len() == before {
        text.push_str("Nothing: the same kinds of clients came, about as busy.\n");
    }
}

fn clusters(text: &mut String, report: &Report) {
    text.push_str("\n## Clusters of like clients\n\n");
    if report.clusters.is_empty() {
        text.push_str("No client was flagged.\n");
        return;
    }
    text.push_str(
        "Flagged clients that behave alike; a share may differ by a quarter, a time or a size by a factor of four. What is \
         usual is ",
    );
    let _ = writeln!(text, "{}.\n", report.baseline.of);
    text.push_str(
        "| | clients | requests | before | most are in | what they do |\n|---|--:|--:|--:|---|---|\n",
    );
    for cluster in &report.clusters {
        let network = cluster.networks.first().map_or("-".to_owned(), place);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {network} | {} |",
            cluster.id,
            grouped(cluster.load.clients),
            grouped(cluster.load.requests),
            grouped(cluster.before.requests),
            cluster.says
        );
    }
    if report.unclustered > 0 {
        let _ = writeln!(
            text,
            "\n{} flagged clients are in no cluster.",
            grouped(report.unclustered)
        );
    }
    for cluster in report.clusters.iter().take(AT_LENGTH) {
        one_cluster(text, cluster);
    }
}

fn one_cluster(text: &mut String, cluster: &Cluster) {
    let _ = writeln!(
        text,
        "\n### {}: {}\n\nSeen from {} to {}. Worst verdicts: {}.\n",
        cluster.id,
        cluster.says,
        time(cluster.span.0),
        time(cluster.span.1),
        verdicts(cluster)
    );
    if !cluster.common.is_empty() {
        text.push_str("| in common | median | 8 of 10 within | usual | unit |\n|---|--:|---|--:|---|\n");
        for common in &cluster.common {
            let _ = writeln!(
                text,
                "| {} ({}) | {} | {} to {} | {} | {} |",
                common.says,
                common.feature,
                common.median,
                common.middle.0,
                common.middle.1,
                common.baseline,
                common.unit
            );
        }
        text.push('\n');
    }
    let networks: Vec<String> = cluster.networks.iter().map(place).collect();
    if !networks.is_empty() {
        let _ = writeln!(text, "Networks: {}.", networks.join(", "));
    }
    let names: Vec<String> = cluster.names.iter().map(|name| code(name)).collect();
    let _ = writeln!(text, "Busiest: {}.", names.join(", "));
}

/// Verdicts of a cluster's clients with their counts.
pub fn verdicts(cluster: &Cluster) -> String {
    let verdicts = cluster.verdicts.iter();
    let verdicts: Vec<String> = verdicts
        .map(|(verdict, clients)| format!("{verdict} {}", grouped(*clients)))
        .collect();
    verdicts.join(", ")
}

fn place(place: &Place) -> String {
    format!("{} ({})", code(&place.network), grouped(place.load.clients))
}

fn cases(text: &mut String, report: &Report) {
    if report.cases.is_empty() {
        return;
    }
    text.push_str("\n## Cases that cost most\n");
    for (place, case) in report.cases.iter().enumerate() {
        let cluster = case
            .cluster
            .as_ref()
            .map_or(String::new(), |cluster| format!(", {cluster}"));
        let _ = writeln!(
            text,
            "\n{}. {}{cluster}: {} It asked for {}. Reasons: {}.",
            place + 1,
            code(&case.client),
            case.text,
            code(&case.request),
            if case.reasons.is_empty() {
                "none were written".to_owned()
            } else {
                case.reasons
                    .iter()
                    .map(|reason| code(reason))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        );
        super::spending::claims(text, case);
    }
}

fn labels(text: &mut String, report: &Report) {
    let labels = &report.labels;
    text.push_str("\n## Labels\n\n");
    if labels.given.is_empty() {
        text.push_str("None were given in this time.\n");
    }
    for given in &labels.given {
        let class = match given.class {
            Class::Human => "human",
            Class::Crawler => "crawler",
        };
        let _ = writeln!(
            text,
            "- {class}, by {}: {} of {}",
            given.origin.as_str(),
            many(given.labels, "label"),
            many(given.clients, "client")
        );
    }
    let [crawlers, humans, none] = labels.flagged.map(grouped);
    let _ = writeln!(
        text,
        "\nOf the flagged clients {crawlers} are labelled crawler, {humans} human, {none} have no label."
    );
    if labels.flagged[1] > 0 {
        text.push_str(
            "Flagged clients that are labelled human are false positives unless the label is wrong.\n",
        );
    }
    if labels.conflicts > 0 {
        let names: Vec<String> = labels.conflicting.iter().map(|name| code(name)).collect();
        let _ = writeln!(
            text,
            "Labels of {} clients contradict each other, among them {}: `sekisho label list --conflicts`.",
            grouped(labels.conflicts),
            names.join(", ")
        );
    }
}

fn guards(text: &mut String, report: &Report) {
    let guards = &report.guards;
    let _ = writeln!(
        text,
        "\n## What guards and people did\n\nClients by their worst verdict: {} rejected, {} trapped, and {} that would have \
         been rejected but for dry run or a guard.",
        grouped(guards.rejected),
        grouped(guards.trapped),
        grouped(guards.held_back)
    );
    if guards.counters.is_empty() {
        text.push_str("No counter of a guard is known to have grown; `--metrics` reads them.\n");
    }
    for counted in &guards.counters {
        let _ = writeln!(
            text,
            "- {}: {} ({})",
            counted.says,
            grouped(counted.grew.round() as u64),
            code(&counted.metric)
        );
    }
    for line in &guards.audit {
        let _ = writeln!(
            text,
            "- {} by {}, {} time{}, last at {}",
            code(&line.action),
            code(&line.actor),
            grouped(line.times),
            if line.times == 1 { "" } else { "s" },
            time(line.last)
        );
    }
}

fn models(text: &mut String, report: &Report) {
    let models = &report.models;
    text.push_str("\n## Models and drift\n\n");
    for (digest, samples) in &models.scored {
        let _ = writeln!(
            text,
            "- {} scored {} samples",
            code(short(digest)),
            grouped(*samples)
        );
    }
    if models.changes.is_empty() {
        text.push_str("- The champion was not changed.\n");
    }
    for change in &models.changes {
        let _ = writeln!(
            text,
            "- {} of {} by {} at {}: {}",
            change.action,
            code(short(&change.digest)),
            code(&change.actor),
            time(u32::try_from(change.at).unwrap_or_default()),
            code(&change.note)
        );
    }
    for run in &models.runs {
        let _ = writeln!(
            text,
            "- Retraining {} began at {}: {} {}",
            run.id,
            time(run.started),
            run.state.replace('_', " "),
            if run.why.is_empty() {
                String::new()
            } else {
                code(&run.why)
            }
        );
    }
    for said in drift(report) {
        let _ = writeln!(text, "- {said}");
    }
}

/// What was found when somebody looked for drift last, a sentence a zone, with zones as code.
pub fn drift(report: &Report) -> Vec<String> {
    let zones = report.drift().iter().map(|zone| {
        let name = |value: &serde_json::Value| {
            let text = value.as_str().unwrap_or_default();
            code(&crate::visible::escaped(text.as_bytes(), 64))
        };
        let at = zone["at"].as_u64().and_then(|at| u32::try_from(at).ok());
        let alarming: Vec<String> = zone["alarming"]
            .as_array()
            .into_iter()
            .flatten()
            .map(name)
            .collect();
        let found = if let Some(trouble) = zone["trouble"].as_str() {
            crate::visible::escaped(trouble.as_bytes(), 300)
        } else if alarming.is_empty() {
            format!("nothing alarms, {} to watch", zone["watched"])
        } else {
            format!("alarms: {}", alarming.join(", "))
        };
        format!(
            "Drift of zone {}, looked at {}: {found}",
            name(&zone["zone"]),
            time(at.unwrap_or_default())
        )
    });
    zones.collect()
}

fn cost(text: &mut String, report: &Report) {
    let Some(cost) = &report.cost else { return };
    let _ = writeln!(
        text,
        "\n## Cost\n\nFlagged clients made at least {} requests and were sent about {}. {} of these requests are of clients \
         that were rejected or trapped.",
        grouped(cost.requests),
        bytes(cost.bytes),
        grouped(cost.rejected_requests)
    );
}

/// Bytes in the unit that fits.
pub fn bytes(bytes: u64) -> String {
    let (size, unit) = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
        .into_iter()
        .find(|(size, _)| bytes as f64 >= *size)
        .unwrap_or((1.0, "bytes"));
    if size > 1.0 {
        format!("{:.1} {unit}", bytes as f64 / size)
    } else {
        format!("{bytes} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_neither_ends_early_nor_begins_a_cell() {
        assert_eq!(code("a`b|c"), "`a\\u{60}b\\u{7c}c`");
        assert_eq!(code(""), "-");
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        assert_eq!(
            [999, 1_000, 2_500_000, 7_000_000_000_000].map(bytes),
            ["999 bytes", "1.0 kB", "2.5 MB", "7.0 TB"]
        );
    }
}
