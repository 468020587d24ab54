//! What a request may cost: instructions of the module's own functions in the real nginx, as callgrind counts them.

use sekisho_benches::gauge::{BUDGET, measure, per, short, traffic};
use sekisho_benches::server::Setup;

#[test]
fn a_request_of_a_real_log_costs_no_more_than_its_budget() {
    let traffic = traffic().expect("models/data has the log");
    let scenario = short(&traffic);
    let profile = measure(&scenario, &Setup::default(), "budget")
        .expect("nginx runs under callgrind: contrib/install-tools.sh test, contrib/build-module.sh");
    let count = scenario.measured.len();
    let cost = per(profile.inside, count);
    let most: Vec<String> = profile
        .largest(10)
        .into_iter()
        .map(|(name, cost)| format!("{:6.0} {name}", per(cost, count)))
        .collect();
    println!(
        "{cost:.0} instructions a request, budget {BUDGET}\n{}",
        most.join("\n")
    );
    // A module that is not asked would be cheap, too.
    assert!(cost > 500.0, "{cost:.0}: the module did nothing");
    assert!(
        cost <= BUDGET,
        "{cost:.0} instructions a request, more than {BUDGET}:\n{}",
        most.join("\n")
    );
}
