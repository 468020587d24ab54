//! From logs to a report.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sekisho_core::checkpoint::{Overrides, Policy};
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::Entry;
use sekisho_core::model::{Limits, Model, ModelError};
use sekisho_core::table::{Geometry, GeometryError};
use sekisho_core::url::Visit;

use super::allow::{AllowError, AllowList};
use super::args::{Args, OutputFormat};
use super::engine::{Engine, Hit, Rules};
use super::report::{BadLine, Intake, Report};
use super::table::Style;
use super::truth::{self, ActorScore, ScoreError};
use super::{json, progress, table};
use crate::logs::{Batch, LogError, Logs, MAX_LINE, Parsed};
use crate::visible::escaped;

/// What scans use unless told otherwise; made by `make model`.
pub static DEFAULT_MODEL: &[u8] = include_bytes!("../../../models/default.onnx");
/// How much of a broken line is shown, in characters.
const SHOWN: usize = 120;

/// Why a scan cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The allow-list is no such list.
    #[error(transparent)]
    Allow(#[from] AllowError),
    /// There is no ground truth to hold the result against.
    #[error(transparent)]
    Truth(#[from] ScoreError),
    /// The model's file cannot be read.
    #[error("cannot read the model {path}")]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The model is refused.
    #[error("the model {name} is refused")]
    Model {
        /// Where it came from.
        name: String,
        /// Why.
        source: Box<ModelError>,
    },
    /// `--suspect` above `--threshold`.
    #[error("--suspect {suspect} is above the threshold {reject}: nobody would ever be suspect")]
    Thresholds {
        /// Asked for.
        suspect: f32,
        /// In force.
        reject: f32,
    },
    /// `--zone` too small.
    #[error("--zone is too small")]
    Zone(#[from] GeometryError),
    /// Nothing could be read.
    #[error(
        "none of {lines} lines is a log line; the first, {}:{}: {}\n    {}\nsay how the log is written with --log-format",
        bad.file, bad.line, bad.reason, bad.text
    )]
    NoEntries {
        /// How many there were.
        lines: u64,
        /// The first.
        bad: BadLine,
    },
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

impl ScanError {
    /// Whether the arguments contradict each other, whatever the logs hold.
    pub fn is_usage(&self) -> bool {
        match self {
            ScanError::Thresholds { .. } => true,
            ScanError::Log(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Scans and prints.
pub fn run(args: &Args) -> Result<(), ScanError> {
    let model = load_model(args.model.as_deref())?;
    let policy = policy(args, &model)?;
    let allow = AllowList::load(&args.allow)?;
    let truth = args.truth.as_deref().map(truth::load).transpose()?;
    let geometry = match args.zone {
        Some(size) => Geometry::for_zone(size)?,
        None => Geometry::for_clients(args.clients as usize),
    };
    let logs = Logs::open(&args.logs, &args.log_format)?;
    let lacks = args.log_format.lacks();
    if !lacks.is_empty() && !args.quiet {
        // Every client looks like one that sends no referer, or reads nothing: like a crawler.
        eprintln!(
            "sekisho: the log format has no {}: scores come out too high, for people too",
            lacks.join(" and no ")
        );
    }
    let rules = Rules {
        model: &model,
        policy,
        allow: &allow,
        dry_run: args.dry_run,
    };
    let mut engine = Engine::new(geometry, rules);
    let intake = feed(&mut engine, logs, args);
    if let (0, 0, Some(bad)) = (intake.requests, intake.malformed, &intake.first_unparsable) {
        return Err(ScanError::NoEntries {
            lines: intake.lines,
            bad: bad.clone(),
        });
    }
    let (outcomes, forgotten) = engine.finish();
    let report = Report::new(intake, outcomes, forgotten, &model, policy);
    let scores = truth.map(|truth| truth::score(&truth, &report));
    print(&report, scores.as_deref(), args)?;
    Ok(())
}

/// Loads a model file, or the one that is built in.
pub fn load_model(path: Option<&Path>) -> Result<Model, ScanError> {
    let refused = |name| {
        move |source| ScanError::Model {
            name,
            source: Box::new(source),
        }
    };
    let Some(path) = path else {
        return Model::load(DEFAULT_MODEL, &Limits::DEFAULT).map_err(refused("that is built in".to_owned()));
    };
    let bytes = read_model(path).map_err(|source| ScanError::ModelFile {
        path: path.to_owned(),
        source,
    })?;
    Model::load(&bytes, &Limits::DEFAULT).map_err(refused(path.display().to_string()))
}

/// One byte more than a model may have is enough to refuse it.
fn read_model(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(Limits::DEFAULT.max_bytes as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn policy(args: &Args, model: &Model) -> Result<Policy, ScanError> {
    let overrides = Overrides {
        threshold: args.threshold,
        suspect: args.suspect,
        min_requests: args.min_requests,
        ..Overrides::default()
    };
    let policy = overrides.policy(model.thresholds());
    let Policy { suspect, reject, .. } = policy;
    if suspect > reject {
        return Err(ScanError::Thresholds { suspect, reject });
    }
    Ok(policy)
}

fn feed(engine: &mut Engine<'_>, logs: Logs, args: &Args) -> Intake {
    let mut intake = Intake {
        files: logs.names(),
        ..Intake::default()
    };
    let bar = progress::bar(logs.bytes(), args.quiet);
    let done = AtomicU64::new(0);
    let Ok(troubles) = logs.for_each(&done, |batch| {
        let parsed = batch.parse(&args.log_format, |_, entry| digest(entry));
        let hits = take_in(&mut intake, batch, parsed);
        engine.observe(&hits);
        bar.set_position(done.load(Relaxed));
        Ok::<(), std::convert::Infallible>(())
    });
    bar.finish_and_clear();
    intake.troubles = troubles;
    intake
}

/// `None` for a request that nginx answers before any module sees it.
fn digest(entry: Entry<'_>) -> Option<Hit<'_>> {
    if !entry.well_formed {
        return None;
    }
    let hash = match std::str::from_utf8(entry.client) {
        Ok(text) => key_hash(Seed::FIXED, client_key(text).as_bytes()),
        Err(_) => key_hash(Seed::FIXED, entry.client),
    };
    let visit = Visit::new(Seed::FIXED, entry.method, &entry.target, entry.referer.as_deref());
    Some(Hit {
        hash,
        at: entry.at,
        visit,
        status: entry.status,
        bytes: entry.bytes,
        client: entry.client,
    })
}

fn take_in<'a>(intake: &mut Intake, batch: &Batch, parsed: Vec<Parsed<Option<Hit<'a>>>>) -> Vec<Hit<'a>> {
    let mut hits = Vec::with_capacity(parsed.len());
    for (index, line) in parsed.into_iter().enumerate() {
        intake.lines += 1;
        let reason = match line {
            Parsed::Entry(Some(hit)) => {
                let (first, last) = intake.seen.unwrap_or((hit.at, hit.at));
                intake.seen = Some((first.min(hit.at), last.max(hit.at)));
                hits.push(hit);
                continue;
            }
            Parsed::Entry(None) => {
                intake.malformed += 1;
                continue;
            }
            Parsed::Blank => {
                intake.lines -= 1;
                continue;
            }
            Parsed::Unparsable(error) => Some(error),
            Parsed::Overlong => None,
        };
        intake.unparsable += 1;
        intake.first_unparsable.get_or_insert_with(|| BadLine {
            file: intake.files[batch.source].clone(),
            line: batch.first_line + index as u64,
            reason: reason.map_or(format!("longer than {MAX_LINE} bytes"), |error| error.to_string()),
            text: escaped(batch.line(index), SHOWN),
        });
    }
    intake.requests += hits.len() as u64;
    hits
}

fn print(report: &Report, scores: Option<&[ActorScore]>, args: &Args) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        OutputFormat::Table => {
            table::write(report, Style::new(args.top, args.color), &mut out)?;
            truth::write(scores.unwrap_or_default(), &mut out)?;
        }
        OutputFormat::Json => json::write_document(report, scores, &mut out)?,
        OutputFormat::Jsonl => {
            json::write_lines(report, &mut out)?;
            if !args.quiet {
                table::write_notes(report, &mut io::stderr().lock())?;
                truth::write(scores.unwrap_or_default(), &mut io::stderr().lock())?;
            }
        }
    }
    out.flush()
}
