//! What the benchmarks stand on: real requests, a zone outside nginx to drive them through, and an nginx under
//! callgrind.
#![forbid(unsafe_code)]

pub mod callgrind;
pub mod checkpoint;
pub mod gauge;
pub mod hot_key;
pub mod server;
pub mod table_cost;
pub mod traffic;

/// What the module's lock is made of.
#[path = "../../nginx-module/src/atomics.rs"]
pub mod atomics;
/// The module's own lock of one set.
#[path = "../../nginx-module/src/lock.rs"]
pub mod lock;
