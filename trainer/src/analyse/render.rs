//! The analysis for people: on a terminal, or as Markdown.

use std::fmt::Write;

use super::access::Kind;
use super::document::Analysis;
use super::evidence::{Pair, SplitBy};
use super::hypotheses::{Finding, Hypothesis};
use crate::figures::grouped;
use crate::report::{code, time};

/// Lines of one finding that are cited.
const CITED: usize = 3;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal: headings in capitals, nothing marked.
    Text,
    /// For tickets and mail.
    Markdown,
}

impl Style {
    fn heading(self, text: &str) -> String {
        match self {
            Style::Text => format!("\n{}\n\n", text.to_uppercase()),
            Style::Markdown => format!("\n## {text}\n\n"),
        }
    }

    /// Sentences mark visitors' text as code; a terminal needs no marks.
    fn sentence(self, text: &str) -> String {
        match self {
            Style::Text => text.replace('`', ""),
            Style::Markdown => text.to_owned(),
        }
    }

    fn quoted(self, text: &str) -> String {
        match self {
            Style::Text => text.to_owned(),
            Style::Markdown => code(text),
        }
    }
}

/// All of it.
pub fn render(analysis: &Analysis, style: Style) -> String {
    let mut text = match style {
        Style::Text => format!("Event: {}\n", analysis.event),
        Style::Markdown => format!("# Sekisho: {}\n\n", code(&analysis.event)),
    };
    let _ = writeln!(
        text,
        "From {} to {}; before and since are told apart at {} ({}).",
        time(analysis.span.from),
        time(analysis.span.to),
        time(analysis.split.at),
        match analysis.split.by {
            SplitBy::Event => "the event's time",
            SplitBy::Change => "what changed most certainly",
            SplitBy::Middle => "the middle: neither the event nor a change tells when it began",
        }
    );
    conclusion(&mut text, analysis, style);
    seen(&mut text, analysis, style);
    changes(&mut text, analysis, style);
    let seconds = analysis.seen.access_seconds.unwrap_or_default();
    kinds(
        &mut text,
        "Requests that grew",
        (&analysis.requests, seconds),
        style,
    );
    let whole = (
        f64::from(analysis.split.at - analysis.span.from),
        f64::from(analysis.span.to - analysis.split.at),
    );
    kinds(
        &mut text,
        "Messages that grew",
        (&analysis.messages, whole),
        style,
    );
    kinds(
        &mut text,
        "Requests that the event names",
        (&analysis.named, seconds),
        style,
    );
    if !analysis.notes.is_empty() {
        text += &style.heading("What to know");
        for note in &analysis.notes {
            let _ = writeln!(text, "- {}", style.sentence(note));
        }
    }
    text
}

fn conclusion(text: &mut String, analysis: &Analysis, style: Style) {
    *text += &style.heading("What may have happened");
    if analysis.hypotheses.is_empty() {
        text.push_str(
            "No hypothesis of the catalogue fits what was read. What was seen is below; a longer time, an error log, or the \
             module's metrics may tell more.\n",
        );
    }
    for (place, found) in analysis.hypotheses.iter().enumerate() {
        hypothesis(text, place + 1, found, style);
    }
}

fn hypothesis(text: &mut String, number: usize, found: &Hypothesis, style: Style) {
    let _ = writeln!(
        text,
        "{number}. {} [{}, {} evidence, {:.1}]\n",
        style.sentence(&found.title),
        found.id,
        found.evidence,
        found.score
    );
    findings(text, "For", &found.supports, style);
    findings(text, "Against", &found.against, style);
    if found.against.is_empty() {
        text.push_str("   Against: nothing that was read speaks against it.\n");
    }
    text.push_str("   Check next:\n");
    for step in &found.next {
        // Commands and directives stay marked in Markdown only.
        let _ = writeln!(text, "   - {}", style.sentence(step));
    }
    text.push('\n');
}

fn findings(text: &mut String, name: &str, findings: &[Finding], style: Style) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "   {name}:");
    for finding in findings {
        let _ = writeln!(text, "   - {}", style.sentence(&finding.says));
        for cite in finding.cites.iter().take(CITED) {
            let place = style.quoted(&cite.to_string());
            let _ = writeln!(text, "     {place} {}", style.quoted(&cite.text));
        }
    }
}

fn seen(text: &mut String, analysis: &Analysis, style: Style) {
    *text += &style.heading("What was read");
    let seen = &analysis.seen;
    match (&seen.access, seen.access_seconds) {
        (Some((before, after)), Some(seconds)) => {
            let pair = |count: fn(&super::access::Counts) -> u64| {
                Pair::new(count(before), count(after), seconds).says()
            };
            let _ = writeln!(text, "- requests: {}", pair(|counts| counts.requests));
            let _ = writeln!(text, "- responses 5xx: {}", pair(|counts| counts.server_errors));
            let _ = writeln!(
                text,
                "- refused (403, 429, 444): {}",
                pair(|counts| counts.refused)
            );
        }
        _ => text.push_str("- no access log\n"),
    }
    let _ = match seen.error_lines {
        Some(lines) => writeln!(text, "- {} messages of the error log", grouped(lines)),
        None => writeln!(text, "- no error log"),
    };
    let _ = match seen.series {
        Some(series) => writeln!(
            text,
            "- {} series of metrics, of which {} changed their level",
            grouped(series as u64),
            analysis.metrics.len()
        ),
        None => writeln!(text, "- no metrics"),
    };
    let _ = match seen.flagged {
        Some((before, after)) => writeln!(
            text,
            "- samples of flagged requests: {} before, {} since",
            grouped(before),
            grouped(after)
        ),
        None => writeln!(text, "- no store"),
    };
}

fn changes(text: &mut String, analysis: &Analysis, style: Style) {
    if analysis.shifts.is_empty() && analysis.metrics.is_empty() {
        return;
    }
    *text += &style.heading("What changed its level");
    for shift in &analysis.shifts {
        let _ = writeln!(
            text,
            "- {}: from {:.1} to {:.1} in each {}, at {}",
            shift.what,
            shift.change.before,
            shift.change.after,
            crate::report::duration(analysis.span.width()),
            time(shift.at)
        );
    }
    for changed in &analysis.metrics {
        let _ = writeln!(
            text,
            "- {}: from {:.3} to {:.3}{}, at {} ({})",
            style.quoted(&changed.metric),
            changed.change.before,
            changed.change.after,
            if changed.rate { " a second" } else { "" },
            time(changed.at),
            style.quoted(&changed.cite.to_string())
        );
    }
}

fn kinds(text: &mut String, name: &str, (kinds, seconds): (&[Kind], (f64, f64)), style: Style) {
    if kinds.is_empty() {
        return;
    }
    *text += &style.heading(name);
    for kind in kinds {
        let cite = kind.cites.first();
        let cite = cite.map_or(String::new(), |cite| {
            format!(", first {}", style.quoted(&cite.to_string()))
        });
        let _ = writeln!(
            text,
            "- {}: {}{cite}",
            style.quoted(&kind.template),
            Pair::new(kind.before, kind.after, seconds).says()
        );
    }
}
