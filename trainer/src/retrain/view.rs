//! Runs, the watch over the champion, and drift, for people and programs.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::account::ZoneDrift;
use super::error::RetrainError;
use super::runs::{self, Run, State};
use super::{drifting, watch};
use crate::registry::history::{Action, History};
use crate::registry::shelf::short;
use crate::store::Store;
use crate::visible::masked;

/// Runs that a page shows.
const SHOWN: u32 = 20;

/// The newest run.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    /// Its number.
    pub id: i64,
    /// Where it stands.
    pub state: State,
    /// When it began, unix seconds.
    pub started: u32,
}

/// What metrics tell of retraining and drift.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Absent before the first.
    pub run: Option<Newest>,
    /// How each zone drifted when somebody looked last.
    pub drift: Vec<ZoneDrift>,
}

/// The newest run and drift, in short.
///
/// # Errors
/// The history cannot be read.
pub fn glance(store: &Store) -> Result<Glance, RetrainError> {
    let run = standing_runs(store, 1)?.into_iter().next();
    Ok(Glance {
        run: run.map(|run| Newest {
            id: run.id,
            state: run.state,
            started: run.started,
        }),
        drift: drifting::kept(store)?,
    })
}

/// One document, also for `GET /v1/status`: the newest run, what is watched, and drift.
pub fn overview(store: &Store) -> Result<Value, RetrainError> {
    let run = standing_runs(store, 1)?.into_iter().next();
    Ok(json!({
        "run": run.as_ref().map(document),
        "watch": watch::kept(store)?,
        "drift": drifting::kept(store)?,
    }))
}

/// A run as it stands. Somebody may have promoted its model, or taken it back, by `sekisho model`: the next step writes
/// that down, and nobody should read until then that a run waits which does not.
///
/// # Errors
/// The history cannot be read.
pub fn standing(store: &Store, mut run: Run) -> Result<Run, RetrainError> {
    let Some(change) = History::of(store.connection()).changes()?.into_iter().next_back() else {
        return Ok(run);
    };
    let ours = |digest: Option<&String>| digest.is_some() && digest == run.challenger.as_ref();
    let state = match change.action {
        Action::Promote if run.state.is_open() && ours(Some(&change.digest)) => State::Promoted,
        Action::Rollback
            if (run.state.is_open() || run.state == State::Promoted) && ours(change.previous.as_ref()) =>
        {
            State::RolledBack
        }
        _ => return Ok(run),
    };
    if change.at < i64::from(run.started) {
        return Ok(run);
    }
    run.state = state;
    run.decided_at = u32::try_from(change.at).ok();
    run.decided_by = Some(change.actor);
    run.why = change.note;
    Ok(run)
}

/// The newest runs as they stand, newest first: as many as a page shows.
///
/// # Errors
/// The store cannot be read.
pub fn newest(store: &Store) -> Result<Vec<Run>, RetrainError> {
    standing_runs(store, SHOWN)
}

fn standing_runs(store: &Store, limit: u32) -> Result<Vec<Run>, RetrainError> {
    let mut runs = runs::newest(store, limit)?;
    // Those before it are over.
    if let Some(run) = runs.first_mut() {
        *run = standing(store, run.clone())?;
    }
    Ok(runs)
}

/// All that is known of the newest runs.
pub fn status(store: &Store) -> Result<Value, RetrainError> {
    let runs: Vec<Value> = newest(store)?.iter().map(document).collect();
    Ok(json!({ "runs": runs, "watch": watch::kept(store)?, "drift": drifting::kept(store)? }))
}

/// The same for people.
pub fn table(store: &Store) -> Result<String, RetrainError> {
    let mut table = plain(&["RUN", "BEGAN", "STATE", "CHALLENGER", "DECIDED BY", "WHY"]);
    for run in newest(store)? {
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
