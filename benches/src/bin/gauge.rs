//! Instructions per request of the module's own functions, counted by callgrind in the real nginx.
//!
//! Repeatable to a fraction of a percent where wall-clock time on a shared machine resolves nothing. Prints
//! Markdown. Each argument is a key, for which a zone is made: `gauge '$binary_remote_addr' '$http_user_agent'`
//! measures two zones in one location.

#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use sekisho_benches::callgrind::Profile;
use sekisho_benches::checkpoint::{Evaluator, Zone};
use sekisho_benches::gauge::{Scenario, Step, measure, per, scenarios, traffic};
use sekisho_benches::server::Setup;
use sekisho_core::key::{Seed, key_hash};
use sekisho_core::model::{Limits, Model};
use sekisho_tests::source::root;

/// Functions that are listed.
const LISTED: usize = 12;

fn main() -> Result<()> {
    let keys: Vec<String> = std::env::args().skip(1).collect();
    let setup = if keys.is_empty() {
        Setup::default()
    } else {
        Setup::zones(&keys)
    };
    let model =
        std::fs::read(root().join("models/default.onnx")).context("models/default.onnx: run make model")?;
    let model = Model::load(&model, &Limits::DEFAULT)?;
    let traffic = traffic()?;

    println!(
        "| requests | measured | scores a request | module, instructions a request | nginx, instructions a request | module's share |"
    );
    println!("|---|---|---|---|---|---|");
    let mut last = None;
    for scenario in scenarios(&traffic) {
        let profile = measure(&scenario, &setup, &scenario.name.replace([' ', ','], "-"))?;
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
