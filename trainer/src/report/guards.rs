//! What held enforcement back, as far as samples, the audit log and the module's metrics tell.

use serde::Serialize;

use super::ReportError;
use super::gather::{Gathered, VERDICTS};
use super::span::Span;
use crate::store::{AuditCount, Store};
use crate::visible::escaped;

/// Characters of an actor's name that are kept.
const MAX_ACTOR: usize = 64;

/// What is known.
#[derive(Debug, Default, Serialize)]
pub struct Guards {
    /// Clients that would have been rejected, but for dry run or a guard.
    pub held_back: u64,
    /// Clients that were rejected.
    pub rejected: u64,
    /// Clients that came into a trap.
    pub trapped: u64,
    /// Growth of the module's counters in this time, when metrics were given.
    pub counters: Vec<Counted>,
    /// What people and programs did, from the audit log.
    pub audit: Vec<AuditCount>,
}

/// A counter of the module that grew.
#[derive(Debug, PartialEq, Serialize)]
pub struct Counted {
    /// Its name with its labels, made visible.
    pub metric: String,
    /// By how much.
    pub grew: f64,
    /// What that means.
    pub says: &'static str,
}

/// Counters of guards and of what was lost, with what they mean.
pub const TOLD: [(&str, &str); 12] = [
    ("sekisho_breaker_trips_total", "the breaker put enforcement off"),
    (
        "sekisho_proxies_total",
        "a key was taken for a proxy and not stopped",
    ),
    (
        "sekisho_restrained_total",
        "requests were let through because a guard held enforcement back",
    ),
    ("sekisho_delayed_total", "requests were delayed"),
    (
        "sekisho_undelayed_total",
        "requests were not delayed because too many were",
    ),
    (
        "sekisho_evictions_total",
        "active clients made room: the zone is too small",
    ),
    ("sekisho_lock_failures_total", "requests went on unaccounted"),
    ("sekisho_panics_total", "faults of the module; requests went on"),
    ("sekisho_samples_dropped_total", "samples were lost"),
    (
        "sekisho_sample_failures_total",
        "the sample file did not take all: is its disk full?",
    ),
    ("sekisho_state_failures_total", "the zone could not be saved"),
    ("sekisho_models_refused_total", "model files were refused"),
];

/// Reads the store; counters come from [`counted`].
pub fn guards(store: &Store, period: Span, gathered: &Gathered) -> Result<Guards, ReportError> {
    let count = |verdict: &str| {
        let clients = gathered.clients.values();
        clients.filter(|client| client.verdict() == verdict).count() as u64
    };
    let [_, _, _, held_back, rejected, trapped] = VERDICTS.map(count);
    let mut audit = store.audit_counts(&period.range())?;
    for line in &mut audit {
        line.actor = escaped(line.actor.as_bytes(), MAX_ACTOR);
        line.action = escaped(line.action.as_bytes(), MAX_ACTOR);
    }
    Ok(Guards {
        held_back,
        rejected,
        trapped,
        counters: Vec::new(),
        audit,
    })
}

/// What the growth of a counter means; `None` for one that is no guard's, or did not grow.
pub fn counted(metric: &str, grew: f64) -> Option<Counted> {
    let name = metric.split('{').next()?;
    let (_, says) = TOLD.iter().find(|(known, _)| *known == name)?;
    (grew > 0.0).then(|| Counted {
        metric: metric.to_owned(),
        grew,
        says,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_known_by_their_counters() {
        #[track_caller]
        fn check(metric: &str, grew: f64, expected: Option<&str>) {
            assert_eq!(counted(metric, grew).map(|counted| counted.says), expected);
        }
        check(
            "sekisho_breaker_trips_total{zone=\"clients\"}",
            1.0,
            Some("the breaker put enforcement off"),
        );
        check("sekisho_breaker_trips_total{zone=\"clients\"}", 0.0, None);
        check("sekisho_scores_total{zone=\"clients\"}", 5.0, None);
        check("sekisho_samples_dropped_total", 5.0, Some("samples were lost"));
    }
}
