//! What the benchmarks stand on: real requests, a zone outside nginx to drive them through, and an nginx under
//! callgrind.
#![forbid(unsafe_code)]

pub mod callgrind;
pub mod checkpoint;
pub mod server;
pub mod traffic;
