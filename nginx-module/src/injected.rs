//! What a test build lets a request bring along: the time, and faults.
//!
//! A production build has neither: a client could write its own history, or stop a worker.

#[cfg(feature = "test-clock")]
use crate::ffi::process::stop_worker;
use crate::ffi::request::Request;

/// Places where a test build can be made to fail, by the request header `X-Sekisho-Fault`.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A panic before anything is locked: `panic`.
    Panic,
    /// A panic while a record is being written: `panic-locked`.
    PanicLocked,
    /// The worker's death while a record is being written: `die-locked`; or the worker held up there until
    /// SIGCONT: `stop-locked`.
    DieLocked,
    /// A panic in the log phase: `panic-log`.
    PanicLog,
}

/// Unix seconds.
#[cfg(not(feature = "test-clock"))]
pub fn now(request: &Request<'_>) -> u32 {
    request.clock()
}

/// Does nothing.
#[cfg(not(feature = "test-clock"))]
pub fn fault(_request: &Request<'_>, _fault: Fault) {}

/// Unix seconds: those of the header `X-Sekisho-Time`, else nginx's.
#[cfg(feature = "test-clock")]
pub fn now(request: &Request<'_>) -> u32 {
    let header = request
        .header(b"x-sekisho-time")
        .and_then(|value| str::from_utf8(value).ok());
    header
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| request.clock())
}

/// Fails as the request asks.
#[cfg(feature = "test-clock")]
pub fn fault(request: &Request<'_>, fault: Fault) {
    if let Fault::Panic = fault {
        // The first of a request's faults: from here on it may ask for an end inside the lock.
        crate::steps::arm(request.header(b"x-sekisho-fault").unwrap_or_default());
    }
    match (fault, request.header(b"x-sekisho-fault").unwrap_or_default()) {
        (Fault::DieLocked, b"die-locked") => std::process::abort(),
        (Fault::DieLocked, b"stop-locked") => stop_worker(),
        (Fault::Panic, b"panic")
        | (Fault::PanicLocked, b"panic-locked")
        | (Fault::PanicLog, b"panic-log") => {
            panic!("injected at {fault:?}\nwith a second line")
        }
        _ => {}
    }
}
