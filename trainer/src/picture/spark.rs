//! Small bars within a table.

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

/// Length and height of the bar of a share.
const BAR: (f64, f64) = (60.0, 6.0);

/// A share, 0 to 1, as a bar. It stands beside its number.
pub fn bar(share: f64) -> String {
    let mut svg = Svg::mute("share", BAR);
    let tenth = (share * 10.0).floor().clamp(0.0, 9.0);
    svg.rect("whole", [0.0, 0.0, BAR.0, BAR.1]);
    svg.rect(
        &format!("part s{tenth:.0}"),
        [0.0, 0.0, BAR.0 * share.clamp(0.0, 1.0), BAR.1],
    );
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
        assert!(bar(0.5).contains("class=\"part s5\" x=\"0\" y=\"0\" width=\"30\""));
        assert!(bar(f64::NAN).ends_with("</svg>"));
    }
}
