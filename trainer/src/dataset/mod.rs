//! From access logs to labelled rows: weak labels and features at several request counts.
//!
//! The features come from the very code that the module runs ([`sekisho_core::checkpoint`]). A label is weak:
//! it is what the user agent declares, or what a browser does besides. It is never a feature.

pub mod labels;
mod rules;
mod site;
mod snapshots;

pub use labels::{Label, ListError, Signs, UserAgents};
pub use rules::Rule;
pub use site::{Site, SiteError, read_site};
pub use snapshots::{Client, Row};
