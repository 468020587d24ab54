//! Forward-confirmed reverse DNS through nginx's resolver, beside the request: address to name, name to addresses.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};

use nginx_sys::{
    NGX_RESOLVE_NXDOMAIN, ngx_http_core_loc_conf_t, ngx_resolve_addr, ngx_resolve_addr_done,
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

/// Look-ups under way, owned here while nginx's resolver holds a pointer to each. nginx ends a worker without a call for
/// those that are open: they go with the configuration, whose pool's clean-ups run in the reverse order of their making
/// (ngx_destroy_pool), after that of the resolver, which a directive made later (ngx_resolver_create).
#[derive(Default)]
pub struct LookUps(RefCell<Vec<NonNull<LookUp>>>);

impl LookUps {
    fn add(&self, look_up: LookUp) -> *mut LookUp {
        let place = NonNull::from(Box::leak(Box::new(look_up)));
        self.0.borrow_mut().push(place);
        place.as_ptr()
    }

    fn take(&self, look_up: *mut LookUp) -> Option<Box<LookUp>> {
        let mut open = self.0.borrow_mut();
        let index = open.iter().position(|place| place.as_ptr() == look_up)?;
        let place = open.swap_remove(index);
        // SAFETY: leaked by `add`, and no longer in the list: nobody else gives it back.
        Some(unsafe { Box::from_raw(place.as_ptr()) })
    }
}

impl Drop for LookUps {
    fn drop(&mut self) {
        for place in self.0.get_mut().drain(..) {
            // SAFETY: leaked by `add`; the resolver that held it is gone, see the type.
            drop(unsafe { Box::from_raw(place.as_ptr()) });
        }
    }
}

/// A look-up under way.
struct LookUp {
    bots: *const MainConf,
    resolver: NonNull<ngx_resolver_t>,
    timeout: usize,
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
pub fn ask(main: &MainConf, core: &ngx_http_core_loc_conf_t, bot: BotId, address: Octets, at: u32) -> bool {
    let (Some(bots), Some(resolver), Some((socket, length))) = (&main.bots, resolver(core), socket(&address))
    else {
        return false;
    };
    // SAFETY: the resolver lives as long as the cycle; without a name to start with nginx only allocates.
    let context = unsafe { ngx_resolve_start(resolver.as_ptr(), null_mut()) };
    if !is_usable(context) {
        return false;
    }
    let look_up = main.look_ups.add(LookUp {
        bots: main,
        resolver,
        timeout: core.resolver_timeout,
        bot,
        address,
        socket,
        name: Vec::new(),
    });
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
    // SAFETY: the caller vouches for the look-up; the configuration lives as long as this worker.
    let main = unsafe { (*look_up).bots.as_ref() };
    let Some(main) = main else { return };
    let look_up = main.look_ups.take(look_up);
    if let (Some(look_up), Some(bots)) = (look_up, &main.bots) {
        let at = u32::try_from(ngx_time()).unwrap_or(0);
        bots.learn(look_up.bot, look_up.address, at, genuine);
    }
}

fn in_look_up(context: *mut ngx_resolver_ctx_t, body: impl FnOnce(*mut ngx_resolver_ctx_t, *mut LookUp)) {
    // SAFETY: nginx calls back with the context whose `data` was set by `ask` or `confirm`.
    let look_up = unsafe { (*context).data.cast::<LookUp>() };
    let report = |message: &str| {
        let text = format_args!("sekisho gave up on a look-up: {message}");
        // The look-up may be gone by now; the log of the process is not.
        log::say(Level::Critical, &text);
    };
    guard((), report, || body(context, look_up));
}

/// A host name, or none, came back.
unsafe extern "C" fn on_name(context: *mut ngx_resolver_ctx_t) {
    in_look_up(context, |context, look_up| {
        // SAFETY: nginx's context is alive until it is told, from the handler, that it is done with; the name is
        // copied before.
        let (state, name) = unsafe {
            let name = (*context)
                .name
                .as_bytes()
                .iter()
                .copied()
                .take(MAX_NAME)
                .collect::<Vec<u8>>();
            let state = (*context).state;
            ngx_resolve_addr_done(context);
            (state, name)
        };
        // SAFETY: still owned by this look-up; the configuration lives as long as this worker.
        let (bots, bot) = unsafe { ((*look_up).bots.as_ref(), (*look_up).bot) };
        let bots = bots.and_then(|main| main.bots.as_ref());
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

/// Addresses, or none, came back. Only addresses of the client's own family say anything: `resolver ... ipv6=off`
/// asks for no others.
unsafe extern "C" fn on_addresses(context: *mut ngx_resolver_ctx_t) {
    in_look_up(context, |context, look_up| {
        // SAFETY: as in `on_name`; nginx gives `naddrs` addresses, sockets of their family's size, which are copied
        // before the context is done with.
        let (state, own, addresses) = unsafe {
            let own = (*look_up).address;
            let addresses: Vec<Octets> = (0..(*context).naddrs)
                .filter_map(|index| socket_octets((*(*context).addrs.add(index)).sockaddr))
                .map(octets)
                .collect();
            let state = (*context).state;
            ngx_resolve_name_done(context);
            (state, own, addresses)
        };
        let refuted = addresses.iter().any(|(_, count)| *count == own.1);
        let unknown_name = state == NGX_RESOLVE_NXDOMAIN as isize && own.1 == 4;
        let genuine = if addresses.contains(&own) {
            Some(true)
        } else if refuted || unknown_name {
            Some(false)
        } else {
            None
        };
        // SAFETY: used for the last time.
        unsafe { finish(look_up, genuine) };
    });
}
