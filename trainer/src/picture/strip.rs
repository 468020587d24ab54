//! One feature of a client beside what the site's people have.

use super::svg::Svg;

/// Size of the picture.
const SIZE: (f64, f64) = (200.0, 18.0);
/// Room at both ends, so that marks at the bounds are whole.
const END: f64 = 5.0;

/// What is drawn, in the feature's own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strip {
    /// Least and greatest value of the feature.
    pub range: (f64, f64),
    /// Fifth and ninety-fifth percentile of the people, where enough are known.
    pub tails: Option<(f64, f64)>,
    /// Their median.
    pub median: f64,
    /// The client's value.
    pub value: f64,
}

impl Strip {
    /// Whether the client is outside of what nine tenths of the people have.
    pub fn is_apart(&self) -> bool {
        self.tails
            .is_some_and(|(low, high)| self.value < low || self.value > high)
    }

    /// From where to where it is drawn: a range far beyond everybody's values would press them together.
    fn shown(&self) -> (f64, f64) {
        let (low, high) = self.tails.unwrap_or((self.median, self.median));
        let (least, most) = (
            low.min(self.value).min(self.median),
            high.max(self.value).max(self.median),
        );
        let (from, to) = self.range;
        if to - from <= 2.0 {
            return (from, to);
        }
        let room = (most - least).max((to - from) / 50.0) / 10.0;
        ((least - room).max(from), (most + room).min(to))
    }
}

/// Draws it. What it tells stands as numbers beside it.
pub fn strip(strip: &Strip) -> String {
    let mut svg = Svg::mute("strip", SIZE);
    let (from, to) = strip.shown();
    let middle = SIZE.1 / 2.0;
    let x = |value: f64| {
        let part = if to > from {
            ((value - from) / (to - from)).clamp(0.0, 1.0)
        } else {
            0.5
        };
        END + part * (SIZE.0 - 2.0 * END)
    };
    svg.line("grid", (END, middle), (SIZE.0 - END, middle));
    if let Some((low, high)) = strip.tails {
        // Also a band without width is seen.
        svg.rect("band", [x(low), middle - 4.0, (x(high) - x(low)).max(1.0), 8.0]);
    }
    svg.line(
        "median",
        (x(strip.median), middle - 6.0),
        (x(strip.median), middle + 6.0),
    );
    let class = if strip.is_apart() { "me apart" } else { "me" };
    svg.dots(class, [(x(strip.value), middle)]);
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Strip = Strip {
        range: (0.0, 1.0),
        tails: Some((0.2, 0.6)),
        median: 0.4,
        value: 1.0,
    };

    #[test]
    fn a_client_outside_the_band_stands_out() {
        let svg = strip(&SHARE);
        assert!(
            svg.contains("<rect class=\"band\" x=\"43\" y=\"5\" width=\"76\" height=\"8\"/>"),
            "{svg}"
        );
        assert!(svg.contains("class=\"me apart\" d=\"M195 9h0\""), "{svg}");
        assert!(!strip(&Strip { value: 0.2, ..SHARE }).contains("apart"));
        assert!(!strip(&Strip { tails: None, ..SHARE }).contains("apart"));
    }

    #[test]
    fn a_wide_range_is_shown_where_values_are() {
        let wide = Strip {
            range: (0.0, 32.0),
            tails: Some((3.0, 5.0)),
            median: 4.0,
            value: 9.0,
        };
        let (from, to) = wide.shown();
        assert!(
            (2.0..3.0).contains(&from) && (9.0..10.0).contains(&to),
            "{from} {to}"
        );
        let point = Strip {
            tails: None,
            value: 4.0,
            ..wide
        };
        assert!(point.shown().0 < point.shown().1);
    }
}
