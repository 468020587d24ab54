//! Fixed-size counters: how many distinct things, how many of each, how evenly spaced.
//!
//! Everything here works in memory that somebody else owns (a record, a zone), is valid when all bytes are
//! zero, and neither allocates nor panics.

pub mod bitmap;
pub mod popularity;
pub mod registers;
