//! The one place where panics end. A panic that leaves an `extern "C"` function aborts the worker with all its
//! connections; here it costs one decision.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Bytes of a panic's message that reach the error log.
const MESSAGE_BYTES: usize = 512;

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics off nginx's standard error; the guard logs them instead. The hook belongs to this library's own
/// copy of the standard library and reaches no other module.
pub fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let text: String = info
                .to_string()
                .chars()
                .flat_map(escaped)
                .take(MESSAGE_BYTES)
                .collect();
            LAST_PANIC.with_borrow_mut(|last| *last = text);
        }));
    });
}

/// Runs `body`; when it panics, tells `report` the message and returns `fallback`.
pub fn guard<T>(fallback: T, report: impl FnOnce(&str), body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            // Dropping a payload may panic again, and that payload is not worth a third try. Forgetting the first one
            // would lose memory with every request of a fault that repeats.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop::<Box<dyn Any + Send>>(payload))) {
                std::mem::forget(second);
            }
            report(&LAST_PANIC.take());
            fallback
        }
    }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    if character.is_control() {
        character.escape_default().collect::<Vec<_>>()
    } else {
        vec![character]
    }
    .into_iter()
}
