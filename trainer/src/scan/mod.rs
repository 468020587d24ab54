//! `sekisho scan`: who in an access log would have been stopped, and why.
//!
//! Each line goes the way that a request goes in nginx: the same record, table, popularity sketch, model and
//! policy, with the log's time as the clock.

mod allow;
mod args;
mod engine;
mod json;
mod progress;
mod report;
mod run;
mod slot;
mod table;
mod truth;
mod words;

pub use args::Args;
pub use run::{DEFAULT_MODEL, ScanError, load_model, run};
pub use words::phrases;
pub use words::subject;
