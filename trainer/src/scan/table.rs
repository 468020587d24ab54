//! The result for people.

use std::io::{self, IsTerminal, Write};

use clap::ColorChoice;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::report::{Client, Fate, Report};
use super::words::phrases;
use crate::figures::{counted, grouped};

/// Cells of a score's bar.
const BAR: usize = 10;
/// Reasons shown for a client.
const REASONS: usize = 3;
const HEADER: [&str; 6] = ["CLIENT", "REQUESTS", "SCORE", "VERDICT", "FLAGGED", "WHY"];
/// Columns when the output is no terminal.
const WIDTH: u16 = 100;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Clients shown.
    pub top: usize,
    /// Colours or not.
    pub color: bool,
    /// Columns.
    pub width: u16,
}

impl Style {
    /// Colours unless told otherwise: on a terminal, without `NO_COLOR` (no-color.org).
    pub fn new(top: usize, choice: ColorChoice) -> Style {
        let terminal = io::stdout().is_terminal();
        let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && unset("NO_COLOR"),
        };
        let width = if terminal {
            Table::new().width().unwrap_or(WIDTH).clamp(80, 140)
        } else {
            WIDTH
        };
        Style { top, color, width }
    }

    fn paint(&self, fate: Fate, text: &str) -> String {
        match color(fate) {
            Some((_, code)) if self.color => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Draws the clients that matter most, then the summary.
pub fn write(report: &Report, style: Style, out: &mut impl Write) -> io::Result<()> {
    if !report.clients.is_empty() && style.top > 0 {
        writeln!(out, "{}", clients(report, style))?;
        let hidden = report.clients.len().saturating_sub(style.top);
        if hidden > 0 {
            writeln!(
                out,
                "  ... and {} more clients (--top N shows more)",
                grouped(hidden as u64)
            )?;
        }
        writeln!(out)?;
    }
    write_summary(report, style, out)
}

fn clients(report: &Report, style: Style) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(style.width)
        .set_header(HEADER.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for client in report.clients.iter().take(style.top) {
        table.add_row(row(client));
    }
    table.trim_fmt()
}

fn row(client: &Client) -> [Cell; 6] {
    let mut verdict = Cell::new(client.fate.as_str());
    if let Some((color, _)) = color(client.fate) {
        verdict = verdict.fg(color);
    }
    if client.fate == Fate::Rejected {
        verdict = verdict.add_attribute(Attribute::Bold);
    }
    let flagged = client.flag.map_or(String::new(), |flag| {
        format!("request {}\n{}", grouped(flag.request), moment(flag.at))
    });
    let why = match (client.score, client.fate) {
        (None, _) => "too few requests to tell".to_owned(),
        (_, Fate::Passed) => String::new(),
        _ => phrases(&client.reasons, REASONS).join("\n"),
    };
    [
        Cell::new(&client.name),
        Cell::new(grouped(client.requests)).set_alignment(CellAlignment::Right),
        Cell::new(client.score.map_or(String::new(), bar)),
        verdict,
        Cell::new(flagged),
        Cell::new(why),
    ]
}

fn color(fate: Fate) -> Option<(Color, &'static str)> {
    match fate {
        Fate::Rejected => Some((Color::Red, "31")),
        Fate::Suspect => Some((Color::Yellow, "33")),
        Fate::Allowed => Some((Color::Cyan, "36")),
        Fate::Passed => None,
    }
}

/// `█████████░ .93`; rounded down, so that only 1 looks like 1.
fn bar(score: f32) -> String {
    let full = ((score * BAR as f32).round() as usize).min(BAR);
    let hundredths = (score * 100.0) as u32;
    let number = if hundredths >= 100 {
        "1.0".to_owned()
    } else {
        format!(".{hundredths:02}")
    };
    format!("{}{} {number}", "█".repeat(full), "░".repeat(BAR - full))
}

fn write_summary(report: &Report, style: Style, out: &mut impl Write) -> io::Result<()> {
    let intake = &report.intake;
    let span = intake.seen.map_or(String::new(), |(first, last)| {
        format!(", {} to {}", date(first), date(last))
    });
    writeln!(
        out,
        "{} by {}{span}",
        counted(intake.requests, "request"),
        counted(report.client_count(), "client")
    )?;
    for fate in Fate::ALL {
        let tally = report.tallies.get(&fate).copied().unwrap_or_default();
        if fate == Fate::Allowed && tally.clients == 0 {
            continue;
        }
        let stopped = match fate {
            Fate::Rejected => format!("; {} stopped, a ban lasts 10 min", grouped(report.stopped)),
            _ => String::new(),
        };
        writeln!(
            out,
            "  {} {:>9} clients {:>12} requests ({}){stopped}",
            style.paint(fate, &format!("{:<9}", fate.as_str())),
            grouped(tally.clients),
            grouped(tally.requests),
            share(tally.requests, intake.requests),
        )?;
    }
    write_notes(report, out)?;
    writeln!(
        out,
        "Model {}: suspect from {}, rejected from {}, nothing before request {}",
        &report.model[..report.model.len().min(12)],
        report.policy.suspect,
        report.policy.reject,
        report.policy.min_requests,
    )?;
    write_hint(report, out)
}

/// What the operator should know about the input. Also what goes to standard error beside JSON lines.
pub fn write_notes(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let intake = &report.intake;
    for trouble in &intake.troubles {
        writeln!(
            out,
            "{}: {}; its first {} lines were used",
            trouble.name,
            trouble.reason,
            grouped(trouble.lines)
        )?;
    }
    if let Some(bad) = &intake.first_unparsable {
        writeln!(
            out,
            "{} of {} lines could not be read; the first, {}:{}: {}\n    {}",
            grouped(intake.unparsable),
            grouped(intake.lines),
            bad.file,
            bad.line,
            bad.reason,
            bad.text
        )?;
    }
    if intake.malformed > 0 {
        let malformed = grouped(intake.malformed);
        writeln!(
            out,
            "{malformed} requests are so malformed that nginx answers them by itself: left out"
        )?;
    }
    let forgotten = report.forgotten;
    if forgotten.clients > 0 {
        writeln!(
            out,
            "forgotten to make room: {} with {}, {} of them flagged (--clients N remembers more)",
            counted(forgotten.clients, "client"),
            counted(forgotten.requests, "request"),
            grouped(forgotten.flagged)
        )?;
    }
    Ok(())
}

fn write_hint(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.intake.requests == 0 {
        return Ok(());
    }
    if report.stopped == 0 {
        return writeln!(
            out,
            "Next: nobody would have been stopped; a longer log shows more."
        );
    }
    writeln!(
        out,
        "Next: see whom you know among the rejected, and take them out with --allow; --format jsonl has every\n\
         number behind a verdict. Then load the module with sekisho_dry_run on: it stops nobody yet."
    )
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        "0 %".to_owned()
    } else {
        format!("{:.1} %", part as f64 * 100.0 / whole as f64)
    }
}

fn moment(at: u32) -> String {
    format_time(at, "%-d %b %H:%M:%S")
}

fn date(at: u32) -> String {
    format_time(at, "%-d %b %Y %H:%M")
}

fn format_time(at: u32, format: &str) -> String {
    jiff::Timestamp::from_second(i64::from(at))
        .map_or_else(|_| at.to_string(), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "0 %");
        assert_eq!(bar(0.999), "██████████ .99");
        assert_eq!(bar(1.0), "██████████ 1.0");
        assert_eq!(bar(0.04), "░░░░░░░░░░ .04");
    }
}
