//! The sample file: what is in it, and that nothing that happens to it reaches a visitor.

use std::collections::BTreeSet;

use sekisho_core::feature::COUNT;
use sekisho_core::sample::{Kind, Sample};
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{COUNTERS, START, browse, checked, counters, crawl, site, visit};

const SAMPLES: &str = "sekisho_samples %DIR%/samples.jsonl contrast=0%;";

fn parse(lines: &[String]) -> Vec<Sample> {
    lines
        .iter()
        .map(|line| Sample::parse(line.as_bytes()).expect("a sample"))
        .collect()
}

/// Workers count what they wrote when they have written it.
fn wait_for_written(nginx: &Nginx, count: u64) {
    let written = || counters(nginx)["samples_written"];
    wait_for(|| (written() >= count).then_some(())).expect("the samples are counted");
    assert_eq!(written(), count);
}

#[test]
fn each_flagged_score_is_one_line_with_the_id_of_the_access_log() {
    let nginx = site(Module::TestClock).start(&checked(SAMPLES, COUNTERS));
    browse(&nginx, "192.0.2.2", 0, 20);
    crawl(&nginx, "192.0.2.1", 0, 17);
    crawl(&nginx, "2001:db8::7", 0, 10);
    let mut samples = parse(&nginx.lines("samples.jsonl", 3));
    // Each worker writes its own when it gets to it.
    samples.sort_by_key(|sample| (sample.client.clone(), sample.requests));
    let facts: Vec<_> = samples
        .iter()
        .map(|sample| (sample.client.as_str(), sample.requests))
        .collect();
    let expected = [("192.0.2.1", 10), ("192.0.2.1", 16), ("2001:db8::/64", 10)];
    assert_eq!(facts, expected, "one line a flagged score, none for a person");
    let sample = &samples[1];
    assert_eq!(
        (sample.verdict.as_str(), sample.zone.as_str(), sample.at),
        ("REJECTED_DRY_RUN", "clients", START + 15)
    );
    assert_eq!(
        (sample.method.as_str(), sample.target.as_str()),
        ("GET", "/page.html?item=15")
    );
    assert_eq!((sample.score, sample.features.len()), (Some(0.952_574_13), COUNT));
    assert_eq!(
        (sample.kind, sample.label, &sample.challenger),
        (Kind::Flagged, None, &None)
    );
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
        3
    );
    wait_for_written(&nginx, 3);
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
    let text = wait_for(|| Some(nginx.read("samples.jsonl")).filter(|text| text.lines().count() >= 2))
        .expect("samples");
    assert!(text.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()));
    for sample in parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()) {
        assert!(sample.target.len() <= 512 && sample.target.starts_with('/'));
    }
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
    wait_for_written(&nginx, 80);
}
