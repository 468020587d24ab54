//! `sekisho evaluate`: how good, per site and on sites unseen in training, beside today's rules.

mod measure;
mod report;

use std::fs;
use std::io;
use std::path::PathBuf;

use sekisho_core::model::Thresholds;
use serde::Serialize;
use thiserror::Error;

use crate::dataset::{Rule, Site};
use crate::learn::{FitError, Scores, Settings, by_families, by_others, choose_thresholds};
use crate::train::{TrainError, read_sites, row_counts};
use measure::{AtThresholds, Measured};

const EXAMPLES: &str = "\
Examples:
  sekisho evaluate airis.log.gz srhegde.log.gz
      each site judged by a model of the others, and within itself with crawler families kept apart
  sekisho evaluate a.log b.log --unseen c.log --into models/README.md
      also the model of a and b on c; the table replaces the one between the file's markers";

/// Request counts at which figures are given.
pub(crate) const COUNTS: [u32; 4] = [5, 10, 20, 50];

/// Measure models on sites they were not trained on
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs, one a site: trained on and judged, each by the others
    #[arg(value_name = "LOG", required = true, num_args = 2..)]
    logs: Vec<PathBuf>,

    /// A log of attackers only: trained on, never judged
    #[arg(long, value_name = "LOG")]
    automated: Vec<PathBuf>,

    /// A site that is trained on and judged here but is no part of the shipped model
    #[arg(long, value_name = "LOG", num_args = 1..)]
    extra: Vec<PathBuf>,

    /// A site that is only judged, by the model of the LOGs alone
    #[arg(long, value_name = "LOG", num_args = 1..)]
    unseen: Vec<PathBuf>,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Format::Markdown)]
    format: Format,

    /// Put the tables between the markers of this Markdown file
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// How the figures are written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Tables for people.
    Markdown,
    /// One JSON document.
    Json,
}

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// Logs or lists.
    #[error(transparent)]
    Read(#[from] TrainError),
    /// A fold could not be learnt.
    #[error(transparent)]
    Fit(#[from] FitError),
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

pub(crate) const START: &str = "<!-- evaluate: begin -->";
pub(crate) const END: &str = "<!-- evaluate: end -->";

/// One site under one way of splitting.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// The site.
    pub site: String,
    /// Labelled clients.
    pub crawlers: usize,
    /// Labelled clients.
    pub humans: usize,
    /// Crawlers among them that render pages as a browser does.
    pub rendering: usize,
    /// Figures with all features.
    pub all: Measured,
    /// Figures without asset and referer features.
    pub behaviour_only: Measured,
    /// With all features, at thresholds set without this site.
    pub at_thresholds: Option<AtThresholds>,
    /// Figures of today's rules.
    pub rules: Vec<measure::RuleMeasured>,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Evaluation {
    pub leave_one_site_out: Vec<Judged>,
    pub within_site: Vec<Judged>,
    pub unseen: Vec<Judged>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), EvaluateError> {
    let mut counts: Vec<u32> = row_counts().into_iter().chain(COUNTS).collect();
    counts.sort_unstable();
    counts.dedup();
    let shipped = read_sites(&args.logs, &args.automated, &counts)?;
    let extra = read_sites(&args.extra, &[], &counts)?;
    let unseen = read_sites(&args.unseen, &[], &counts)?;
    let evaluation = evaluate(&shipped, &extra, &unseen)?;
    let text = match args.format {
        Format::Markdown => report::markdown(&evaluation),
        Format::Json => serde_json::to_string_pretty(&evaluation).map_err(io::Error::from)? + "\n",
    };
    match &args.into {
        Some(path) => replace(path, &text),
        None => Ok(io::Write::write_all(&mut io::stdout().lock(), text.as_bytes())?),
    }
}

fn evaluate(shipped: &[Site], extra: &[Site], unseen: &[Site]) -> Result<Evaluation, FitError> {
    let known: Vec<&Site> = shipped.iter().chain(extra).collect();
    let settings = Settings::default();
    let has_both = |site: &&Site| site.labelled().0 > 0 && site.labelled().1 > 0;
    let mut evaluation = Evaluation {
        leave_one_site_out: Vec::new(),
        within_site: Vec::new(),
        unseen: Vec::new(),
    };
    for site in known.iter().copied().filter(has_both) {
        let others: Vec<&Site> = known
            .iter()
            .copied()
            .filter(|other| !std::ptr::eq(*other, site))
            .collect();
        evaluation
            .leave_one_site_out
            .push(by_model_of(site, &others, settings)?);
        evaluation
            .within_site
            .push(judged(site, |all| by_families(site, settings, all), None)?);
    }
    let shipped: Vec<&Site> = shipped.iter().collect();
    for site in extra.iter().chain(unseen) {
        evaluation.unseen.push(by_model_of(site, &shipped, settings)?);
    }
    Ok(evaluation)
}

fn by_model_of(site: &Site, others: &[&Site], settings: Settings) -> Result<Judged, FitError> {
    let thresholds = choose_thresholds(others, settings)?;
    judged(
        site,
        |all| by_others(site, others, settings, all),
        Some(thresholds),
    )
}

fn judged(
    site: &Site,
    score: impl Fn(bool) -> Result<Scores, FitError>,
    thresholds: Option<Thresholds>,
) -> Result<Judged, FitError> {
    let (crawlers, humans) = site.labelled();
    let scores = score(true)?;
    Ok(Judged {
        site: site.name.clone(),
        crawlers,
        humans,
        rendering: site
            .clients
            .iter()
            .filter(|client| client.renders && client.label.is_some())
            .count(),
        all: measure::of_scores(site, &scores),
        behaviour_only: measure::of_scores(site, &score(false)?),
        at_thresholds: thresholds.map(|thresholds| measure::at_thresholds(site, &scores, thresholds)),
        rules: Rule::ALL
            .iter()
            .map(|&rule| measure::of_rule(site, rule))
            .collect(),
    })
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
