//! What is done about a verdict, in nginx's terms: headers, and requests that wait without holding the worker.

use std::ptr::NonNull;

use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_ERROR, NGX_OK, add_to_ngx_table, ngx_add_timer, ngx_handle_read_event,
    ngx_handle_write_event, ngx_http_block_reading, ngx_http_core_run_phases, ngx_http_finalize_request,
    ngx_http_request_t, ngx_http_test_reading, ngx_int_t, ngx_list_push, ngx_list_t, ngx_pool_t,
    ngx_table_elt_t,
};

use super::config::MainConf;
use super::{context, pool};

/// Adds a header. False when nginx has no memory.
///
/// # Safety
/// The list must be one of a live request's, with its pool.
pub unsafe fn add_header(list: *mut ngx_list_t, pool: *mut ngx_pool_t, name: &str, value: &str) -> bool {
    // SAFETY: nginx gives a place in the list. A place that could not be filled must not stay as it is: nginx
    // skips response headers without a hash, and copies a request header of no name and no value as it is.
    unsafe {
        let place = ngx_list_push(list).cast::<ngx_table_elt_t>();
        let Some(header) = place.as_mut() else {
            return false;
        };
        *header = std::mem::zeroed();
        add_to_ngx_table(place, pool, name, value).is_some()
    }
}

/// Sets a request header that a client may have sent too: all of its values are replaced, and those of names that
/// an upstream over CGI takes for the same one, with `_` in place of `-`.
///
/// # Safety
/// `r` must be a live request.
pub unsafe fn set_request_header(mut r: NonNull<ngx_http_request_t>, name: &str, value: &str) -> bool {
    // SAFETY: the request is alive; its header list has `nelts` entries a part, parts linked, the last null.
    unsafe {
        let request = r.as_mut();
        let Some(place) = pool::copy(request.pool, value.as_bytes()) else {
            return false;
        };
        let mut part: *mut nginx_sys::ngx_list_part_t = &mut request.headers_in.headers.part;
        let mut found = false;
        while let Some(list) = part.as_mut() {
            let headers = match list.nelts {
                0 => &mut [],
                count => std::slice::from_raw_parts_mut(list.elts.cast::<ngx_table_elt_t>(), count),
            };
            for header in headers
                .iter_mut()
                .filter(|header| is_alike(header.key.as_bytes(), name))
            {
                header.value.data = place;
                header.value.len = value.len();
                found |= header.key.as_bytes().eq_ignore_ascii_case(name.as_bytes());
            }
            part = list.next;
        }
        found || add_header(&mut request.headers_in.headers, request.pool, name, value)
    }
}

fn is_alike(key: &[u8], name: &str) -> bool {
    let dashed = |byte: &u8| {
        if *byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    key.iter().map(dashed).eq(name.as_bytes().iter().map(dashed))
}

/// Tells the client when to come back.
///
/// # Safety
/// `r` must be a live request.
pub unsafe fn retry_after(mut r: NonNull<ngx_http_request_t>, seconds: u32) {
    // SAFETY: the caller vouches for the request. Without memory the header is left out.
    unsafe {
        let request = r.as_mut();
        add_header(
            &mut request.headers_out.headers,
            request.pool,
            "Retry-After",
            &seconds.to_string(),
        );
    }
}

/// Lets the request wait, as limit_req does: a timer on the connection's write event, and the phases run again.
///
/// # Safety
/// `r` must be a live main request whose phases are running.
pub unsafe fn delay(mut r: NonNull<ngx_http_request_t>, main: &MainConf, milliseconds: u64) -> ngx_int_t {
    // SAFETY: a request has a connection with two events. nginx calls the write handler when the timer is over,
    // and the read handler when the client goes away, which finalizes the request.
    unsafe {
        let request = r.as_mut();
        let connection = &mut *request.connection;
        if ngx_handle_read_event(connection.read, 0) != NGX_OK as ngx_int_t {
            return NGX_DECLINED as ngx_int_t;
        }
        if !context::wait(r, &main.delayed) {
            return NGX_DECLINED as ngx_int_t;
        }
        let request = r.as_mut();
        request.read_event_handler = Some(ngx_http_test_reading);
        request.write_event_handler = Some(resume);
        (*connection.write).set_delayed(1);
        ngx_add_timer(connection.write, milliseconds as usize);
    }
    NGX_AGAIN as ngx_int_t
}

unsafe extern "C" fn resume(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls a request's write handler with the request; as in ngx_http_limit_req_delay.
    unsafe {
        let connection = &mut *(*r).connection;
        if (*connection.write).delayed() != 0 {
            if ngx_handle_write_event(connection.write, 0) != NGX_OK as ngx_int_t {
                ngx_http_finalize_request(r, NGX_ERROR as ngx_int_t);
            }
            return;
        }
        if ngx_handle_read_event(connection.read, 0) != NGX_OK as ngx_int_t {
            ngx_http_finalize_request(r, NGX_ERROR as ngx_int_t);
            return;
        }
        if let Some(request) = NonNull::new(r) {
            context::resume(request);
        }
        (*r).read_event_handler = Some(ngx_http_block_reading);
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(r);
    }
}
