//! Runs, the watch over the champion, and drift, for people and programs.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::RetrainError;
use super::runs::{self, Run};
use super::{drifting, watch};
use crate::registry::shelf::short;
use crate::store::Store;
use crate::visible::masked;

/// Runs that a page shows.
const SHOWN: u32 = 20;

/// One document, also for `GET /v1/status`: the newest run, what is watched, and drift.
pub fn overview(store: &Store) -> Result<Value, RetrainError> {
    let run = runs::latest(store)?;
    Ok(json!({
        "run": run.as_ref().map(document),
        "watch": watch::kept(store)?,
        "drift": drifting::kept(store)?,
    }))
}

/// All that is known of the newest runs.
pub fn status(store: &Store) -> Result<Value, RetrainError> {
    let runs = runs::newest(store, SHOWN)?;
    let runs: Vec<Value> = runs.iter().map(document).collect();
    Ok(json!({ "runs": runs, "watch": watch::kept(store)?, "drift": drifting::kept(store)? }))
}

/// The same for people.
pub fn table(store: &Store) -> Result<String, RetrainError> {
    let mut table = plain(&["RUN", "BEGAN", "STATE", "CHALLENGER", "DECIDED BY", "WHY"]);
    for run in runs::newest(store, SHOWN)? {
        table.add_row([
            run.id.to_string(),
            time(run.started),
            run.state.as_str().replace('_', " "),
            run.challenger.as_deref().map_or("-", short).to_owned(),
            masked(run.decided_by.as_deref().unwrap_or("-")),
            masked(&run.why),
        ]);
    }
    let mut text = if table.is_empty() {
        "no run yet: `sekisho retrain --once` begins one\n".to_owned()
    } else {
        format!("{}\n", table.trim_fmt())
    };
    if let Some(watched) = watch::kept(store)? {
        text += &format!("\nchampion: {} ({})\n", masked(&watched.said), time(watched.at));
    }
    for zone in drifting::kept(store)? {
        let what = match (&zone.trouble, zone.alarming.is_empty()) {
            (Some(trouble), _) => trouble.clone(),
            (None, true) => format!("{} to watch", zone.watched),
            (None, false) => format!("ALARM: {}", zone.alarming.join(", ")),
        };
        text += &format!(
            "drift of {}: {} ({})\n",
            masked(&zone.zone),
            masked(&what),
            time(zone.at)
        );
    }
    Ok(text)
}

/// One run with its account.
pub fn document(run: &Run) -> Value {
    json!({
        "id": run.id,
        "started": run.started,
        "state": run.state,
        "champion": run.champion,
        "challenger": run.challenger,
        "decided_at": run.decided_at,
        "decided_by": run.decided_by,
        "why": run.why,
        "account": run.account,
    })
}

/// Prints a document.
pub fn print(value: &Value) -> Result<(), RetrainError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    Ok(out.write_all(b"\n")?)
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.force_no_tty();
    table
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string())
}
