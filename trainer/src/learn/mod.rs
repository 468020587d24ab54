//! Learning: weighted examples, the booster, thresholds. Shared by `train` and `evaluate`.

mod booster;
mod examples;
mod folds;
mod thresholds;

pub use booster::{FitError, Fitted, Settings};
pub use examples::{TRAINING_COUNTS, training_examples};
pub use folds::{Scores, by_families, by_others};
pub use thresholds::{SCORED_COUNTS, choose_thresholds, highest};
