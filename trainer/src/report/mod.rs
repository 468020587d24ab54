//! `sekisho report`: what happened over a time, for people who were not there.

mod cases;
mod clusters;
mod document;
mod explained;
mod gather;
mod guards;
mod likeness;
mod markdown;
mod models;
mod news;
mod page;
mod span;
mod spending;
mod swarms;

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use thiserror::Error;

use crate::analyse::{MetricsError, growth};
use crate::config::{AccessError, Config, ConfigError, StoreAccess, now};
use crate::dataset::Moment;
use crate::explain::{ExplainError, Models};
use crate::llm::{self, LlmError};
use crate::retrain::RetrainError;
use crate::scan::ScanError;
use crate::store::StoreError;
pub use document::Report;
pub use explained::{Asking, Explainer};
pub use markdown::code;
pub use news::{Fresh, Leader, fresh};
pub use page::body;
pub use span::{Span, SpanError, duration, time};
pub use swarms::{Swarm, swarms};

/// Seconds that language models may take unless said otherwise.
const DEADLINE: u64 = 120;

const EXAMPLES: &str = "\
Examples:
  sekisho report
      the last seven days against the seven before, as Markdown
  sekisho report --from 2026-11-01 --to 2026-12-01 --format html --out november.html
      a month, as one page with plots and without scripts
  sekisho report --from 24h --format json | jq '.clusters[] | {id, says, requests, trend}'
      what kinds of clients were flagged since yesterday
  sekisho report --from 24h --metrics /var/lib/sekisho/metrics/
      with what the guards did, from kept answers of the module's v1/metrics
  sekisho report --llm --deadline 300
      with what language models say of the cases, as far as it is true

Times are UTC unless they say otherwise. docs/report.md tells what each part stands on.

Exit status: 0 done, also when nothing happened, 1 the store or a file refused, 2 wrong usage.";

/// Tell what happened over a time: totals, clusters of like clients, what is new, top cases, models, cost
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// From then on: 7d or 12h ago, a day, or a moment such as 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", default_value = "7d")]
    from: Moment,

    /// Before then [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,

    /// Only this zone
    #[arg(long)]
    zone: Option<String>,

    /// The module's metrics, for what guards did: Prometheus text, a directory of it, or an answer of query_range
    #[arg(long, value_name = "FILE", num_args = 1..)]
    metrics: Vec<PathBuf>,

    /// Ask the language models of the configuration about the cases too, within their budget; what of it is true is listed
    #[arg(long)]
    llm: bool,

    /// Seconds that they may take for all cases together
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,

    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Markdown)]
    format: Format,

    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, tickets and mail
    Markdown,
    /// One page with plots, nothing from elsewhere
    Html,
    /// One document
    Json,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such time.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// The history of models cannot be read.
    #[error(transparent)]
    Retrain(#[from] RetrainError),
    /// The built-in model cannot.
    #[error(transparent)]
    Model(#[from] ScanError),
    /// A client cannot be explained.
    #[error(transparent)]
    Explain(#[from] Box<ExplainError>),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No language model can be asked.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// None is configured.
    #[error("--llm asks language models, and none is configured: set [[llm.targets]]")]
    NoLlm,
    /// The metrics cannot.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The page cannot be drawn.
    #[error("cannot draw the page: {0}")]
    Page(String),
    /// The file cannot be made.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody reads, or the disk is full.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// [`ReportError`].
pub fn run(args: &Args) -> Result<(), ReportError> {
    let period = Span::new(args.from, args.to, now())?;
    let (store, names) = args.access.open()?;
    let config = Config::load(args.access.config.as_deref(), env::vars())?.config;
    let mut report = Report::of(&store, period, args.zone.as_deref())?;
    let models = Models::new(config.models, None);
    let at_hand = match args.llm {
        true => Some(llm::at_hand(&args.access, &store)?.ok_or(ReportError::NoLlm)?),
        false => None,
    };
    let until = Instant::now() + Duration::from_secs(args.deadline);
    report.explain(&Explainer {
        store: &store,
        names: &names,
        models: &models,
        asking: at_hand.as_ref().map(|(chain, runtime)| Asking {
            chain,
            runtime,
            until,
        }),
    })?;
    if let Some((chain, runtime)) = &at_hand {
        runtime.block_on(chain.flush());
        // What was asked just now costs too.
        report.language_models.spent = store.llm_costs(&period.range())?;
    }
    report.language_models.currency = config.llm.currency;
    for (metric, grew) in growth(&args.metrics, period)? {
        report.guards.counters.extend(guards::counted(&metric, grew));
    }
    let text = match args.format {
        Format::Markdown => markdown::markdown(&report),
        Format::Html => page::html(&report)?,
        Format::Json => serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n",
    };
    match &args.out {
        Some(path) => write(path, &text),
        None => Ok(io::stdout().lock().write_all(text.as_bytes())?),
    }
}

/// Writes a file whole or not at all; it tells what clients did, so that only its owner may read it.
fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    let failed = |source| ReportError::File {
        path: path.to_owned(),
        source,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| fs::rename(&beside, path))
        .map_err(failed)
}
