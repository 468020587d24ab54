//! Plots as SVG, in colours that the page's style sheet replaces, so that they suit light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::super::EvaluateError;
use super::figures::Figures;

/// Size of a plot, pixels.
const SIZE: (u32, u32) = (460, 320);
/// Placeholders: the style sheet of the page knows them.
const INK: RGBColor = RGBColor(1, 1, 1);
const FAINT: RGBColor = RGBColor(2, 2, 2);
const CHAMPION: RGBColor = RGBColor(3, 3, 3);
const CHALLENGER: RGBColor = RGBColor(4, 4, 4);
/// Requests shown of the curve of requests until flagged.
const MOST_REQUESTS: u32 = 256;
/// Share of people shown of the curve of crawlers found: beyond it nobody sets a threshold.
const MOST_PEOPLE: f64 = 0.1;

/// A line of points.
struct Line {
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// A plot, before it is drawn.
struct Plot<'a> {
    x: &'a str,
    y: &'a str,
    most_x: f64,
    most_y: f64,
    lines: Vec<Line>,
    /// Short lines that show intervals.
    whiskers: Vec<Line>,
}

/// Crawlers found against people hit.
pub fn found(old: &Figures, new: &Figures) -> Result<String, EvaluateError> {
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
        x: "share of people above the cut",
        y: "share of crawlers above",
        most_x: MOST_PEOPLE,
        most_y: 1.0,
        lines: both(within(&old.curve), within(&new.curve)),
        whiskers: Vec::new(),
    })
}

/// Crawlers rejected by the number of their requests.
pub fn until_rejected(old: &Figures, new: &Figures) -> Result<String, EvaluateError> {
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
        x: "requests made",
        y: "share of crawlers rejected",
        most_x: f64::from(MOST_REQUESTS),
        most_y: 1.0,
        lines: both(points(old), points(new)),
        whiskers: Vec::new(),
    })
}

/// What share of the labelled clients with a score is automated, with intervals.
pub fn calibration(old: &Figures, new: &Figures) -> Result<String, EvaluateError> {
    let points = |figures: &Figures| -> Vec<(f64, f64)> {
        let bins = figures.calibration.iter();
        bins.filter_map(|bin| {
            let count = bin.crawlers + bin.humans;
            Some((bin.mean_score?, bin.crawlers as f64 / count as f64))
        })
        .collect()
    };
    let whiskers = |figures: &Figures, color| -> Vec<Line> {
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
        x: "score",
        y: "share that is automated",
        most_x: 1.0,
        most_y: 1.0,
        lines,
        whiskers: [whiskers(old, CHAMPION), whiskers(new, CHALLENGER)]
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// How scores of one class are spread: share of the class in each tenth.
pub fn spread(old: &Figures, new: &Figures, humans: bool) -> Result<String, EvaluateError> {
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
        x: "last score",
        y: if humans {
            "share of people"
        } else {
            "share of crawlers"
        },
        most_x: 1.0,
        most_y: 1.0,
        lines: both(points(old), points(new)),
        whiskers: Vec::new(),
    })
}

fn both(old: Vec<(f64, f64)>, new: Vec<(f64, f64)>) -> Vec<Line> {
    let line = |color, points| Line { color, points };
    vec![line(CHAMPION, old), line(CHALLENGER, new)]
}

/// A curve that holds its height until the next point.
fn steps(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let corners = points
        .windows(2)
        .flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

fn draw(plot: &Plot<'_>) -> Result<String, EvaluateError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        paint(&area, plot).map_err(|error| EvaluateError::Page(error.to_string()))?;
        area.present()
            .map_err(|error| EvaluateError::Page(error.to_string()))?;
    }
    Ok(svg)
}

type Painting = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn paint(area: &DrawingArea<SVGBackend<'_>, Shift>, plot: &Plot<'_>) -> Painting {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..plot.most_x, 0.0..plot.most_y)?;
    let text = ("sans-serif", 13).into_font().color(&INK);
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .x_desc(plot.x)
        .y_desc(plot.y)
        .x_labels(6)
        .y_labels(6)
        .axis_desc_style(text.clone())
        .label_style(text)
        .draw()?;
    for line in &plot.whiskers {
        chart.draw_series(LineSeries::new(
            line.points.iter().copied(),
            line.color.stroke_width(1),
        ))?;
    }
    for line in &plot.lines {
        chart.draw_series(LineSeries::new(
            line.points.iter().copied(),
            line.color.stroke_width(2),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_its_height() {
        assert_eq!(
            steps(vec![(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]),
            [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (2.0, 0.5), (2.0, 1.0)]
        );
        assert_eq!(steps(Vec::new()), []);
    }

    #[test]
    fn a_plot_has_only_colours_that_the_page_knows() {
        let svg = draw(&Plot {
            x: "x",
            y: "<y>",
            most_x: 1.0,
            most_y: 1.0,
            lines: both(vec![(0.0, 0.0), (1.0, 1.0)], Vec::new()),
            whiskers: Vec::new(),
        })
        .unwrap();
        let colours = svg.split("=\"#").skip(1).map(|rest| &rest[..6]);
        for colour in colours {
            assert!(
                ["010101", "020202", "030303", "040404"].contains(&colour),
                "#{colour}"
            );
        }
        assert!(svg.contains("&lt;y&gt;"), "text is escaped");
    }
}
