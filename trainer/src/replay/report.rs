//! The report of a replay, for people.

use std::fmt::{self, Display};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;

use super::digest::{Digest, Kind, Stopped, Tally};
use super::reasons::words;
use super::send::Sent;
use crate::figures::grouped;
use crate::visible::masked;

/// Columns of tables.
const WIDTH: u16 = 100;
/// Reasons shown for a client, and in all.
const REASONS: usize = 3;
/// Kinds of reasons shown.
const KINDS_OF_REASONS: usize = 6;
/// Cells of the longest bar.
const BAR: u64 = 24;

/// What was sent, and what became of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The replay, if there was one.
    pub replay: Option<Sent>,
    /// The decision log, if one was asked for.
    pub decisions: Option<Digest>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sent) = &self.replay {
            write_sent(f, sent)?;
        }
        if let Some(digest) = &self.decisions {
            write_kinds(f, digest)?;
            write_reasons(f, digest)?;
            let verb = if digest.enforced {
                "Stopped"
            } else {
                "Would have been stopped"
            };
            write_clients(f, &format!("{verb} most often"), &digest.stopped)?;
            write_people(f, digest)?;
        }
        Ok(())
    }
}

fn write_sent(f: &mut fmt::Formatter<'_>, sent: &Sent) -> fmt::Result {
    let answers: Vec<String> = sent
        .by_status
        .iter()
        .map(|(class, count)| format!("{} {class}", grouped(*count)))
        .collect();
    writeln!(
        f,
        "Replayed {} requests from {} of the log in {:.1} s, {} a second: {}",
        grouped(sent.requests),
        span(sent.span_seconds),
        sent.seconds,
        grouped(sent.requests_per_second as u64),
        answers.join(", "),
    )?;
    let skipped = &sent.skipped;
    let parts = [
        (skipped.unparsable, "that are no log lines"),
        (skipped.no_request, "without a request that nginx would let in"),
        (skipped.no_address, "without a client address"),
        (skipped.too_long, "too long"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    if skipped.total() > 0 {
        writeln!(
            f,
            "Not sent: {} lines ({})",
            grouped(skipped.total()),
            parts.join(", ")
        )?;
    }
    for trouble in &sent.troubles {
        writeln!(f, "Cut short: {}", masked(trouble))?;
    }
    Ok(())
}

fn write_kinds(f: &mut fmt::Formatter<'_>, digest: &Digest) -> fmt::Result {
    let stopped = if digest.enforced {
        "STOPPED"
    } else {
        "WOULD BE STOPPED"
    };
    let mut table = table();
    table.set_header([
        "VISITORS",
        "CLIENTS",
        "WITH 10+ REQUESTS",
        stopped,
        "REQUESTS",
        stopped,
    ]);
    for kind in Kind::ALL {
        let tally = digest.kinds.get(&kind).copied().unwrap_or_default();
        table.add_row(kind_row(kind, &tally));
    }
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(f, "\n{}", table.trim_fmt())?;
    if digest.unread > 0 {
        writeln!(
            f,
            "{} requests never reached the checkpoint.",
            grouped(digest.unread)
        )?;
    }
    Ok(())
}

fn kind_row(kind: Kind, tally: &Tally) -> [String; 6] {
    [
        kind_words(kind).to_owned(),
        grouped(tally.clients),
        grouped(tally.judged),
        format!(
            "{}  {:>4}",
            grouped(tally.stopped),
            share(tally.stopped, tally.judged)
        ),
        grouped(tally.requests),
        format!(
            "{}  {:>4}",
            grouped(tally.stopped_requests),
            share(tally.stopped_requests, tally.requests)
        ),
    ]
}

fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::DeclaredCrawler => "declared crawlers and tools",
        Kind::LikelyPerson => "likely people",
        Kind::Unclear => "not clear",
    }
}

fn write_reasons(f: &mut fmt::Formatter<'_>, digest: &Digest) -> fmt::Result {
    let Some((_, most)) = digest.reasons.first() else {
        return Ok(());
    };
    writeln!(f, "\nWhy, by the strongest reason at a client's first stop")?;
    for (name, clients) in digest.reasons.iter().take(KINDS_OF_REASONS) {
        let bar = "█".repeat((clients * BAR).div_ceil(*most) as usize);
        writeln!(f, "  {:<44} {:>6}  {bar}", masked(words(name)), grouped(*clients))?;
    }
    let rest: u64 = digest
        .reasons
        .iter()
        .skip(KINDS_OF_REASONS)
        .map(|(_, clients)| clients)
        .sum();
    if rest > 0 {
        writeln!(f, "  {:<44} {:>6}", "something else", grouped(rest))?;
    }
    Ok(())
}

fn write_clients(f: &mut fmt::Formatter<'_>, title: &str, clients: &[Stopped]) -> fmt::Result {
    if clients.is_empty() {
        return Ok(());
    }
    let mut table = table();
    table.set_header([
        "CLIENT",
        "STOPPED",
        "FROM",
        "SCORE",
        "WHO IT SAYS IT IS, AND WHAT GAVE IT AWAY",
    ]);
    for client in clients {
        let reasons: Vec<&str> = client
            .reasons
            .iter()
            .take(REASONS)
            .map(|name| words(name))
            .collect();
        let agent = if client.user_agent.is_empty() {
            "(no user agent)"
        } else {
            &client.user_agent
        };
        table.add_row([
            Cell::new(masked(&client.client)),
            Cell::new(format!(
                "{} of {}",
                grouped(client.stopped_requests),
                grouped(client.requests)
            )),
            Cell::new(format!("#{}", grouped(client.first_stopped))),
            Cell::new(format!("{:.2}", (client.score * 100.0).floor() / 100.0)),
            Cell::new(format!("{}\n{}", masked(agent), masked(&reasons.join(", ")))),
        ]);
    }
    if let Some(column) = table.column_mut(4) {
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(58)));
    }
    writeln!(f, "\n{title}\n{}", table.trim_fmt())
}

/// Says plainly whether people were hit.
fn write_people(f: &mut fmt::Formatter<'_>, digest: &Digest) -> fmt::Result {
    let people = digest.kinds.get(&Kind::LikelyPerson).copied().unwrap_or_default();
    let verb = if digest.enforced {
        "stopped"
    } else {
        "to be stopped"
    };
    match (people.clients, people.stopped) {
        (0, _) => writeln!(f, "\nNobody looks like a person.")?,
        (clients, 0) => writeln!(f, "\nAll {} likely people passed untouched.", grouped(clients))?,
        (clients, stopped) => writeln!(
            f,
            "\n{} of {} likely people passed untouched, {} {verb}: {} of their {} requests.",
            grouped(clients - stopped),
            grouped(clients),
            grouped(stopped),
            grouped(people.stopped_requests),
            grouped(people.requests),
        )?,
    }
    writeln!(
        f,
        "Who is a person is a guess: a browser's user agent that loads scripts and pictures with their pages.\n\
         The checkpoint itself never looks at the user agent."
    )?;
    write_clients(
        f,
        "Stopped although they look like people",
        &digest.stopped_people,
    )
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .force_no_tty();
    table
}

fn share(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => "-".to_owned(),
        (0, _) => "0 %".to_owned(),
        _ if part * 100 < whole => "<1 %".to_owned(),
        _ => format!("{} %", part * 100 / whole),
    }
}

/// Virtual time in words.
fn span(seconds: u32) -> String {
    match seconds {
        0..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::replay::digest;
    use crate::replay::send::Skipped;

    fn sent() -> Sent {
        Sent {
            requests: 60_000,
            by_status: BTreeMap::from([("2xx".to_owned(), 41_234), ("4xx".to_owned(), 18_766)]),
            skipped: Skipped {
                no_request: 12,
                unparsable: 1,
                ..Skipped::default()
            },
            troubles: vec!["a\u{1b}.gz: the gzip archive ends early after line 7".to_owned()],
            connections: 60,
            span_seconds: 12 * 86_400,
            seconds: 8.4,
            requests_per_second: 7142.9,
        }
    }

    #[test]
    fn a_report_reads_well() {
        let report = Report {
            replay: Some(sent()),
            decisions: Some(digest::tests::example()),
        };
        insta::assert_snapshot!(report.to_string());
    }

    #[test]
    fn nobodys_text_reaches_the_terminal_unescaped() {
        let report = Report {
            replay: Some(sent()),
            decisions: Some(digest::tests::example()),
        };
        assert!(!report.to_string().contains('\u{1b}'));
    }

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(
            [(0, 0), (0, 9), (1, 1000), (999, 1000)].map(|(part, whole)| share(part, whole)),
            ["-", "0 %", "<1 %", "99 %"]
        );
    }
}
