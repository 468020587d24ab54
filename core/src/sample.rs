//! The wire record: what the module ships to the trainer about one client, one JSON line each.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::feature::{COUNT, FEATURES, Features, schema_hash};
use crate::record::{REASON_FALSE_CLAIM, REASON_OPERATOR, REASON_TRAP};

/// Version of the line's layout.
pub const VERSION: u32 = 2;
/// Longest request target in a sample, in bytes; the rest is cut.
pub const MAX_TARGET: usize = 512;
/// Longest sample line that a reader takes, in bytes.
pub const MAX_LINE: usize = 8 * 1024;

/// Why a sample was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A score spoke against the client.
    Flagged,
    /// A score spoke for it; it was drawn as the contrast that training needs.
    Contrast,
    /// Something told what the client is.
    Label,
}

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person.
    Human,
    /// A program.
    Crawler,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It came where only crawlers come.
    Trap,
    /// It completed what only people complete.
    Conversion,
    /// It proved to be the crawler that it claims to be.
    VerifiedBot,
    /// The operator.
    Operator,
}

/// What a client is, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Human or crawler.
    pub label: Class,
    /// Where that comes from.
    pub origin: Origin,
}

/// What the model that only scores beside the one in force made of the same features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenger {
    /// SHA-256 of its file.
    pub model: String,
    /// Its score, 0 to 1.
    pub score: f32,
}

/// One client at one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// [`VERSION`].
    pub version: u32,
    /// Why it was written.
    pub kind: Kind,
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
    /// Score, 0 to 1; a label can come before the first one.
    pub score: Option<f32>,
    /// What the challenger scored, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenger: Option<Challenger>,
    /// What the client is; there for samples of [`Kind::Label`], and only for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
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
    /// A label where none belongs, or none where one does.
    #[error("a sample carries a label when its kind is \"label\", and only then")]
    Label,
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

/// What every version of a sample has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Sample {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Sample, SampleError> {
        if line.len() > MAX_LINE {
            return Err(SampleError::TooLong(line.len()));
        }
        // The version first: what follows may look otherwise in another one.
        let Versioned { version } = serde_json::from_slice(line)?;
        if version != VERSION {
            return Err(SampleError::Version(version));
        }
        let sample: Sample = serde_json::from_slice(line)?;
        if sample.label.is_some() != (sample.kind == Kind::Label) {
            return Err(SampleError::Label);
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
            kind: Kind::Flagged,
            id: "00112233aabbccdd".into(),
            at: 1_455_944_445,
            zone: "clients".into(),
            client: "192.0.2.7".into(),
            requests: 12,
            score: Some(score),
            challenger: None,
            label: None,
            verdict: "REJECTED_DRY_RUN".into(),
            reasons: reason_names([1, 4, 255]).map(str::to_owned).collect(),
            schema: schema_hash().into(),
            features: (0..COUNT).map(|index| index as f32 / 7.0).collect(),
            model: "ab".repeat(32),
            method: "GET".into(),
            target: target.into(),
        }
    }

    const TRAPPED: Label = Label {
        label: Class::Crawler,
        origin: Origin::Trap,
    };

    #[test]
    fn a_line_of_the_first_version_is_refused_by_its_version() {
        let line = br#"{"version":1,"id":"00112233aabbccdd","at":1455944445}"#;
        let error = Sample::parse(line).unwrap_err().to_string();
        assert_eq!(error, "sample version 1 is not understood, this is version 2");
    }

    #[test]
    fn what_is_not_there_takes_no_room() {
        let text = |sample: &Sample| String::from_utf8(sample.to_line().unwrap()).unwrap();
        let plain = text(&sample("/", 0.5));
        assert!(
            plain.starts_with(r#"{"version":2,"kind":"flagged","#) && !plain.contains("label"),
            "{plain}"
        );
        let told = Sample {
            kind: Kind::Label,
            score: None,
            label: Some(TRAPPED),
            challenger: Some(Challenger {
                model: "cd".repeat(32),
                score: 0.25,
            }),
            ..sample("/", 0.5)
        };
        let line = text(&told);
        assert!(
            line.contains(r#""label":{"label":"crawler","origin":"trap"}"#),
            "{line}"
        );
        assert!(
            line.contains(r#""score":null,"challenger":{"model":"cdcd"#),
            "{line}"
        );
        assert_eq!(Sample::parse(line.as_bytes()).unwrap(), told);
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
        check(|sample| sample.version = 3, "version 3 is not understood");
        check(|sample| sample.kind = Kind::Label, "only then");
        check(|sample| sample.label = Some(TRAPPED), "only then");
        check(|sample| sample.schema = "beef".into(), "schema is beef");
        check(|sample| sample.features.truncate(3), "has 3 features");
        check(|sample| sample.target = "x".repeat(9000), "at most 8192");
    }
}
