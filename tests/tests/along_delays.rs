//! Requests that wait, many on one connection: nobody else waits, and whoever goes away leaves nothing behind.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use sekisho_tests::http2::Client;
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{COUNTERS, site};

/// Requests that one worker delays at a time.
const PLACES: u64 = 256;

/// Everybody is REJECTED from the first request on, and waits.
fn start(delay: &str, locations: &str) -> Nginx {
    site(Module::TestClock).workers(1).start(&format!(
        "sekisho_zone $binary_remote_addr zone=clients:1m; sekisho_model %DIR%/model.onnx; sekisho_breaker off; \
         http2_max_concurrent_streams 1000; http2_recv_buffer_size 256k; keepalive_requests 10000; \
         log_format delays '$status $sekisho_status $uri'; \
         server {{ listen 127.0.0.1:%PORT% http2; sekisho_dry_run off; sekisho_rejected {delay}; \
         sekisho zone=clients threshold=0 suspect=0 min_requests=1; access_log %DIR%/delays.log delays; \
         location / {{ try_files /page.html =404; }} {locations} }} \
         server {{ listen unix:%DIR%/admin.sock; sekisho zone=clients; {COUNTERS} }}"
    ))
}

fn targets(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| format!("/{number}")).collect()
}

fn counter(nginx: &Nginx, name: &str) -> u64 {
    let output = Command::new("curl")
        .args(["-s", "--max-time", "20", "--unix-socket"])
        .arg(nginx.path().join("admin.sock"))
        .arg("http://shop.test/counters")
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name).expect("it is counted");
    value.parse().expect("a number")
}

fn until(nginx: &Nginx, name: &str, value: u64) {
    wait_for(|| (counter(nginx, name) == value).then_some(())).unwrap_or_else(|| {
        panic!(
            "{name} is {}, not {value}: {}",
            counter(nginx, name),
            nginx.error_log()
        );
    });
}

#[track_caller]
fn nothing_went_wrong(nginx: &Nginx, workers: &BTreeSet<u32>) {
    assert_eq!(&nginx.workers(), workers, "the worker is still the first one");
    let log = nginx.error_log();
    let bad = ["[alert]", "[crit]", "[emerg]"]
        .iter()
        .any(|level| log.contains(level));
    assert!(!bad, "{log}");
}

#[test]
fn streams_of_one_connection_wait_side_by_side() {
    let nginx = start("delay=1s", "");
    let workers = nginx.workers();
    let start = Instant::now();
    let mut client = Client::open(nginx.connect()).expect("a connection");
    client.ask(&targets(0, 200)).expect("nginx reads");
    assert_eq!(client.read_all().expect("all are answered"), [200; 200]);
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "{elapsed:?}");
    assert!(
        elapsed < Duration::from_secs(60),
        "one after the other: {elapsed:?}"
    );
    assert_eq!(counter(&nginx, "delayed"), 200);
    nothing_went_wrong(&nginx, &workers);
}

#[test]
fn who_cancels_or_leaves_while_waiting_gives_the_place_back() {
    let nginx = start(
        "delay=60s",
        "location /now { sekisho off; try_files /page.html =404; }",
    );
    let workers = nginx.workers();
    let mut client = Client::open(nginx.connect()).expect("a connection");
    let mut asked = 0;
    for round in 1..=4 {
        client.ask(&targets(asked, PLACES as usize)).expect("nginx reads");
        asked += PLACES as usize;
        until(&nginx, "delayed", round * PLACES);
        client.cancel_all().expect("nginx reads");
        assert_eq!(nginx.lines("delays.log", asked).len(), asked);
    }
    // The connection serves on.
    client.ask(&["/now".to_owned()]).expect("nginx reads");
    assert_eq!(client.read_all().expect("it is answered"), [200]);
    // And may end under all of them.
    client.ask(&targets(asked, PLACES as usize)).expect("nginx reads");
    until(&nginx, "delayed", 5 * PLACES);
    drop(client);
    let lines = nginx.lines("delays.log", asked + 1 + PLACES as usize);
    let gone = lines
        .iter()
        .filter(|line| line.starts_with("499 REJECTED "))
        .count();
    assert_eq!(gone, 5 * PLACES as usize, "{:?}", lines.last());
    assert_eq!(counter(&nginx, "undelayed"), 0);
    nothing_went_wrong(&nginx, &workers);
}

#[test]
fn who_has_waited_gives_the_place_back_before_the_answer_ends() {
    let slow = "location /slow { limit_rate 1; try_files /page.html =404; }";
    let nginx = start("delay=1s", slow);
    let workers = nginx.workers();
    let mut client = Client::open(nginx.connect()).expect("a connection");
    let slow: Vec<String> = (0..PLACES).map(|number| format!("/slow/{number}")).collect();
    client.ask(&slow).expect("nginx reads");
    until(&nginx, "delayed", PLACES);
    // More than there are places: they are served at once.
    client.ask(&targets(0, 3)).expect("nginx reads");
    until(&nginx, "undelayed", 3);
    // When the first have waited they are answered for a long time, and others may wait.
    wait_for(|| {
        client.ask(&["/later".to_owned()]).expect("nginx reads");
        (counter(&nginx, "delayed") > PLACES).then_some(())
    })
    .expect("a place is free again");
    assert_eq!(
        nginx
            .lines("delays.log", 3)
            .iter()
            .filter(|line| line.contains("/slow"))
            .count(),
        0
    );
    drop(client);
    nothing_went_wrong(&nginx, &workers);
}
