//! Lines over time or over a count, with a band of what is usual and thresholds.

use std::collections::BTreeMap;

use super::svg::{Anchor, Label, Svg};

/// Size of the picture.
const SIZE: (f64, f64) = (640.0, 200.0);
/// Room for the axes.
const MARGIN: (f64, f64, f64, f64) = (52.0, 8.0, 10.0, 22.0);
/// Points of a line at most: as many as there are columns of dots on a small screen.
const MAX_POINTS: usize = 300;

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Along the axis.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Class of its dot.
    pub class: &'static str,
}

/// A line and what it is compared with.
pub struct Curve<'a> {
    /// Name of the picture.
    pub title: &'a str,
    /// What it shows.
    pub description: &'a str,
    /// Its points, ascending by x.
    pub points: &'a [Point],
    /// Beginning and end of the x axis.
    pub x: (f64, f64),
    /// Beginning and end of the y axis.
    pub y: (f64, f64),
    /// Heights that are marked, with the class of their line.
    pub marks: &'a [(f64, &'static str)],
    /// Low, middle and high line of what is usual, at the beginning and the end of the x axis.
    pub band: Option<[(f64, f64); 3]>,
    /// What stands at the beginning and the end of the x axis.
    pub ends: (Label, Label),
    /// A height in words.
    pub height: &'a dyn Fn(f64) -> String,
}

/// Draws it.
pub fn curve(curve: &Curve<'_>) -> String {
    let mut svg = Svg::new("pic curve", SIZE, curve.title, curve.description);
    let (left, top, right, bottom) = MARGIN;
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
    let part = |value: f64, (from, to): (f64, f64)| {
        if to > from {
            ((value - from) / (to - from)).clamp(0.0, 1.0)
        } else {
            0.5
        }
    };
    let place = |x: f64, y: f64| {
        (
            left + width * part(x, curve.x),
            top + height * (1.0 - part(y, curve.y)),
        )
    };
    svg.rect("frame", [left, top, width, height]);
    for quarter in 0..=4 {
        let value = curve.y.0 + (curve.y.1 - curve.y.0) * f64::from(quarter) / 4.0;
        let (_, y) = place(curve.x.0, value);
        svg.line("grid", (left, y), (left + width, y));
        svg.text("axis", (left - 6.0, y + 4.0), Anchor::End, &(curve.height)(value));
    }
    if let Some([low, middle, high]) = curve.band {
        let (from, to) = curve.x;
        // Cut where the band leaves the picture, so that its slope stays what it is.
        let along = |(begin, end): (f64, f64)| {
            (0..=20).map(move |step| {
                let share = f64::from(step) / 20.0;
                (from + (to - from) * share, begin + (end - begin) * share)
            })
        };
        let area: Vec<(f64, f64)> = along(low)
            .chain(along(high).collect::<Vec<_>>().into_iter().rev())
            .collect();
        svg.path("band", area.into_iter().map(|(x, y)| place(x, y)), true);
        svg.path("median", along(middle).map(|(x, y)| place(x, y)), false);
    }
    for &(value, class) in curve.marks {
        let (_, y) = place(curve.x.0, value);
        svg.line(&format!("mark {class}"), (left, y), (left + width, y));
    }
    let shown = thinned(curve.points);
    svg.path("line", shown.iter().map(|point| place(point.x, point.y)), false);
    let mut by_class: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for point in &shown {
        by_class
            .entry(point.class)
            .or_default()
            .push(place(point.x, point.y));
    }
    for (class, points) in by_class {
        svg.dots(&format!("dot {class}"), points);
    }
    svg.label("axis", (left, SIZE.1 - 6.0), Anchor::Start, &curve.ends.0);
    svg.label("axis", (left + width, SIZE.1 - 6.0), Anchor::End, &curve.ends.1);
    svg.finish()
}

/// An even choice of points with the last one.
fn thinned(points: &[Point]) -> Vec<Point> {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    let mut shown: Vec<Point> = points.iter().copied().step_by(step).collect();
    if let Some(last) = points.last()
        && shown.last() != Some(last)
    {
        shown.push(*last);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[Point], band: Option<[(f64, f64); 3]>) -> String {
        curve(&Curve {
            title: "score",
            description: "<of a client>",
            points,
            x: (0.0, 10.0),
            y: (0.0, 1.0),
            marks: &[(0.5, "suspect")],
            band,
            ends: (Label::plain("a"), Label::plain("b")),
            height: &|value| format!("{value:.2}"),
        })
    }

    #[test]
    fn points_lie_where_they_belong() {
        let point = |x, y| Point {
            x,
            y,
            class: "v-passed",
        };
        let svg = drawn(&[point(0.0, 0.0), point(10.0, 1.0)], None);
        assert!(
            svg.contains("<path class=\"line\" d=\"M52 178L630 8\"/>"),
            "{svg}"
        );
        assert!(
            svg.contains("<path class=\"mark suspect\" d=\"M52 93L630 93\"/>"),
            "{svg}"
        );
        assert!(svg.contains("<desc>&lt;of a client&gt;</desc>"), "{svg}");
    }

    #[test]
    fn a_long_line_is_thinned_and_keeps_its_end() {
        let points: Vec<Point> = (0..5000)
            .map(|step| Point {
                x: f64::from(step) / 500.0,
                y: 0.5,
                class: "v-passed",
            })
            .collect();
        let shown = thinned(&points);
        assert!(shown.len() <= MAX_POINTS + 1);
        assert_eq!(shown.last(), points.last());
        assert!(drawn(&points, Some([(0.0, 0.1), (0.0, 0.5), (0.0, 0.9)])).len() < 20_000);
        assert!(drawn(&[], None).ends_with("</svg>"));
    }
}
