//! `sekisho simulate`: realistic shop traffic as an access log, with the truth about each client beside it.
//!
//! Real logs lack disguised crawlers that somebody labelled, and shops. What is simulated here serves tests and
//! such questions; figures on it are reported apart from those on real logs. How people behave is measured from
//! real logs where they tell (`measure`), assumed where they do not. The same arguments give the same log: time
//! is an argument, and every client draws from a random stream of its own.

mod actor;
mod address;
mod agent;
mod args;
mod arrival;
mod cast;
mod engine;
mod line;
mod measure;
mod profile;
mod quantiles;
mod run;
mod shop;
#[cfg(test)]
mod tests;
pub mod truth;

pub use args::Args;
pub use run::run;
