//! The API's requests: the content handler, their bodies, what is sent back.

use std::ffi::{CStr, c_char, c_void};
use std::fmt::Display;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};

use nginx_sys::{
    NGX_DONE, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_SPECIAL_RESPONSE, NGX_LOG_NOTICE, NGX_OK,
    ngx_chain_t, ngx_command_t, ngx_conf_t, ngx_create_temp_buf, ngx_cycle, ngx_http_conf_ctx_t,
    ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_discard_request_body, ngx_http_finalize_request,
    ngx_http_output_filter, ngx_http_read_client_request_body, ngx_http_request_t, ngx_http_send_header,
    ngx_int_t, ngx_list_push, ngx_shm_zone_t, ngx_str_t, ngx_table_elt_t,
};

use super::config::LocationConf;
use super::guard::guard;
use super::module::ngx_http_sekisho_module;
use super::pool;
use super::request::Request;
use super::shm::{Zone, ZoneData};
use crate::api::{self, Answer, MAX_BODY, Step, route};
use crate::injected::{Fault, fault, now};

/// The nginx that this module is built for; nginx refuses to load it into any other.
pub const NGINX_VERSION: &str = match nginx_sys::NGINX_VERSION.to_str() {
    Ok(version) => version,
    Err(_) => "",
};

/// A request for the API.
pub struct Call<'a> {
    raw: NonNull<ngx_http_request_t>,
    request: Request<'a>,
}

/// A zone with its name.
#[derive(Clone, Copy)]
pub struct NamedZone<'a> {
    /// Name and key.
    pub data: &'a ZoneData,
    /// Its memory.
    pub zone: Zone<'a>,
    /// Shared memory that it was given, in bytes.
    pub bytes: u64,
}

impl<'a> Deref for Call<'a> {
    type Target = Request<'a>;
    fn deref(&self) -> &Request<'a> {
        &self.request
    }
}

impl<'a> Call<'a> {
    fn get(&self) -> &'a ngx_http_request_t {
        // SAFETY: made in a callback from nginx's request, which lives during the callback.
        unsafe { self.raw.as_ref() }
    }

    fn location_name(&self) -> &'a [u8] {
        // SAFETY: nginx sets one place for each module; that of its core holds the location's configuration.
        let core: &'a ngx_http_core_loc_conf_t =
            unsafe { &*(*self.get().loc_conf.add(ngx_http_core_module.ctx_index)).cast() };
        core.name.as_bytes()
    }

    /// The decoded path inside of the location.
    pub fn path(&self) -> Option<&'a [u8]> {
        route::inside(self.location_name(), self.get().uri.as_bytes())
    }

    /// The query as the client wrote it.
    pub fn query(&self) -> &'a [u8] {
        self.get().args.as_bytes()
    }

    /// The `Content-Type` header.
    pub fn content_type(&self) -> Option<&'a [u8]> {
        // SAFETY: null or an entry of the request's header list.
        let header: Option<&ngx_table_elt_t> = unsafe { self.get().headers_in.content_type.as_ref() };
        header.map(|header| header.value.as_bytes())
    }

    /// The `Content-Length` header.
    pub fn content_length(&self) -> Option<u64> {
        u64::try_from(self.get().headers_in.content_length_n).ok()
    }

    /// Unix seconds.
    pub fn now(&self) -> u32 {
        now(&self.request)
    }

    /// Writes to the error log at `notice`.
    pub fn log_notice(&self, message: &dyn Display) {
        self.log(NGX_LOG_NOTICE as usize, message);
    }

    /// The zones, in the order in which they were configured.
    pub fn zones(&self) -> Vec<NamedZone<'a>> {
        let tag = (&raw mut ngx_http_sekisho_module).cast::<c_void>();
        let mut zones = Vec::new();
        // SAFETY: a worker's cycle and its list of shared memory live until it ends; each part has `nelts`
        // entries, the last part's `next` is null.
        let mut part = unsafe { Some(&(*ngx_cycle).shared_memory.part) };
        while let Some(list) = part {
            for index in 0..list.nelts {
                // SAFETY: as above.
                let shm_zone: &'a ngx_shm_zone_t = unsafe { &*list.elts.cast::<ngx_shm_zone_t>().add(index) };
                // SAFETY: a zone with our tag has null there, or what `sekisho_zone` put there.
                let data =
                    unsafe { shm_zone.data.cast::<ZoneData>().as_ref() }.filter(|_| shm_zone.tag == tag);
                if let Some((data, zone)) = data.and_then(|data| Some((data, data.zone()?))) {
                    zones.push(NamedZone {
                        data,
                        zone,
                        bytes: shm_zone.shm.size as u64,
                    });
                }
            }
            // SAFETY: as above.
            part = unsafe { list.next.as_ref() };
        }
        zones
    }

    /// The body that nginx has read; `None` when it is too long or cannot be read back.
    fn body(&self) -> Option<Vec<u8>> {
        // SAFETY: null, or what nginx made when it read the body.
        let body = unsafe { self.get().request_body.as_ref() }?;
        let mut bytes = Vec::new();
        let mut link = body.bufs;
        // SAFETY: nginx's chain of buffers lives as long as the request; null ends it.
        while let Some(chain) = unsafe { link.as_ref() } {
            // SAFETY: a link of a body always has a buffer.
            let buffer = unsafe { &*chain.buf };
            if buffer.in_file() != 0 && buffer.temporary() == 0 && buffer.memory() == 0 {
                let length = usize::try_from(buffer.file_last - buffer.file_pos).ok()?;
                if bytes.len() + length > MAX_BODY {
                    return None;
                }
                let start = bytes.len();
                bytes.resize(start + length, 0);
                // SAFETY: the file of a buffer in a file is open until the request ends; the bytes are ours.
                let read = unsafe {
                    let fd = (*buffer.file).fd;
                    libc::pread(fd, bytes[start..].as_mut_ptr().cast(), length, buffer.file_pos)
                };
                if usize::try_from(read) != Ok(length) {
                    return None;
                }
            } else if !buffer.pos.is_null() {
                // SAFETY: `pos` to `last` is what the buffer holds.
                let part = unsafe {
                    let length = buffer.last.offset_from(buffer.pos);
                    std::slice::from_raw_parts(buffer.pos, usize::try_from(length).unwrap_or(0))
                };
                if bytes.len() + part.len() > MAX_BODY {
                    return None;
                }
                bytes.extend_from_slice(part);
            }
            link = chain.next;
        }
        Some(bytes)
    }

    fn add_header(&self, name: &'static CStr, value: &[u8]) -> Option<()> {
        // SAFETY: the pool and the list live as long as the request; nginx gives room for one entry, which is
        // written as a whole. All-zero bytes are a valid header: numbers and pointers.
        unsafe {
            let request = self.raw.as_ptr();
            let place = pool::copy((*request).pool, value)?;
            let entry = ngx_list_push(&raw mut (*request).headers_out.headers).cast::<ngx_table_elt_t>();
            if entry.is_null() {
                return None;
            }
            let mut header: ngx_table_elt_t = std::mem::zeroed();
            header.hash = 1;
            header.key = ngx_str_t {
                len: name.count_bytes(),
                data: name.as_ptr().cast_mut().cast(),
            };
            header.value = ngx_str_t {
                len: value.len(),
                data: place,
            };
            entry.write(header);
        }
        Some(())
    }

    fn add_headers(&self, answer: &Answer) -> Option<()> {
        self.add_header(c"Cache-Control", b"no-store")?;
        self.add_header(c"X-Content-Type-Options", b"nosniff")?;
        if let Some(allow) = answer.allow {
            self.add_header(c"Allow", allow.as_bytes())?;
        }
        if let Some(seconds) = answer.retry_after {
            self.add_header(c"Retry-After", seconds.as_bytes())?;
        }
        if let Some(path) = &answer.location {
            let prefix = self.location_name();
            let slash: &[u8] = if prefix.ends_with(b"/") { b"" } else { b"/" };
            let prefix = route::segment(&String::from_utf8_lossy(prefix));
            self.add_header(c"Location", &[prefix.as_bytes(), slash, path.as_bytes()].concat())?;
        }
        Some(())
    }

    /// Sends the answer; nginx's return code.
    fn send(&self, answer: &Answer) -> ngx_int_t {
        let failed = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
        // SAFETY: the request is alive, and no reference into it is held here; the type's text is static.
        unsafe {
            let headers = &raw mut (*self.raw.as_ptr()).headers_out;
            (*headers).status = usize::from(answer.status);
            (*headers).content_length_n = answer.body.len() as i64;
            (*headers).content_type = ngx_str_t {
                len: answer.kind.len(),
                data: answer.kind.as_ptr().cast_mut(),
            };
            (*headers).content_type_len = answer.kind.len();
            (*headers).content_type_lowcase = null_mut();
        }
        if self.add_headers(answer).is_none() {
            return failed;
        }
        // SAFETY: the request is alive; nginx keeps the connection after this one unless it must close it.
        let (sent, header_only) = unsafe {
            let raw = self.raw.as_ptr();
            if answer.status == 413 {
                (*raw).set_keepalive(0);
            }
            let sent = ngx_http_send_header(raw);
            (sent, (*raw).header_only() != 0)
        };
        if sent == NGX_ERROR as ngx_int_t
            || sent > NGX_OK as ngx_int_t
            || header_only
            || answer.body.is_empty()
        {
            return sent;
        }
        // SAFETY: nginx gives a buffer of that size from the request's pool; the chain is read during the call,
        // what nginx keeps of it is copied.
        unsafe {
            let Some(buffer) = ngx_create_temp_buf(self.get().pool, answer.body.len()).as_mut() else {
                return NGX_ERROR as ngx_int_t;
            };
            buffer
                .pos
                .copy_from_nonoverlapping(answer.body.as_ptr(), answer.body.len());
            buffer.last = buffer.pos.add(answer.body.len());
            buffer.set_last_buf(u32::from(self.is_main()));
            buffer.set_last_in_chain(1);
            let mut chain = ngx_chain_t {
                buf: buffer,
                next: null_mut(),
            };
            ngx_http_output_filter(self.raw.as_ptr(), &mut chain)
        }
    }
}

fn with_call(r: *mut ngx_http_request_t, body: impl FnOnce(&Call<'_>) -> ngx_int_t) -> ngx_int_t {
    let failed = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
    let Some(raw) = NonNull::new(r) else {
        return failed;
    };
    // SAFETY: nginx passes a live request, which outlives the callback's work on it.
    let request = unsafe { Request::from_raw(raw) };
    let call = Call { raw, request };
    guard(failed, |message| request.report_panic(message), || body(&call))
}

/// The location's content: an answer of the API.
unsafe extern "C" fn content(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_call(r, |call| {
        fault(call, Fault::Panic);
        match api::head(call) {
            // SAFETY: nginx may read from the connection now; what it reads is thrown away.
            Step::Answer(answer) => match unsafe { ngx_http_discard_request_body(r) } {
                0 => call.send(&answer),
                code => code,
            },
            Step::ReadBody => {
                // SAFETY: as above; nginx calls `body_read` once, now or later, and counts the request twice
                // until `body_read` finalises it.
                let code = unsafe { ngx_http_read_client_request_body(r, Some(body_read)) };
                if code >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t {
                    code
                } else {
                    NGX_DONE as ngx_int_t
                }
            }
        }
    })
}

/// The body is there.
unsafe extern "C" fn body_read(r: *mut ngx_http_request_t) {
    let code = with_call(r, |call| {
        let body = call.body();
        call.send(&api::with_body(call, body.as_deref()))
    });
    // SAFETY: a handler that returned NGX_DONE must finalise the request, once; it is not touched after this.
    unsafe { ngx_http_finalize_request(r, code) };
}

/// `sekisho_api;`
pub unsafe extern "C" fn sekisho_api(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    let refuse = |text: &'static CStr| text.as_ptr().cast_mut();
    guard(
        super::directives::NGX_CONF_ERROR,
        |_| (),
        || {
            // SAFETY: nginx passes the object that `create_location` made, and a context with one place for each
            // module, that of its core filled with the location being read.
            let (own, core) = unsafe {
                let ctx = &*(*cf).ctx.cast::<ngx_http_conf_ctx_t>();
                let core = *ctx.loc_conf.add(ngx_http_core_module.ctx_index);
                (
                    &mut *conf.cast::<LocationConf>(),
                    &mut *core.cast::<ngx_http_core_loc_conf_t>(),
                )
            };
            if own.api {
                return refuse(c"is duplicate");
            }
            if core.exact_match() != 0 || core.named() != 0 || !core.regex.is_null() {
                return refuse(c"needs a location with a prefix, not \"=\", \"~\" or \"@\":");
            }
            own.api = true;
            core.handler = Some(content);
            null_mut()
        },
    )
}
