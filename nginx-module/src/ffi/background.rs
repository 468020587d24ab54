//! Work beside the event loop: one short-lived thread that nginx does not notice.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::thread::{Builder, JoinHandle};

use super::guard::guard;

/// Stack of such a thread, in bytes: as much as reading a model takes, several times over.
const STACK: usize = 4 << 20;

/// Work that was begun. Dropped, it waits for its end: the code must not be unloaded under it.
pub struct Task<T>(Option<JoinHandle<Result<T, String>>>);

impl<T: Send + 'static> Task<T> {
    /// Begins. nginx's signals go to the event loop alone, and a panic becomes the message that
    /// [`Task::finish`] returns.
    pub fn begin(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Task<T>> {
        let body = move || {
            let mut message = String::new();
            let done = guard(
                None,
                |said| message = format!("it made the reader panic: {said}"),
                || Some(work()),
            );
            done.ok_or(message)
        };
        without_signals(|| {
            Builder::new()
                .name("sekisho".to_owned())
                .stack_size(STACK)
                .spawn(body)
        })
        .map(|thread| Task(Some(thread)))
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Its result, or why there is none. Waits for its end.
    pub fn finish(mut self) -> Result<T, String> {
        let joined = self.0.take().map(JoinHandle::join);
        joined
            .and_then(Result::ok)
            .unwrap_or_else(|| Err("its reader ended early".to_owned()))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Runs `body` while this thread takes no signals: a thread begun there inherits that, for its whole life.
fn without_signals<T>(body: impl FnOnce() -> T) -> T {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: sigfillset fills the set that pthread_sigmask then reads; the latter writes the mask of before.
    let blocked = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0
    };
    let result = body();
    if blocked {
        // SAFETY: the call above succeeded, so it wrote the mask of before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    }
    result
}
