//! nginx's error log.

use std::fmt::Display;
use std::mem::MaybeUninit;

use nginx_sys::{ngx_cycle, ngx_log_t, ngx_uint_t};
use ngx::log::{LOG_BUFFER_SIZE, log_error, write_fmt};

/// Severities, as nginx numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Level {
    /// A configuration cannot be used.
    Emergency = nginx_sys::NGX_LOG_EMERG as usize,
    /// A person is to look at it now.
    Alert = nginx_sys::NGX_LOG_ALERT as usize,
    /// Something is broken; requests go on.
    Critical = nginx_sys::NGX_LOG_CRIT as usize,
    /// A request could not be judged.
    Error = nginx_sys::NGX_LOG_ERR as usize,
    /// Something changed, as it should.
    Notice = nginx_sys::NGX_LOG_NOTICE as usize,
}

/// Writes a line that belongs to no request to the log of this process.
pub fn cycle(level: Level, message: &dyn Display) {
    // SAFETY: nginx sets ngx_cycle, with its log, before any process starts and keeps it until the process ends.
    unsafe { write((*ngx_cycle).log, level as ngx_uint_t, message) };
}

/// Writes a line when the log takes this level; what exceeds nginx's line is cut. Allocates nothing, and costs a
/// comparison when the log does not take it.
///
/// # Safety
/// `log` must be a log that nginx keeps alive during the call.
pub unsafe fn write(log: *mut ngx_log_t, level: ngx_uint_t, message: &dyn Display) {
    // SAFETY: the caller vouches for the log; nginx sets log_level before it calls any module.
    if log.is_null() || level > unsafe { (*log).log_level } {
        return;
    }
    let mut buffer = [const { MaybeUninit::uninit() }; LOG_BUFFER_SIZE];
    let text = write_fmt(&mut buffer, format_args!("{message}"));
    // SAFETY: the caller vouches for the log.
    unsafe { log_error(level, log, 0, text) };
}
