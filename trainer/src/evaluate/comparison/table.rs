//! The comparison for a terminal.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::Comparison;
use super::figures::Figures;
use super::words::{count, estimate, percent, range, share};
use crate::figures::counted;
use crate::visible::masked;

/// Sentence, figures, segments, notes.
pub fn text(comparison: &Comparison) -> String {
    let (old, new) = (&comparison.champion, &comparison.challenger);
    let mut text = format!("{}\n\n", capital(&comparison.sentence));
    let _ = writeln!(text, "{}\n", figures(comparison).trim_fmt());
    let _ = writeln!(text, "{}\n", segments(old, new).trim_fmt());
    let _ = writeln!(
        text,
        "{}, {}. Recall is where {} of the people are above the cut. Intervals hold with 95 %: of shares \
         of clients Clopper-Pearson's, else by drawing the labelled clients 1,000 times.",
        counted(comparison.clients.round() as u64, "client"),
        counted(comparison.requests.round() as u64, "request"),
        percent(comparison.budget)
    );
    for note in &comparison.notes {
        let _ = writeln!(text, "Note: {}.", masked(note));
    }
    text
}

fn figures(comparison: &Comparison) -> Table {
    let (old, new) = (&comparison.champion, &comparison.challenger);
    let mut table = plain(&["", "CHAMPION", "CHALLENGER", "DIFFERENCE"]);
    let differences = &comparison.differences;
    table.add_row(["model", &masked(&old.name), &masked(&new.name), ""]);
    let thresholds = |figures: &Figures| format!("{:.4} / {:.4}", figures.suspect, figures.reject);
    table.add_row(["suspect / reject from", &thresholds(old), &thresholds(new), ""]);
    table.add_row([
        "AUC",
        &estimate(&old.auc),
        &estimate(&new.auc),
        &range(differences.auc),
    ]);
    table.add_row([
        &format!("recall at {}", percent(comparison.budget)),
        &estimate(&old.recall_at_budget),
        &estimate(&new.recall_at_budget),
        &range(differences.recall_at_budget),
    ]);
    table.add_row([
        "people rejected",
        &share(&old.all.humans),
        &share(&new.all.humans),
        "",
    ]);
    table.add_row([
        "crawlers rejected",
        &share(&old.all.crawlers),
        &share(&new.all.crawlers),
        "",
    ]);
    let until = |figures: &Figures| {
        let until = &figures.until_rejected;
        format!("{} / {}", count(until.half), count(until.nine_of_ten))
    };
    table.add_row([
        "requests until half / 9 of 10 crawlers are",
        &until(old),
        &until(new),
        "",
    ]);
    table
}

fn segments(old: &Figures, new: &Figures) -> Table {
    let mut table = plain(&["REJECTED", "PEOPLE NOW", "THEN", "CRAWLERS NOW", "THEN"]);
    let pairs = old.sites.iter().zip(&new.sites).map(|pair| ("site: ", pair));
    let pairs = pairs.chain(old.segments.iter().zip(&new.segments).map(|pair| ("", pair)));
    for (kind, (now, then)) in pairs {
        let name = Cell::new(format!("{kind}{}", masked(&now.name)));
        let counts = [now.humans, then.humans, now.crawlers, then.crawlers];
        let counts = counts.map(|class| {
            let text = format!("{} of {}", class.rejected, class.clients);
            Cell::new(text).set_alignment(CellAlignment::Right)
        });
        table.add_row(std::iter::once(name).chain(counts));
    }
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.force_no_tty();
    table
}

fn capital(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
