//! The pure heart of Sekisho: what a client did, how it scores, what follows.
//!
//! No I/O, no clock, no threads, no nginx. Time is an argument (`at`, unix seconds), randomness is an
//! argument ([`key::Seed`]). The nginx module and the trainer drive the very same code, so the same
//! requests give the same scores in both, bit for bit. `tests/tests/architecture.rs` keeps it so.
//!
//! A request travels [`url::Visit`] -> [`sketch::popularity`] -> [`table::Set::admit`] ->
//! [`checkpoint::arrive`] -> ([`model`] -> [`checkpoint::settle`]) and, with its response,
//! [`checkpoint::depart`].
#![forbid(unsafe_code)]

mod block;
pub mod bots;
pub mod cdn;
pub mod checkpoint;
pub mod feature;
mod fold;
pub mod guard;
pub mod key;
pub mod lines;
pub mod logline;
pub mod model;
pub mod name;
pub mod networks;
pub mod profile;
pub mod record;
pub mod sample;
pub mod sketch;
pub mod state;
pub mod table;
pub mod url;
