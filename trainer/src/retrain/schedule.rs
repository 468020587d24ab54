//! The same inside `sekisho serve`: a thread of its own that watches the champion, looks at drift, and retrains when
//! it is time.

use std::thread;
use std::time::Duration;

use tokio::sync::watch::Receiver;

use super::error::RetrainError;
use super::steps::Retrain;
use super::{drifting, lock, on, runs, watch};
use crate::causes::with_causes;
use crate::config::{Config, now};
use crate::store::Store;

/// How often it is looked whether there is anything to do.
const MINUTE: u32 = 60;
/// How soon it ends when it is asked to.
const NOD: Duration = Duration::from_millis(200);
const HOUR: u32 = 3_600;

/// Works until it is stopped. What is under way then is done again by the next one.
pub fn run(config: &Config, stop: &Receiver<bool>) {
    let mut last = None;
    let mut trouble = None;
    while !*stop.borrow() {
        let at = now();
        if last.is_none_or(|last| at.abs_diff(last) >= MINUTE) {
            last = Some(at);
            let said = round(config, at, stop).err().map(|error| with_causes(&error));
            if let (true, Some(text)) = (said != trouble, &said) {
                tracing::error!("retraining does not go on: {text}");
            }
            trouble = said;
        }
        thread::sleep(NOD);
    }
}

/// One look at everything.
fn round(config: &Config, now: u32, stop: &Receiver<bool>) -> Result<(), RetrainError> {
    let _lock = lock(&config.store.path)?;
    let store = Store::open_existing(&config.store.path)?;
    let retrain = Retrain {
        store: &store,
        config,
    };
    if config.retrain.rollback_hours > 0 {
        watch::look(&retrain, now)?;
    }
    let looked = drifting::kept(&store)?.iter().map(|zone| zone.at).max();
    if config.retrain.drift_hours > 0 && is_time(looked, config.retrain.drift_hours, now) {
        drifting::look(&store, config, now)?;
    }
    let started = runs::latest(&store)?.map(|run| (run.started, run.state.is_open()));
    let begins = config.retrain.every_hours > 0;
    let is_open = started.is_some_and(|(_, is_open)| is_open);
    if (begins || is_open) && is_due(config.retrain.every_hours, started, now) {
        let waits = on(&retrain, now, || *stop.borrow())?;
        tracing::debug!("{waits}");
    }
    Ok(())
}

/// Whether a run goes on, or begins: `started` is when the last one began, and whether it is open.
pub fn is_due(hours: u32, started: Option<(u32, bool)>, now: u32) -> bool {
    match started {
        Some((at, false)) => is_time(Some(at), hours, now),
        Some((_, true)) | None => true,
    }
}

/// Whether so many hours have passed; a clock that was set back does not stop it for good.
fn is_time(last: Option<u32>, hours: u32, now: u32) -> bool {
    last.is_none_or(|last| now < last || now - last >= hours.saturating_mul(HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_when_it_is_time() {
        let check = |hours, started, now, expected| {
            assert_eq!(is_due(hours, started, now), expected, "{started:?} {now}");
        };
        check(0, None, 100, true);
        check(0, Some((100, false)), 100, true);
        check(1, Some((100, true)), 101, true);
        check(1, None, 100, true);
        check(1, Some((100, false)), 3_699, false);
        check(1, Some((100, false)), 3_700, true);
        check(1, Some((100, false)), 50, true);
    }
}
