//! The wire record: what the module ships to the trainer about one scored client, one JSON line each.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::feature::{COUNT, FEATURES, Features, schema_hash};
use crate::record::{REASON_FALSE_CLAIM, REASON_OPERATOR, REASON_TRAP};

/// Version of the line's layout.
pub const VERSION: u32 = 1;
/// Longest request target in a sample, in bytes; the rest is cut.
pub const MAX_TARGET: usize = 512;
/// Longest sample line that a reader takes, in bytes.
pub const MAX_LINE: usize = 8 * 1024;

/// One scored client at one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// [`VERSION`].
    pub version: u32,
    /// Reference id, 16 hex digits; `$sekisho_id` shows the same.
    pub id: String,
    /// Unix seconds.
    pub at: u32,
    /// Name of the zone.
    pub zone: String,
    /// The client: an address, or the key's bytes in hex.
    pub client: String,
    /// Requests so far.
    pub requests: u32,
    /// Score, 0 to 1.
    pub score: f32,
    /// Verdict in the words of [`crate::checkpoint::Verdict::as_str`].
    pub verdict: String,
    /// Names of the features that speak most for the score.
    pub reasons: Vec<String>,
    /// Schema hash of `features`.
    pub schema: String,
    /// The features, in schema order.
    pub features: Vec<f32>,
    /// SHA-256 of the model file that scored.
    pub model: String,
    /// Request method.
    pub method: String,
    /// Request target, at most [`MAX_TARGET`] bytes, other than ASCII escaped by JSON.
    pub target: String,
}

/// Why a line is no sample.
#[derive(Debug, Error)]
pub enum SampleError {
    /// Too long to be one.
    #[error("a sample line has {0} bytes, at most {MAX_LINE} are read")]
    TooLong(usize),
    /// Not JSON, or not these fields.
    #[error("not a sample: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Written by another version.
    #[error("sample version {0} is not understood, this is version {VERSION}")]
    Version(u32),
    /// Features of another schema.
    #[error("the sample's schema is {found}, this is {}", schema_hash())]
    Schema {
        /// Schema hash of the sample.
        found: String,
    },
    /// Wrong number of features.
    #[error("the sample has {0} features, its schema has {COUNT}")]
    Features(usize),
}

impl Sample {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Sample, SampleError> {
        if line.len() > MAX_LINE {
            return Err(SampleError::TooLong(line.len()));
        }
        let sample: Sample = serde_json::from_slice(line)?;
        if sample.version != VERSION {
            return Err(SampleError::Version(sample.version));
        }
        if sample.schema != schema_hash() {
            return Err(SampleError::Schema { found: sample.schema });
        }
        if sample.features.len() != COUNT {
            return Err(SampleError::Features(sample.features.len()));
        }
        Ok(sample)
    }

    /// The line, without its newline.
    pub fn to_line(&self) -> Result<Vec<u8>, SampleError> {
        let line = serde_json::to_vec(self)?;
        if line.len() > MAX_LINE {
            Err(SampleError::TooLong(line.len()))
        } else {
            Ok(line)
        }
    }

    /// The features as an array; `None` when their number is wrong.
    pub fn features(&self) -> Option<Features> {
        self.features.as_slice().try_into().ok()
    }
}

const _: () = assert!(COUNT <= REASON_FALSE_CLAIM as usize);

/// Names of reasons given as schema indices, or one of the others above; 255 and what is unknown fall away.
pub fn reason_names(reasons: [u8; 3]) -> impl Iterator<Item = &'static str> {
    reasons.into_iter().filter_map(|index| match index {
        REASON_TRAP => Some("trap"),
        REASON_OPERATOR => Some("operator"),
        REASON_FALSE_CLAIM => Some("false_bot_claim"),
        _ => FEATURES.get(usize::from(index)).map(|feature| feature.name),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(target: &str, score: f32) -> Sample {
        Sample {
            version: VERSION,
            id: "00112233aabbccdd".into(),
            at: 1_455_944_445,
            zone: "clients".into(),
            client: "192.0.2.7".into(),
            requests: 12,
            score,
            verdict: "REJECTED_DRY_RUN".into(),
            reasons: reason_names([1, 4, 255]).map(str::to_owned).collect(),
            schema: schema_hash().into(),
            features: (0..COUNT).map(|index| index as f32 / 7.0).collect(),
            model: "ab".repeat(32),
            method: "GET".into(),
            target: target.into(),
        }
    }

    proptest! {
        #[test]
        fn a_line_reads_back_as_it_was(target in ".{0,64}", score in 0f32..1.0) {
            let sample = sample(&target, score);
            let line = sample.to_line().unwrap();
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(Sample::parse(&line).unwrap(), sample);
        }

        #[test]
        fn any_bytes_are_refused_or_read(line: Vec<u8>) {
            let _ = Sample::parse(&line);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        #[track_caller]
        fn check(change: impl Fn(&mut Sample), message: &str) {
            let mut changed = sample("/", 0.5);
            change(&mut changed);
            let error = Sample::parse(&serde_json::to_vec(&changed).unwrap())
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{error}");
        }
        check(|sample| sample.version = 2, "version 2 is not understood");
        check(|sample| sample.schema = "beef".into(), "schema is beef");
        check(|sample| sample.features.truncate(3), "has 3 features");
        check(|sample| sample.target = "x".repeat(9000), "at most 8192");
    }
}
