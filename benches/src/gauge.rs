//! Instructions per request of the module's own functions, counted by callgrind in the real nginx: what is sent, and
//! what of it is measured.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use sekisho_tests::source::root;

use crate::callgrind::Profile;
use crate::server::{Server, Setup};
use crate::traffic::{Request, log_text, requests};

/// Most that a request of the real log may cost with one zone, in instructions, scores included.
pub const BUDGET: f64 = 2000.0;
/// Most that a further zone may add, for networks beside clients.
pub const FURTHER_BUDGET: f64 = 400.0;

/// Clients that are past their 32nd request, after which no score is due for 30 more.
const SETTLED_CLIENTS: usize = 200;
const SETTLED_AFTER: usize = 32;
const SETTLED_REQUESTS: usize = 24;
/// Clients at their tenth request, at which the first score is due.
const FIRST_SCORE_CLIENTS: usize = 2_000;
const FIRST_SCORE_AFTER: usize = 9;
/// Requests of the log in its own order: some to warm up, the rest to measure.
const LOG_WARM_UP: usize = 10_000;
const LOG_REQUESTS: usize = 20_000;
/// The same, fewer: so that a test can afford it.
const SHORT_WARM_UP: usize = 4_000;
const SHORT_REQUESTS: usize = 6_000;

/// One request of one client.
pub type Step<'a> = (&'a Request, Ipv4Addr);

/// What is sent, and what of it is measured.
#[derive(Debug)]
pub struct Scenario<'a> {
    /// In a few words.
    pub name: &'static str,
    /// Sent first.
    pub warm_up: Vec<Step<'a>>,
    /// Sent and measured then.
    pub measured: Vec<Step<'a>>,
}

/// The requests of the log that the module gets to see.
///
/// # Errors
/// When the log cannot be read.
pub fn traffic() -> Result<Vec<Request>> {
    let traffic = requests(&log_text().context("models/data/airis.log.gz")?);
    // nginx answers OPTIONS * and the like itself, before any module.
    Ok(traffic
        .into_iter()
        .filter(|request| request.target.starts_with(b"/"))
        .collect())
}

/// What the report shows.
pub fn scenarios(traffic: &[Request]) -> Vec<Scenario<'_>> {
    let clients = |count: usize, rounds: std::ops::Range<usize>, base: u32| -> Vec<Step<'_>> {
        let steps = rounds.flat_map(|round| (0..count).map(move |client| (round * count + client, client)));
        let step = |(number, client)| {
            (
                &traffic[number % traffic.len()],
                Ipv4Addr::from(base + client as u32),
            )
        };
        steps.map(step).collect()
    };
    vec![
        Scenario {
            name: "known clients, no score due",
            warm_up: clients(SETTLED_CLIENTS, 0..SETTLED_AFTER, 0x0a00_0000),
            measured: clients(
                SETTLED_CLIENTS,
                SETTLED_AFTER..SETTLED_AFTER + SETTLED_REQUESTS,
                0x0a00_0000,
            ),
        },
        Scenario {
            name: "a score at every request",
            warm_up: clients(FIRST_SCORE_CLIENTS, 0..FIRST_SCORE_AFTER, 0x0b00_0000),
            measured: clients(
                FIRST_SCORE_CLIENTS,
                FIRST_SCORE_AFTER..FIRST_SCORE_AFTER + 1,
                0x0b00_0000,
            ),
        },
        real_log(traffic, LOG_WARM_UP, LOG_REQUESTS),
    ]
}

/// The real log, as much of it as a test can afford.
pub fn short(traffic: &[Request]) -> Scenario<'_> {
    real_log(traffic, SHORT_WARM_UP, SHORT_REQUESTS)
}

fn real_log(traffic: &[Request], warm_up: usize, count: usize) -> Scenario<'_> {
    let known = traffic
        .iter()
        .filter_map(|request| Some((request, request.client.parse().ok()?)));
    let mut steps = known.take(warm_up + count);
    Scenario {
        name: "a real log, in its order",
        warm_up: steps.by_ref().take(warm_up).collect(),
        measured: steps.collect(),
    }
}

/// Sends a scenario to an nginx of its own, whose files go to `target/bench/callgrind/DIRECTORY`.
///
/// # Errors
/// When nginx does not come up or answers otherwise than it should.
pub fn measure(scenario: &Scenario<'_>, setup: &Setup, directory: &str) -> Result<Profile> {
    let directory = root().join("target/bench/callgrind").join(directory);
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let mut server = Server::start(&root(), &directory, setup)?;
    let send = |server: &mut Server, steps: &[Step<'_>]| {
        steps
            .iter()
            .try_for_each(|(request, client)| server.send(request, &client.to_string()))
    };
    send(&mut server, &scenario.warm_up)?;
    server.mark()?;
    send(&mut server, &scenario.measured)?;
    server.mark()
}

/// What each of `count` requests cost.
pub fn per(cost: u64, count: usize) -> f64 {
    cost as f64 / count.max(1) as f64
}
