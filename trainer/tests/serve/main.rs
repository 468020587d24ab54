//! `sekisho serve` and what works on its store.

mod commands;
mod daemon;
mod dashboard;
mod feedback;
mod kill;
mod support;
