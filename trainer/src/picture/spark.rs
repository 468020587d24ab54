//! A row of small bars.

use super::svg::Svg;

/// Height of the picture, and width of a bar with its gap.
const SIZE: (f64, f64) = (16.0, 3.0);

/// Counts as bars, the highest as high as the picture. It says nothing to those who do not see it: what it tells stands in
/// other columns.
pub fn spark(counts: &[u32]) -> String {
    let mut svg = Svg::mute("spark", (SIZE.1 * counts.len().max(1) as f64, SIZE.0));
    let most = f64::from(counts.iter().copied().max().unwrap_or_default().max(1));
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    for (place, count) in bars {
        // Also the least is seen.
        let height = (f64::from(*count) / most * SIZE.0).max(1.5);
        svg.rect(
            "bar",
            [SIZE.1 * place as f64, SIZE.0 - height, SIZE.1 - 1.0, height],
        );
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let svg = spark(&[0, 1, 4]);
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("x=\"6\" y=\"0\" width=\"2\" height=\"16\""), "{svg}");
        assert!(svg.contains("x=\"3\" y=\"12\" width=\"2\" height=\"4\""), "{svg}");
        assert!(spark(&[]).ends_with("</svg>"));
    }
}
