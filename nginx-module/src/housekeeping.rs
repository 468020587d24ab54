//! What a worker does beside requests: once when it starts, once a second, once when it ends.
//!
//! Nothing here waits: a round takes microseconds when there is nothing to do.

use crate::ffi::config::MainConf;
use crate::ffi::process::notice;

/// The worker starts. `at` is in unix seconds.
pub fn start(_main: &MainConf, _at: u32) {}

/// About a second has passed.
pub fn tick(main: &MainConf, _at: u32) {
    for list in &main.allow_lists {
        list.refresh(&|text| notice(&text));
    }
}

/// The worker ends after its last request.
pub fn stop(_main: &MainConf, _at: u32) {}
