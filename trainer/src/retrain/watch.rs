//! After a promotion: whether the champion stops more than its evaluation forecast, and if so, the one before it again.
//!
//! It cannot go back and forth: what is watched is the last change of the champion, and after a rollback that is no
//! promotion.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::error::RetrainError;
use super::forecast::{Bounds, Forecast, jumps, load_jumps};
use super::live::{self, Span};
use super::runs::{self, State};
use super::steps::Retrain;
use crate::causes::with_causes;
use crate::doctor::status;
use crate::registry::history::{Action, Change, History};
use crate::registry::promote::{Approver, Request, rollback};
use crate::registry::shelf::short;
use crate::store::Store;

const HOUR: i64 = 3_600;
/// Names in the store's table `setting`.
const WATCHED: &str = "retrain.watched";
const COUNTERS: &str = "retrain.counters";

/// What was seen last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// When, unix seconds.
    pub at: u32,
    /// The champion that is watched; absent while none is.
    pub model: Option<String>,
    /// Clients that it judged, weighed.
    pub clients: f64,
    /// Of these, those that it stopped.
    pub stopped: f64,
    /// The share that its evaluation forecasts.
    pub forecast: Option<f64>,
    /// What came of it, in a sentence.
    pub said: String,
}

/// Requests and stopped ones of each zone when a champion was seen first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Baseline {
    promoted: i64,
    model: String,
    zones: BTreeMap<String, (u64, u64)>,
}

/// Looks at the champion, and takes it back when it must be.
///
/// # Errors
/// The store or the registry; a module that does not answer is only told.
pub fn look(retrain: &Retrain<'_>, now: u32) -> Result<Watched, RetrainError> {
    let mut watched = Watched {
        at: now,
        ..Watched::default()
    };
    settle(retrain, now)?;
    match promotion(retrain, now)? {
        Err(reason) => reason.clone_into(&mut watched.said),
        Ok((change, forecast)) => compare(retrain, &change, &forecast, now, &mut watched)?,
    }
    keep(retrain.store, WATCHED, &watched)?;
    Ok(watched)
}

/// What was seen last; nothing before the first look.
pub fn kept(store: &Store) -> rusqlite::Result<Option<Watched>> {
    setting(store, WATCHED)
}

/// The promotion that is watched, with its forecast; or why none is.
fn promotion(
    retrain: &Retrain<'_>,
    now: u32,
) -> Result<Result<(Change, Forecast), &'static str>, RetrainError> {
    let history = History::of(retrain.store.connection());
    let Some(change) = history.changes()?.into_iter().next_back() else {
        return Ok(Err("no model was promoted yet"));
    };
    let end = change.at + i64::from(retrain.config.retrain.rollback_hours) * HOUR;
    if change.action == Action::Rollback {
        return Ok(Err("the last change was a rollback"));
    }
    if i64::from(now) >= end {
        return Ok(Err("the last promotion is not watched any longer"));
    }
    if retrain.champion_digest()?.as_ref() != Some(&change.digest) {
        return Ok(Err("the champion is not the one that was promoted last"));
    }
    let evaluation = history.evaluation_of(&change.digest)?;
    let document = evaluation.and_then(|text| serde_json::from_str(&text).ok());
    Ok(document
        .as_ref()
        .and_then(Forecast::of)
        .map(|forecast| (change, forecast))
        .ok_or("the evaluation of the champion holds no forecast"))
}

fn compare(
    retrain: &Retrain<'_>,
    change: &Change,
    forecast: &Forecast,
    now: u32,
    watched: &mut Watched,
) -> Result<(), RetrainError> {
    let settings = &retrain.config.retrain;
    let span = Span {
        digest: &change.digest,
        from: u32::try_from(change.at).unwrap_or_default(),
        until: now.saturating_add(1),
        contrast: settings.contrast,
    };
    let live = live::verdicts(retrain.store, span)?;
    let bounds = Bounds {
        factor: settings.rollback_factor,
        least: settings.rollback_least,
    };
    watched.model = Some(change.digest.clone());
    (watched.clients, watched.stopped) = (live.clients, live.stopped);
    watched.forecast = Some(forecast.stopped);
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let mut reason = None;
    if jumps(forecast, &live, bounds) {
        reason = Some(format!(
            "it stopped {} of the clients in the samples, the forecast was {}",
            percent(live.stopped / live.clients),
            percent(forecast.stopped)
        ));
    } else if let Some((rejected, requests)) = counted(retrain, change)? {
        let least = u64::from(settings.rollback_least) * u64::from(settings.min_requests);
        // One crawler that keeps asking makes many requests: as many clients as by the samples must be stopped, too.
        let several = live.stopped_clients >= settings.rollback_least;
        if several && load_jumps(forecast, rejected, requests, least, settings.rollback_factor) {
            reason = Some(format!(
                "it stopped {} of the requests that nginx counted, the forecast was {}",
                percent(rejected as f64 / requests.max(1) as f64),
                percent(forecast.load)
            ));
        }
    }
    watched.said = match reason {
        None => "within the forecast".to_owned(),
        Some(reason) => match take_back(retrain, change, &reason, now) {
            Ok(said) => said,
            // It is told, and all else goes on.
            Err(error) => {
                let said = format!(
                    "{} is to be taken back: {reason}; that failed: {error}",
                    short(&change.digest)
                );
                tracing::error!("{said}");
                said
            }
        },
    };
    Ok(())
}

fn take_back(retrain: &Retrain<'_>, change: &Change, reason: &str, now: u32) -> Result<String, RetrainError> {
    let request = Request {
        approver: Approver::Policy,
        note: reason.to_owned(),
        now: now.into(),
    };
    // Somebody may have promoted another one meanwhile.
    let changed = rollback(
        &retrain.settings(),
        retrain.store.connection(),
        &request,
        Some(&change.digest),
    )?;
    settle(retrain, now)?;
    let said = format!(
        "{} was taken back: {reason}; the champion is {} again",
        short(&change.digest),
        short(&changed.digest)
    );
    tracing::error!("{said}");
    Ok(said)
}

/// Writes with a run that its model was taken back: right after it was, or at the next look where that broke off.
fn settle(retrain: &Retrain<'_>, now: u32) -> Result<(), RetrainError> {
    let Some(mut run) = runs::latest(retrain.store)?.filter(|run| run.state == State::Promoted) else {
        return Ok(());
    };
    let changes = History::of(retrain.store.connection()).changes()?;
    let last = changes
        .last()
        .filter(|change| change.action == Action::Rollback && change.previous == run.challenger);
    match last {
        Some(change) => {
            let (actor, note) = (change.actor.clone(), change.note.clone());
            runs::decide(retrain.store, &mut run, State::RolledBack, &actor, &note, now)
        }
        None => Ok(()),
    }
}

/// Stopped requests and all requests since the promotion, as the module counts them; `None` when it is not asked, does
/// not answer, or began anew.
fn counted(retrain: &Retrain<'_>, change: &Change) -> Result<Option<(u64, u64)>, RetrainError> {
    let Some(url) = &retrain.config.retrain.status_url else {
        return Ok(None);
    };
    let status = match status::ask(url) {
        Ok(status) => status,
        Err(error) => {
            tracing::warn!(
                "{}: [retrain] status_url names a location with sekisho_api",
                with_causes(&error)
            );
            return Ok(None);
        }
    };
    let zones = status.zones.into_iter().map(|zone| {
        let counters = zone.counters;
        let rejected = counters.rejected + counters.rejected_dry_run;
        (zone.name, (counters.requests, rejected))
    });
    let present = Baseline {
        promoted: change.at,
        model: change.digest.clone(),
        zones: zones.collect(),
    };
    let kept: Option<Baseline> = setting(retrain.store, COUNTERS)?;
    let since = kept.and_then(|kept| present.since(&kept));
    if since.is_none() {
        keep(retrain.store, COUNTERS, &present)?;
    }
    Ok(since)
}

impl Baseline {
    /// Stopped requests and all requests since another reading; `None` when that was of another champion, or a zone was
    /// made anew since.
    fn since(&self, earlier: &Baseline) -> Option<(u64, u64)> {
        if (self.promoted, &self.model) != (earlier.promoted, &earlier.model) {
            return None;
        }
        let mut sums = (0u64, 0u64);
        for (name, (requests, rejected)) in &self.zones {
            let before = earlier.zones.get(name)?;
            sums.0 = sums.0.saturating_add(rejected.checked_sub(before.1)?);
            sums.1 = sums.1.saturating_add(requests.checked_sub(before.0)?);
        }
        Some(sums)
    }
}

fn setting<T: for<'de> Deserialize<'de>>(store: &Store, name: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = store
        .connection()
        .query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn keep<T: Serialize>(store: &Store, name: &str, value: &T) -> Result<(), RetrainError> {
    let text = serde_json::to_string(value)?;
    store.connection().execute(
        "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![name, text],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_count_since_the_same_promotion_of_the_same_zones() {
        let reading = |promoted, zones: &[(&str, u64, u64)]| Baseline {
            promoted,
            model: "a".to_owned(),
            zones: zones
                .iter()
                .map(|&(name, requests, rejected)| (name.to_owned(), (requests, rejected)))
                .collect(),
        };
        let earlier = reading(1, &[("clients", 100, 10), ("more", 5, 5)]);
        let check = |promoted, zones: &[(&str, u64, u64)], expected| {
            assert_eq!(reading(promoted, zones).since(&earlier), expected, "{zones:?}");
        };
        check(1, &[("clients", 300, 60), ("more", 5, 5)], Some((50, 200)));
        check(1, &[("clients", 300, 60)], Some((50, 200)));
        check(2, &[("clients", 300, 60)], None);
        check(1, &[("clients", 50, 10)], None);
        check(1, &[("other", 300, 60)], None);
    }
}
