//! Learning: weighted examples, the booster, thresholds. Shared by `train` and `evaluate`.

mod booster;
mod examples;
mod thresholds;

pub use booster::{FitError, Fitted, Settings};
pub use examples::{TRAINING_COUNTS, training_examples};
pub use thresholds::{choose, out_of_site_scores};
