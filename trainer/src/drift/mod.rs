//! `sekisho drift`: whether those who come now are still those whom the model learnt.

mod index;
mod report;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use sekisho_core::checkpoint::{DEFAULT_MIN_REQUESTS, MAX_MIN_REQUESTS};
use sekisho_core::logline::Format;
use thiserror::Error;

use crate::dataset::{Evidence, EvidenceError, ListError, Log, Moment, Site, SiteError, UserAgents, When};
use crate::scan::{ScanError, load_model};
use crate::shape::OutputFormat;
pub use watch::{Drift, Drifted, State};

const EXAMPLES: &str = "\
Examples:
  sekisho drift /var/log/nginx/access.log*
      the last seven days against what came before
  sekisho drift --samples samples.jsonl --contrast 1% --zone clients --recent 1d --fail
      for cron: exit status 1 when something drifted so far that it alarms
  sekisho drift june.log --reference may.log --format json
      one log against another

A population stability index of 0.1 is watched, 0.25 alarms, both only where chance does not explain it.

Exit status: 0 done, 1 nothing was compared, or with --fail an alarm, 2 wrong usage.";

/// Compare who comes now with who came before: features, scores, and how many are unknown
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs of one site, plain or gzip, in any order; - is standard input
    #[arg(value_name = "LOG", required_unless_present_any = ["samples", "store"], conflicts_with_all = ["samples", "store", "zone", "contrast"])]
    logs: Vec<PathBuf>,

    #[command(flatten)]
    evidence: Evidence,

    /// Logs to compare with, instead of the earlier part of the same
    #[arg(long, value_name = "LOG", num_args = 1.., conflicts_with_all = ["samples", "store", "recent"])]
    reference: Vec<PathBuf>,

    /// What is recent: the last 7d, 12h, or from a date on
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    recent: Moment,

    /// The model [default: the one built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// min_requests= of the location
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MIN_REQUESTS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MIN_REQUESTS)))]
    min_requests: u32,

    /// End with status 1 when something alarms
    #[arg(long)]
    fail: bool,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    format: OutputFormat,
}

/// Why nothing was compared.
#[derive(Debug, Error)]
pub enum DriftError {
    /// The lists are broken.
    #[error(transparent)]
    Lists(#[from] ListError),
    /// A log is.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The samples are.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The model is.
    #[error(transparent)]
    Model(#[from] ScanError),
    /// Too few clients to compare.
    #[error(
        "{reference} clients of the reference and {recent} recent ones can be judged, it takes {least} of each: choose \
         another --recent, or give more data"
    )]
    TooFew {
        /// Judged before.
        reference: usize,
        /// Judged since.
        recent: usize,
        /// It takes.
        least: usize,
    },
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// Runs the command; whether all is well.
pub fn run(args: &Args) -> Result<bool, DriftError> {
    let model = load_model(args.model.as_deref())?;
    let (reference, recent) = windows(args)?;
    let drift = Drift::between(&reference, &recent, &model, args.min_requests)?;
    let mut out = io::stdout().lock();
    match args.format {
        OutputFormat::Table => out.write_all(report::text(&drift).as_bytes())?,
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &drift).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(!(args.fail && drift.alarms > 0))
}

fn windows(args: &Args) -> Result<(Site, Site), DriftError> {
    let site = if args.evidence.is_given() {
        args.evidence.only_site()?
    } else {
        read(&args.logs, args.min_requests)?
    };
    if args.reference.is_empty() {
        let from = args.recent.of(&site);
        return Ok((site.until(from), site.since(from)));
    }
    Ok((read(&args.reference, args.min_requests)?, site))
}

fn read(paths: &[PathBuf], min_requests: u32) -> Result<Site, DriftError> {
    let log = Log {
        paths,
        format: &Format::Auto,
    };
    let mut agents = UserAgents::bundled()?;
    Ok(log.read(&mut agents, When::Scored(min_requests), &AtomicU64::new(0))?)
}
