//! From access logs and samples to labelled rows: labels, and features at several requests.
//!
//! The features come from the very code that the module runs ([`sekisho_core::checkpoint`]). A log's label is weak:
//! it is what the user agent declares, or what a browser does besides. It is never a feature. Samples carry the
//! features that the module scored, and labels of better origin.

mod client;
mod evidence;
pub mod labels;
mod moment;
mod origin;
mod rules;
mod samples;
mod site;
mod snapshots;
mod stored;

pub use client::{Client, Row};
pub use evidence::{Evidence, EvidenceError};
pub use labels::{Label, ListError, Signs, UserAgents};
pub use moment::Moment;
pub use origin::Origin;
pub use rules::Rule;
pub use site::{Log, Site, SiteError, read_site};
pub use snapshots::When;
