//! `sekisho train`: logs in, model and card out.

mod card;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sekisho_core::feature::{COUNT, FEATURES, Features, schema_hash};
use sekisho_core::model::Card;
use thiserror::Error;

use crate::dataset::{Label, ListError, Site, SiteError, UserAgents, read_site};
use crate::learn::{self, FitError, Fitted, SCORED_COUNTS, Settings, TRAINING_COUNTS};
use crate::onnx::{self, WriteError};

const EXAMPLES: &str = "\
Examples:
  sekisho train access.log.gz --out site.onnx
      a model of one site; its thresholds are then a guess
  sekisho train shop.log blog.log --automated attackers.log --out model.onnx
      several sites, and a log of attackers only

Labels are weak: declared crawlers by user agent, people by a browser that loads scripts and pictures with
referers. Clients that are neither are not learnt from. The same logs and seed give the same file.";

/// Learn a model from access logs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs, one a site; the name up to the first dot names the site
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,

    /// A log of attackers only: every client in it is automated
    #[arg(long, value_name = "LOG")]
    automated: Vec<PathBuf>,

    /// Where to write the model
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Where to write the model card (Markdown) [default: beside the model]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,

    /// Number of trees
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
    let counts = row_counts();
    let sites = read_sites(&args.logs, &args.automated, &counts)?;
    let progress = spinner("learning");
    let everyone = sites.iter().map(|site| (site, site.clients.iter().collect()));
    let examples = learn::training_examples(everyone);
    let fitted = Fitted::fit(&examples, settings, true)?;
    let thresholds = learn::choose_thresholds(&sites.iter().collect::<Vec<_>>(), settings)?;
    let scores = fitted.score(examples.iter().map(|example| example.features));
    let metadata = Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds,
        baseline: typical_human(&sites).to_vec(),
        data: card::data_line(&sites),
        score_stats: card::score_stats(&scores),
    };
    let model = onnx::write(&fitted.booster, &metadata)?;
    progress.finish_and_clear();
    let text = card::markdown(&sites, &metadata, settings, &model);
    save(&args.out, &model)?;
    let card_path = args.card.clone().unwrap_or_else(|| args.out.with_extension("md"));
    save(&card_path, text.as_bytes())?;
    for site in &sites {
        let (crawlers, humans) = site.labelled();
        eprintln!(
            "{}: {} lines, {crawlers} crawlers, {humans} likely humans",
            site.name, site.lines
        );
    }
    eprintln!(
        "wrote {} ({} bytes) and {}",
        args.out.display(),
        model.len(),
        card_path.display()
    );
    Ok(())
}

/// Reads sites, then logs of attackers only.
pub fn read_sites(logs: &[PathBuf], automated: &[PathBuf], counts: &[u32]) -> Result<Vec<Site>, TrainError> {
    let mut agents = UserAgents::bundled()?;
    let mut sites = Vec::new();
    let progress = spinner("reading");
    for path in logs {
        progress.set_message(format!("reading {}", path.display()));
        sites.push(read_site(path, &mut agents, counts)?);
    }
    for (index, path) in automated.iter().enumerate() {
        progress.set_message(format!("reading {}", path.display()));
        sites.push(read_site(path, &mut agents, counts)?.all_automated(u32::MAX - index as u32));
    }
    progress.finish_and_clear();
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

fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
