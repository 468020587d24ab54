//! A worker is killed at every step of the critical section: it costs at most the record it was writing.

use std::time::{Duration, Instant};

use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::table::{Geometry, WAYS, set_index};
use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{COUNTERS, checked, counters, crawl, site, visit};

const ZONE_BYTES: usize = 32 << 10;
/// Requests after which a crawler is stopped.
const PATIENCE: u32 = 9;

/// What a kill costs.
struct Toll {
    /// Requests of the victim's own that are still remembered afterwards.
    kept: u32,
    /// Locks that were taken over.
    steals: u64,
}

fn set_of(address: &str) -> u32 {
    let sets = Geometry::for_zone(ZONE_BYTES).expect("large enough").sets;
    set_index(key_hash(Seed::FIXED, client_key(address).as_bytes()), sets)
}

/// Clients of one set: its neighbours in memory.
fn one_set(count: usize) -> Vec<String> {
    let wanted = set_of("198.51.100.1");
    let clients = (1..=255).map(|number| format!("198.51.100.{number}"));
    let clients: Vec<String> = clients
        .filter(|client| set_of(client) == wanted)
        .take(count)
        .collect();
    assert_eq!(clients.len(), count);
    clients
}

/// Somebody of another set.
fn stranger() -> String {
    let wanted = set_of("198.51.100.1");
    let mut others = (1..=255).map(|number| format!("203.0.113.{number}"));
    others.find(|other| set_of(other) != wanted).expect("seven sets")
}

fn die(nginx: &Nginx, client: &str, second: u32, step: &str) -> u16 {
    let fault = format!("die {step}");
    visit(
        nginx,
        client,
        second,
        "/page.html",
        &[("X-Sekisho-Fault", &fault)],
    )
    .status
}

/// The victim made `before` requests; at each of the next, one worker dies at the step named. The last of them may
/// have been answered before the death.
#[track_caller]
fn check(before: u32, steps: &[&str], answer: u16, expected: Toll) {
    let http =
        checked("sekisho_dry_run off;", COUNTERS).replace("clients:1m", &format!("clients:{ZONE_BYTES}"));
    let nginx = site(Module::TestClock).workers(1).start(&http);
    let clients = one_set(WAYS - 1);
    let (victim, neighbours) = clients.split_first().expect("seven");
    for neighbour in &neighbours[..3] {
        assert_eq!(crawl(&nginx, neighbour, 0, 12)[9..], [429; 3]);
    }
    for neighbour in &neighbours[3..] {
        crawl(&nginx, neighbour, 0, PATIENCE);
    }
    crawl(&nginx, victim, 0, before);

    let mut slowest = Duration::ZERO;
    for (number, step) in steps.iter().enumerate() {
        let worker = *nginx.workers().first().expect("one worker");
        assert_eq!(die(&nginx, victim, 20 + number as u32, step), answer, "{step}");
        let start = Instant::now();
        // Another step may follow on the same lock, so somebody else of another set asks first.
        assert_eq!(visit(&nginx, &stranger(), 20, "/page.html", &[]).status, 200);
        slowest = slowest.max(start.elapsed());
        nginx.wait_for_successor(worker);
    }
    let start = Instant::now();
    let after = crawl(&nginx, victim, 30, 12);
    let passed = after.iter().take_while(|status| **status == 200).count() as u32;
    assert_eq!(passed, PATIENCE - expected.kept, "{steps:?}: {after:?}");
    assert!(
        after.iter().skip(passed as usize).all(|status| *status == 429),
        "{steps:?}: {after:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{steps:?}: {:?}",
        start.elapsed()
    );
    assert!(slowest < Duration::from_secs(1), "{steps:?}: {slowest:?}");

    for neighbour in &neighbours[..3] {
        assert_eq!(crawl(&nginx, neighbour, 40, 1), [429], "{steps:?}: a ban is kept");
    }
    for neighbour in &neighbours[3..] {
        assert_eq!(
            crawl(&nginx, neighbour, 40, 1),
            [429],
            "{steps:?}: a count is kept"
        );
    }
    let numbers = counters(&nginx);
    assert_eq!(
        (
            numbers["stolen_locks"],
            numbers["lock_failures"],
            numbers["evictions"]
        ),
        (expected.steals, 0, 0),
        "{steps:?}"
    );
}

#[test]
fn outside_the_lock_nothing_is_lost() {
    check(5, &["before-lock"], 0, Toll { kept: 5, steals: 0 });
    check(5, &["after-release"], 0, Toll { kept: 6, steals: 0 });
}

#[test]
fn inside_the_lock_only_an_announced_record_is_lost() {
    check(5, &["after-acquire"], 0, Toll { kept: 5, steals: 1 });
    for step in ["after-announce", "mid-write", "before-release"] {
        check(5, &[step], 0, Toll { kept: 0, steals: 1 });
    }
    check(0, &["mid-name"], 0, Toll { kept: 0, steals: 1 });
}

#[test]
fn a_score_that_is_being_kept_costs_its_record() {
    // The tenth request is scored: the record is announced at its arrival and once more for the score.
    check(9, &["after-announce 2"], 0, Toll { kept: 0, steals: 1 });
    check(9, &["mid-write 2"], 0, Toll { kept: 0, steals: 1 });
}

#[test]
fn a_response_that_is_being_kept_costs_its_record_and_no_answer() {
    // The seventh request is not scored: the second announcement is that of the log phase.
    check(6, &["after-announce 2"], 200, Toll { kept: 0, steals: 1 });
    check(6, &["mid-write 2"], 200, Toll { kept: 0, steals: 1 });
}

#[test]
fn a_thief_that_dies_leaves_the_record_to_the_next() {
    check(5, &["mid-write", "stolen"], 0, Toll { kept: 0, steals: 1 });
    check(5, &["mid-write", "mid-reset"], 0, Toll { kept: 0, steals: 2 });
    check(5, &["after-acquire", "stolen"], 0, Toll { kept: 5, steals: 1 });
    check(
        5,
        &["mid-write", "stolen", "mid-reset"],
        0,
        Toll { kept: 0, steals: 2 },
    );
}
