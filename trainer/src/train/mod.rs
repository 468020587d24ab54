//! `sekisho train`: logs and samples in; model, card and account out.

mod canaries;
mod card;
mod progress;
mod recipe;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sekisho_core::feature::{COUNT, FEATURES, Features, schema_hash};
use sekisho_core::model::{Card, Limits, Model, ModelError};
use thiserror::Error;

use crate::dataset::{
    Evidence, EvidenceError, Label, ListError, Moment, Site, SiteError, UserAgents, read_site,
};
use crate::learn::{FitError, SCORED_COUNTS, Settings, TRAINING_COUNTS};
use crate::onnx::{self, WriteError};
use progress::step;
use recipe::Learnt;

pub use canaries::{CanaryError, check as check_canaries, read as read_canaries};
pub use card::LEARNT_UNTIL;
pub use recipe::{Account, HeldOut};

const EXAMPLES: &str = "\
Examples:
  sekisho train access.log.gz --out site.onnx
      a model of one site; its thresholds are then a guess
  sekisho train shop.log blog.log --automated attackers.log --out model.onnx
      several sites, and a log of attackers only
  sekisho train --samples samples.jsonl models/data/airis.log.gz --until 7d --canary canaries.jsonl --out new.onnx
      what the module wrote, a log beside it; the last week is left for `sekisho evaluate --since 7d`

A log's labels are weak: declared crawlers by user agent, people by a browser that loads scripts and pictures with
referers. Samples carry labels of traps, conversions and verified bots. Clients without a label are not learnt from.
The same data and seed give the same file.

Each site's last networks are held out: some decide when to stop growing trees, the newest are measured on. Then the
model is grown from all. No client, network or day has more than its share of the weight.

Exit status: 0 done, 1 nothing was written, 2 wrong usage.";

/// Learn a model from access logs and samples
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs, one a site; the name up to the first dot names the site
    #[arg(value_name = "LOG", required_unless_present_any = ["samples", "store"])]
    logs: Vec<PathBuf>,

    #[command(flatten)]
    evidence: Evidence,

    /// A log of attackers only: every client in it is automated
    #[arg(long, value_name = "LOG")]
    automated: Vec<PathBuf>,

    /// Where to write the model
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Where to write the model card (Markdown) [default: beside the model]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,

    /// Where to write how the model came about (JSON) [default: beside the model]
    #[arg(long, value_name = "FILE", conflicts_with = "whole")]
    account: Option<PathBuf>,

    /// Learn only from what came before: 7d before the end of the data, or a date
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,

    /// Rows with a label that must not flip, one JSON object a line; nothing is written when one does
    #[arg(long, value_name = "FILE")]
    canary: Option<PathBuf>,

    /// Learn from everything as it is, nothing held out and no caps, as the shipped model is made
    #[arg(long)]
    whole: bool,

    /// Number of trees; at most so many, unless with --whole
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=512))]
    trees: u16,

    /// Greatest depth of a tree
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=10))]
    depth: u8,

    /// Seed of whatever is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Why there is no model.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The lists are broken.
    #[error(transparent)]
    Lists(#[from] ListError),
    /// A log is.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The samples are.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A canary flips, or is none.
    #[error(transparent)]
    Canary(#[from] CanaryError),
    /// The model that was made does not load.
    #[error("the model that was made is refused: {0}")]
    Model(#[from] ModelError),
    /// Nothing to learn.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The model cannot be written as ONNX.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), TrainError> {
    let settings = Settings {
        trees: usize::from(args.trees),
        depth: usize::from(args.depth),
        seed: args.seed,
        ..Settings::default()
    };
    let canaries = args
        .canary
        .as_deref()
        .map(canaries::read)
        .transpose()?
        .unwrap_or_default();
    let bar = progress::bar(args.logs.len() + args.automated.len() + 1 + recipe::STEPS);
    let mut sites = gather(args, &bar)?;
    let mut learnt = if args.whole {
        recipe::whole(&sites, settings, &bar)?
    } else {
        recipe::guarded(&mut sites, settings, &bar)?
    };
    let metadata = metadata(&sites, &learnt);
    let model = onnx::write(&learnt.fitted.booster, &metadata)?;
    canaries::check(&canaries, &Model::load(&model, &Limits::DEFAULT)?)?;
    if let Some(account) = &mut learnt.account {
        account.canaries = canaries.len();
    }
    bar.finish_and_clear();
    write(args, &sites, &metadata, &learnt, &model)
}

/// Logs, logs of attackers only, then samples, each up to the moment asked for.
fn gather(args: &Args, bar: &ProgressBar) -> Result<Vec<Site>, TrainError> {
    let mut sites = read(&args.logs, &args.automated, &row_counts(), bar)?;
    step(bar, "reading samples".to_owned());
    let (sampled, rest) = args.evidence.sites()?;
    if let Some(told) = rest.told() {
        bar.suspend(|| eprintln!("{told}"));
    }
    sites.extend(sampled);
    if let Some(until) = args.until {
        for site in &mut sites {
            *site = site.until(until.of(site));
        }
    }
    Ok(sites)
}

fn metadata(sites: &[Site], learnt: &Learnt) -> Card {
    let until = learnt.account.as_ref().map(|account| account.learnt_until);
    Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: learnt.thresholds,
        baseline: typical_human(sites).to_vec(),
        data: card::data_line(sites, until),
        score_stats: card::score_stats(&learnt.scores),
    }
}

fn write(
    args: &Args,
    sites: &[Site],
    metadata: &Card,
    learnt: &Learnt,
    model: &[u8],
) -> Result<(), TrainError> {
    let text = card::markdown(sites, metadata, learnt, model);
    save(&args.out, model)?;
    let card_path = args.card.clone().unwrap_or_else(|| args.out.with_extension("md"));
    save(&card_path, text.as_bytes())?;
    if let Some(account) = &learnt.account {
        let path = args
            .account
            .clone()
            .unwrap_or_else(|| args.out.with_extension("json"));
        let document = serde_json::to_string_pretty(account).map_err(|error| TrainError::Save {
            path: path.clone(),
            source: error.into(),
        })?;
        save(&path, format!("{document}\n").as_bytes())?;
    }
    for site in sites {
        let (crawlers, humans) = site.labelled();
        eprintln!(
            "{}: {} lines, {crawlers} crawlers, {humans} likely humans",
            site.name, site.lines
        );
    }
    for line in &learnt.named {
        eprintln!("{line}");
    }
    if recipe::is_guess(learnt.thresholds) {
        eprintln!("its thresholds are a guess, as too little is labelled: set them with sekisho calibrate");
    }
    eprintln!(
        "wrote {} ({} bytes) and {}",
        args.out.display(),
        model.len(),
        card_path.display()
    );
    Ok(())
}

/// A model and how it came about.
pub struct Made {
    /// The file.
    pub model: Vec<u8>,
    /// What was held out, capped and doubted.
    pub account: Account,
    /// Whether its thresholds are a guess.
    pub guess: bool,
}

/// Learns from sites that are read already, with the recipe of the command: parts held out, doubts, caps.
///
/// # Errors
/// A class is missing, or the model cannot be written.
pub fn make(sites: &mut [Site]) -> Result<Made, TrainError> {
    let bar = ProgressBar::hidden();
    let (learnt, account) = recipe::accounted(sites, Settings::default(), &bar)?;
    let model = onnx::write(&learnt.fitted.booster, &metadata(sites, &learnt))?;
    Ok(Made {
        model,
        account,
        guess: recipe::is_guess(learnt.thresholds),
    })
}

/// Reads sites, then logs of attackers only.
pub fn read_sites(logs: &[PathBuf], automated: &[PathBuf], counts: &[u32]) -> Result<Vec<Site>, TrainError> {
    let bar = progress::bar(logs.len() + automated.len());
    let sites = read(logs, automated, counts, &bar)?;
    bar.finish_and_clear();
    Ok(sites)
}

fn read(
    logs: &[PathBuf],
    automated: &[PathBuf],
    counts: &[u32],
    bar: &ProgressBar,
) -> Result<Vec<Site>, TrainError> {
    let mut agents = UserAgents::bundled()?;
    let mut sites = Vec::new();
    for path in logs {
        step(bar, format!("reading {}", path.display()));
        sites.push(read_site(path, &mut agents, counts)?);
    }
    for (index, path) in automated.iter().enumerate() {
        step(bar, format!("reading {}", path.display()));
        sites.push(read_site(path, &mut agents, counts)?.all_automated(u32::MAX - index as u32));
    }
    Ok(sites)
}

/// Request counts at which rows are taken, ascending.
pub fn row_counts() -> Vec<u32> {
    let mut counts: Vec<u32> = TRAINING_COUNTS.into_iter().chain(SCORED_COUNTS).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// Median of each feature over the last rows of likely humans: what reasons are measured against.
fn typical_human(sites: &[Site]) -> Features {
    let clients = sites.iter().flat_map(|site| &site.clients);
    let humans = clients.filter(|client| client.label == Some(Label::Human));
    let rows: Vec<&Features> = humans
        .filter_map(|client| client.rows.last())
        .map(|row| &row.features)
        .collect();
    let mut typical = [0.0; COUNT];
    for (column, value) in typical.iter_mut().enumerate() {
        let mut values: Vec<f32> = rows.iter().map(|features| features[column]).collect();
        values.sort_by(f32::total_cmp);
        *value = values.get(values.len() / 2).copied().unwrap_or_default();
    }
    typical
}

/// Writes beside the file and renames: whoever reads it sees the old one or the new one.
fn save(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let failed = |source| TrainError::Save {
        path: path.to_owned(),
        source,
    };
    fs::write(&beside, bytes).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
