//! What the dashboard shows of runs, and what people decide there.

use super::account::ZoneDrift;
use super::error::RetrainError;
use super::runs::{self, Run};
use super::steps::Retrain;
use super::watch::Watched;
use super::{decide, drifting, report, view, watch};
use crate::config::Config;
use crate::registry::promote::Approver;
use crate::store::Store;

/// The newest runs, what is watched, and drift.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Newest first, as they stand.
    pub runs: Vec<Run>,
    /// The champion, since it was promoted.
    pub watched: Option<Watched>,
    /// Of each zone.
    pub drift: Vec<ZoneDrift>,
}

/// What there is to see.
///
/// # Errors
/// The store cannot be read.
pub fn seen(store: &Store) -> Result<Seen, RetrainError> {
    Ok(Seen {
        runs: view::newest(store)?,
        watched: watch::kept(store)?,
        drift: drifting::kept(store)?,
    })
}

/// A run as it stands, with its report as Markdown.
///
/// # Errors
/// There is none of this number.
pub fn one(store: &Store, id: i64) -> Result<(Run, String), RetrainError> {
    let run = view::standing(store, runs::find(store, id)?)?;
    let report = report::markdown(&run);
    Ok((run, report))
}

/// Makes the model of a waiting run the champion.
///
/// # Errors
/// As [`decide::approve`].
pub fn approve(
    store: &Store,
    config: &Config,
    id: i64,
    (by, note): (&str, &str),
    now: u32,
) -> Result<(), RetrainError> {
    let mut run = runs::find(store, id)?;
    let approver = Approver::Person(by.to_owned());
    decide::approve(&Retrain { store, config }, &mut run, &approver, note, now)
}

/// Ends a run.
///
/// # Errors
/// As [`decide::reject`].
pub fn reject(
    store: &Store,
    config: &Config,
    id: i64,
    (by, why): (&str, &str),
    now: u32,
) -> Result<(), RetrainError> {
    let mut run = runs::find(store, id)?;
    decide::reject(&Retrain { store, config }, &mut run, by, why, now)
}
