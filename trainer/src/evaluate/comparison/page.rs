//! The comparison as one page: no scripts, nothing from elsewhere, dark and light.

use askama::Template;
use serde::Deserialize;
use serde_json::Value;

use super::super::EvaluateError;
use super::figures::{Figures, Segment};
use super::words::{count, estimate, percent, range, share};
use super::{Comparison, plots};
use crate::figures::grouped;

#[derive(Template)]
#[template(path = "evaluation.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    span: [String; 2],
    clients: String,
    requests: String,
    budget: String,
    figures: Vec<[String; 4]>,
    segments: Vec<Row>,
    plots: Vec<Plot>,
}

/// A segment under both.
struct Row {
    name: String,
    cells: [String; 4],
}

struct Plot {
    title: &'static str,
    says: &'static str,
    svg: String,
}

/// The page.
///
/// # Errors
/// [`EvaluateError::Page`] when a plot or the template cannot be drawn.
pub fn html(comparison: &Comparison) -> Result<String, EvaluateError> {
    let (old, new) = (&comparison.champion, &comparison.challenger);
    let time =
        |at: u32| jiff::Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string());
    let page = Page {
        comparison,
        span: [time(comparison.span.0), time(comparison.span.1)],
        clients: grouped(comparison.clients.round() as u64),
        requests: grouped(comparison.requests.round() as u64),
        budget: percent(comparison.budget),
        figures: figures(comparison),
        segments: rows(old, new),
        plots: draw(old, new)?,
    };
    page.render()
        .map_err(|error| EvaluateError::Page(error.to_string()))
}

/// Title and explanation of each plot.
const SAYS: [[&str; 2]; 5] = [
    [
        "Crawlers found",
        "Each point is a threshold: what share of the people, and of the crawlers, would be above.",
    ],
    [
        "Requests until rejected",
        "How many requests crawlers make before the model's own threshold rejects them.",
    ],
    [
        "Calibration",
        "Of labelled clients with such a score, the share that is automated. On the diagonal, scores are probabilities.",
    ],
    ["Scores of people", "Each person at the last score."],
    ["Scores of crawlers", "Each crawler at the last score."],
];

fn draw(old: &Figures, new: &Figures) -> Result<Vec<Plot>, EvaluateError> {
    let drawn = plots::all(old, new, &plots::ENGLISH)?;
    let plots = SAYS.into_iter().zip(drawn);
    Ok(plots
        .map(|([title, says], svg)| Plot { title, says, svg })
        .collect())
}

/// The plots of a comparison that was written as JSON; `None` for what was written elsewhere and holds no curves.
pub fn pictures(document: &Value, axes: &plots::Axes) -> Option<[String; 5]> {
    #[derive(Deserialize)]
    struct Two {
        champion: Figures,
        challenger: Figures,
    }
    let two = Two::deserialize(document).ok()?;
    plots::all(&two.champion, &two.challenger, axes).ok()
}

fn figures(comparison: &Comparison) -> Vec<[String; 4]> {
    let (old, new, less) = (
        &comparison.champion,
        &comparison.challenger,
        &comparison.differences,
    );
    let row = |name: &str, of: &dyn Fn(&Figures) -> String, difference: Option<(f64, f64)>| {
        [name.to_owned(), of(old), of(new), range(difference)]
    };
    vec![
        row("suspect from", &|figures| format!("{:.4}", figures.suspect), None),
        row("reject from", &|figures| format!("{:.4}", figures.reject), None),
        row("AUC", &|figures| estimate(&figures.auc), less.auc),
        row(
            "recall at the budget",
            &|figures| estimate(&figures.recall_at_budget),
            less.recall_at_budget,
        ),
        row("people rejected", &|figures| share(&figures.all.humans), None),
        row("crawlers rejected", &|figures| share(&figures.all.crawlers), None),
        row(
            "requests until half of the crawlers are",
            &|figures| count(figures.until_rejected.half),
            None,
        ),
        row(
            "until nine of ten are",
            &|figures| count(figures.until_rejected.nine_of_ten),
            None,
        ),
    ]
}

fn rows(old: &Figures, new: &Figures) -> Vec<Row> {
    let row = |kind: &str, now: &Segment, then: &Segment| Row {
        name: format!("{kind}{}", now.name),
        cells: [now.humans, then.humans, now.crawlers, then.crawlers].map(|class| share(&class)),
    };
    let sites = old
        .sites
        .iter()
        .zip(&new.sites)
        .map(|(now, then)| row("site: ", now, then));
    let segments = old.segments.iter().zip(&new.segments);
    sites
        .chain(segments.map(|(now, then)| row("", now, then)))
        .collect()
}
