//! Champion against challenger, on the same clients: figures with intervals, and what would change for whom.

mod bootstrap;
mod change;
mod figures;
mod page;
mod plots;
mod table;
mod words;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use sekisho_core::checkpoint::Overrides;
use sekisho_core::logline::Format as LogFormat;
use sekisho_core::model::Model;
use serde::Serialize;

use super::{Args, EvaluateError, Format};
use crate::dataset::{Log, Site, UserAgents, When};
use crate::learn::proportion::effective;
use crate::learn::{Judged, judge};
use crate::scan::load_model;
use crate::train::{LEARNT_UNTIL, TrainError};
use bootstrap::Differences;
use change::Change;
use figures::Figures;
pub use page::pictures;
pub use plots::Axes;

/// All figures.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// First and last request that was looked at, unix seconds.
    pub span: (u32, u32),
    /// Clients in that time, weighed, and their requests.
    pub clients: f64,
    /// See above.
    pub requests: f64,
    /// The size of an equally weighted sample that tells as much as these clients do.
    pub effective: f64,
    /// Share of people that may be above a cut, where recall is measured.
    pub budget: f64,
    /// Requests before which nobody is judged.
    pub min_requests: u32,
    /// The model in force.
    pub champion: Figures,
    /// The other.
    pub challenger: Figures,
    /// Challenger less champion, on the same clients drawn again and again.
    pub differences: Differences,
    /// What would change.
    pub change: Change,
    /// The same in a sentence.
    pub sentence: String,
    /// What to know before trusting the figures.
    pub notes: Vec<String>,
}

/// One model with the thresholds that it would have.
pub struct Contender {
    /// What people call it: its file.
    pub name: String,
    /// The model.
    pub model: Model,
    /// From here on suspect.
    pub suspect: f32,
    /// From here on rejected.
    pub reject: f32,
}

/// What figures are measured by.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Share of people that may be above a cut, where recall is measured.
    pub budget: f64,
    /// Requests before which nobody is judged.
    pub min_requests: u32,
    /// Seed of the intervals.
    pub seed: u64,
}

/// Every client under both.
pub struct Pair<'a> {
    /// Under the champion.
    pub champion: Judged<'a>,
    /// Under the challenger.
    pub challenger: Judged<'a>,
    /// Name of its site.
    pub site: &'a str,
}

/// Reads, compares, prints.
pub fn run(args: &Args, champion: &Path, challenger: &Path) -> Result<(), EvaluateError> {
    if args.format == Some(Format::Markdown) {
        return Err(EvaluateError::Shape(
            "--format markdown is for models of sites; two models are table or json",
        ));
    }
    let versus = &args.versus;
    let champion = contender(champion, versus.threshold)?;
    let challenger = contender(challenger, versus.challenger_threshold.or(versus.threshold))?;
    let sites = read(args)?;
    let terms = Terms {
        budget: versus.budget,
        min_requests: versus.min_requests,
        seed: versus.seed,
    };
    let comparison = compare(&champion, &challenger, &sites, terms)?;
    if let Some(path) = &versus.html {
        let page = page::html(&comparison)?;
        fs::write(path, page).map_err(|source| EvaluateError::File {
            path: path.clone(),
            source,
        })?;
    }
    let text = match args.format {
        Some(Format::Json) => serde_json::to_string_pretty(&comparison).map_err(io::Error::from)? + "\n",
        _ => table::text(&comparison),
    };
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

fn contender(path: &Path, threshold: Option<f32>) -> Result<Contender, EvaluateError> {
    let model = load_model(Some(path))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Contender::of(name.unwrap_or_default(), model, threshold))
}

impl Contender {
    /// With the thresholds that `threshold=` makes of the model's own.
    pub fn of(name: String, model: Model, threshold: Option<f32>) -> Contender {
        let overrides = Overrides {
            threshold,
            ..Overrides::default()
        };
        let policy = overrides.policy(model.thresholds());
        Contender {
            name,
            suspect: policy.suspect,
            reject: policy.reject,
            model,
        }
    }
}

fn read(args: &Args) -> Result<Vec<Site>, EvaluateError> {
    let mut agents = UserAgents::bundled().map_err(TrainError::from)?;
    let mut sites = Vec::new();
    for path in &args.logs {
        let log = Log {
            paths: std::slice::from_ref(path),
            format: &LogFormat::Auto,
        };
        let when = When::Scored(args.versus.min_requests);
        sites.push(
            log.read(&mut agents, when, &AtomicU64::new(0))
                .map_err(TrainError::from)?,
        );
    }
    let (sampled, rest) = args.evidence.sites()?;
    if let Some(told) = rest.told() {
        eprintln!("{told}");
    }
    sites.extend(sampled);
    if let Some(since) = args.versus.since {
        for site in &mut sites {
            *site = site.since(since.of(site));
        }
    }
    Ok(sites)
}

/// Compares two models on the clients of these sites.
///
/// # Errors
/// [`EvaluateError::Nobody`] when nobody can be judged.
pub fn compare(
    champion: &Contender,
    challenger: &Contender,
    sites: &[Site],
    terms: Terms,
) -> Result<Comparison, EvaluateError> {
    let pairs: Vec<Pair<'_>> = sites
        .iter()
        .flat_map(|site| {
            let old = judge(&champion.model, site, terms.min_requests);
            let new = judge(&challenger.model, site, terms.min_requests);
            old.into_iter().zip(new).map(|(champion, challenger)| Pair {
                champion,
                challenger,
                site: &site.name,
            })
        })
        .collect();
    if pairs.iter().all(|pair| pair.champion.worst().is_none()) {
        let min_requests = terms.min_requests;
        return Err(EvaluateError::Nobody { min_requests });
    }
    let spans: Vec<(u32, u32)> = sites.iter().filter_map(Site::span).collect();
    let first = spans.iter().map(|span| span.0).min().unwrap_or_default();
    let last = spans.iter().map(|span| span.1).max().unwrap_or_default();
    let drawn = bootstrap::draw(&pairs, terms.budget, terms.seed);
    let change = Change::of(&pairs, champion.reject, challenger.reject);
    Ok(Comparison {
        span: (first, last),
        clients: pairs.iter().map(|pair| pair.champion.client.weight).sum(),
        requests: pairs.iter().map(|pair| weighed_requests(&pair.champion)).sum(),
        effective: effective(pairs.iter().map(|pair| pair.champion.client.weight)),
        budget: terms.budget,
        min_requests: terms.min_requests,
        champion: Figures::of(
            champion,
            &pairs,
            |pair| &pair.champion,
            terms.budget,
            &drawn.champion,
        ),
        challenger: Figures::of(
            challenger,
            &pairs,
            |pair| &pair.challenger,
            terms.budget,
            &drawn.challenger,
        ),
        differences: drawn.differences,
        sentence: change.sentence(last - first),
        change,
        notes: notes(&[champion, challenger], first),
    })
}

fn weighed_requests(judged: &Judged<'_>) -> f64 {
    judged.client.weight * f64::from(judged.client.requests)
}

/// Whether the models may know what they are judged on.
fn notes(contenders: &[&Contender], from: u32) -> Vec<String> {
    let mut notes = Vec::new();
    for Contender { name, model, .. } in contenders {
        let told = model.card().data.rsplit_once(LEARNT_UNTIL).map(|(_, time)| time);
        match told.and_then(|time| time.parse::<jiff::Timestamp>().ok()) {
            Some(until) if until.as_second() >= i64::from(from) => notes.push(format!(
                "{name} learnt until {until}, after the first request here: it may know what it is judged on. Train with \
                 --until, or judge with --since"
            )),
            Some(_) => {}
            None => notes.push(format!(
                "{name} does not say until when it learnt: it may know what it is judged on"
            )),
        }
    }
    notes
}
