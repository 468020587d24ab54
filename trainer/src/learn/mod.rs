//! Learning and judging: weighted examples, the booster, thresholds, shares with their intervals. Shared by `train`,
//! `evaluate`, `calibrate` and `drift`.

mod booster;
pub mod caps;
mod doubts;
mod examples;
mod folds;
mod judged;
mod parts;
pub mod proportion;
pub mod ranking;
mod thresholds;

pub use booster::{FitError, Fitted, Settings};
pub use doubts::doubt_conversions;
pub use examples::{Example, TRAINING_COUNTS, training_examples};
pub use folds::{Scores, by_families, by_others};
pub use judged::{Judged, judge};
pub use parts::Parts;
pub use thresholds::{SCORED_COUNTS, choose_thresholds, highest};
