//! A worker's life: started after the fork, awake once a second, ended.

use std::mem::MaybeUninit;
use std::ptr::addr_of_mut;

use nginx_sys::{
    NGX_OK, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_add_timer, ngx_connection_t, ngx_cycle, ngx_cycle_t,
    ngx_event_t, ngx_exiting, ngx_http_conf_ctx_t, ngx_http_module, ngx_int_t, ngx_log_t, ngx_process,
    ngx_quit, ngx_terminate, ngx_time,
};

use super::config::MainConf;
use super::guard::guard;
use super::log::{self, Level};
use super::module::ngx_http_sekisho_module;
use crate::housekeeping;
use crate::workers::Totals;

/// Between two rounds of housekeeping, in milliseconds.
const TICK: usize = 1000;

/// Between two small steps of something larger, in milliseconds.
const STEP: usize = 10;

/// The timers of this process, and the connection that nginx's debug log asks for its descriptor.
static mut TIMER: MaybeUninit<ngx_event_t> = MaybeUninit::zeroed();
static mut STEPS: MaybeUninit<ngx_event_t> = MaybeUninit::zeroed();
static mut NO_CONNECTION: MaybeUninit<ngx_connection_t> = MaybeUninit::zeroed();

/// Our `http` level configuration of the cycle in force, when there is an `http` block that uses us.
fn main_conf<'a>(cycle: *mut ngx_cycle_t) -> Option<&'a MainConf> {
    // SAFETY: nginx's cycle holds one place for each module's configuration, null without an `http` block; inside
    // it `main_conf` has our place, which `create_main` filled. It lives as long as the process.
    let main = unsafe {
        let http = (*cycle)
            .conf_ctx
            .add(ngx_http_module.index)
            .cast::<*mut ngx_http_conf_ctx_t>();
        let http = (*http).as_ref()?;
        (*http.main_conf.add(ngx_http_sekisho_module.ctx_index))
            .cast::<MainConf>()
            .as_ref()
    };
    main.filter(|main| main.in_use())
}

fn serves_requests() -> bool {
    // SAFETY: nginx sets ngx_process before it initialises a process; cache helpers have another value.
    let process = unsafe { ngx_process } as u32;
    process == NGX_PROCESS_WORKER || process == NGX_PROCESS_SINGLE
}

fn in_process(cycle: *mut ngx_cycle_t, body: impl FnOnce(&MainConf, u32)) {
    // SAFETY: a process has its cycle's log from its start to its end.
    let log: *mut ngx_log_t = unsafe { (*cycle).log };
    let report = |message: &str| {
        let text = format_args!("sekisho gave up on its housekeeping: {message}");
        // SAFETY: as above.
        unsafe { log::write(log, Level::Critical as usize, &text) }
        if let Some(board) = main_conf(cycle).and_then(MainConf::board) {
            Totals::add(&board.totals.panics, 1);
        }
    };
    guard((), report, || {
        if let Some(main) = main_conf(cycle).filter(|_| serves_requests()) {
            body(main, u32::try_from(ngx_time()).unwrap_or(0));
        }
    });
}

/// Runs `body` when this process serves requests, with the configuration in force and the time.
pub(super) fn in_worker(body: impl FnOnce(&MainConf, u32)) {
    // SAFETY: nginx sets ngx_cycle before any process starts and keeps it until the process ends.
    in_process(unsafe { ngx_cycle }, body);
}

/// After the fork, before the first request.
pub unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    in_process(cycle, |main, at| {
        housekeeping::start(main, at);
        // SAFETY: the events are this process's own and all zero, which nginx takes for idle. Cancelable: they do
        // not keep a worker that is shutting down. nginx reads `fd` of `data` for its debug log only.
        unsafe {
            let connection = addr_of_mut!(NO_CONNECTION).cast::<ngx_connection_t>();
            (*connection).fd = -1;
            let timer = addr_of_mut!(TIMER).cast::<ngx_event_t>();
            let steps = addr_of_mut!(STEPS).cast::<ngx_event_t>();
            (*timer).handler = Some(on_tick);
            (*steps).handler = Some(on_step);
            for event in [timer, steps] {
                (*event).data = connection.cast();
                (*event).log = (*cycle).log;
                (*event).set_cancelable(1);
            }
            ngx_add_timer(timer, TICK);
        }
    });
    NGX_OK as ngx_int_t
}

unsafe extern "C" fn on_tick(timer: *mut ngx_event_t) {
    let mut steps = false;
    // SAFETY: nginx sets ngx_cycle before any process starts and keeps it until the process ends.
    in_process(unsafe { ngx_cycle }, |main, at| {
        steps = housekeeping::tick(main, at)
    });
    // SAFETY: nginx calls a timer's handler with the event, after taking it out of its tree; the other event was
    // made by `init_process`, and is added only when it is not in the tree.
    unsafe {
        let event = addr_of_mut!(STEPS).cast::<ngx_event_t>();
        if steps && (*event).timer_set() == 0 {
            ngx_add_timer(event, STEP);
        }
        ngx_add_timer(timer, TICK);
    }
}

unsafe extern "C" fn on_step(timer: *mut ngx_event_t) {
    let mut more = false;
    // SAFETY: as in `on_tick`.
    in_process(unsafe { ngx_cycle }, |main, at| {
        more = housekeeping::step(main, at)
    });
    if more {
        // SAFETY: as in `on_tick`.
        unsafe { ngx_add_timer(timer, STEP) };
    }
}

/// Whether this worker takes no new connections any more.
pub fn exiting() -> bool {
    // SAFETY: plain flags that nginx's own signal handler and event loop set.
    unsafe { ngx_exiting != 0 || ngx_quit != 0 || ngx_terminate != 0 }
}

/// A worker ends after its last request.
pub unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    in_process(cycle, housekeeping::stop);
}

/// Stops this process until it gets SIGCONT.
#[cfg(feature = "test-clock")]
pub fn stop_worker() {
    // SAFETY: SIGSTOP cannot be caught: no handler runs, the call returns when the process goes on.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Ends this process at once, as SIGKILL from outside would.
#[cfg(feature = "test-clock")]
pub fn end_worker() {
    // SAFETY: SIGKILL cannot be caught: the call does not return.
    unsafe { libc::raise(libc::SIGKILL) };
}
