//! Everything that production does to a server, done to two at once under load: one without the module, one with it.
//!
//! [`run`] is one soak. How much of each is done comes from the environment ([`Counts::from_env`]), so the same program
//! is a test of a minute and, as `make soak`, one of a night.

mod acts;
pub mod daemon;
mod evidence;
pub mod load;
pub mod report;

use std::path::Path;
use std::time::Instant;

use crate::nginx::Module;
use acts::Stage;
use report::Report;

/// How often each thing is done, and how large the zone is.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// Reloads: `SOAK_RELOADS`.
    pub reloads: usize,
    /// Binary upgrades: `SOAK_UPGRADES`.
    pub upgrades: usize,
    /// Workers killed at the injected points, in turn: `SOAK_KILLS`.
    pub kills: usize,
    /// Workers killed wherever they are: `SOAK_RANDOM_KILLS`.
    pub random_kills: usize,
    /// Model files replaced, good and bad in turn: `SOAK_SWAPS`.
    pub swaps: usize,
    /// Whether a replaced model must come into force without a reload: `SOAK_LIVE_MODELS`, 0 or 1.
    pub live_models: bool,
    /// Requests whose clock jumps by years: `SOAK_JUMPS`.
    pub jumps: usize,
    /// Size of the zone in KiB; ten times the clients that it holds visit it: `SOAK_ZONE_KB`.
    pub zone_kb: usize,
    /// Threads of load: `SOAK_THREADS`.
    pub threads: usize,
    /// Pause of a thread between two requests, in microseconds: `SOAK_PAUSE`.
    pub pause: u64,
    /// By how much memory may grow from the first third of the reloads to the last, in per cent: `SOAK_GROWTH`.
    pub growth: f64,
}

impl Counts {
    /// What a test of a minute does.
    pub const SHORT: Counts = Counts {
        reloads: 40,
        upgrades: 5,
        kills: 100,
        random_kills: 60,
        swaps: 6,
        live_models: false,
        jumps: 2000,
        zone_kb: 256,
        threads: 3,
        pause: 1000,
        growth: 10.0,
    };

    /// [`Counts::SHORT`] with what the environment says.
    ///
    /// # Panics
    /// When a variable is no number.
    pub fn from_env() -> Counts {
        fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
            match std::env::var(name) {
                Ok(text) => text
                    .parse()
                    .unwrap_or_else(|_| panic!("{name}={text} is no number")),
                Err(_) => default,
            }
        }
        let short = Counts::SHORT;
        Counts {
            reloads: number("SOAK_RELOADS", short.reloads),
            upgrades: number("SOAK_UPGRADES", short.upgrades),
            kills: number("SOAK_KILLS", short.kills),
            random_kills: number("SOAK_RANDOM_KILLS", short.random_kills),
            swaps: number("SOAK_SWAPS", short.swaps),
            live_models: number("SOAK_LIVE_MODELS", u8::from(short.live_models)) != 0,
            jumps: number("SOAK_JUMPS", short.jumps),
            zone_kb: number("SOAK_ZONE_KB", short.zone_kb),
            threads: number("SOAK_THREADS", short.threads),
            pause: number("SOAK_PAUSE", short.pause),
            growth: number("SOAK_GROWTH", short.growth),
        }
    }

    /// Ten times what the zone holds: four records to the KiB, and a little less.
    pub fn flood(&self) -> usize {
        self.zone_kb * 4 * 10
    }
}

/// Does it all, telling on standard error what it is at.
pub fn run(counts: &Counts) -> Report {
    let start = Instant::now();
    let mut report = Report::new(counts);
    // What operators run: reloads, upgrades, kills from outside.
    Stage::start("production", Module::Production, counts).run(counts, &mut report, |act| {
        act.flood();
        act.reloads();
        act.upgrades();
        act.random_kills();
        act.swaps();
    });
    // What only a test build can be made to do: die at a named step, and see the clock jump.
    Stage::start("test build", Module::TestClock, counts).run(counts, &mut report, |act| {
        act.injected_kills();
        act.jumps();
    });
    report.seconds = start.elapsed().as_secs();
    report
}

/// Where reports go.
pub fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/soak")
}
