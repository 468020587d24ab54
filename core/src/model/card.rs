//! What a model file says about itself in `metadata_props`.

use super::pb::{ModelProto, StringStringEntryProto};
use super::{ModelError, Quoted};
use serde::{Deserialize, Serialize};

/// Metadata key of the feature schema's hash.
pub const SCHEMA: &str = "sekisho.schema";
/// Metadata key of the feature names, separated by commas.
pub const FEATURES: &str = "sekisho.features";
/// Metadata key of the thresholds, a JSON object.
pub const THRESHOLDS: &str = "sekisho.thresholds";
/// Metadata key of the typical human's features, a JSON array.
pub const BASELINE: &str = "sekisho.baseline";
/// Metadata key of the training data's description.
pub const DATA: &str = "sekisho.data";
/// Metadata key of the score statistics.
pub const SCORE_STATS: &str = "sekisho.score_stats";

/// The scores at which a client becomes suspect and is rejected, and the false-positive rates they were
/// calibrated to. Scores and rates run from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// A score from here on makes a client suspect.
    pub suspect: f32,
    /// A score from here on gets a client rejected. Never below `suspect`.
    pub reject: f32,
    /// Share of the likely humans in the training data that score at least `suspect`.
    pub suspect_fpr: f32,
    /// Share of the likely humans in the training data that score at least `reject`.
    pub reject_fpr: f32,
}

/// The metadata of a model, without its checksum.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Hash of the feature schema.
    pub schema: String,
    /// Feature names in schema order.
    pub features: Vec<String>,
    /// Where verdicts change.
    pub thresholds: Thresholds,
    /// The typical human's features in schema order; contributions are measured against it.
    pub baseline: Vec<f32>,
    /// The data the model was trained on.
    pub data: String,
    /// The distribution of scores in training.
    pub score_stats: String,
}

impl Card {
    /// The card as ONNX metadata, always in the same order.
    pub fn entries(&self) -> Vec<StringStringEntryProto> {
        let Thresholds {
            suspect,
            reject,
            suspect_fpr,
            reject_fpr,
        } = self.thresholds;
        let thresholds = format!(
            r#"{{"suspect":{suspect},"reject":{reject},"suspect_fpr":{suspect_fpr},"reject_fpr":{reject_fpr}}}"#
        );
        let baseline: Vec<String> = self.baseline.iter().map(f32::to_string).collect();
        [
            (SCHEMA, self.schema.clone()),
            (FEATURES, self.features.join(",")),
            (THRESHOLDS, thresholds),
            (BASELINE, format!("[{}]", baseline.join(","))),
            (DATA, self.data.clone()),
            (SCORE_STATS, self.score_stats.clone()),
        ]
        .into_iter()
        .map(|(key, value)| StringStringEntryProto {
            key: key.to_owned(),
            value,
        })
        .collect()
    }

    /// Reads and checks the card of a model.
    pub(super) fn read(proto: &ModelProto) -> Result<Card, ModelError> {
        let features: Vec<String> = text(proto, FEATURES)?.split(',').map(str::to_owned).collect();
        let thresholds: Thresholds = json(proto, THRESHOLDS)?;
        thresholds.check()?;
        let baseline: Vec<f32> = json(proto, BASELINE)?;
        if baseline.len() != features.len() {
            return Err(fault(BASELINE, "must hold one number for each feature"));
        }
        if !baseline.iter().all(|value| value.is_finite()) {
            return Err(fault(BASELINE, "must hold finite numbers"));
        }
        Ok(Card {
            schema: text(proto, SCHEMA)?.to_owned(),
            features,
            thresholds,
            baseline,
            data: text(proto, DATA)?.to_owned(),
            score_stats: text(proto, SCORE_STATS)?.to_owned(),
        })
    }
}

impl Thresholds {
    fn check(&self) -> Result<(), ModelError> {
        let rate = |value: f32| (0.0..=1.0).contains(&value);
        if !(self.suspect > 0.0 && self.suspect <= self.reject && self.reject <= 1.0) {
            return Err(fault(THRESHOLDS, "must hold 0 < suspect <= reject <= 1"));
        }
        if !(rate(self.suspect_fpr) && rate(self.reject_fpr)) {
            return Err(fault(THRESHOLDS, "must hold rates from 0 to 1"));
        }
        Ok(())
    }
}

fn fault(key: &'static str, reason: &str) -> ModelError {
    ModelError::Metadata {
        key,
        reason: Quoted::new(reason),
    }
}

fn text<'a>(proto: &'a ModelProto, key: &'static str) -> Result<&'a str, ModelError> {
    let mut found = proto.metadata_props.iter().filter(|entry| entry.key == key);
    let entry = found.next().ok_or_else(|| fault(key, "missing"))?;
    if found.next().is_some() {
        return Err(fault(key, "stated twice"));
    }
    Ok(&entry.value)
}

fn json<T: for<'de> Deserialize<'de>>(proto: &ModelProto, key: &'static str) -> Result<T, ModelError> {
    serde_json::from_str(text(proto, key)?).map_err(|e| fault(key, &e.to_string()))
}
