//! Parts of a whole as rectangles: area is the amount.
//!
//! Squarified treemaps: Bruls, Huizing and van Wijk, "Squarified Treemaps", 2000. Parts come in the order of their
//! amount and are laid in rows along the shorter side; a row ends where the next part would make its worst rectangle
//! longer.

use super::svg::{Anchor, Svg};

/// Size of the picture.
const SIZE: (f64, f64) = (640.0, 360.0);
/// Width of a character of a label, and height of a line, about.
const CHARACTER: (f64, f64) = (6.6, 14.0);
/// Steps of the colour.
const STEPS: f64 = 5.0;

/// A rectangle: left, top, width, height.
pub type Cell = [f64; 4];

/// One part.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Its amount.
    pub amount: u64,
    /// What part of it is judged automated, 0 to 1; the colour.
    pub heat: f64,
    /// Its name.
    pub label: String,
    /// What is told of it.
    pub title: String,
    /// Where it leads, if anywhere.
    pub href: Option<String>,
}

/// Draws the parts, greatest first.
pub fn treemap(title: &str, description: &str, tiles: &[Tile]) -> String {
    let mut svg = Svg::linked("pic treemap", SIZE, title, description);
    let amounts: Vec<u64> = tiles.iter().map(|tile| tile.amount).collect();
    for (tile, cell) in tiles.iter().zip(cells(&amounts, [0.0, 0.0, SIZE.0, SIZE.1])) {
        let [left, top, width, height] = cell;
        let step = (tile.heat.clamp(0.0, 1.0) * STEPS).min(STEPS - 1.0).floor();
        if let Some(href) = &tile.href {
            svg.link(href, &tile.title);
        }
        // A gap between neighbours, so that equal colours are told apart.
        svg.rect(
            &format!("heat-{step}"),
            [left + 0.5, top + 0.5, width - 1.0, height - 1.0],
        );
        let fits =
            tile.label.chars().count() as f64 * CHARACTER.0 + 8.0 <= width && height >= CHARACTER.1 + 6.0;
        if fits {
            svg.text(
                "name",
                (left + 5.0, top + CHARACTER.1),
                Anchor::Start,
                &tile.label,
            );
        }
        if tile.href.is_some() {
            svg.leave();
        }
    }
    svg.finish()
}

/// A rectangle for each amount, those of a descending list as square as can be; none has an area when its amount is 0.
pub fn cells(amounts: &[u64], frame: Cell) -> Vec<Cell> {
    let total: f64 = amounts.iter().map(|amount| *amount as f64).sum();
    let scale = if total > 0.0 {
        frame[2] * frame[3] / total
    } else {
        0.0
    };
    let areas: Vec<f64> = amounts.iter().map(|amount| *amount as f64 * scale).collect();
    let mut cells = Vec::with_capacity(areas.len());
    let mut left = frame;
    let mut rest = areas.as_slice();
    while let Some(first) = rest.first() {
        let side = left[2].min(left[3]);
        let (mut count, mut sum, mut worst) = (1, *first, ratio(*first, *first, *first, side));
        while let Some(next) = rest.get(count) {
            let longer = ratio(sum + next, rest[0], *next, side);
            if longer > worst {
                break;
            }
            (count, sum, worst) = (count + 1, sum + next, longer);
        }
        let (row, others) = rest.split_at(count);
        rest = others;
        left = lay(row, sum, left, &mut cells);
    }
    cells
}

/// How long the longest rectangle of a row is, whose parts go from `most` to `least`.
fn ratio(sum: f64, most: f64, least: f64, side: f64) -> f64 {
    let (sum, side) = (sum * sum, side * side);
    if sum <= 0.0 || least <= 0.0 {
        return f64::INFINITY;
    }
    (side * most / sum).max(sum / (side * least))
}

/// Lays a row along the shorter side; what is left of the frame.
fn lay(row: &[f64], sum: f64, [x, y, width, height]: Cell, cells: &mut Vec<Cell>) -> Cell {
    let upright = width >= height;
    let side = if upright { height } else { width };
    let depth = if side > 0.0 { sum / side } else { 0.0 };
    let mut along = 0.0;
    for area in row {
        let length = if depth > 0.0 { area / depth } else { 0.0 };
        cells.push(if upright {
            [x, y + along, depth, length]
        } else {
            [x + along, y, length, depth]
        });
        along += length;
    }
    if upright {
        [x + depth, y, (width - depth).max(0.0), height]
    } else {
        [x, y + depth, width, (height - depth).max(0.0)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the paper: 6, 6, 4, 3, 2, 2, 1 in a frame of 6 by 4.
    #[test]
    fn the_papers_example_comes_out() {
        let found = cells(&[6, 6, 4, 3, 2, 2, 1], [0.0, 0.0, 6.0, 4.0]);
        let rounded: Vec<[f64; 4]> = found
            .iter()
            .map(|cell| cell.map(|value| (value * 100.0).round() / 100.0))
            .collect();
        assert_eq!(rounded[0], [0.0, 0.0, 3.0, 2.0]);
        assert_eq!(rounded[1], [0.0, 2.0, 3.0, 2.0]);
        assert_eq!(rounded[2], [3.0, 0.0, 1.71, 2.33]);
        assert_eq!(rounded[3], [4.71, 0.0, 1.29, 2.33]);
        assert_eq!(rounded[4], [3.0, 2.33, 1.2, 1.67]);
    }

    #[test]
    fn a_tile_tells_its_name_where_there_is_room() {
        let tile = |amount, label: &str| Tile {
            amount,
            heat: 0.999,
            label: label.into(),
            title: "<b>".into(),
            href: Some("/clients?network=a&b".into()),
        };
        let svg = treemap(
            "load",
            "",
            &[tile(1000, "192.0.2.0/24"), tile(1, "198.51.100.0/24")],
        );
        assert_eq!(svg.matches("<text class=\"name\"").count(), 1);
        assert_eq!(svg.matches("heat-4").count(), 2);
        assert!(svg.contains("href=\"/clients?network=a&amp;b\"") && !svg.contains("<b>"));
    }

    proptest! {
        #[test]
        fn areas_are_amounts_and_nothing_overlaps(mut amounts in prop::collection::vec(0u64..1_000_000, 0..60)) {
            amounts.sort_unstable_by(|one, other| other.cmp(one));
            let found = cells(&amounts, [0.0, 0.0, 640.0, 360.0]);
            prop_assert_eq!(found.len(), amounts.len());
            let total: u64 = amounts.iter().sum();
            for (cell, amount) in found.iter().zip(&amounts) {
                let [x, y, width, height] = *cell;
                prop_assert!(x >= -1e-6 && y >= -1e-6 && x + width <= 640.001 && y + height <= 360.001, "{:?}", cell);
                let expected = *amount as f64 / total.max(1) as f64 * 640.0 * 360.0;
                prop_assert!((width * height - expected).abs() < 0.01, "{:?} {}", cell, expected);
            }
            for (place, one) in found.iter().enumerate() {
                for other in &found[..place] {
                    let wide = (one[0] + one[2]).min(other[0] + other[2]) - one[0].max(other[0]);
                    let high = (one[1] + one[3]).min(other[1] + other[3]) - one[1].max(other[1]);
                    prop_assert!(wide.min(high) < 1e-3, "{:?} {:?}", one, other);
                }
            }
        }
    }
}
