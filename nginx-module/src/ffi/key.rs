//! The value that identifies a client.

use std::ptr::NonNull;

use nginx_sys::{
    ngx_conf_t, ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_get_flushed_variable,
    ngx_http_get_variable_index, ngx_http_request_t, ngx_str_t, ngx_uint_t,
};

use super::resolver::socket_octets;

/// A compiled key.
pub(super) enum Key {
    /// `$binary_remote_addr`, as nearly every key is: read where nginx reads it, without asking nginx. The index is for
    /// a client without an address, on a unix socket.
    Address(ngx_uint_t),
    /// One other variable and nothing else: nginx need not put a text together, which costs six
    /// times as much.
    Variable(ngx_uint_t),
    /// Anything else.
    Complex(ngx_http_complex_value_t),
}

impl Key {
    /// The key that was written as `text` and that nginx compiled as `complex`.
    pub fn new(cf: NonNull<ngx_conf_t>, text: &ngx_str_t, complex: ngx_http_complex_value_t) -> Key {
        let Some(name) = single_variable(text.as_bytes()) else {
            return Key::Complex(complex);
        };
        let key = match name {
            b"binary_remote_addr" => Key::Address,
            _ => Key::Variable,
        };
        let mut name = ngx_str_t {
            len: name.len(),
            data: name.as_ptr().cast_mut(),
        };
        // SAFETY: the configuration being read; nginx keeps the name, which lives as long as the cycle. It answers
        // NGX_ERROR (-1) or the index that compiling `complex` has given to the name already.
        let index = unsafe { ngx_http_get_variable_index(cf.as_ptr(), &mut name) };
        ngx_uint_t::try_from(index).map_or(Key::Complex(complex), key)
    }

    /// The key's value for a request. `None` when nginx has no memory for it.
    ///
    /// # Safety
    /// `r` must be a live request, and the value must not outlive it.
    #[inline]
    pub unsafe fn value<'a>(&self, r: *mut ngx_http_request_t) -> Option<&'a [u8]> {
        if let Key::Address(_) = self {
            // SAFETY: a request has a connection, and that has the socket address of its client, or the one that
            // realip put in its place: `ngx_http_variable_binary_remote_addr` reads the same.
            let octets = unsafe { socket_octets((*(*r).connection).sockaddr) };
            if octets.is_some() {
                return octets;
            }
        }
        // SAFETY: as the caller says.
        unsafe { self.asked(r) }
    }

    unsafe fn asked<'a>(&self, r: *mut ngx_http_request_t) -> Option<&'a [u8]> {
        let (data, len) = match self {
            Key::Variable(index) | Key::Address(index) => {
                // SAFETY: nginx gave the index for this configuration; its answer is null or of the request.
                let value = unsafe { ngx_http_get_flushed_variable(r, *index).as_ref() }?;
                if value.not_found() != 0 {
                    return Some(b"");
                }
                (value.data, value.len() as usize)
            }
            Key::Complex(key) => {
                let mut value = ngx_str_t::empty();
                // SAFETY: nginx reads the compiled value and allocates the result from the request's pool.
                let done = unsafe { ngx_http_complex_value(r, (&raw const *key).cast_mut(), &mut value) };
                if done != 0 {
                    return None;
                }
                (value.data, value.len)
            }
        };
        if len == 0 {
            return Some(b"");
        }
        // SAFETY: that many bytes of the request, its connection or the configuration, all of which outlive it.
        Some(unsafe { &*std::ptr::slice_from_raw_parts(data, len) })
    }
}

/// The name in `$name` or `${name}` when a text is nothing else.
fn single_variable(text: &[u8]) -> Option<&[u8]> {
    let name = text.strip_prefix(b"$")?;
    let name = name
        .strip_prefix(b"{")
        .and_then(|name| name.strip_suffix(b"}"))
        .unwrap_or(name);
    // "$1" is a captured group, which has no index.
    let starts = !name.first()?.is_ascii_digit();
    let plain = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (starts && plain).then_some(name)
}
