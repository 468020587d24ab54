//! What was concluded about a request, kept with the request.
//!
//! `error_page`, `index` and `try_files` redirects clear a module's context (`r->ctx`). So the value lives in a
//! pool cleanup, and is found again by the cleanup handler's address, as nginx's realip module does.

use std::ffi::c_void;
use std::ptr::NonNull;

use nginx_sys::{ngx_http_request_t, ngx_pool_cleanup_add};

use super::module::ngx_http_sekisho_module;
use crate::handler::Conclusion;

const _: () =
    assert!(!std::mem::needs_drop::<Conclusion>() && align_of::<Conclusion>() <= nginx_sys::NGX_ALIGNMENT);

/// Does nothing: the pool frees the memory. Its address marks our cleanup.
unsafe extern "C" fn conclusion_cleanup(_data: *mut c_void) {}

/// The conclusion about a main request, if there is one.
///
/// # Safety
/// `r` must be a live main request; the reference ends with it.
pub unsafe fn find<'a>(r: NonNull<ngx_http_request_t>) -> Option<&'a Conclusion> {
    // SAFETY: nginx allocates `ctx` with one place for each module, ours at our index, before any phase runs.
    let (request, value) = unsafe {
        let request = r.as_ref();
        (request, *request.ctx.add(ngx_http_sekisho_module.ctx_index))
    };
    // SAFETY: only `attach` sets our place, to a Conclusion in the request's pool; a redirect zeroes it.
    if let Some(conclusion) = unsafe { value.cast::<Conclusion>().as_ref() } {
        return Some(conclusion);
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
            // SAFETY: an entry with our handler was made by `attach`, so its data is a Conclusion.
            return unsafe { entry.data.cast::<Conclusion>().as_ref() };
        }
        cleanup = entry.next;
    }
    None
}

const MARK: unsafe extern "C" fn(*mut c_void) = conclusion_cleanup;

/// Keeps a conclusion with its request, made in its place there. `None` when nginx has no memory.
///
/// # Safety
/// `r` must be a live main request; the reference ends with it.
#[inline]
pub unsafe fn attach<'a>(
    r: NonNull<ngx_http_request_t>,
    conclusion: impl FnOnce() -> Conclusion,
) -> Option<&'a Conclusion> {
    // SAFETY: the request and its pool are live; nginx allocates the size behind the cleanup, aligned to
    // NGX_ALIGNMENT, which the assertion above compares with what we store.
    unsafe {
        let request = r.as_ref();
        let cleanup = ngx_pool_cleanup_add(request.pool, size_of::<Conclusion>()).as_mut()?;
        let place = cleanup.data.cast::<Conclusion>();
        place.write(conclusion());
        cleanup.handler = Some(MARK);
        *request.ctx.add(ngx_http_sekisho_module.ctx_index) = cleanup.data;
        place.as_ref()
    }
}
