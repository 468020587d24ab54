//! nginx's error log.

use std::ffi::c_int;
use std::fmt::Display;

use nginx_sys::{ngx_log_error_core, ngx_log_t, ngx_uint_t};

/// Severities, as nginx numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Level {
    /// A configuration cannot be used.
    Emergency = nginx_sys::NGX_LOG_EMERG as usize,
    /// Something is broken; requests go on.
    Critical = nginx_sys::NGX_LOG_CRIT as usize,
    /// A request could not be judged.
    Error = nginx_sys::NGX_LOG_ERR as usize,
}

/// Writes a line when the log takes this level. Costs a comparison when it does not.
///
/// # Safety
/// `log` must be a log that nginx keeps alive during the call.
pub unsafe fn write(log: *mut ngx_log_t, level: ngx_uint_t, message: &dyn Display) {
    // SAFETY: the caller vouches for the log; nginx sets log_level before it calls any module.
    if log.is_null() || level > unsafe { (*log).log_level } {
        return;
    }
    let text = message.to_string();
    // SAFETY: "%*s" takes a length (size_t) and that many bytes, which live until the call returns.
    unsafe { ngx_log_error_core(level, log, 0 as c_int, c"%*s".as_ptr(), text.len(), text.as_ptr()) };
}
