//! What a worker does beside requests: once when it starts, once a second, once when it ends, and every few
//! milliseconds while there is something larger to do in small steps.
//!
//! Nothing here waits: a round takes microseconds when there is nothing to do.

use crate::ffi::config::MainConf;
use crate::ffi::log::{self, Level};
use crate::{models, samples};

/// The worker starts. `at` is in unix seconds.
pub fn start(main: &MainConf, at: u32) {
    models::start(main, at);
}

/// About a second has passed. True when [`step`] is wanted.
pub fn tick(main: &MainConf, at: u32) -> bool {
    for list in &main.allow_lists {
        list.refresh(&|text| log::say(Level::Notice, &text));
    }
    let mut wanted = false;
    for zone in main.zones() {
        wanted |= zone.keeper.borrow_mut().tick(zone, at);
    }
    models::tick(main, at);
    samples::flush(main);
    wanted
}

/// Some milliseconds have passed. True when it is wanted again.
pub fn step(main: &MainConf, at: u32) -> bool {
    main.zones().any(|zone| zone.keeper.borrow_mut().step(zone, at))
}

/// The worker ends after its last request.
pub fn stop(main: &MainConf, at: u32) {
    samples::finish(main);
    for zone in main.zones() {
        zone.keeper.borrow_mut().stop(zone, at);
    }
    models::stop(main);
}
