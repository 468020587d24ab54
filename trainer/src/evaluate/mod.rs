//! `sekisho evaluate`: how good models are, on sites or on a time that they were not trained on.

mod comparison;
mod measure;
mod report;
mod sites;

use std::fs;
use std::io;
use std::path::PathBuf;

use sekisho_core::checkpoint::{DEFAULT_MIN_REQUESTS, MAX_MIN_REQUESTS};
use thiserror::Error;

use crate::dataset::{Evidence, EvidenceError, Moment};
use crate::learn::FitError;
use crate::scan::ScanError;
use crate::train::{TrainError, read_sites, row_counts};

pub use comparison::{Axes, Contender, Terms, compare, pictures};

const EXAMPLES: &str = "\
Examples:
  sekisho evaluate airis.log.gz srhegde.log.gz
      each site judged by a model of the others, and within itself with crawler families kept apart
  sekisho evaluate a.log b.log --unseen c.log --into models/README.md
      also the model of a and b on c; the table replaces the one between the file's markers
  sekisho evaluate --champion default.onnx --challenger new.onnx access.log --since 7d
      two models on the last week of a log: what would change
  sekisho evaluate --champion a.onnx --challenger b.onnx --samples samples.jsonl --contrast 1% --html report.html
      on what the module wrote, and a page with plots

Exit status: 0 done, 1 nothing was measured, 2 wrong usage.";

/// Request counts at which figures are given.
pub(crate) const COUNTS: [u32; 4] = [5, 10, 20, 50];

/// Measure models on sites they were not trained on, or two models against each other
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs, one a site: trained on and judged, each by the others; with --champion only judged
    #[arg(value_name = "LOG", required_unless_present_any = ["samples", "store"])]
    logs: Vec<PathBuf>,

    /// A log of attackers only: trained on, never judged
    #[arg(long, value_name = "LOG", conflicts_with = "champion")]
    automated: Vec<PathBuf>,

    /// A site that is trained on and judged here but is no part of the shipped model
    #[arg(long, value_name = "LOG", num_args = 1.., conflicts_with = "champion")]
    extra: Vec<PathBuf>,

    /// A site that is only judged, by the model of the LOGs alone
    #[arg(long, value_name = "LOG", num_args = 1.., conflicts_with = "champion")]
    unseen: Vec<PathBuf>,

    #[command(flatten)]
    versus: Versus,

    #[command(flatten)]
    evidence: Evidence,

    /// What to print [default: markdown, table with --champion]
    #[arg(short, long, value_enum)]
    format: Option<Format>,

    /// Put the tables between the markers of this Markdown file
    #[arg(long, value_name = "FILE", conflicts_with = "champion")]
    into: Option<PathBuf>,
}

/// Two models against each other.
#[derive(clap::Args)]
struct Versus {
    /// The model in force
    #[arg(long, value_name = "FILE", requires = "challenger")]
    champion: Option<PathBuf>,

    /// The model that might follow it
    #[arg(long, value_name = "FILE", requires = "champion")]
    challenger: Option<PathBuf>,

    /// Judge only what happened from then on: 7d before the end of the data, or a date
    #[arg(long, value_name = "WHEN", requires = "champion")]
    since: Option<Moment>,

    /// threshold= in force, 0 to 1 [default: the model's own]
    #[arg(long, value_name = "SCORE", requires = "champion", value_parser = score)]
    threshold: Option<f32>,

    /// threshold= that the challenger would get [default: --threshold, or the model's own]
    #[arg(long, value_name = "SCORE", requires = "champion", value_parser = score)]
    challenger_threshold: Option<f32>,

    /// Share of people that may be above a cut, where recall is measured
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, requires = "champion", value_parser = share)]
    budget: f64,

    /// min_requests= of the location
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MIN_REQUESTS, requires = "champion", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MIN_REQUESTS)))]
    min_requests: u32,

    /// Seed of the intervals
    #[arg(long, default_value_t = 1, requires = "champion")]
    seed: u64,

    /// Also write a page with plots, one file without scripts
    #[arg(long, value_name = "FILE", requires = "champion")]
    html: Option<PathBuf>,
}

/// How the figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tables for people, models by sites
    Markdown,
    /// Tables for people, champion and challenger
    Table,
    /// One JSON document
    Json,
}

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// Logs or lists.
    #[error(transparent)]
    Read(#[from] TrainError),
    /// The samples are broken.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A model is refused.
    #[error(transparent)]
    Model(#[from] ScanError),
    /// A fold could not be learnt.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Sites are judged by each other, and there is one.
    #[error(
        "models of sites are judged by other sites: name two logs or more, or two models with --champion and --challenger"
    )]
    OneSite,
    /// A format of the other form.
    #[error("{0}")]
    Shape(&'static str),
    /// Nobody was judged.
    #[error(
        "no client made {min_requests} requests since then: there is nothing to compare on; go further back"
    )]
    Nobody {
        /// Requests that it takes.
        min_requests: u32,
    },
    /// The page cannot be drawn.
    #[error("cannot draw the page: {0}")]
    Page(String),
    /// The Markdown file has no place for the tables.
    #[error("{} has no line {START:?} followed by {END:?}; add them where the tables belong", path.display())]
    Markers {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output, or JSON.
    #[error("cannot write the figures: {0}")]
    Output(#[from] io::Error),
}

impl EvaluateError {
    /// Whether the arguments contradict each other, whatever the data hold.
    pub fn is_usage(&self) -> bool {
        matches!(self, EvaluateError::OneSite | EvaluateError::Shape(_))
    }
}

pub(crate) const START: &str = "<!-- evaluate: begin -->";
pub(crate) const END: &str = "<!-- evaluate: end -->";

/// Runs the command.
pub fn run(args: &Args) -> Result<(), EvaluateError> {
    match (&args.versus.champion, &args.versus.challenger) {
        (Some(champion), Some(challenger)) => comparison::run(args, champion, challenger),
        _ => by_sites(args),
    }
}

fn by_sites(args: &Args) -> Result<(), EvaluateError> {
    if args.logs.len() < 2 {
        return Err(EvaluateError::OneSite);
    }
    if args.format == Some(Format::Table) {
        return Err(EvaluateError::Shape(
            "--format table is for --champion and --challenger; models of sites are markdown or json",
        ));
    }
    let mut counts: Vec<u32> = row_counts().into_iter().chain(COUNTS).collect();
    counts.sort_unstable();
    counts.dedup();
    let shipped = read_sites(&args.logs, &args.automated, &counts)?;
    let extra = read_sites(&args.extra, &[], &counts)?;
    let unseen = read_sites(&args.unseen, &[], &counts)?;
    let evaluation = sites::evaluate(&shipped, &extra, &unseen)?;
    let text = match args.format {
        Some(Format::Json) => serde_json::to_string_pretty(&evaluation).map_err(io::Error::from)? + "\n",
        _ => report::markdown(&evaluation),
    };
    match &args.into {
        Some(path) => replace(path, &text),
        None => Ok(io::Write::write_all(&mut io::stdout().lock(), text.as_bytes())?),
    }
}

fn score(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    number
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| "a score is at least 0 and at most 1, such as 0.9".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| "a budget is a share of people, more than 0 and less than 1, such as 0.001".to_owned())
}

fn replace(path: &PathBuf, text: &str) -> Result<(), EvaluateError> {
    let failed = |source| EvaluateError::File {
        path: path.clone(),
        source,
    };
    let old = fs::read_to_string(path).map_err(failed)?;
    let missing = || EvaluateError::Markers { path: path.clone() };
    let (before, rest) = old.split_once(START).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(path, format!("{before}{START}\n{text}{END}{after}")).map_err(failed)
}
