//! Values that live as long as an nginx pool.

use std::ffi::c_void;

use nginx_sys::{ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_t};

/// Moves a value to the heap and drops it with the pool. `None` when nginx has no memory.
///
/// # Safety
/// `pool` must be a live pool. The value must not be used after the pool is destroyed.
pub unsafe fn keep<T>(pool: *mut ngx_pool_t, value: T) -> Option<*mut T> {
    // SAFETY: the caller vouches for the pool; size 0 means that we set `data` ourselves.
    let cleanup = unsafe { ngx_pool_cleanup_add(pool, 0).as_mut() }?;
    let value = Box::into_raw(Box::new(value));
    cleanup.data = value.cast();
    cleanup.handler = Some(drop_boxed::<T>);
    Some(value)
}

/// Copies bytes into the pool. `None` when nginx has no memory.
///
/// # Safety
/// `pool` must be a live pool.
pub unsafe fn copy(pool: *mut ngx_pool_t, bytes: &[u8]) -> Option<*mut u8> {
    // SAFETY: the caller vouches for the pool.
    let place = unsafe { ngx_pnalloc(pool, bytes.len().max(1)) }.cast::<u8>();
    if place.is_null() {
        return None;
    }
    // SAFETY: nginx gave at least that many bytes, which overlap nothing.
    unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Some(place)
}

unsafe extern "C" fn drop_boxed<T>(data: *mut c_void) {
    super::guard::guard(
        (),
        |_| (),
        || {
            // SAFETY: nginx passes the `data` that `keep` set from `Box::into_raw`, and runs a cleanup once.
            drop(unsafe { Box::from_raw(data.cast::<T>()) });
        },
    );
}
