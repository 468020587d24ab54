//! What the integration tests stand on.
#![forbid(unsafe_code)]

pub mod dependencies;
pub mod lifecycle;
pub mod nameserver;
pub mod nginx;
pub mod rules;
pub mod simple_model;
pub mod source;
pub mod visitors;
