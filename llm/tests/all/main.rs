//! The chain against a provider that fails in every way, a collector, and a real model.
#![forbid(unsafe_code)]

mod asking;
mod chain;
mod collector;
mod configuration;
mod failures;
#[path = "../../../tests/src/gateway.rs"]
mod gateway;
#[path = "../../../tests/src/local_model.rs"]
mod local_model;
mod money;
mod real_model;
mod shown;
mod telemetry;
