//! What the integration tests stand on.
#![forbid(unsafe_code)]

pub mod along;
pub mod api;
pub mod crowdsec;
pub mod daemon;
pub mod dashboard;
pub mod dependencies;
pub mod gateway;
pub mod http2;
pub mod learnable;
pub mod lifecycle;
pub mod local_model;
pub mod nameserver;
pub mod nginx;
pub mod prometheus;
mod response;
pub mod rules;
pub mod running;
pub mod simple_model;
pub mod soak;
pub mod source;
pub mod valgrind;
pub mod visitors;
