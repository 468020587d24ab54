//! What the benchmarks stand on.
#![forbid(unsafe_code)]
