//! Forward-confirmed reverse DNS through nginx's resolver, beside the request: address to name, name to addresses.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};

use nginx_sys::{
    NGX_RESOLVE_NXDOMAIN, ngx_http_core_loc_conf_t, ngx_log_t, ngx_resolve_addr, ngx_resolve_addr_done,
    ngx_resolve_name, ngx_resolve_name_done, ngx_resolve_start, ngx_resolver_ctx_t, ngx_resolver_t,
    ngx_str_t, ngx_time, sockaddr, sockaddr_in, sockaddr_in6, socklen_t,
};
use sekisho_core::bots::BotId;

use super::config::MainConf;
use super::guard::guard;
use super::log::{self, Level};
use crate::bots::{Octets, octets};

/// Longest host name (RFC 1035 section 3.1).
const MAX_NAME: usize = 255;

/// A look-up under way. Owned by the resolver's context between the calls.
struct LookUp {
    bots: *const MainConf,
    resolver: NonNull<ngx_resolver_t>,
    timeout: usize,
    log: *mut ngx_log_t,
    bot: BotId,
    address: Octets,
    /// The address as the resolver reads it.
    socket: Socket,
    name: Vec<u8>,
}

/// Room for either family.
#[repr(C)]
union Socket {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

fn socket(address: &Octets) -> Option<(Socket, socklen_t)> {
    let (octets, count) = address;
    match count {
        4 => {
            // SAFETY: zero bytes are valid for a sockaddr_in.
            let mut v4: sockaddr_in = unsafe { MaybeUninit::zeroed().assume_init() };
            v4.sin_family = libc::AF_INET as _;
            v4.sin_addr.s_addr = u32::from_ne_bytes([octets[0], octets[1], octets[2], octets[3]]);
            Some((Socket { v4 }, size_of::<sockaddr_in>() as socklen_t))
        }
        16 => {
            // SAFETY: zero bytes are valid for a sockaddr_in6.
            let mut v6: libc::sockaddr_in6 = unsafe { MaybeUninit::zeroed().assume_init() };
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_addr.s6_addr = *octets;
            // SAFETY: libc and nginx's bindings describe the same C structure.
            let v6 = unsafe { std::mem::transmute::<libc::sockaddr_in6, sockaddr_in6>(v6) };
            Some((Socket { v6 }, size_of::<sockaddr_in6>() as socklen_t))
        }
        _ => None,
    }
}

/// Octets of an address that nginx has in a socket structure; `None` for other families.
///
/// # Safety
/// `address` must point to a socket structure of its family's size.
pub unsafe fn socket_octets<'a>(address: *const sockaddr) -> Option<&'a [u8]> {
    // SAFETY: the caller vouches for the structure; the family says which one it is.
    unsafe {
        match i32::from((*address.cast::<libc::sockaddr>()).sa_family) {
            libc::AF_INET => {
                let bytes = &raw const (*address.cast::<libc::sockaddr_in>()).sin_addr;
                Some(&*bytes.cast::<[u8; 4]>())
            }
            libc::AF_INET6 => {
                let bytes = &raw const (*address.cast::<libc::sockaddr_in6>()).sin6_addr;
                Some(&*bytes.cast::<[u8; 16]>())
            }
            _ => None,
        }
    }
}

/// nginx's `NGX_NO_RESOLVER`.
fn is_usable(context: *mut ngx_resolver_ctx_t) -> bool {
    !context.is_null() && context.addr() != usize::MAX
}

/// The location's resolver, if one is configured.
pub fn resolver(core: &ngx_http_core_loc_conf_t) -> Option<NonNull<ngx_resolver_t>> {
    // SAFETY: nginx sets `resolver` when it merges locations, to one without servers when none is configured.
    NonNull::new(core.resolver).filter(|resolver| unsafe { resolver.as_ref().connections.nelts } != 0)
}

/// Asks for the host name of an address. False when the resolver cannot be asked.
pub fn ask(
    main: &MainConf,
    core: &ngx_http_core_loc_conf_t,
    log: *mut ngx_log_t,
    bot: BotId,
    address: Octets,
    at: u32,
) -> bool {
    let (Some(bots), Some(resolver), Some((socket, length))) = (&main.bots, resolver(core), socket(&address))
    else {
        return false;
    };
    // SAFETY: the resolver lives as long as the cycle; without a name to start with nginx only allocates.
    let context = unsafe { ngx_resolve_start(resolver.as_ptr(), null_mut()) };
    if !is_usable(context) {
        return false;
    }
    let look_up = Box::into_raw(Box::new(LookUp {
        bots: main,
        resolver,
        timeout: core.resolver_timeout,
        log,
        bot,
        address,
        socket,
        name: Vec::new(),
    }));
    bots.asked(bot, address, at);
    // SAFETY: nginx gave a context of its own, zeroed; it reads the socket until it calls the handler, which is
    // the only one to free what `data` points to. The handler may run before this call returns.
    unsafe {
        (*context).addr.sockaddr = (&raw mut (*look_up).socket).cast();
        (*context).addr.socklen = length;
        (*context).handler = Some(on_name);
        (*context).data = look_up.cast();
        (*context).timeout = core.resolver_timeout;
        (*context).set_cancelable(1);
        if ngx_resolve_addr(context) != 0 {
            // nginx has freed the context and will not call the handler.
            finish(look_up, None);
        }
    }
    true
}

/// What was found out: whether the address is the bot's.
///
/// # Safety
/// `look_up` must be what `ask` made, and is used for the last time.
unsafe fn finish(look_up: *mut LookUp, genuine: Option<bool>) {
    // SAFETY: made by Box::into_raw in `ask`; the configuration lives as long as this worker.
    let (look_up, main) = unsafe {
        let look_up = Box::from_raw(look_up);
        let main = look_up.bots.as_ref();
        (look_up, main)
    };
    if let Some(bots) = main.and_then(|main| main.bots.as_ref()) {
        let at = u32::try_from(ngx_time()).unwrap_or(0);
        bots.learn(look_up.bot, look_up.address, at, genuine);
    }
}

/// The body gets no reference to the context, which it hands back to nginx to be freed.
fn in_look_up(context: *mut ngx_resolver_ctx_t, body: impl FnOnce(*mut LookUp)) {
    // SAFETY: nginx calls back with the context whose `data` was set by `ask` or `on_name`.
    let look_up = unsafe { (*context).data.cast::<LookUp>() };
    let report = |message: &str| {
        let text = format_args!("sekisho gave up on a look-up: {message}");
        // SAFETY: the log is the cycle's.
        unsafe { log::write((*look_up).log, Level::Critical as usize, &text) }
    };
    guard((), report, || body(look_up));
}

/// A host name, or none, came back.
unsafe extern "C" fn on_name(context: *mut ngx_resolver_ctx_t) {
    in_look_up(context, |look_up| {
        // SAFETY: nginx's context is alive until it is told that we are done with it.
        let (state, name) = unsafe { ((*context).state, (*context).name) };
        let name: Vec<u8> = name.as_bytes().iter().copied().take(MAX_NAME).collect();
        // SAFETY: nginx expects to be told, from the handler, that the context is done with.
        unsafe { ngx_resolve_addr_done(context) };
        // SAFETY: still owned by this look-up; the configuration lives as long as this worker.
        let bots = unsafe { (*look_up).bots.as_ref() }.and_then(|main| main.bots.as_ref());
        // SAFETY: as above.
        let bot = unsafe { (*look_up).bot };
        let matches = bots.is_some_and(|bots| bots.hostname_matches(bot, &name));
        // SAFETY: `look_up` is used for the last time, or handed on.
        unsafe {
            match state {
                0 if matches => confirm(look_up, name),
                0 => finish(look_up, Some(false)),
                state if state == NGX_RESOLVE_NXDOMAIN as isize => finish(look_up, Some(false)),
                _ => finish(look_up, None),
            }
        }
    });
}

/// Asks for the addresses of the name.
///
/// # Safety
/// As for [`finish`].
unsafe fn confirm(look_up: *mut LookUp, name: Vec<u8>) {
    // SAFETY: the look-up keeps the name until the second answer; nginx frees a context that it refuses.
    unsafe {
        (*look_up).name = name;
        let context = ngx_resolve_start((*look_up).resolver.as_ptr(), null_mut());
        if !is_usable(context) {
            return finish(look_up, None);
        }
        (*context).name = ngx_str_t {
            len: (*look_up).name.len(),
            data: (*look_up).name.as_mut_ptr(),
        };
        (*context).handler = Some(on_addresses);
        (*context).data = look_up.cast::<c_void>();
        (*context).timeout = (*look_up).timeout;
        (*context).set_cancelable(1);
        if ngx_resolve_name(context) != 0 {
            finish(look_up, None);
        }
    }
}

/// Addresses, or none, came back.
unsafe extern "C" fn on_addresses(context: *mut ngx_resolver_ctx_t) {
    in_look_up(context, |look_up| {
        // SAFETY: as in `on_name`.
        let (state, count, addresses) = unsafe { ((*context).state, (*context).naddrs, (*context).addrs) };
        let addresses = match count {
            0 => &[],
            // SAFETY: nginx gives `naddrs` addresses.
            count => unsafe { std::slice::from_raw_parts(addresses, count) },
        };
        // SAFETY: still owned by this look-up; nginx's addresses are sockets of their family's size.
        let same = |address: &nginx_sys::ngx_resolver_addr_t| unsafe {
            socket_octets(address.sockaddr).map(octets) == Some((*look_up).address)
        };
        let leads_back = addresses.iter().any(same);
        // SAFETY: as in `on_name`.
        unsafe {
            ngx_resolve_name_done(context);
            match state {
                0 => finish(look_up, Some(leads_back)),
                state if state == NGX_RESOLVE_NXDOMAIN as isize => finish(look_up, Some(false)),
                _ => finish(look_up, None),
            }
        }
    });
}
