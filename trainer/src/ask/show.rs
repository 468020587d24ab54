//! Answers as people and programs read them.

use std::fmt::Write;

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, AnswerRow};
use super::form::Measure;
use crate::figures::{counted, grouped};
use crate::visible::masked;

/// Longest cell, in characters: a hostile path shall not push the figures off the screen.
const CELL: usize = 60;
/// Rows that the sentence names.
const NAMED: usize = 3;

/// For a terminal.
pub fn text(answer: &Answer) -> String {
    let mut text = format!("Asked: sekisho ask {}\n", masked(&answer.form.flags()));
    if answer.rows.is_empty() {
        text.push_str("\nNothing in the store matches.\n");
        return text;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    let mut header = vec![String::new()];
    header.extend(answer.form.by.iter().map(|field| field.word().to_uppercase()));
    header.extend(
        Measure::ALL
            .iter()
            .map(|measure| measure.word().replace('_', " ").to_uppercase()),
    );
    table.set_header(header);
    for row in &answer.rows {
        let mut cells = vec![format!("[{}]", row.row)];
        cells.extend(row.by.iter().map(|value| cell(value.as_deref())));
        cells.extend(Measure::ALL.iter().map(|measure| figure(row, *measure)));
        table.add_row(cells);
    }
    let _ = writeln!(text, "\n{}\n\n{}", table.trim_fmt(), sentence(answer));
    text
}

/// For programs.
pub fn document(answer: &Answer) -> Value {
    json!({
        "asked": answer.form,
        "flags": answer.form.flags(),
        "from": answer.from,
        "to": answer.to,
        "rows": answer.rows,
        "cut": answer.cut,
        "sentence": sentence(answer),
    })
}

/// What the rows say, each figure with the row that it stands in.
pub fn sentence(answer: &Answer) -> String {
    let measure = answer.form.measure;
    let Some(first) = answer.rows.first() else {
        return "Nothing in the store matches.".to_owned();
    };
    if answer.form.by.is_empty() {
        return format!(
            "{} of {}, in {} [1].",
            counted(first.requests, "request"),
            counted(first.clients, "client"),
            counted(first.samples, "sample")
        );
    }
    let named = answer.rows.iter().take(NAMED).map(|row| {
        let of: Vec<String> = row.by.iter().map(|value| cell(value.as_deref())).collect();
        format!("{} with {} [{}]", of.join(", "), told(row, measure), row.row)
    });
    let named: Vec<String> = named.collect();
    let more = match answer.rows.len().saturating_sub(NAMED) {
        0 => String::new(),
        1 => "; one more row".to_owned(),
        more => format!("; {more} more rows"),
    };
    let cut = if answer.cut {
        ", and there may be others: see --rows"
    } else {
        ""
    };
    format!("Most: {}{more}{cut}.", named.join("; "))
}

fn told(row: &AnswerRow, measure: Measure) -> String {
    let value = figure(row, measure);
    match measure {
        Measure::Samples => counted(row.samples, "sample"),
        Measure::Clients => counted(row.clients, "client"),
        Measure::Requests => format!(
            "{} of {}",
            counted(row.requests, "request"),
            counted(row.clients, "client")
        ),
        Measure::TopScore => format!("a highest score of {value}"),
        Measure::MeanScore => format!("a mean score of {value}"),
        Measure::Last => format!("the last sample at {value}"),
    }
}

fn figure(row: &AnswerRow, measure: Measure) -> String {
    let score = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.3}"));
    match measure {
        Measure::Samples => grouped(row.samples),
        Measure::Clients => grouped(row.clients),
        Measure::Requests => grouped(row.requests),
        Measure::TopScore => score(row.top_score),
        Measure::MeanScore => score(row.mean_score),
        Measure::Last => {
            let time = Timestamp::from_second(i64::from(row.last)).unwrap_or_default();
            time.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
    }
}

fn cell(value: Option<&str>) -> String {
    match value {
        None | Some("") => "-".to_owned(),
        Some(value) => {
            let masked = masked(value);
            match masked.char_indices().nth(CELL) {
                Some((at, _)) => format!("{}…", &masked[..at]),
                None => masked,
            }
        }
    }
}
