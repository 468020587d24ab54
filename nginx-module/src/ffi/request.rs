//! A request, and the callbacks that nginx makes for it.

use std::ffi::c_uint;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ptr::NonNull;

use nginx_sys::{
    NGX_DECLINED, NGX_ERROR, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_POST, NGX_OK, ngx_http_core_loc_conf_t,
    ngx_http_core_module, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_table_elt_t,
    ngx_time, ngx_variable_value_t,
};

use sekisho_core::bots::BotId;
use sekisho_core::url::Method;

use super::config::{LocationConf, MainConf};
use super::guard::guard;
use super::log::{self, Level};
use super::module::ngx_http_sekisho_module;
use super::resolver::{self, socket_octets};
use super::shm::ZoneData;
use super::{context, pool, reaction};
use crate::bots::Octets;
use crate::handler::{self, Action, Conclusion};
use crate::variables::Variable;
use crate::workers::Totals;
use crate::zone::Counters;

/// The request header that tells the upstream.
const TAG: &str = "X-Sekisho";

/// A live request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    raw: NonNull<ngx_http_request_t>,
    alive: PhantomData<&'a ngx_http_request_t>,
}

impl<'a> Request<'a> {
    /// A request from nginx's own.
    ///
    /// # Safety
    /// `raw` must be alive during `'a`.
    pub(super) unsafe fn from_raw(raw: NonNull<ngx_http_request_t>) -> Request<'a> {
        Request {
            raw,
            alive: PhantomData,
        }
    }

    fn get(&self) -> &'a ngx_http_request_t {
        // SAFETY: made in a callback from nginx's request, which lives during the callback.
        unsafe { self.raw.as_ref() }
    }

    /// Whether a client asked for it, rather than another request.
    pub fn is_main(&self) -> bool {
        self.get().main == self.raw.as_ptr()
    }

    /// The request that the client made.
    pub fn main(&self) -> Request<'a> {
        NonNull::new(self.get().main).map_or(*self, |raw| Request {
            raw,
            alive: PhantomData,
        })
    }

    /// The target as the client wrote it.
    pub fn target(&self) -> &'a [u8] {
        self.get().unparsed_uri.as_bytes()
    }

    /// The method, as far as it says something about a client. nginx has told the usual names apart already.
    #[inline(always)]
    pub fn kind(&self) -> Method {
        match self.get().method as u32 {
            NGX_HTTP_GET => Method::Get,
            NGX_HTTP_HEAD => Method::Head,
            NGX_HTTP_POST => Method::Post,
            _ => Method::Other,
        }
    }

    /// The method's name.
    pub fn method(&self) -> &'a [u8] {
        self.get().method_name.as_bytes()
    }

    /// The `Referer` header.
    pub fn referer(&self) -> Option<&'a [u8]> {
        // SAFETY: null or an entry of the request's header list.
        let header: Option<&ngx_table_elt_t> = unsafe { self.get().headers_in.referer.as_ref() };
        header.map(|header| header.value.as_bytes())
    }

    /// The `User-Agent` header.
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        // SAFETY: null or an entry of the request's header list.
        let header: Option<&ngx_table_elt_t> = unsafe { self.get().headers_in.user_agent.as_ref() };
        header.map(|header| header.value.as_bytes())
    }

    /// The client's address after realip, 4 or 16 octets; empty for a unix socket.
    pub fn address(&self) -> &'a [u8] {
        // SAFETY: a connection has the socket address of its client, or the one that realip put in its place.
        let octets = unsafe { socket_octets((*self.get().connection).sockaddr) };
        octets.unwrap_or_default()
    }

    /// Whether the location has a resolver.
    pub fn has_resolver(&self) -> bool {
        resolver::resolver(self.core()).is_some()
    }

    /// Asks the resolver whether an address is a bot's. False when it cannot be asked.
    pub fn look_up(&self, bot: BotId, address: Octets, at: u32) -> bool {
        resolver::ask(self.main_conf(), self.core(), bot, address, at)
    }

    fn core(&self) -> &'a ngx_http_core_loc_conf_t {
        // SAFETY: nginx's own core module has a configuration at every location.
        unsafe { &*(*self.get().loc_conf.add(ngx_http_core_module.ctx_index)).cast() }
    }

    /// Tells the upstream what was concluded, in place of whatever a client sent under that name.
    pub fn tag(&self, conclusion: Option<&Conclusion>) {
        let value = match conclusion {
            None => "PASSED".to_owned(),
            Some(conclusion) => {
                let score = conclusion
                    .standing
                    .score
                    .map(|score| format!("; score={score:.4}"));
                let (verdict, id) = (conclusion.verdict.as_str(), conclusion.id());
                format!("{verdict}{}; id={id:016x}", score.unwrap_or_default())
            }
        };
        // SAFETY: alive. Without memory the upstream is not told.
        unsafe { reaction::set_request_header(self.raw, TAG, &value) };
    }

    /// A request header by its name in lower case.
    pub fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut part = Some(&self.get().headers_in.headers.part);
        while let Some(list) = part {
            // SAFETY: nginx's list of headers: `nelts` entries a part, parts linked, the last one null.
            let entries = unsafe {
                match list.nelts {
                    0 => &[],
                    count => std::slice::from_raw_parts(list.elts.cast::<ngx_table_elt_t>(), count),
                }
            };
            let found = entries
                .iter()
                .find(|entry| entry.key.as_bytes().eq_ignore_ascii_case(name));
            if let Some(entry) = found {
                return Some(entry.value.as_bytes());
            }
            // SAFETY: as above.
            part = unsafe { list.next.as_ref() };
        }
        None
    }

    /// nginx's clock, unix seconds.
    pub fn clock(&self) -> u32 {
        u32::try_from(ngx_time()).unwrap_or(0)
    }

    /// The response's status as `$status` has it.
    pub fn status(&self) -> u16 {
        let request = self.get();
        if request.err_status != 0 {
            request.err_status as u16
        } else {
            request.headers_out.status as u16
        }
    }

    /// Bytes of the response's body as `$body_bytes_sent` has them.
    pub fn body_bytes(&self) -> u64 {
        let request = self.get();
        // SAFETY: a request has a connection until it is freed, which is after the log phase.
        let sent = unsafe { (*request.connection).sent };
        u64::try_from(sent - request.header_size as i64).unwrap_or(0)
    }

    /// Configuration of the `http` block.
    pub fn main_conf(&self) -> &'a MainConf {
        // SAFETY: nginx sets one place for each module; ours holds what `create_main` made.
        unsafe { &*(*self.get().main_conf.add(own_index())).cast() }
    }

    /// Configuration of the location that serves the request now.
    pub fn location(&self) -> &'a LocationConf {
        // SAFETY: as for `main_conf`, from `create_location`.
        unsafe { &*(*self.get().loc_conf.add(own_index())).cast() }
    }

    /// The client's key. `None` when nginx has no memory for it.
    #[inline(always)]
    pub fn key(&self, zone: &ZoneData) -> Option<&'a [u8]> {
        // SAFETY: the request is alive, and so is what it holds for as long as 'a.
        unsafe { zone.key.value(self.raw.as_ptr()) }
    }

    /// What was concluded about this request, if it was accounted.
    pub fn conclusion(&self) -> Option<&'a Conclusion> {
        let main = self.main();
        // SAFETY: the main request is alive as long as any of its subrequests.
        unsafe { context::find(main.raw) }
    }

    /// Keeps what `conclusion` makes with the request. `None` when nginx has no memory for it.
    #[inline(always)]
    pub fn conclude(&self, conclusion: impl FnOnce() -> Conclusion) -> Option<&'a Conclusion> {
        // SAFETY: alive, and callers conclude main requests only.
        unsafe { context::attach(self.raw, conclusion) }
    }

    /// Writes to the error log; nginx adds client, server and request line.
    pub fn log(&self, level: usize, message: &dyn Display) {
        // SAFETY: the connection's log lives as long as the connection.
        unsafe { log::write((*self.get().connection).log, level, message) };
    }

    /// Writes to the error log at `error`.
    pub fn log_error(&self, message: &dyn Display) {
        self.log(Level::Error as usize, message);
    }

    /// Writes to the error log at `alert`.
    pub fn alert(&self, message: &dyn Display) {
        self.log(Level::Alert as usize, message);
    }

    pub(super) fn report_panic(&self, message: &str) {
        if let Some(zone) = self
            .location()
            .checks()
            .first()
            .and_then(|check| check.zone())
            .and_then(ZoneData::zone)
        {
            Counters::add(&zone.counters().panics);
        } else if let Some(board) = self.main_conf().board() {
            Totals::add(&board.totals.panics, 1);
        }
        self.log(
            Level::Critical as usize,
            &format_args!("sekisho gave up on this request: {message}"),
        );
    }
}

fn own_index() -> usize {
    // SAFETY: nginx sets the index when it loads the module, before any request.
    unsafe { ngx_http_sekisho_module.ctx_index }
}

fn with_request(r: *mut ngx_http_request_t, body: impl FnOnce(Request<'_>) -> ngx_int_t) -> ngx_int_t {
    let declined = NGX_DECLINED as ngx_int_t;
    let Some(raw) = NonNull::new(r) else {
        return declined;
    };
    let request = Request {
        raw,
        alive: PhantomData,
    };
    guard(
        declined,
        |message| request.report_panic(message),
        || body(request),
    )
}

/// Before the access phase: account the request, judge the client, stop it or let it go on.
pub unsafe extern "C" fn preaccess(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(r, |request| match handler::arrive(&request) {
        Action::GoOn => NGX_DECLINED as ngx_int_t,
        // SAFETY: nginx is running the phases of this request.
        Action::Delay(milliseconds) => unsafe {
            reaction::delay(request.raw, request.main_conf(), milliseconds)
        },
        Action::Stop { status, retry_after } => {
            if [429, 503].contains(&status) && retry_after > 0 {
                // SAFETY: alive.
                unsafe { reaction::retry_after(request.raw, retry_after) };
            }
            ngx_int_t::from(status as i16)
        }
    })
}

/// After the response.
pub unsafe extern "C" fn log_phase(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(r, |request| {
        handler::depart(&request);
        NGX_OK as ngx_int_t
    })
}

/// Value of one of our variables; `data` says which.
pub unsafe extern "C" fn variable(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: nginx passes the place of the value to set.
    let Some(value) = (unsafe { value.cast::<ngx_variable_value_t>().as_mut() }) else {
        return NGX_ERROR as ngx_int_t;
    };
    value.set_not_found(1);
    with_request(r, |request| {
        let text = Variable::from_index(data).and_then(|variable| variable.value(&request));
        let Some(text) = text else {
            return NGX_OK as ngx_int_t;
        };
        // SAFETY: the request's pool is alive.
        let Some(place) = (unsafe { pool::copy(request.get().pool, text.as_bytes()) }) else {
            return NGX_ERROR as ngx_int_t;
        };
        value.data = place;
        value.set_len(text.as_bytes().len() as c_uint);
        value.set_valid(1);
        value.set_no_cacheable(0);
        value.set_not_found(0);
        NGX_OK as ngx_int_t
    });
    NGX_OK as ngx_int_t
}
