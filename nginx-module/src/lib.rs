//! Sekisho's checkpoint inside nginx.
//!
//! [`handler`] says what happens to a request, [`zone`] what lies in shared memory, [`lock`] how workers share
//! it, [`conf`] and [`files`] what directives mean and how they fail, [`variables`], [`samples`] and [`api`] what is
//! told to the outside, [`measures`] how it is counted, [`models`] which model is in force, [`workers`] who runs
//! which. None of them contains unsafe code: everything that touches nginx's memory is in [`ffi`], behind safe
//! types, and every callback that nginx makes runs inside `ffi::guard`.
#![deny(unsafe_code)]

#[forbid(unsafe_code)]
mod allow;
#[forbid(unsafe_code)]
mod api;
#[forbid(unsafe_code)]
mod atomics;
#[forbid(unsafe_code)]
mod bots;
#[forbid(unsafe_code)]
mod case;
#[forbid(unsafe_code)]
mod conf;
#[forbid(unsafe_code)]
mod enforcement;
#[allow(unsafe_code)]
mod ffi;
#[forbid(unsafe_code)]
mod files;
#[forbid(unsafe_code)]
mod guards;
#[forbid(unsafe_code)]
mod handler;
#[forbid(unsafe_code)]
mod housekeeping;
#[forbid(unsafe_code)]
mod injected;
#[forbid(unsafe_code)]
mod judgement;
#[forbid(unsafe_code)]
mod lease;
#[forbid(unsafe_code)]
mod lock;
#[forbid(unsafe_code)]
mod measures;
#[forbid(unsafe_code)]
mod models;
#[forbid(unsafe_code)]
mod reaction;
#[forbid(unsafe_code)]
mod regular_file;
#[forbid(unsafe_code)]
mod sample_buffer;
#[forbid(unsafe_code)]
mod samples;
#[forbid(unsafe_code)]
mod scorer;
#[forbid(unsafe_code)]
mod state;
#[forbid(unsafe_code)]
mod steps;
#[forbid(unsafe_code)]
mod turn;
#[forbid(unsafe_code)]
mod variables;
#[forbid(unsafe_code)]
mod watch;
#[forbid(unsafe_code)]
mod workers;
#[forbid(unsafe_code)]
mod zone;
