//! `sekisho serve` and what works on its store.

mod commands;
mod daemon;
mod dashboard;
mod kill;
mod support;
