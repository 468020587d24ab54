//! What all workers remember together, and what survives: reloads, dead workers, a full zone.

use std::time::{Duration, Instant};

use sekisho_tests::nginx::{Module, Site, program, wait_for};
use sekisho_tests::visitors::{COUNTERS, browse, checked, counters, crawl, site, visit};

const ENFORCED: &str = "sekisho_dry_run off;";

#[test]
fn all_workers_know_what_one_has_seen() {
    let site = site(Module::TestClock).workers(4);
    let locations = format!("{COUNTERS} location = /who {{ return 200 $pid; }}");
    // Each worker takes its own share of connections, so requests are spread.
    let http = checked(ENFORCED, &locations).replace("%PORT%;", "%PORT% reuseport;");
    let nginx = site.start(&http);
    let mut seen = std::collections::BTreeSet::new();
    wait_for(|| {
        seen.insert(nginx.get("/who", &[]).body);
        (seen.len() == 4).then_some(())
    })
    .expect("four workers answer");
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 30)[9..], [429; 21]);
    assert_eq!(counters(&nginx)["requests"], 30);
}

#[test]
fn a_reload_keeps_what_is_known() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 9), [200; 9]);
    let old = nginx.workers();
    assert!(nginx.reload(&checked(&format!("{ENFORCED} sekisho_status 403;"), COUNTERS)));
    assert!(nginx.workers().is_disjoint(&old));
    assert_eq!(crawl(&nginx, "192.0.2.1", 9, 1), [403]);
    assert_eq!(counters(&nginx)["requests"], 10);
}

#[test]
fn a_reload_that_would_mix_keys_is_refused_and_the_old_workers_stay() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    crawl(&nginx, "192.0.2.1", 0, 9);
    let old = nginx.workers();
    let other = checked(ENFORCED, COUNTERS).replace("$binary_remote_addr zone", "$http_user_agent zone");
    assert!(!nginx.reload(&other));
    let words = "sekisho_zone \"clients\" uses the \"$http_user_agent\" key \
                 while previously it used the \"$binary_remote_addr\" key";
    assert!(nginx.error_log().contains(words), "{}", nginx.error_log());
    assert_eq!(nginx.workers(), old);
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 9, 1),
        [429],
        "still served, still remembered"
    );
}

#[test]
fn another_size_starts_anew_and_a_bad_model_changes_nothing() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    crawl(&nginx, "192.0.2.1", 0, 12);
    std::fs::write(nginx.path().join("model.onnx"), b"rubbish").expect("own directory");
    assert!(!nginx.reload(&checked(ENFORCED, COUNTERS)));
    assert_eq!(crawl(&nginx, "192.0.2.1", 12, 1), [429]);
    let model = sekisho_tests::simple_model::file(&sekisho_tests::simple_model::card());
    std::fs::write(nginx.path().join("model.onnx"), model).expect("own directory");
    assert!(nginx.reload(&checked(ENFORCED, COUNTERS).replace("clients:1m", "clients:2m")));
    assert_eq!(crawl(&nginx, "192.0.2.1", 13, 9), [200; 9]);
}

#[test]
fn a_killed_worker_takes_nothing_with_it() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    crawl(&nginx, "192.0.2.1", 0, 9);
    for pid in nginx.workers() {
        nginx.kill_worker(pid);
    }
    assert_eq!(crawl(&nginx, "192.0.2.1", 9, 3), [429; 3]);
    assert_eq!(counters(&nginx)["requests"], 12);
}

#[test]
fn a_worker_that_dies_while_it_writes_costs_one_record() {
    let site = site(Module::TestClock).workers(1);
    let nginx = site.start(&checked(ENFORCED, COUNTERS));
    crawl(&nginx, "192.0.2.1", 0, 12);
    crawl(&nginx, "192.0.2.2", 0, 9);
    let worker = *nginx.workers().first().expect("one worker");
    assert_eq!(
        visit(
            &nginx,
            "192.0.2.2",
            10,
            "/page.html",
            &[("X-Sekisho-Fault", "die-locked")]
        )
        .status,
        0
    );
    nginx.wait_for_successor(worker);
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 12, 1),
        [429],
        "the other record is whole"
    );
    assert_eq!(
        crawl(&nginx, "192.0.2.2", 13, 9),
        [200; 9],
        "the half-written one is forgotten"
    );
    let counters = counters(&nginx);
    assert_eq!((counters["stolen_locks"], counters["lock_failures"]), (1, 0));
}

#[test]
fn a_worker_that_hangs_while_it_writes_holds_nobody_up() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    crawl(&nginx, "192.0.2.1", 0, 3);
    let (hanging, other, elapsed) = std::thread::scope(|scope| {
        let hanging = scope.spawn(|| {
            let fault = [("X-Sekisho-Fault", "stop-locked")];
            visit(&nginx, "192.0.2.1", 4, "/page.html", &fault).status
        });
        let stopped = wait_for(|| nginx.workers().into_iter().find(|&pid| nginx.is_stopped(pid)))
            .expect("a worker stops");
        let start = Instant::now();
        let other = visit(&nginx, "192.0.2.1", 5, "/page.html", &[]).status;
        let elapsed = start.elapsed();
        // Before anything can fail: a stopped worker would outlive the test.
        nginx.signal(stopped, libc::SIGCONT);
        (hanging.join().expect("no panic"), other, elapsed)
    });
    assert_eq!((hanging, other), (200, 200));
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    assert_eq!(crawl(&nginx, "192.0.2.1", 6, 1), [200]);
    let counters = counters(&nginx);
    assert_eq!((counters["lock_failures"], counters["stolen_locks"]), (1, 0));
    assert_eq!(counters["requests"], 5, "the one between is not accounted");
}

#[test]
fn a_full_zone_lets_everybody_in() {
    let nginx =
        site(Module::TestClock).start(&checked(ENFORCED, COUNTERS).replace("clients:1m", "clients:32k"));
    for client in 0..200u32 {
        let address = format!("198.51.{}.{}", client / 100, client % 100);
        assert_eq!(
            visit(&nginx, &address, client / 10, "/page.html", &[]).status,
            200
        );
    }
    let numbers = counters(&nginx);
    assert_eq!(numbers["requests"], 200);
    // Seven sets of eight records.
    assert_eq!(numbers["evictions"], 200 - 56, "{numbers:?}");
    assert_eq!(browse(&nginx, "192.0.2.2", 60, 20), [200; 20]);
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 100, 12)[9..],
        [429; 3],
        "who stays long enough is still known"
    );
}

#[test]
fn ten_times_more_clients_than_a_zone_holds_push_out_the_banned_last() {
    let nginx =
        site(Module::TestClock).start(&checked(ENFORCED, COUNTERS).replace("clients:1m", "clients:32k"));
    // Seven sets of eight records.
    let held = 56;
    let banned = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    for client in banned {
        assert_eq!(crawl(&nginx, client, 0, 12)[9..], [429; 3]);
    }
    for client in 0..10 * held {
        let address = format!("198.51.{}.{}", client / 200, client % 200);
        let status = visit(&nginx, &address, 20 + client / 2, "/page.html", &[]).status;
        assert_eq!(status, 200, "{address}");
    }
    for client in banned {
        assert_eq!(crawl(&nginx, client, 310, 1), [429], "{client}");
    }
    let numbers = counters(&nginx);
    let clients = u64::from(10 * held) + 3;
    assert_eq!(numbers["evictions"], clients - u64::from(held), "{numbers:?}");
    assert_eq!(numbers["lock_failures"], 0);
}

#[test]
fn a_signaller_needs_no_model() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, COUNTERS));
    std::fs::remove_file(nginx.path().join("model.onnx")).expect("own directory");
    let configuration = nginx.path().join("nginx.conf");
    let mut command = std::process::Command::new(program());
    command
        .arg("-p")
        .arg(nginx.path())
        .arg("-c")
        .arg(configuration)
        .args(["-s", "reopen"]);
    let output = command.output().expect("nginx is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn zones_of_every_size_are_accepted_from_the_minimum_on() {
    let site = Site::new(Module::Production);
    for kilobytes in [
        32, 33, 36, 40, 47, 64, 100, 127, 128, 500, 1023, 1024, 1025, 4096, 10_000, 65_537,
    ] {
        let (accepted, said) = site.test(&format!("sekisho_zone $binary_remote_addr zone=a:{kilobytes}k;"));
        assert!(accepted, "{kilobytes}k: {said}");
    }
}
