//! The challenger beside the champion: what it made of the clients that came, against what was forecast.

use super::account::Shadow;
use super::error::RetrainError;
use super::forecast::{Bounds, Forecast, jumps};
use super::live::{self, Span};
use super::runs::Run;
use super::steps::Retrain;

const HOUR: u32 = 3_600;

/// Looks when the time is over; until then, what is waited for.
pub fn look(retrain: &Retrain<'_>, run: &mut Run, now: u32) -> Result<Option<String>, RetrainError> {
    let settings = &retrain.config.retrain;
    let since = run.account.shadow_since.unwrap_or(run.started);
    let until = since.saturating_add(settings.shadow_hours.saturating_mul(HOUR));
    if now < until {
        let minutes = (until - now).div_ceil(60);
        return Ok(Some(format!(
            "run {}: the challenger scores beside the champion for {} h {} min more",
            run.id,
            minutes / 60,
            minutes % 60
        )));
    }
    let digest = run.challenger.clone().unwrap_or_default();
    let span = Span {
        digest: &digest,
        from: since,
        until: now.saturating_add(1),
        contrast: settings.contrast,
    };
    let reject = run.account.thresholds.as_ref().map_or(1.0, |cuts| cuts.reject);
    let live = live::scores(retrain.store, span, reject, settings.min_requests)?;
    let forecast = run.account.evaluation.as_ref().and_then(Forecast::of);
    let bounds = Bounds {
        factor: settings.rollback_factor,
        least: settings.rollback_least,
    };
    if live.clients <= 0.0 && settings.shadow_hours > 0 {
        let note =
            "no sample has a score of the challenger: does sekisho_model name its file with challenger=?";
        run.account.notes.push(note.to_owned());
    }
    run.account.shadow = Some(Shadow {
        clients: live.clients,
        stopped: live.stopped,
        forecast: forecast.map(|forecast| forecast.stopped),
        jumps: forecast.is_some_and(|forecast| jumps(&forecast, &live, bounds)),
    });
    Ok(None)
}
