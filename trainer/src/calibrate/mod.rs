//! `sekisho calibrate`: thresholds for a budget of false positives, from the site's own people.
//!
//! The budget is a share of the people that can be judged: those who make at least `min_requests` requests.
//! Thresholds come from the earlier half of the data; the later half, in which no network of the earlier one is,
//! shows whether they hold.

mod choose;
mod halves;
mod people;
mod report;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use sekisho_core::checkpoint::{DEFAULT_MIN_REQUESTS, MAX_MIN_REQUESTS};
use sekisho_core::logline::{Format, FormatError};
use sekisho_core::model::{Model, ModelError, Thresholds};
use thiserror::Error;

use crate::dataset::{Evidence, EvidenceError, ListError, Log, Moment, Site, SiteError, UserAgents, When};
use crate::learn::judge;
use crate::onnx::with_thresholds;
use crate::scan::{DEFAULT_MODEL, ScanError, load_model};
use crate::shape::OutputFormat;
use choose::Chosen;
pub use choose::{Budgets, Refusal};
pub use halves::split;
pub use people::People;
pub use report::Report;
use report::Share;

const EXAMPLES: &str = "\
Examples:
  sekisho calibrate /var/log/nginx/access.log* --budget 0.01
      at most one person in a hundred that can be judged is ever rejected
  sekisho calibrate --samples /var/log/nginx/samples.jsonl --contrast 1% --zone clients
      from what the module wrote; contrast= as in sekisho_samples
  sekisho calibrate --store /var/lib/sekisho/sekisho.db --model site.onnx --out calibrated.onnx
      the same model with these thresholds in its file
  sekisho calibrate access.log --people signs --format json
      without any label: whoever loads pages whole and walks from page to page is taken for a person

Exit status: 0 done, 1 too little evidence or no threshold keeps to the budget, 2 wrong usage.";

/// A first ban costs a person ten minutes, a suspicion a delay at most: that many times the budget may be suspect.
const SUSPECT_TIMES: f64 = 5.0;
/// Greatest budget: beyond it thresholds say nothing.
const MAX_BUDGET: f64 = 0.5;

impl Budgets {
    /// With as much suspicion as a budget of rejections goes with.
    pub fn of(reject: f64) -> Budgets {
        let suspect = (reject * SUSPECT_TIMES).min(MAX_BUDGET).max(reject);
        Budgets { reject, suspect }
    }
}

/// Set suspect and reject thresholds to a budget of false positives, from the site's own clients
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs of one site, plain or gzip, in any order; - is standard input
    #[arg(value_name = "LOG", required_unless_present_any = ["samples", "store"], conflicts_with_all = ["samples", "store", "zone", "contrast"])]
    logs: Vec<PathBuf>,

    #[command(flatten)]
    evidence: Evidence,

    /// Use only what happened from then on: the last 30d, or a date
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,

    /// Share of people that may ever be rejected, 0.001 is one in a thousand
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = budget)]
    budget: f64,

    /// Share of people that may ever be suspect [default: five times the budget]
    #[arg(long, value_name = "SHARE", value_parser = budget)]
    suspect_budget: Option<f64>,

    /// Who is taken for a person
    #[arg(long, value_enum, default_value_t = People::Auto)]
    people: People,

    /// The model [default: the one built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// min_requests= of the location
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MIN_REQUESTS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MIN_REQUESTS)))]
    min_requests: u32,

    /// Also write the model with these thresholds, for `sekisho model add`: what nginx takes up without a reload. A
    /// `threshold=` in its configuration goes before them
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How the log is written: auto, combined, json, or an nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = log_format, conflicts_with_all = ["samples", "store"])]
    log_format: Format,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    format: OutputFormat,
}

/// Why there are no thresholds.
#[derive(Debug, Error)]
pub enum CalibrateError {
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
    /// Fewer people may be suspect than rejected.
    #[error("--suspect-budget is at least --budget: who is rejected was suspect before")]
    Suspect,
    /// Too little evidence, or none that allows it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    /// The thresholds do not go into the model.
    #[error("the model with these thresholds is refused: {0}")]
    Calibrated(#[from] ModelError),
    /// A model file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CalibrateError {
    /// Whether the arguments contradict each other.
    pub fn is_usage(&self) -> bool {
        matches!(self, CalibrateError::Suspect)
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CalibrateError> {
    let mut budgets = Budgets::of(args.budget);
    if let Some(suspect) = args.suspect_budget {
        if suspect < args.budget {
            return Err(CalibrateError::Suspect);
        }
        budgets.suspect = suspect;
    }
    let model = load_model(args.model.as_deref())?;
    let mut site = read(args)?;
    if let Some(since) = args.since {
        site = site.since(since.of(&site));
    }
    let report = calibrate(&site, &model, budgets, args.people, args.min_requests)?;
    if let Some(path) = &args.out {
        let digest = write_model(args.model.as_deref(), path, &report)?;
        eprintln!(
            "wrote {} ({digest}), the model with these thresholds",
            path.display()
        );
    }
    let mut out = io::stdout().lock();
    match args.format {
        OutputFormat::Table => out.write_all(report.text().as_bytes())?,
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Writes the model that was calibrated with what was found; its digest.
fn write_model(model: Option<&Path>, out: &Path, report: &Report) -> Result<String, CalibrateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| CalibrateError::File { path, source }
    };
    let bytes = match model {
        Some(path) => fs::read(path).map_err(failed(path))?,
        None => DEFAULT_MODEL.to_vec(),
    };
    let thresholds = Thresholds {
        suspect: report.suspect.threshold,
        reject: report.reject.threshold,
        suspect_fpr: report.budgets.suspect as f32,
        reject_fpr: report.budgets.reject as f32,
    };
    let (bytes, model) = with_thresholds(&bytes, thresholds)?;
    // Whoever reads it sees the old one or the new one.
    let mut beside = out.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, out))
        .map_err(failed(out))?;
    Ok(model.digest().to_owned())
}

fn read(args: &Args) -> Result<Site, CalibrateError> {
    if args.evidence.is_given() {
        return Ok(args.evidence.only_site()?);
    }
    let log = Log {
        paths: &args.logs,
        format: &args.log_format,
    };
    let mut agents = UserAgents::bundled()?;
    let mut site = log.read(&mut agents, When::Scored(args.min_requests), &AtomicU64::new(0))?;
    DEFAULT_ZONE.clone_into(&mut site.name);
    Ok(site)
}

/// How the documentation names a zone.
const DEFAULT_ZONE: &str = "clients";

/// Thresholds that keep to the budgets, from a site's people, checked on those who came later.
///
/// # Errors
/// [`Refusal`] when there is too little evidence, or no threshold keeps to a budget.
pub fn calibrate(
    site: &Site,
    model: &Model,
    budgets: Budgets,
    people: People,
    min_requests: u32,
) -> Result<Report, Refusal> {
    let all = judge(model, site, min_requests);
    let (earlier, later) = halves::split(site, min_requests);
    let (before, after) = (
        judge(model, &earlier, min_requests),
        judge(model, &later, min_requests),
    );
    let basis = people::basis(people, &before, budgets.reject);
    let chosen = Chosen::of(&basis.of(&before), budgets, halves::days(&earlier))?;
    let held = chosen.check(&basis.of(&after), budgets)?;
    Ok(Report {
        zone: site.name.clone(),
        model: model.digest().to_owned(),
        min_requests,
        budgets,
        people: basis,
        reject: chosen.reject,
        suspect: chosen.suspect,
        later: held,
        would_reject: Share::from(&all, chosen.reject.threshold),
        would_suspect: Share::from(&all, chosen.suspect.threshold),
        at_worst: people::at_worst(&all, chosen.reject.threshold),
    })
}

fn budget(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|share| *share > 0.0 && *share <= MAX_BUDGET)
        .ok_or_else(|| {
            format!("a budget is a share of people, more than 0 and at most {MAX_BUDGET}, such as 0.001")
        })
}

fn log_format(text: &str) -> Result<Format, FormatError> {
    Format::parse(text)
}
