//! Plots as SVG, in colours that the page's style sheet replaces, so that they suit light and dark.

use plotters::style::RGBColor;

use super::super::EvaluateError;
use super::figures::Figures;
use crate::plot::{FAINT, FIRST, Line, Plot, SECOND, steps};

/// What the axes of each plot are, x and y, in the order of [`all`].
pub type Axes = [[&'static str; 2]; 5];
/// In English.
pub const ENGLISH: Axes = [
    ["share of people above the cut", "share of crawlers above"],
    ["requests made", "share of crawlers rejected"],
    ["score", "share that is automated"],
    ["last score", "share of people"],
    ["last score", "share of crawlers"],
];
/// Requests shown of the curve of requests until flagged.
const MOST_REQUESTS: u32 = 256;
/// Share of people shown of the curve of crawlers found: beyond it nobody sets a threshold.
const MOST_PEOPLE: f64 = 0.1;

/// Of two models: crawlers found, requests until rejected, calibration, scores of people, scores of crawlers.
///
/// # Errors
/// [`EvaluateError::Page`] when the drawing library refuses.
pub fn all(old: &Figures, new: &Figures, axes: &Axes) -> Result<[String; 5], EvaluateError> {
    let [first, second, third, fourth, fifth] = *axes;
    Ok([
        found(old, new, first)?,
        until_rejected(old, new, second)?,
        calibration(old, new, third)?,
        spread(old, new, true, fourth)?,
        spread(old, new, false, fifth)?,
    ])
}

/// Crawlers found against people hit.
fn found(old: &Figures, new: &Figures, [x, y]: [&str; 2]) -> Result<String, EvaluateError> {
    let within = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let kept = points.iter().copied().filter(|point| point.0 <= MOST_PEOPLE);
        let last = points.iter().copied().find(|point| point.0 > MOST_PEOPLE);
        let mut kept = steps(kept.collect());
        if let (Some(_), Some(end)) = (last, kept.last().copied()) {
            kept.push((MOST_PEOPLE, end.1));
        }
        kept
    };
    draw(&Plot {
        x,
        y,
        most_x: MOST_PEOPLE,
        most_y: 1.0,
        lines: both(within(&old.curve), within(&new.curve)),
        whiskers: Vec::new(),
    })
}

/// Crawlers rejected by the number of their requests.
fn until_rejected(old: &Figures, new: &Figures, [x, y]: [&str; 2]) -> Result<String, EvaluateError> {
    let points = |figures: &Figures| {
        let within = figures
            .until_rejected
            .curve
            .iter()
            .filter(|point| point.0 <= MOST_REQUESTS);
        let reached = within.map(|(requests, share)| (f64::from(*requests), *share));
        let mut points: Vec<(f64, f64)> = std::iter::once((0.0, 0.0)).chain(reached).collect();
        let end = points.last().map_or(0.0, |point| point.1);
        points.push((f64::from(MOST_REQUESTS), end));
        steps(points)
    };
    draw(&Plot {
        x,
        y,
        most_x: f64::from(MOST_REQUESTS),
        most_y: 1.0,
        lines: both(points(old), points(new)),
        whiskers: Vec::new(),
    })
}

/// What share of the labelled clients with a score is automated, with intervals.
fn calibration(old: &Figures, new: &Figures, [x, y]: [&str; 2]) -> Result<String, EvaluateError> {
    let points = |figures: &Figures| -> Vec<(f64, f64)> {
        let bins = figures.calibration.iter();
        bins.filter_map(|bin| {
            let count = bin.crawlers + bin.humans;
            Some((bin.mean_score?, bin.crawlers as f64 / count as f64))
        })
        .collect()
    };
    let whiskers = |figures: &Figures, color: RGBColor| -> Vec<Line> {
        let bins = figures.calibration.iter();
        bins.filter_map(|bin| {
            let (low, high) = bin.interval;
            let x = bin.mean_score?;
            let points = vec![(x, low), (x, high)];
            Some(Line { color, points })
        })
        .collect()
    };
    let even = Line {
        color: FAINT,
        points: vec![(0.0, 0.0), (1.0, 1.0)],
    };
    let mut lines = both(points(old), points(new));
    lines.push(even);
    draw(&Plot {
        x,
        y,
        most_x: 1.0,
        most_y: 1.0,
        lines,
        whiskers: [whiskers(old, FIRST), whiskers(new, SECOND)]
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// How scores of one class are spread: share of the class in each tenth.
fn spread(old: &Figures, new: &Figures, humans: bool, [x, y]: [&str; 2]) -> Result<String, EvaluateError> {
    let points = |figures: &Figures| -> Vec<(f64, f64)> {
        let count = |bin: &super::figures::Bin| if humans { bin.humans } else { bin.crawlers };
        let all: usize = figures.calibration.iter().map(count).sum();
        let bins = figures.calibration.iter().flat_map(|bin| {
            let share = count(bin) as f64 / all.max(1) as f64;
            [(bin.from, share), (bin.to, share)]
        });
        bins.collect()
    };
    draw(&Plot {
        x,
        y,
        most_x: 1.0,
        most_y: 1.0,
        lines: both(points(old), points(new)),
        whiskers: Vec::new(),
    })
}

fn both(old: Vec<(f64, f64)>, new: Vec<(f64, f64)>) -> Vec<Line> {
    let line = |color, points| Line { color, points };
    vec![line(FIRST, old), line(SECOND, new)]
}

fn draw(plot: &Plot<'_>) -> Result<String, EvaluateError> {
    crate::plot::draw(plot).map_err(|error| EvaluateError::Page(error.to_string()))
}
