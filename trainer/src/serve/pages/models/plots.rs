//! Plots of an evaluation, with words in the viewer's language.

use serde_json::Value;

use super::Models;
use crate::evaluate::{Axes, pictures};

/// A plot in a figure.
pub struct Plot {
    pub title: &'static str,
    pub says: &'static str,
    /// Drawn by us: no text of others is in it.
    pub svg: String,
}

/// The plots of an evaluation; none where it was made elsewhere.
pub fn plots(evaluation: Option<&Value>, words: &'static Models) -> Vec<Plot> {
    let axes: Axes = [
        [words.axis_people_above, words.axis_crawlers_above],
        [words.axis_requests, words.axis_rejected],
        [words.axis_score, words.axis_automated],
        [words.axis_last, words.axis_people],
        [words.axis_last, words.axis_crawlers],
    ];
    let says = [
        (words.plot_found, words.plot_found_text),
        (words.plot_soon, words.plot_soon_text),
        (words.plot_true, words.plot_true_text),
        (words.plot_people, words.plot_people_text),
        (words.plot_crawlers, words.plot_crawlers_text),
    ];
    let drawn = evaluation.and_then(|evaluation| pictures(evaluation, &axes));
    let drawn = drawn.into_iter().flatten();
    says.into_iter()
        .zip(drawn)
        .map(|((title, says), svg)| Plot { title, says, svg })
        .collect()
}
