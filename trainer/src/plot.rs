//! Plots as SVG, without scripts, in colours that the style sheet of a page (`templates/style.html`) replaces, so that
//! they suit light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;
use thiserror::Error;

/// Size of a plot, pixels.
const SIZE: (u32, u32) = (460, 320);
/// Placeholders: the style sheet of the page knows them.
const INK: RGBColor = RGBColor(1, 1, 1);
/// What stays in the background.
pub const FAINT: RGBColor = RGBColor(2, 2, 2);
/// The first of two things: what was there, what is ordinary.
pub const FIRST: RGBColor = RGBColor(3, 3, 3);
/// The second: what is new, what is flagged.
pub const SECOND: RGBColor = RGBColor(4, 4, 4);

/// A plot that could not be drawn.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PlotError(String);

/// A line of points.
pub struct Line {
    /// One of the placeholders above.
    pub color: RGBColor,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}

/// A plot, before it is drawn. Both axes begin at 0.
pub struct Plot<'a> {
    /// What x is.
    pub x: &'a str,
    /// What y is.
    pub y: &'a str,
    /// End of the x axis.
    pub most_x: f64,
    /// End of the y axis.
    pub most_y: f64,
    /// The curves.
    pub lines: Vec<Line>,
    /// Short lines that show intervals.
    pub whiskers: Vec<Line>,
}

/// A curve that holds its height until the next point.
pub fn steps(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let corners = points
        .windows(2)
        .flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

/// The plot as SVG.
///
/// # Errors
/// [`PlotError`] when the drawing library refuses.
pub fn draw(plot: &Plot<'_>) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        paint(&area, plot).map_err(|error| PlotError(error.to_string()))?;
        area.present().map_err(|error| PlotError(error.to_string()))?;
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
            lines: vec![Line {
                color: SECOND,
                points: vec![(0.0, 0.0), (1.0, 1.0)],
            }],
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
