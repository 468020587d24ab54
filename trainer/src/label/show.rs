//! Labels as people and programs read them.

use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{LabelError, Output};
use crate::figures::grouped;
use crate::store::{ClientOrder, ClientRow, MAX_PAGE, Origin, PageQuery, Store, StoredLabel};
use crate::visible::masked;

/// Labels shown of one client.
const MOST: u32 = 1000;

/// Lists labels, or clients with contradicting ones, at most `limit`.
pub(super) fn list(store: &Store, conflicts: bool, limit: u32, format: Output) -> Result<(), LabelError> {
    if conflicts {
        let query = PageQuery {
            conflicts: true,
            order: ClientOrder::Last,
            limit: limit.min(MAX_PAGE),
            ..PageQuery::default()
        };
        let clients = store.clients(&query)?.clients;
        return match format {
            Output::Json => print(&json!(clients)),
            Output::Table => Ok(writeln!(io::stdout().lock(), "{}", client_table(&clients))?),
        };
    }
    let labels = store.labels(None, 0, limit)?;
    let labels: Vec<StoredLabel> = labels.into_iter().map(|(_, label)| label).collect();
    match format {
        Output::Json => print(&json!(labels)),
        Output::Table => Ok(writeln!(io::stdout().lock(), "{}", label_table(&labels))?),
    }
}

/// Shows all that is said of clients of one name, most trusted first, and what is believed.
pub(super) fn resolve(store: &Store, clients: &[ClientRow], format: Output) -> Result<(), LabelError> {
    let mut output = io::stdout().lock();
    let mut documents = Vec::new();
    for client in clients {
        let mut labels: Vec<StoredLabel> = store
            .labels(Some(client.id), 0, MOST)?
            .into_iter()
            .map(|(_, label)| label)
            .collect();
        labels.sort_by_key(|label| (label.origin, std::cmp::Reverse(label.at)));
        match format {
            Output::Json => documents.push(json!({"client": client, "labels": labels})),
            Output::Table => {
                writeln!(output, "{}", belief(client))?;
                writeln!(output, "{}", label_table(&labels))?;
            }
        }
    }
    if format == Output::Json {
        drop(output);
        return print(&json!(documents));
    }
    let order: Vec<&str> = Origin::ALL.iter().map(|origin| origin.as_str()).collect();
    writeln!(
        output,
        "Order of trust: {}; of one origin the newest.",
        order.join(", ")
    )?;
    Ok(())
}

/// Counts what a model could learn from, in samples from Unix second `since` on.
pub(super) fn count(store: &Store, since: u32) -> Result<(), LabelError> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["zone", "samples", "clients", "crawlers", "people"]);
    for zone in store.zones()? {
        let site = store.site(since..u32::MAX, &zone)?;
        let (crawlers, humans) = site.labelled();
        let numbers = [
            site.lines,
            site.clients.len() as u64,
            crawlers as u64,
            humans as u64,
        ];
        let cells = [masked(&zone)].into_iter().chain(numbers.map(grouped));
        table.add_row(cells);
    }
    Ok(writeln!(io::stdout().lock(), "{table}")?)
}

pub(super) fn belief(client: &ClientRow) -> String {
    let who = format!("{} in zone {}", masked(&client.name), masked(&client.zone));
    match (client.class, client.origin) {
        (Some(class), Some(origin)) => {
            let conflict = if client.conflict { ", against others" } else { "" };
            format!(
                "{who} is believed to be: {} ({}{conflict})",
                class.as_str(),
                origin.as_str()
            )
        }
        _ => format!("{who} has no label"),
    }
}

pub(super) fn label_table(labels: &[StoredLabel]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["client", "zone", "class", "origin", "at", "author", "note"]);
    for label in labels {
        table.add_row([
            masked(&label.client),
            masked(&label.zone),
            label.class.as_str().to_owned(),
            label.origin.as_str().to_owned(),
            time(label.at),
            masked(&label.author),
            masked(&label.note),
        ]);
    }
    table
}

fn client_table(clients: &[ClientRow]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "client",
        "zone",
        "believed",
        "because of",
        "last seen",
        "worst verdict",
    ]);
    for client in clients {
        table.add_row([
            masked(&client.name),
            masked(&client.zone),
            client.class.map_or("", |class| class.as_str()).to_owned(),
            client.origin.map_or("", |origin| origin.as_str()).to_owned(),
            time(client.last),
            masked(&client.worst),
        ]);
    }
    table
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or_else(|_| at.to_string(), |time| time.to_string())
}

fn print(value: &Value) -> Result<(), LabelError> {
    let mut output = io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, value).map_err(io::Error::from)?;
    Ok(writeln!(output)?)
}
