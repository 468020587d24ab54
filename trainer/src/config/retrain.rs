//! `[retrain]`: who puts models into force, when a new one is learnt, and what takes one back.

use std::path::PathBuf;

use sekisho_core::checkpoint::{DEFAULT_MIN_REQUESTS, MAX_MIN_REQUESTS};
use serde::{Deserialize, Serialize};

use super::{Fault, fault};

/// Hours at most wherever hours are asked for: a year.
const MOST_HOURS: u32 = 8760;
/// The longest time that is held out, in days; samples are rarely kept for longer.
const MOST_DAYS: u32 = 365;

/// Who puts a retrained model into force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// A person.
    #[default]
    Manual,
    /// Nobody, when every gate is open.
    Automatic,
}

/// `[retrain]`: scheduled retraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainSection {
    /// Who approves.
    pub policy: Policy,
    /// Hours between the beginnings of two runs of `sekisho serve`; 0 leaves that to `sekisho retrain --once`.
    pub every_hours: u32,
    /// Hours that a challenger scores beside the champion before it may be promoted.
    pub shadow_hours: u32,
    /// The last days of the samples are not learnt from, but compared on; at most a quarter of their time.
    pub held_out_days: u32,
    /// Labelled people that it takes to learn from.
    pub least_people: u32,
    /// Labelled crawlers that it takes to learn from.
    pub least_crawlers: u32,
    /// File of rows whose verdict must not flip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canaries: Option<PathBuf>,
    /// The share `contrast=` of `sekisho_samples`, which weighs drawn clients back.
    pub contrast: f64,
    /// `min_requests=` of the location.
    pub min_requests: u32,
    /// Hours after a promotion in which it is taken back by itself; 0 never does.
    pub rollback_hours: u32,
    /// So many times the odds of the forecast may the odds of being stopped reach.
    pub rollback_factor: f64,
    /// Stopped clients before which nothing is taken back.
    pub rollback_least: u32,
    /// Location of `sekisho_api`, whose counters are watched, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// Hours between two looks at drift by `sekisho serve`; 0 never looks.
    pub drift_hours: u32,
}

impl Default for RetrainSection {
    fn default() -> RetrainSection {
        RetrainSection {
            policy: Policy::Manual,
            every_hours: 0,
            shadow_hours: 24,
            held_out_days: 7,
            least_people: 50,
            least_crawlers: 50,
            canaries: None,
            contrast: 1.0,
            min_requests: DEFAULT_MIN_REQUESTS,
            rollback_hours: 24,
            rollback_factor: 3.0,
            rollback_least: 20,
            status_url: None,
            drift_hours: 24,
        }
    }
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(retrain: &RetrainSection) -> Result<(), Fault> {
    let refused = |key, reason: String| Err(fault("retrain", key, reason));
    let hours = [
        ("every_hours", retrain.every_hours),
        ("shadow_hours", retrain.shadow_hours),
        ("rollback_hours", retrain.rollback_hours),
        ("drift_hours", retrain.drift_hours),
    ];
    if let Some((key, _)) = hours.into_iter().find(|(_, hours)| *hours > MOST_HOURS) {
        return refused(key, format!("{key} is 0 to {MOST_HOURS}"));
    }
    if !(1..=MOST_DAYS).contains(&retrain.held_out_days) {
        return refused("held_out_days", format!("held_out_days is 1 to {MOST_DAYS}"));
    }
    let counts = [
        ("least_people", retrain.least_people),
        ("least_crawlers", retrain.least_crawlers),
        ("rollback_least", retrain.rollback_least),
    ];
    if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
        return refused(key, format!("{key} is at least 1"));
    }
    if !(retrain.contrast > 0.0 && retrain.contrast <= 1.0) {
        return refused(
            "contrast",
            "contrast is a share, more than 0 and at most 1, such as 0.01".to_owned(),
        );
    }
    if !(1..=MAX_MIN_REQUESTS).contains(&retrain.min_requests) {
        return refused("min_requests", format!("min_requests is 1 to {MAX_MIN_REQUESTS}"));
    }
    if !(retrain.rollback_factor > 1.0 && retrain.rollback_factor.is_finite()) {
        return refused(
            "rollback_factor",
            "rollback_factor is more than 1, such as 3.0".to_owned(),
        );
    }
    if retrain
        .status_url
        .as_deref()
        .is_some_and(|url| !url.starts_with("http://"))
    {
        return refused(
            "status_url",
            "status_url begins with http://, such as http://127.0.0.1/sekisho".to_owned(),
        );
    }
    Ok(())
}
