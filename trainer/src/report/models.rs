//! Which models judged in a time, who changed them, and what drift and retraining tell.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::ReportError;
use super::gather::Gathered;
use super::span::Span;
use crate::registry::history::{Action, History};
use crate::retrain::status;
use crate::store::Store;
use crate::visible::escaped;

/// Characters of a person's words that are kept.
const MAX_NOTE: usize = 300;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Models {
    /// Samples of this time by the digest of the model that scored.
    pub scored: BTreeMap<String, u64>,
    /// Changes of the champion in this time, oldest first.
    pub changes: Vec<Changed>,
    /// Runs of retraining that began in this time or were decided in it, newest first.
    pub runs: Vec<Retrained>,
    /// Drift of each zone when somebody looked last, as the store has it.
    pub drift: Vec<Value>,
    /// The watch over the champion, as the store has it.
    pub watch: Value,
}

/// One change of the champion.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Unix seconds.
    pub at: i64,
    /// `promote` or `rollback`.
    pub action: &'static str,
    /// The champion from then on.
    pub digest: String,
    /// The one before.
    pub previous: Option<String>,
    /// Who.
    pub actor: String,
    /// In whose words.
    pub note: String,
}

/// One run.
#[derive(Debug, Serialize)]
pub struct Retrained {
    /// Its number.
    pub id: i64,
    /// Unix seconds.
    pub started: u32,
    /// Where it stands.
    pub state: String,
    /// Why it ended so.
    pub why: String,
}

/// Reads the store.
pub fn models(store: &Store, period: Span, gathered: &Gathered) -> Result<Models, ReportError> {
    let within = |at: i64| u32::try_from(at).is_ok_and(|at| period.holds(at));
    let changes = History::of(store.connection())
        .changes()
        .map_err(crate::store::StoreError::from)?;
    let mut status = status(store)?;
    let runs = status["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default().as_bytes(), MAX_NOTE);
    let runs = runs.iter().filter_map(|run| {
        let started = run["started"].as_i64()?;
        let decided = run["decided_at"].as_i64();
        (within(started) || decided.is_some_and(within)).then(|| Retrained {
            id: run["id"].as_i64().unwrap_or_default(),
            started: u32::try_from(started).unwrap_or_default(),
            state: text(&run["state"]),
            why: text(&run["why"]),
        })
    });
    Ok(Models {
        scored: gathered.models.clone(),
        changes: changes
            .into_iter()
            .filter(|change| within(change.at))
            .map(|change| Changed {
                at: change.at,
                action: match change.action {
                    Action::Promote => "promote",
                    Action::Rollback => "rollback",
                },
                digest: change.digest,
                previous: change.previous,
                actor: escaped(change.actor.as_bytes(), MAX_NOTE),
                note: escaped(change.note.as_bytes(), MAX_NOTE),
            })
            .collect(),
        runs: runs.collect(),
        drift: match status["drift"].take() {
            Value::Array(zones) => zones,
            _ => Vec::new(),
        },
        watch: status["watch"].take(),
    })
}
