//! Instructions per request of the module's own functions, counted by callgrind in the real nginx.
//!
//! Repeatable to a fraction of a percent where wall-clock time on a shared machine resolves nothing. Prints
//! Markdown.

#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use sekisho_benches::callgrind::Profile;
use sekisho_benches::checkpoint::{Evaluator, Zone};
use sekisho_benches::server::Server;
use sekisho_benches::traffic::{Request, log_text, requests};
use sekisho_core::key::{Seed, key_hash};
use sekisho_core::model::{Limits, Model};
use sekisho_tests::source::root;

/// Clients that are past their 32nd request, after which no score is due for 30 more.
const SETTLED_CLIENTS: usize = 200;
const SETTLED_AFTER: usize = 32;
const SETTLED_REQUESTS: usize = 24;
/// Clients at their fourth request, at which the first score is due.
const FIRST_SCORE_CLIENTS: usize = 2_000;
const FIRST_SCORE_AFTER: usize = 3;
/// Requests of the log in its own order: some to warm up, the rest to measure.
const LOG_WARM_UP: usize = 10_000;
const LOG_REQUESTS: usize = 20_000;
/// Functions that are listed.
const LISTED: usize = 12;

/// One request of one client.
type Step<'a> = (&'a Request, Ipv4Addr);

/// What is sent, and what of it is measured.
struct Scenario<'a> {
    name: &'static str,
    warm_up: Vec<Step<'a>>,
    measured: Vec<Step<'a>>,
}

fn main() -> Result<()> {
    let model =
        std::fs::read(root().join("models/default.onnx")).context("models/default.onnx: run make model")?;
    let model = Model::load(&model, &Limits::DEFAULT)?;
    let traffic = requests(&log_text().context("models/data/airis.log.gz")?);
    // nginx answers OPTIONS * and the like itself, before any module.
    let traffic: Vec<Request> = traffic
        .into_iter()
        .filter(|request| request.target.starts_with(b"/"))
        .collect();

    println!(
        "| requests | measured | scores a request | module, instructions a request | nginx, instructions a request | module's share |"
    );
    println!("|---|---|---|---|---|---|");
    let mut last = None;
    for scenario in scenarios(&traffic) {
        let profile = measure(&scenario)?;
        println!("{}", row(&scenario, &profile, &model));
        last = Some((scenario, profile));
    }
    if let Some((scenario, profile)) = last {
        println!(
            "\nThe module's own functions in the last row, instructions a request without what they call:\n"
        );
        println!("| function | instructions |\n|---|---|");
        for (name, cost) in profile.largest(LISTED) {
            println!("| `{name}` | {:.0} |", per(cost, scenario.measured.len()));
        }
    }
    Ok(())
}

fn scenarios(traffic: &[Request]) -> Vec<Scenario<'_>> {
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
    let log = |from: usize, count: usize| -> Vec<Step<'_>> {
        let known = traffic
            .iter()
            .filter_map(|request| Some((request, request.client.parse().ok()?)));
        known.skip(from).take(count).collect()
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
        Scenario {
            name: "a real log, in its order",
            warm_up: log(0, LOG_WARM_UP),
            measured: log(LOG_WARM_UP, LOG_REQUESTS),
        },
    ]
}

fn measure(scenario: &Scenario<'_>) -> Result<Profile> {
    let directory = root()
        .join("target/bench/callgrind")
        .join(scenario.name.replace([' ', ','], "-"));
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let mut server = Server::start(&root(), &directory)?;
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

/// How many scores a request brings, from the same requests through core in one second.
fn scores(scenario: &Scenario<'_>, model: &Model) -> f64 {
    let mut zone = Zone::for_clients(60_000);
    let mut judge = Evaluator { model };
    let mut pass = |(request, client): &Step<'_>| {
        let hash = key_hash(Seed::FIXED, &client.octets());
        zone.pass(request, hash, 1_455_944_445, &mut judge)
    };
    for step in &scenario.warm_up {
        pass(step);
    }
    let scored = scenario.measured.iter().filter(|step| pass(step)).count();
    per(scored as u64, scenario.measured.len())
}

fn row(scenario: &Scenario<'_>, profile: &Profile, model: &Model) -> String {
    let count = scenario.measured.len();
    let module = per(profile.inside, count);
    let nginx = per(profile.total.saturating_sub(profile.inside), count);
    let share = 100.0 * module / (module + nginx);
    let scores = scores(scenario, model);
    format!(
        "| {} | {count} | {scores:.2} | {module:.0} | {nginx:.0} | {share:.1} % |",
        scenario.name
    )
}

fn per(cost: u64, count: usize) -> f64 {
    cost as f64 / count.max(1) as f64
}
