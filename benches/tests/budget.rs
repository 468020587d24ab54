//! What a request may cost: instructions of the module's own functions in the real nginx, as callgrind counts them.

use sekisho_benches::gauge::{BUDGET, FURTHER_BUDGET, Scenario, measure, per, short, traffic};
use sekisho_benches::server::Setup;

#[test]
fn a_request_of_a_real_log_costs_no_more_than_its_budget() {
    let traffic = traffic().expect("models/data has the log");
    let scenario = short(&traffic);
    let (cost, most) = cost(&scenario, &Setup::default(), "budget");
    println!("{cost:.0} instructions a request, budget {BUDGET}\n{most}");
    // A module that is not asked would be cheap, too.
    assert!(cost > 500.0, "{cost:.0}: the module did nothing");
    assert!(
        cost <= BUDGET,
        "{cost:.0} instructions a request, more than {BUDGET}:\n{most}"
    );

    let (both, most) = self::cost(&scenario, &Setup::with_group(), "budget-group");
    let further = both - cost;
    println!("{further:.0} for a further zone, budget {FURTHER_BUDGET}\n{most}");
    // A zone that is never asked would be cheap, too.
    assert!(further > 50.0, "{further:.0}: the second zone did nothing");
    assert!(
        further <= FURTHER_BUDGET,
        "{further:.0} instructions a request for a further zone, more than {FURTHER_BUDGET}:\n{most}"
    );
}

/// Instructions a request, and the functions that took most.
fn cost(scenario: &Scenario<'_>, setup: &Setup, directory: &str) -> (f64, String) {
    let profile = measure(scenario, setup, directory)
        .expect("nginx runs under callgrind: contrib/install-tools.sh test, contrib/build-module.sh");
    let count = scenario.measured.len();
    let most: Vec<String> = profile
        .largest(10)
        .into_iter()
        .map(|(name, cost)| format!("{:6.0} {name}", per(cost, count)))
        .collect();
    (per(profile.inside, count), most.join("\n"))
}
