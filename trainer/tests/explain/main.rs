//! `sekisho explain` from outside: on samples of simulated crawlers, on hostile ones, and with language models.

mod actors;
mod consulted;
mod feedback;
#[path = "../../../tests/src/gateway.rs"]
mod gateway;
mod hostile;
#[path = "../../../tests/src/local_model.rs"]
mod local_model;
mod runbooks;
mod support;
