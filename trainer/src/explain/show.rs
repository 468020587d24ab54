//! A report for a terminal, and for a ticket.

use std::fmt::Write;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;

use super::background::{Labelled, What};
use super::report::Report;
use super::snapshot::Evidence;
use super::timeline::sparkline;
use super::verify::Verified;
use super::words::{self, Lang, labels};
use crate::figures::grouped;

/// Characters of an id that tell it from others.
const SHORT: usize = 12;
/// Characters of a line of prose.
const WIDTH: usize = 100;

/// For a terminal.
pub fn text(report: &Report, lang: Lang, notes: bool) -> String {
    let (told, labels) = (report.text(lang), labels(lang));
    let mut out = format!("{} · {}\n{}\n\n", report.client, report.zone, told.headline);
    match lang {
        Lang::En => out.push_str(&wrapped(&told.sentences.join(" "))),
        // A line of Japanese may break anywhere, so the terminal does it.
        Lang::Ja => out.push_str(&format!("{}\n", told.sentences.join("\n"))),
    }
    let colon = if lang == Lang::En { ": " } else { "：" };
    let _ = writeln!(out, "\n{}{colon}{}", labels.action, told.action);
    let _ = writeln!(out, "{}{colon}{}", labels.confidence, told.confidence);
    if let Some(given) = &report.feedback {
        let _ = writeln!(out, "{}{colon}{}", labels.feedback, words::feedback(lang, given));
    }
    if let Some(asked) = asked(report, lang) {
        let _ = writeln!(out, "\n{asked}");
    }
    for (sentence, number) in claims(report, lang).iter().zip(1..) {
        let number: u32 = number;
        let _ = writeln!(out, "  {number}. {sentence}");
    }
    if let Some(own) = own_words(report).filter(|_| notes) {
        let _ = writeln!(out, "{}{colon}{own}", labels.notes);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(labels.columns);
    for item in &report.snapshot.evidence {
        table.add_row(row(item, lang));
    }
    let _ = writeln!(out, "\n{}\n{}", labels.evidence, trimmed(&table.to_string()));
    let timeline = &report.snapshot.timeline;
    let _ = writeln!(
        out,
        "\n{}\n {}  {} {} {} × {}",
        labels.timeline,
        time(timeline.from),
        sparkline(&timeline.counts),
        time(report.snapshot.window.to),
        timeline.counts.len(),
        words::time(lang, timeline.step),
    );
    let _ = writeln!(out, "\n{}", labels.paths);
    for path in &report.snapshot.paths.top {
        let _ = writeln!(
            out,
            " {:>3} {:>7}  {}",
            path.id,
            grouped(path.count),
            path.template
        );
    }
    for (name, list) in lists(report) {
        let _ = writeln!(out, " {name}: {}  --expand {}", grouped(list.1), list.0);
    }
    if !report.sources.is_empty() {
        let _ = writeln!(out, "\n{}", labels.sources);
    }
    for source in &report.sources {
        let (line, quoted) = told_source(source, lang);
        let _ = writeln!(out, " {:>3}  {line}", source.id);
        for own in quoted {
            let _ = writeln!(out, "      > {own}");
        }
    }
    let _ = writeln!(out, "\n{} {}", labels.snapshot, report.id);
    out
}

/// For a ticket. Names and templates are in code, where Markdown does not read them.
pub fn markdown(report: &Report, lang: Lang, notes: bool) -> String {
    let (told, labels) = (report.text(lang), labels(lang));
    let mut out = format!(
        "## {}\n\n`{}` · `{}`\n\n",
        told.headline,
        code(&report.client),
        code(&report.zone)
    );
    let space = if lang == Lang::En { " " } else { "" };
    let _ = writeln!(out, "{}\n", told.sentences.join(space));
    let _ = writeln!(out, "- **{}**: {}", labels.action, told.action);
    let _ = writeln!(out, "- **{}**: {}", labels.confidence, told.confidence);
    if let Some(given) = &report.feedback {
        let said = code(&words::feedback(lang, given));
        let _ = writeln!(out, "- **{}**: `{said}`", labels.feedback);
    }
    let found = claims(report, lang);
    if !found.is_empty() {
        let _ = writeln!(out, "\n### {}\n", labels.claims);
    }
    if let Some(asked) = asked(report, lang) {
        let _ = writeln!(
            out,
            "{}`{}`\n",
            if found.is_empty() { "\n" } else { "" },
            code(&asked)
        );
    }
    for (sentence, number) in found.iter().zip(1..) {
        let number: u32 = number;
        let _ = writeln!(out, "{number}. {sentence}");
    }
    if let Some(own) = own_words(report).filter(|_| notes) {
        let _ = writeln!(out, "\n{}: `{}`", labels.notes, code(own));
    }
    let _ = writeln!(
        out,
        "\n### {}\n\n| {} |",
        labels.evidence,
        labels.columns.join(" | ")
    );
    let _ = writeln!(out, "|{}", "---|".repeat(labels.columns.len()));
    for item in &report.snapshot.evidence {
        let _ = writeln!(out, "| {} |", row(item, lang).join(" | "));
    }
    push_requests(&mut out, report, lang);
    push_sources(&mut out, report, lang);
    let _ = writeln!(out, "\n{} `{}`", labels.snapshot, report.id);
    out
}

/// When requests came, and what was asked for.
fn push_requests(out: &mut String, report: &Report, lang: Lang) {
    let labels = labels(lang);
    let timeline = &report.snapshot.timeline;
    let _ = writeln!(
        out,
        "\n### {}\n\n`{}` – `{}`, {} × {}\n\n    {}\n\n### {}\n",
        labels.timeline,
        time(timeline.from),
        time(report.snapshot.window.to),
        timeline.counts.len(),
        words::time(lang, timeline.step),
        sparkline(&timeline.counts),
        labels.paths
    );
    for path in &report.snapshot.paths.top {
        let _ = writeln!(
            out,
            "- {}: {} × `{}`",
            path.id,
            grouped(path.count),
            code(&path.template)
        );
    }
}

/// Sources, somebody else's text in code.
fn push_sources(out: &mut String, report: &Report, lang: Lang) {
    if !report.sources.is_empty() {
        let _ = writeln!(out, "\n### {}\n", labels(lang).sources);
    }
    for source in &report.sources {
        let (line, quoted) = told_source(source, lang);
        let _ = writeln!(out, "- {}: {line}", source.id);
        for own in quoted {
            let _ = writeln!(out, "  - `{}`", code(&own));
        }
    }
}

/// A source in our words, and the lines of it that are somebody else's: where a section of a runbook stands, and how it
/// begins.
pub fn told_source(source: &Labelled, lang: Lang) -> (String, Vec<String>) {
    match &source.what {
        What::Case(case) => {
            let mut line = words::case(lang, case);
            if let Some(short) = case.snapshot.get(..SHORT) {
                let _ = write!(line, " ({short})");
            }
            (line, Vec::new())
        }
        What::Runbook(page) => {
            let place = [page.path.as_str(), page.title.as_str(), page.heading.as_str()];
            let mut place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
            place.dedup();
            (
                words::runbook(lang, page),
                vec![place.join(" · "), page.excerpt.clone()],
            )
        }
    }
}

/// One line of the evidence.
pub(super) fn row(item: &Evidence, lang: Lang) -> [String; 7] {
    let figure = |value| words::noun_and_figure(lang, item, value).1;
    let range = item
        .baseline
        .tails
        .map(|(low, high)| format!("{} – {}", figure(low), figure(high)));
    [
        item.id.clone(),
        words::noun_and_figure(lang, item, item.value).0.to_owned(),
        figure(item.value),
        figure(item.baseline.median),
        range.unwrap_or_default(),
        words::bound(lang, item).unwrap_or_default(),
        format!("{:+.2}", item.attribution),
    ]
}

/// Digests and lengths of lists that are longer than what is shown of them.
fn lists(report: &Report) -> Vec<(&'static str, (&str, u64))> {
    let snapshot = &report.snapshot;
    let longer = [
        ("path templates", &snapshot.paths.all, snapshot.paths.top.len()),
        ("samples", &snapshot.samples, 0),
        ("clients alike", &snapshot.alike.clients, 0),
    ];
    longer
        .into_iter()
        .filter(|(_, list, shown)| list.total > *shown as u64)
        .map(|(name, list, _)| (name, (list.digest.as_str(), list.total)))
        .collect()
}

/// Who was asked, and how much of the answer holds.
pub(super) fn asked(report: &Report, lang: Lang) -> Option<String> {
    let claims = |verified: &Verified| (verified.kept.len(), verified.dropped.len());
    let (kept, dropped) = report.verified.as_ref().map_or((0, 0), claims);
    Some(words::source(lang, report.source.as_ref()?, kept, dropped))
}

/// The claims that hold, as sentences.
pub(super) fn claims(report: &Report, lang: Lang) -> Vec<&str> {
    let kept = report.verified.iter().flat_map(|verified| &verified.kept);
    kept.map(|claim| match lang {
        Lang::En => claim.en.as_str(),
        Lang::Ja => claim.ja.as_str(),
    })
    .collect()
}

fn own_words(report: &Report) -> Option<&str> {
    report.verified.as_ref()?.unverified_notes.as_deref()
}

fn code(text: &str) -> String {
    text.replace('`', "'")
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or_else(|_| at.to_string(), |time| time.to_string())
}

fn trimmed(table: &str) -> String {
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Lines of at most [`WIDTH`] columns, broken at spaces.
fn wrapped(text: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
    out
}
