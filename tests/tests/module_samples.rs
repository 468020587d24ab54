//! The sample file: what is in it, and that nothing that happens to it reaches a visitor.

use std::collections::BTreeSet;

use sekisho_core::feature::COUNT;
use sekisho_core::sample::Sample;
use sekisho_tests::nginx::{Module, wait_for};
use sekisho_tests::visitors::{COUNTERS, START, browse, checked, counters, crawl, site, visit};

const SAMPLES: &str = "sekisho_samples %DIR%/samples.jsonl;";

fn parse(lines: &[String]) -> Vec<Sample> {
    lines
        .iter()
        .map(|line| Sample::parse(line.as_bytes()).expect("a sample"))
        .collect()
}

#[test]
fn each_flagged_score_is_one_line_with_the_id_of_the_access_log() {
    let nginx = site(Module::TestClock).start(&checked(SAMPLES, COUNTERS));
    browse(&nginx, "192.0.2.2", 0, 20);
    crawl(&nginx, "192.0.2.1", 0, 17);
    crawl(&nginx, "2001:db8::7", 0, 10);
    let samples = parse(&nginx.lines("samples.jsonl", 4));
    let facts: Vec<_> = samples
        .iter()
        .map(|sample| (sample.client.as_str(), sample.requests))
        .collect();
    let expected = [
        ("192.0.2.1", 10),
        ("192.0.2.1", 12),
        ("192.0.2.1", 16),
        ("2001:db8::/64", 10),
    ];
    assert_eq!(facts, expected, "one line a flagged score, none for a person");
    let sample = &samples[1];
    assert_eq!(
        (sample.verdict.as_str(), sample.zone.as_str(), sample.at),
        ("REJECTED_DRY_RUN", "clients", START + 11)
    );
    assert_eq!(
        (sample.method.as_str(), sample.target.as_str()),
        ("GET", "/page.html?item=11")
    );
    assert_eq!((sample.score, sample.features.len()), (0.952_574_13, COUNT));
    assert_eq!(sample.reasons, ["missing_referer_share"]);

    let lines = nginx.lines("access.log", 47);
    let logged = |requests: usize| {
        let mut own = lines.iter().filter(|line| line.starts_with("192.0.2.1 "));
        own.nth(requests - 1)
            .and_then(|line| line.split(' ').nth(5))
            .expect("an id")
            .to_owned()
    };
    for requests in [10, 12, 13, 17] {
        let id = logged(requests);
        assert_eq!(
            id, samples[0].id,
            "request {requests}: one id for a ban, that of the sample it began with"
        );
    }
    assert_eq!(
        samples
            .iter()
            .map(|sample| &sample.id)
            .collect::<BTreeSet<_>>()
            .len(),
        4
    );
    assert_eq!(counters(&nginx)["samples_written"], 4);
}

#[test]
fn hostile_targets_make_bounded_lines() {
    let nginx = site(Module::TestClock).start(&checked(SAMPLES, ""));
    let quotes = "\"".repeat(4000);
    let targets = ["/%1b[2J%07", "/\\\"},{", "/%0a%0d", &quotes, "/\u{202e}\u{7f}"];
    for number in 0..20 {
        let target = targets[number as usize % targets.len()];
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        visit(&nginx, "192.0.2.1", number, &target, &[]);
    }
    let text = wait_for(|| Some(nginx.read("samples.jsonl")).filter(|text| text.lines().count() >= 3))
        .expect("samples");
    assert!(text.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()));
    for sample in parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()) {
        assert!(sample.target.len() <= 512 && sample.target.starts_with('/'));
    }
}

#[test]
fn usr1_makes_a_new_file() {
    let nginx = site(Module::TestClock).start(&checked(SAMPLES, ""));
    crawl(&nginx, "192.0.2.1", 0, 10);
    nginx.lines("samples.jsonl", 1);
    let at = |name: &str| nginx.path().join(name);
    std::fs::rename(at("samples.jsonl"), at("samples.1")).expect("own directory");
    nginx.signal(nginx.master(), libc::SIGUSR1);
    wait_for(|| at("samples.jsonl").exists().then_some(())).expect("nginx opens the file again");
    // Workers open it a moment after the master.
    let mut second = 4;
    let reopened = wait_for(|| {
        second += 10;
        crawl(&nginx, &format!("192.0.2.{second}"), second, 10);
        (!nginx.read("samples.jsonl").is_empty()).then_some(())
    });
    reopened.expect("samples go to the new file");
    parse(&nginx.lines("samples.1", 1));
    parse(&nginx.lines("samples.jsonl", 1));
}

#[test]
fn a_full_disk_costs_samples_and_nothing_else() {
    let more = "sekisho_samples /dev/full; sekisho_dry_run off;";
    let nginx = site(Module::TestClock).start(&checked(more, COUNTERS));
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 0, 12),
        [200, 200, 200, 200, 200, 200, 200, 200, 200, 429, 429, 429]
    );
    let numbers = counters(&nginx);
    assert_eq!((numbers["samples_written"], numbers["samples_dropped"]), (0, 2));
}

#[test]
fn lines_of_four_workers_are_never_torn() {
    let site = site(Module::TestClock).workers(4);
    let http = checked(SAMPLES, COUNTERS).replace("%PORT%;", "%PORT% reuseport;");
    let nginx = site.start(&http);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let nginx = &nginx;
            scope.spawn(move || {
                for client in 0..20 {
                    crawl(nginx, &format!("198.51.{thread}.{client}"), 0, 10);
                }
            });
        }
    });
    assert_eq!(parse(&nginx.lines("samples.jsonl", 80)).len(), 80);
    assert_eq!(counters(&nginx)["samples_written"], 80);
}
