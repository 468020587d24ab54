//! Canaries: rows whose verdict must not flip, whatever was learnt.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sekisho_core::feature::{COUNT, Features, schema_hash};
use sekisho_core::model::{Model, Thresholds};
use sekisho_core::sample::{Class, MAX_LINE};
use serde::Deserialize;
use thiserror::Error;

use crate::visible::escaped;

/// Canaries of one training: more than anybody looks after.
const MAX_CANARIES: usize = 10_000;
/// Canaries that a refusal names; the others are counted.
const NAMED: usize = 5;
/// Characters of a canary's name that are shown.
const SHOWN: usize = 60;

/// One row and what it must stay.
#[derive(Clone, Debug)]
pub struct Canary {
    name: String,
    class: Class,
    features: Features,
}

/// A line: a sample that carries a label, or the same by hand. Other fields are not looked at.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    client: String,
    label: Told,
    schema: String,
    features: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Plain(Class),
    Sampled { label: Class },
}

/// Why canaries stop a training.
#[derive(Debug, Error)]
pub enum CanaryError {
    /// The file cannot be read.
    #[error("cannot read the canaries in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no canary.
    #[error("{}:{line}: {reason}; a canary is a JSON object with label, schema and features, such as a sample with a label", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Some flip.
    #[error(
        "{flipped} of {all} canaries flip, so nothing was written: {}; look at what was learnt since, above all at labels",
        named.join("; ")
    )]
    Flipped {
        /// How many.
        flipped: usize,
        /// Of how many.
        all: usize,
        /// The first of them.
        named: Vec<String>,
    },
}

/// Reads canaries, one a line; blank lines are skipped.
pub fn read(path: &Path) -> Result<Vec<Canary>, CanaryError> {
    let failed = |source| CanaryError::Read {
        path: path.to_owned(),
        source,
    };
    let most = (MAX_CANARIES * MAX_LINE) as u64;
    let file = BufReader::new(File::open(path).map_err(failed)?.take(most));
    let mut canaries = Vec::new();
    for (index, line) in file.lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |reason| CanaryError::Line {
            path: path.to_owned(),
            line: index + 1,
            reason,
        };
        if canaries.len() == MAX_CANARIES {
            return Err(wrong(format!("more than {MAX_CANARIES} canaries")));
        }
        canaries.push(canary(&line, index + 1).map_err(wrong)?);
    }
    Ok(canaries)
}

fn canary(line: &str, number: usize) -> Result<Canary, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.schema != schema_hash() {
        let found = escaped(line.schema.as_bytes(), SHOWN);
        return Err(format!("its schema is {found}, this is {}", schema_hash()));
    }
    let found = line.features.len();
    let features =
        Features::try_from(line.features).map_err(|_| format!("it has {found} features, not {COUNT}"))?;
    let class = match line.label {
        Told::Plain(class) | Told::Sampled { label: class } => class,
    };
    let name = match &*line.client {
        "" => format!("line {number}"),
        client => escaped(client.as_bytes(), SHOWN),
    };
    Ok(Canary {
        name,
        class,
        features,
    })
}

/// A person among the canaries must not be rejected, a crawler must not pass, at the model's own thresholds.
///
/// # Errors
/// [`CanaryError::Flipped`] with names and scores.
pub fn check(canaries: &[Canary], model: &Model) -> Result<(), CanaryError> {
    let Thresholds { suspect, reject, .. } = model.thresholds();
    let flipped = canaries.iter().filter_map(|canary| {
        let score = model.score(&canary.features);
        let name = &canary.name;
        match canary.class {
            Class::Human if score >= reject => Some(format!(
                "{name}, a person, scores {score:.4}, rejected from {reject}"
            )),
            Class::Crawler if score < suspect => Some(format!(
                "{name}, a crawler, scores {score:.4}, suspect from {suspect}"
            )),
            _ => None,
        }
    });
    let mut named: Vec<String> = flipped.collect();
    let count = named.len();
    named.truncate(NAMED);
    if count == 0 {
        return Ok(());
    }
    Err(CanaryError::Flipped {
        flipped: count,
        all: canaries.len(),
        named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_labelled_sample_or_written_by_hand() {
        #[track_caller]
        fn check(label: &str, schema: &str, count: usize, expected: Result<Class, &str>) {
            let features = vec!["0.5"; count].join(",");
            let line = format!(
                r#"{{"kind":"label","client":"a\u001b[1m","label":{label},"schema":"{schema}","features":[{features}]}}"#
            );
            match (canary(&line, 3), expected) {
                (Ok(canary), Ok(class)) => {
                    assert_eq!((canary.class, &*canary.name), (class, "a\\u{1b}[1m"));
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{found:?}"),
            }
        }
        check(r#""human""#, schema_hash(), COUNT, Ok(Class::Human));
        check(
            r#"{"label":"crawler","origin":"trap"}"#,
            schema_hash(),
            COUNT,
            Ok(Class::Crawler),
        );
        check(r#""robot""#, schema_hash(), COUNT, Err("did not match"));
        check(r#""human""#, "beef", COUNT, Err("its schema is beef"));
        check(r#""human""#, schema_hash(), 3, Err("it has 3 features"));
    }
}
