//! `sekisho explain` from outside: on samples of simulated crawlers, and on hostile ones.

mod actors;
mod hostile;
mod support;
