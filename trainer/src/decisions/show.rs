//! Decisions as people and programs read them.

use std::collections::HashMap;
use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::json;

use super::DecisionsError;
use super::ecs::time;
use crate::nginx::{NginxError, stored_name};
use crate::shape::OutputFormat;
use crate::store::{DecisionRow, Names};
use crate::visible::masked;
use crate::watch::Live;

/// Prints decisions.
pub(super) fn list(rows: &[DecisionRow], format: OutputFormat) -> Result<(), DecisionsError> {
    let mut output = io::stdout().lock();
    match format {
        OutputFormat::Json => json(rows, output),
        OutputFormat::Table => Ok(writeln!(output, "{}", table(rows))?),
    }
}

/// Writes decisions as one JSON document.
pub(super) fn json(rows: &[DecisionRow], mut output: impl Write) -> Result<(), DecisionsError> {
    serde_json::to_writer_pretty(&mut output, &json!(rows))?;
    Ok(writeln!(output)?)
}

fn table(rows: &[DecisionRow]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["client", "zone", "nginx", "begun", "until", "by", "why", "state"]);
    for row in rows {
        let by = match row.author.as_str() {
            "" => row.origin.clone(),
            author => format!("{}: {author}", row.origin),
        };
        let mut why = row.reasons.join(", ");
        if !row.note.is_empty() {
            why = if why.is_empty() {
                row.note.clone()
            } else {
                format!("{why}; {}", row.note)
            };
        }
        table.add_row(
            [
                row.client.clone(),
                row.zone.clone(),
                row.nginx.clone(),
                time(row.begun),
                time(row.ended.unwrap_or(row.expires)),
                by,
                why,
                state(row),
            ]
            .map(|text| masked(&text)),
        );
    }
    table
}

/// How it stands.
fn state(row: &DecisionRow) -> String {
    match (row.end, row.dry_run) {
        (Some(end), _) if row.ended_by.is_empty() => end.as_str().to_owned(),
        (Some(end), _) => format!("{} by {}", end.as_str(), row.ended_by),
        (None, _) if row.held => "held by a guard".to_owned(),
        (None, Some(true)) => "dry run".to_owned(),
        (None, Some(false)) => "in force".to_owned(),
        (None, None) => "not known whether nginx acts on it".to_owned(),
    }
}

/// The plain names of clients that nginx bans now, by their pseudonyms.
pub(super) fn plain_names(live: &Live, names: &Names) -> Result<HashMap<String, String>, NginxError> {
    let mut plain = HashMap::new();
    for nginx in live.all() {
        for zone in nginx.status()?.zones {
            for decision in nginx.decisions(&zone.name)?.list {
                let name = stored_name(&decision.client);
                plain.insert(names.client(&name), name);
            }
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::super::ecs::tests::event;
    use super::*;
    use crate::store::{End, EventKind};

    #[test]
    fn the_table_tells_how_each_stands() {
        let row = |change: fn(&mut DecisionRow)| {
            let mut row = event(1, EventKind::Begun, "192.0.2.7").decision;
            change(&mut row);
            row
        };
        let rows = [
            row(|_| {}),
            row(|row| row.dry_run = Some(true)),
            row(|row| row.held = true),
            row(|row| {
                row.origin = "operator".to_owned();
                row.author = "ana".to_owned();
                row.note = "scrapes\u{202e} prices".to_owned();
                row.end = Some(End::Lifted);
                row.ended = Some(1_800_000_100);
                row.ended_by = "ben".to_owned();
            }),
        ];
        insta::assert_snapshot!(table(&rows).to_string());
    }
}
