//! What a worker does beside requests: once when it starts, once a second, once when it ends.
//!
//! Nothing here waits: a round takes microseconds when there is nothing to do.

use crate::ffi::config::MainConf;
use crate::ffi::process::notice;
use crate::{models, samples};

/// The worker starts. `at` is in unix seconds.
pub fn start(main: &MainConf, at: u32) {
    models::start(main, at);
}

/// About a second has passed.
pub fn tick(main: &MainConf, at: u32) {
    for list in &main.allow_lists {
        list.refresh(&|text| notice(&text));
    }
    models::tick(main, at);
    samples::flush(main);
}

/// The worker ends after its last request.
pub fn stop(main: &MainConf, _at: u32) {
    samples::finish(main);
    models::stop(main);
}
