//! Drift for people.

use std::fmt::Write;

use comfy_table::{Table, presets};
use jiff::Timestamp;

use super::watch::{Drift, Drifted, State};
use crate::figures::grouped;

/// Steady features are told by their number only.
pub fn text(drift: &Drift) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {} alarm{}, {} to watch\n",
        if drift.alarms > 0 { "Drifted" } else { "Steady" },
        drift.alarms,
        if drift.alarms == 1 { "" } else { "s" },
        drift.watched
    );
    for (name, (from, to, clients)) in [("reference", drift.reference), ("recent", drift.recent)] {
        let _ = writeln!(
            text,
            "{name:<10} {} to {}, {} clients judged",
            time(from),
            time(to),
            grouped(clients as u64)
        );
    }
    let _ = writeln!(text, "\n{}\n", numbers(drift).trim_fmt());
    let steady = drift
        .features
        .iter()
        .filter(|feature| feature.state == State::Steady)
        .count();
    let _ = writeln!(text, "{steady} features are steady.\n");
    let _ = writeln!(text, "{}\n", shares(drift).trim_fmt());
    let deciles = |side: fn(&(f64, f64)) -> f64| -> String {
        let deciles = drift.deciles.iter().map(|pair| format!("{:.2}", side(pair)));
        deciles.collect::<Vec<_>>().join(" ")
    };
    let _ = writeln!(text, "scores in tenths, reference  {}", deciles(|pair| pair.0));
    let _ = writeln!(text, "                  recent     {}", deciles(|pair| pair.1));
    text
}

fn numbers(drift: &Drift) -> Table {
    let mut table = plain(&["", "INDEX", "BY CHANCE UP TO", "MEDIAN BEFORE", "SINCE", ""]);
    let moving = drift
        .features
        .iter()
        .filter(|feature| feature.state != State::Steady);
    for Drifted {
        name,
        index,
        by_chance,
        medians,
        state,
    } in std::iter::once(&drift.score).chain(moving)
    {
        table.add_row([
            (*name).to_owned(),
            format!("{index:.3}"),
            format!("{by_chance:.3}"),
            format!("{:.3}", medians.0),
            format!("{:.3}", medians.1),
            word(*state).to_owned(),
        ]);
    }
    table
}

fn shares(drift: &Drift) -> Table {
    let mut table = plain(&["CLIENTS", "BEFORE", "SINCE", ""]);
    for share in &drift.shares {
        let shown = |(value, (low, high)): (f64, (f64, f64))| {
            format!(
                "{:.1} % ({:.1} to {:.1})",
                value * 100.0,
                low * 100.0,
                high * 100.0
            )
        };
        table.add_row([
            share.name.to_owned(),
            shown(share.reference),
            shown(share.recent),
            word(share.state).to_owned(),
        ]);
    }
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.force_no_tty();
    table
}

fn word(state: State) -> &'static str {
    match state {
        State::Steady => "steady",
        State::Watch => "watch",
        State::Alarm => "ALARM",
    }
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string())
}
