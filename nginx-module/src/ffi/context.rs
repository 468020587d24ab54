//! What was concluded about a request, kept with the request; and its place among those that wait.
//!
//! `error_page`, `index` and `try_files` redirects clear a module's context (`r->ctx`). So the value lives in a
//! pool cleanup, and is found again by the cleanup handler's address, as nginx's realip module does.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use nginx_sys::{ngx_http_request_t, ngx_pool_cleanup_add};

use super::module::ngx_http_sekisho_module;
use crate::handler::Conclusion;

/// What is kept with a request.
struct Kept {
    conclusion: Conclusion,
    /// How many requests wait, of which this is one.
    among: Cell<Option<NonNull<Cell<u32>>>>,
}

const _: () = assert!(!std::mem::needs_drop::<Kept>() && align_of::<Kept>() <= nginx_sys::NGX_ALIGNMENT);

impl Kept {
    fn leave(&self) {
        if let Some(waiting) = self.among.take() {
            // SAFETY: `wait` set it, and its caller vouches for the count.
            let waiting = unsafe { waiting.as_ref() };
            waiting.set(waiting.get().saturating_sub(1));
        }
    }
}

/// Its address marks our cleanup. The pool frees the memory itself.
unsafe extern "C" fn end(data: *mut c_void) {
    // SAFETY: nginx passes the `data` of the cleanup, which `attach` filled before it set this handler.
    unsafe { &*data.cast::<Kept>() }.leave();
}

const MARK: unsafe extern "C" fn(*mut c_void) = end;

/// The conclusion about a main request, if there is one.
///
/// # Safety
/// `r` must be a live main request; the reference ends with it.
pub unsafe fn find<'a>(r: NonNull<ngx_http_request_t>) -> Option<&'a Conclusion> {
    // SAFETY: the caller vouches for the request.
    unsafe { kept(r) }.map(|kept| &kept.conclusion)
}

/// Counts a request among those that wait, until [`resume`] or its end. False when it has no conclusion.
///
/// # Safety
/// `r` must be a live main request, and `waiting` must outlive it.
pub unsafe fn wait(r: NonNull<ngx_http_request_t>, waiting: &Cell<u32>) -> bool {
    // SAFETY: the caller vouches for the request.
    let Some(kept) = (unsafe { kept(r) }) else {
        return false;
    };
    kept.leave();
    kept.among.set(Some(NonNull::from(waiting)));
    waiting.set(waiting.get() + 1);
    true
}

/// The request waits no longer.
///
/// # Safety
/// `r` must be a live main request.
pub unsafe fn resume(r: NonNull<ngx_http_request_t>) {
    // SAFETY: the caller vouches for the request.
    if let Some(kept) = unsafe { kept(r) } {
        kept.leave();
    }
}

unsafe fn kept<'a>(r: NonNull<ngx_http_request_t>) -> Option<&'a Kept> {
    // SAFETY: nginx allocates `ctx` with one place for each module, ours at our index, before any phase runs.
    let (request, value) = unsafe {
        let request = r.as_ref();
        (request, *request.ctx.add(ngx_http_sekisho_module.ctx_index))
    };
    // SAFETY: only `attach` sets our place, to a Kept in the request's pool; a redirect zeroes it.
    if let Some(kept) = unsafe { value.cast::<Kept>().as_ref() } {
        return Some(kept);
    }
    if request.internal() == 0 && request.filter_finalize() == 0 {
        return None;
    }
    // SAFETY: the pool of a live request is live, and so is its list of cleanups.
    let mut cleanup = unsafe { (*request.pool).cleanup };
    // SAFETY: as above; `next` is null at the end.
    while let Some(entry) = unsafe { cleanup.as_ref() } {
        if entry
            .handler
            .is_some_and(|handler| std::ptr::fn_addr_eq(handler, MARK))
        {
            // SAFETY: an entry with our handler was made by `attach`, so its data is a Kept.
            return unsafe { entry.data.cast::<Kept>().as_ref() };
        }
        cleanup = entry.next;
    }
    None
}

/// Keeps a conclusion with its request, made in its place there. `None` when nginx has no memory.
///
/// # Safety
/// `r` must be a live main request; the reference ends with it.
#[inline(always)]
pub unsafe fn attach<'a>(
    r: NonNull<ngx_http_request_t>,
    conclusion: impl FnOnce() -> Conclusion,
) -> Option<&'a Conclusion> {
    // SAFETY: the request and its pool are live; nginx allocates the size behind the cleanup, aligned to
    // NGX_ALIGNMENT, which the assertion above compares with what we store.
    unsafe {
        let request = r.as_ref();
        let cleanup = ngx_pool_cleanup_add(request.pool, size_of::<Kept>()).as_mut()?;
        let place = cleanup.data.cast::<Kept>();
        place.write(Kept {
            conclusion: conclusion(),
            among: Cell::new(None),
        });
        cleanup.handler = Some(MARK);
        *request.ctx.add(ngx_http_sekisho_module.ctx_index) = cleanup.data;
        place.as_ref().map(|kept| &kept.conclusion)
    }
}
