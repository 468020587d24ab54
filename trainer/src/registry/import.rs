//! `sekisho model import`: a model of another library becomes one of ours.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sekisho_core::feature::{COUNT, FEATURES, Features, schema_hash};
use sekisho_core::model::{Card, PARITY, Thresholds};
use serde::Serialize;

use super::Format;
use super::error::{RegistryError, quoted};
use super::measure::{Measured, measure};
use super::shelf::{load, read_bounded, replace};
use crate::figures::grouped;
use crate::onnx::import::{MAX_BYTES, Options, convert, write};
use crate::scan;

const EXAMPLES: &str = "\
Examples:
  sekisho model features > features.txt
      the columns to train on, in order
  sekisho model import lightgbm.onnx --out site.onnx
      a model trained on these columns, with classes 0 for people and 1 for automated clients
  sekisho model import sklearn.onnx --features columns.txt --positive bot --out site.onnx
      other columns, in another order or fewer of them, and classes that are text

Understood are TreeEnsembleClassifier and TreeEnsembleRegressor (LightGBM, XGBoost, scikit-learn's trees, forests and
boosting), LinearClassifier, LinearRegressor and dense networks, after scalers of single features. Thresholds of the
result are guesses until `sekisho calibrate` has set them.

Exit status: 0 done, 1 the model cannot be taken over, 2 wrong usage.";

/// Largest list of names or values.
const MAX_LIST: u64 = 1 << 20;
/// What is written where a rate is not known: nothing is promised.
const UNKNOWN_RATE: f32 = 1.0;

/// Take over a model that another library trained and exported as ONNX
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The ONNX file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to write the model
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Names of the columns it was trained on, one a line or as a JSON array [default: the schema's]
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,

    /// The typical person, whom reasons are measured against: a JSON array, or a model to take it from [default: the built-in model's]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// What the class of automated clients is called [default: 1]
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,

    /// The output that holds the probability, where several could
    #[arg(long, value_name = "NAME")]
    output: Option<String>,

    /// Score from which a client is suspect
    #[arg(long, value_name = "SCORE", default_value_t = 0.9)]
    suspect: f32,

    /// Score from which a client is rejected
    #[arg(long, value_name = "SCORE", default_value_t = 0.99)]
    reject: f32,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What came of it.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    digest: &'a str,
    bytes: usize,
    producer: String,
    changes: &'a [String],
    measured: Measured,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), RegistryError> {
    let bytes = read_bounded(&args.file, MAX_BYTES as u64)?;
    let names = args.features.as_deref().map(read_names).transpose()?;
    let options = Options {
        features: names.as_deref(),
        positive: args.positive.as_deref(),
        output: args.output.as_deref(),
    };
    let refused = |source| RegistryError::Import {
        path: args.file.clone(),
        source: Box::new(source),
    };
    if !(args.suspect > 0.0 && args.suspect <= args.reject && args.reject <= 1.0) {
        return Err(RegistryError::Thresholds);
    }
    let converted = convert(&bytes, &options).map_err(refused)?;
    let producer = converted.producer.to_string();
    let card = Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: Thresholds {
            suspect: args.suspect,
            reject: args.reject,
            suspect_fpr: UNKNOWN_RATE,
            reject_fpr: UNKNOWN_RATE,
        },
        baseline: read_baseline(args.baseline.as_deref())?.to_vec(),
        data: format!("imported, written by {producer}; thresholds not calibrated"),
        score_stats: "{}".to_owned(),
    };
    let (file, model) = write(&converted.score, &card).map_err(refused)?;
    let measured = measure(&file, &model, &converted.score)
        .map_err(|error| RegistryError::Reference(quoted(&format!("{error:#}"))))?;
    replace(&args.out, &file)?;
    let report = Report {
        file: &args.out,
        digest: model.digest(),
        bytes: file.len(),
        producer,
        changes: &converted.changes,
        measured,
    };
    tell(&report, args.format)
}

fn tell(report: &Report<'_>, format: Format) -> Result<(), RegistryError> {
    let mut out = io::stdout().lock();
    if format == Format::Json {
        let text = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
        return Ok(writeln!(out, "{text}")?);
    }
    writeln!(
        out,
        "wrote {} ({} bytes, {})",
        report.file.display(),
        grouped(report.bytes as u64),
        report.digest
    )?;
    for change in report.changes {
        writeln!(out, "  {change}")?;
    }
    let Measured {
        nanoseconds,
        parity,
        rows,
    } = report.measured;
    writeln!(
        out,
        "  {nanoseconds:.0} ns a score here; within {parity:.1e} of tract on {rows} rows, {PARITY:.0e} is allowed"
    )?;
    writeln!(
        out,
        "  thresholds are guesses: run `sekisho calibrate` before anybody is stopped"
    )?;
    Ok(())
}

fn read_names(path: &Path) -> Result<Vec<String>, RegistryError> {
    let fault = |reason: String| RegistryError::List {
        path: path.to_owned(),
        reason,
    };
    let bytes = read_bounded(path, MAX_LIST)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("must be text, a name a line".to_owned()))?;
    let names: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| fault(error.to_string()))?
    } else {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        _ if names.is_empty() => Err(fault("names no column".to_owned())),
        Some(pair) => Err(fault(format!("names {:?} twice", quoted(pair[0])))),
        None => Ok(names),
    }
}

fn read_baseline(path: Option<&Path>) -> Result<Features, RegistryError> {
    let Some(path) = path else {
        return Ok(*load(scan::DEFAULT_MODEL, "the built-in model")?.baseline());
    };
    let fault = |reason: String| RegistryError::List {
        path: path.to_owned(),
        reason,
    };
    let bytes = fs::read(path).map_err(|source| RegistryError::file("read", path, source))?;
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return Ok(*load(&bytes, &path.display().to_string())?.baseline());
    }
    let values: Vec<f32> = serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
    let count = values.len();
    let features: Features = values
        .try_into()
        .map_err(|_| fault(format!("holds {count} numbers, the schema has {COUNT}")))?;
    if features.iter().all(|value| value.is_finite()) {
        Ok(features)
    } else {
        Err(fault("holds a number that is not finite".to_owned()))
    }
}
