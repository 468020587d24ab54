//! When a client came: each sample a dot in a row of time, so that a beat stands as a column; and the pauses between.

use std::collections::BTreeMap;

use super::period::Period;
use super::svg::{Anchor, Label, Svg};

/// Size of the picture.
const SIZE: (f64, f64) = (640.0, 260.0);
/// Left of the rows there is room for when each begins, below for where in the period a column is.
const MARGIN: (f64, f64, f64, f64) = (84.0, 8.0, 8.0, 22.0);
/// Rows at most: more would lie upon each other.
const MAX_ROWS: u32 = 48;
/// Rows whose beginning is written.
const TOLD_ROWS: u32 = 6;
/// Size of the picture of pauses.
const PAUSES: (f64, f64) = (640.0, 110.0);
/// Pauses from a tenth of a second to ten days, in powers of ten.
const DECADES: (f64, f64) = (-1.0, 6.0);

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Unix seconds.
    pub at: u32,
    /// Requests so far.
    pub requests: u32,
    /// Class of its verdict.
    pub class: &'static str,
}

/// What is written beside the dots.
pub struct Raster<'a> {
    /// Name of the picture.
    pub title: &'a str,
    /// What it shows.
    pub description: &'a str,
    /// A time as the viewer reads it.
    pub time: &'a dyn Fn(u32) -> Label,
    /// A length of time.
    pub length: &'a dyn Fn(f64) -> String,
}

/// Rows of time of a period each, or of several where there would be too many, dots at their time within it.
pub fn raster(dots: &[Dot], period: Period, words: &Raster<'_>) -> String {
    let mut svg = Svg::new("pic raster", SIZE, words.title, words.description);
    let (left, top, right, bottom) = MARGIN;
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
    let beat = period.seconds.max(1.0);
    let (first, last) = match dots {
        [first, .., last] => (first.at, last.at.max(first.at)),
        [one] => (one.at, one.at),
        [] => return svg.finish(),
    };
    // Rows begin at whole periods of the clock, so that the column of a client that comes at the full hour is the first.
    let row_of = |at: u32| (f64::from(at) / beat).floor();
    let periods = row_of(last) - row_of(first) + 1.0;
    let folded = (periods / f64::from(MAX_ROWS)).ceil().max(1.0);
    let rows = (periods / folded).ceil().max(1.0);
    let step = height / rows;
    svg.rect("frame", [left, top, width, height]);
    for quarter in 0..=4 {
        let x = left + width * f64::from(quarter) / 4.0;
        svg.line("grid", (x, top), (x, top + height));
        let anchor = match quarter {
            0 => Anchor::Start,
            4 => Anchor::End,
            _ => Anchor::Middle,
        };
        let label = (words.length)(beat * f64::from(quarter) / 4.0);
        svg.text("axis", (x, SIZE.1 - 6.0), anchor, &label);
    }
    let told = (rows / f64::from(TOLD_ROWS)).ceil().max(1.0);
    let mut row = 0.0;
    while row < rows {
        let begins = (row_of(first) + row * folded) * beat;
        let at = (words.time)(begins.clamp(0.0, f64::from(u32::MAX)) as u32);
        let place = (left - 6.0, top + step * row + step.min(10.0));
        svg.label("axis", place, Anchor::End, &at);
        row += told;
    }
    let mut by_class: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for dot in dots {
        let at = f64::from(dot.at);
        let row = ((row_of(dot.at) - row_of(first)) / folded).floor();
        let x = left + (at / beat).fract() * width;
        by_class
            .entry(dot.class)
            .or_default()
            .push((x, top + step * (row + 0.5)));
    }
    for (class, points) in by_class {
        svg.dots(&format!("dot {class}"), points);
    }
    svg.finish()
}

/// The mean pause between requests from one sample to the next, on a scale of powers of ten, over time.
pub fn pauses(dots: &[Dot], words: &Raster<'_>) -> String {
    let mut svg = Svg::new("pic pauses", PAUSES, words.title, words.description);
    let (left, top, right, bottom) = MARGIN;
    let (width, height) = (PAUSES.0 - left - right, PAUSES.1 - top - bottom);
    svg.rect("frame", [left, top, width, height]);
    let (Some(first), Some(last)) = (dots.first(), dots.last()) else {
        return svg.finish();
    };
    let y = |seconds: f64| {
        let power = seconds.max(0.001).log10().clamp(DECADES.0, DECADES.1);
        top + height * (1.0 - (power - DECADES.0) / (DECADES.1 - DECADES.0))
    };
    for seconds in [1.0, 60.0, 3600.0, 86_400.0] {
        svg.line("grid", (left, y(seconds)), (left + width, y(seconds)));
        svg.text(
            "axis",
            (left - 6.0, y(seconds) + 4.0),
            Anchor::End,
            &(words.length)(seconds),
        );
    }
    let span = f64::from(last.at.saturating_sub(first.at)).max(1.0);
    let x = |at: u32| left + f64::from(at.saturating_sub(first.at)) / span * width;
    let mut by_class: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for pair in dots.windows(2) {
        // A counter that falls began anew: the pause before is not known.
        let more = pair[1]
            .requests
            .checked_sub(pair[0].requests)
            .filter(|more| *more > 0);
        if let Some(more) = more {
            let pause = f64::from(pair[1].at.saturating_sub(pair[0].at)) / f64::from(more);
            by_class
                .entry(pair[1].class)
                .or_default()
                .push((x(pair[1].at), y(pause)));
        }
    }
    for (class, points) in by_class {
        svg.dots(&format!("dot {class}"), points);
    }
    let low = PAUSES.1 - 6.0;
    svg.label("axis", (left, low), Anchor::Start, &(words.time)(first.at));
    svg.label("axis", (left + width, low), Anchor::End, &(words.time)(last.at));
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>() -> Raster<'a> {
        Raster {
            title: "when",
            description: "",
            time: &|at| Label::plain(at.to_string()),
            length: &|seconds| format!("{seconds} s"),
        }
    }

    fn dots(beat: u32, count: u32) -> Vec<Dot> {
        let dot = |place| Dot {
            at: 1_800_000_000 + place * beat,
            requests: 10 + place * 6,
            class: "v-suspect",
        };
        (0..count).map(dot).collect()
    }

    /// x of each dot.
    fn columns(svg: &str) -> Vec<String> {
        let data = svg
            .split("<path class=\"dot v-suspect\" d=\"M")
            .nth(1)
            .expect("dots");
        let data = data.split('"').next().expect("an end");
        data.split('M')
            .map(|dot| dot.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn a_beat_stands_as_a_column() {
        let period = Period {
            seconds: 60.0,
            coherence: Some(1.0),
        };
        let mut found = columns(&raster(&dots(60, 30), period, &words()));
        assert_eq!(found.len(), 30);
        found.dedup();
        assert_eq!(found.len(), 1, "{found:?}");
        let mut other = columns(&raster(&dots(47, 30), period, &words()));
        other.sort();
        other.dedup();
        assert!(other.len() > 20, "{other:?}");
    }

    #[test]
    fn nothing_and_very_much_are_drawn_too() {
        let period = Period {
            seconds: 60.0,
            coherence: None,
        };
        assert!(raster(&[], period, &words()).ends_with("</svg>"));
        assert!(pauses(&[], &words()).ends_with("</svg>"));
        let far = [
            dots(1, 1)[0],
            Dot {
                at: u32::MAX,
                ..dots(1, 1)[0]
            },
        ];
        let picture = raster(&far, period, &words());
        assert!(picture.len() < 4000 && columns(&picture).len() == 2, "{picture}");
        assert!(columns(&pauses(&dots(60, 30), &words())).len() == 29);
    }
}
