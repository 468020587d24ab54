//! Fail open: a fault of ours never reaches a visitor; and what a test build obeys, a production build ignores.

use sekisho_tests::nginx::{Module, wait_for};
use sekisho_tests::visitors::{COUNTERS, checked, counters, crawl, site, visit};

#[test]
fn a_panic_costs_one_decision() {
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", COUNTERS));
    let workers = nginx.workers();
    crawl(&nginx, "192.0.2.1", 0, 9);
    let fault = |client: &str, name: &str| {
        visit(&nginx, client, 9, "/page.html", &[("X-Sekisho-Fault", name)]).status
    };
    assert_eq!(
        fault("192.0.2.1", "panic"),
        200,
        "would have been stopped, goes on instead"
    );
    assert_eq!(fault("192.0.2.3", "panic-log"), 200);
    // The log phase comes after the response.
    wait_for(|| (counters(&nginx)["panics"] == 2).then_some(())).expect("both panics are counted");
    assert_eq!(crawl(&nginx, "192.0.2.1", 10, 1), [429], "its record is whole");
    assert_eq!(fault("192.0.2.1", "panic-locked"), 200);
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 11, 1),
        [200],
        "the record that was being written is forgotten"
    );
    let numbers = counters(&nginx);
    assert_eq!(
        (
            numbers["panics"],
            numbers["lock_failures"],
            numbers["stolen_locks"]
        ),
        (3, 0, 0)
    );
    let log = nginx.error_log();
    assert!(!log.contains("exited on signal"), "a worker died:\n{log}");
    assert_eq!(nginx.workers(), workers, "{log}");

    let log = nginx.error_log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("[crit]")).collect();
    assert_eq!(said.len(), 3, "{log}");
    assert!(
        said[0].contains("sekisho gave up on this request: panicked at nginx-module/src/injected.rs:"),
        "{}",
        said[0]
    );
    assert!(
        said[0].contains("injected at Panic\\nwith a second line, client: 192.0.2.1"),
        "{}",
        said[0]
    );
}

#[test]
fn a_production_build_has_its_own_clock_and_no_faults() {
    let nginx = site(Module::Production).start(&checked("sekisho_dry_run off;", ""));
    for fault in ["panic", "panic-locked", "die-locked", "panic-log"] {
        assert_eq!(
            visit(
                &nginx,
                "192.0.2.3",
                0,
                "/page.html",
                &[("X-Sekisho-Fault", fault)]
            )
            .status,
            200
        );
    }
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[9..], [429; 3]);
    // In virtual time the ban is long over.
    assert_eq!(crawl(&nginx, "192.0.2.1", 1_000_000, 1), [429]);
    assert!(!nginx.error_log().contains("[crit]"));
}

#[test]
fn a_production_build_has_no_variable_of_the_tests() {
    let (accepted, said) = site(Module::Production).test(&checked("", COUNTERS));
    assert!(
        !accepted && said.contains("unknown \"sekisho_counters\" variable"),
        "{said}"
    );
}

#[test]
fn each_production_zone_has_a_seed_of_its_own() {
    let id = |module| {
        let nginx = site(module).start(&checked("", ""));
        crawl(&nginx, "192.0.2.1", 0, 1);
        nginx.lines("access.log", 1)[0]
            .split(' ')
            .nth(5)
            .expect("an id")
            .to_owned()
    };
    assert_ne!(id(Module::Production), id(Module::Production));
    assert_eq!(id(Module::TestClock), id(Module::TestClock));
}
