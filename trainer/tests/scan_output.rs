//! What `sekisho scan` prints, and that nothing but its input decides it.

mod scan_support;

use std::collections::BTreeSet;

use scan_support::{Bench, airis, line};
use serde_json::Value;

fn airis_path() -> String {
    airis().display().to_string()
}

#[test]
fn the_table_of_a_real_log() {
    let bench = Bench::new();
    let output = bench.output(&[&airis_path(), "--top", "8"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn colours_are_asked_for_or_not() {
    let bench = Bench::new();
    let colored = bench.output(&[&airis_path(), "--color", "always"]).stdout;
    assert!(colored.contains(&0x1b));
    let plain = bench.output(&[&airis_path()]).stdout;
    assert!(!plain.contains(&0x1b), "standard output is no terminal");
}

#[test]
fn every_line_of_jsonl_is_a_client() {
    let bench = Bench::new();
    let output = bench.output(&[&airis_path(), "--format", "jsonl"]).stdout;
    let clients: Vec<Value> = output
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let text = std::fs::read_to_string(airis()).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let found: BTreeSet<&str> = clients
        .iter()
        .map(|client| client["client"].as_str().unwrap())
        .collect();
    assert_eq!(found, names);
    let requests: u64 = clients
        .iter()
        .map(|client| client["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(requests, 3000);
    for client in &clients {
        let verdict = client["verdict"].as_str().unwrap();
        assert!(["passed", "suspect", "rejected"].contains(&verdict), "{client}");
        assert_eq!(
            client["flagged_at_request"].is_null(),
            verdict == "passed",
            "{client}"
        );
        assert_eq!(
            client["score"].is_null(),
            client["requests"].as_u64() < Some(10),
            "{client}"
        );
        assert_eq!(
            client["features"].as_object().unwrap().len(),
            sekisho_core::feature::COUNT
        );
        assert!(client["first_seen"].as_str() <= client["last_seen"].as_str());
    }
    let first = output.split(|&byte| byte == b'\n').next().unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(first).replace(",\"", ",\n\""));
}

#[test]
fn the_summary_adds_up() {
    let bench = Bench::new();
    let document = bench.json(&[&airis_path()]);
    let summary = &document["summary"];
    let sum = |key: &str| -> u64 {
        summary["verdicts"]
            .as_object()
            .unwrap()
            .values()
            .map(|tally| tally[key].as_u64().unwrap())
            .sum()
    };
    assert_eq!(summary["lines"], 3000);
    assert_eq!(sum("requests"), 3000);
    assert_eq!(sum("clients"), summary["clients"].as_u64().unwrap());
    assert_eq!(
        sum("clients"),
        document["clients"].as_array().unwrap().len() as u64
    );
    assert!(summary["requests_stopped"].as_u64().unwrap() > 0);
}

#[test]
fn threads_do_not_change_a_byte() {
    let bench = Bench::new();
    let run = |threads: &str| {
        let mut command = bench.scan(&[&airis_path(), "--format", "json", "--clients", "100"]);
        command.env("RAYON_NUM_THREADS", threads).output().unwrap().stdout
    };
    let one = run("1");
    assert!(one.len() > 10_000);
    assert_eq!(one, run("4"));
}

#[test]
fn clients_are_reported_though_their_records_were_evicted() {
    let bench = Bench::new();
    let crawl: String = (0..40)
        .map(|n| line("192.0.2.1", n * 2, &format!("/item/{n}")))
        .collect();
    let crowd: String = (0..500)
        .map(|n| line(&format!("198.51.100.{}", n % 250), 2000 + n, "/"))
        .collect();
    bench.write("access.log", (crawl.clone() + &crowd + &crawl).as_bytes());
    let document = bench.json(&["access.log", "--clients", "1"]);
    let first = &document["clients"][0];
    assert_eq!(
        (&first["client"], &first["verdict"]),
        (&"192.0.2.1".into(), &"rejected".into())
    );
    assert_eq!(
        (&first["requests"], &first["flagged_at_request"]),
        (&80.into(), &10.into())
    );
    assert_eq!(document["clients"].as_array().unwrap().len(), 251);
    assert_eq!(document["summary"]["evicted"]["clients"], 0);
}

#[test]
fn memory_is_bounded_and_flagged_clients_outlast_the_crowd() {
    let bench = Bench::new();
    let crawl: String = (0..40)
        .map(|n| line("192.0.2.1", n * 2, &format!("/item/{n}")))
        .collect();
    let crowd: String = (0..5000)
        .map(|n| line(&format!("10.0.{}.{}", n >> 8, n & 255), 2000 + n, "/"))
        .collect();
    let late: String = (0..40)
        .map(|n| line("192.0.2.2", 9000 + n * 2, &format!("/item/{n}")))
        .collect();
    bench.write("access.log", (crawl + &crowd + &late + &crowd).as_bytes());
    let document = bench.json(&["access.log", "--clients", "1"]);
    let clients = document["clients"].as_array().unwrap();
    let rejected: Vec<&Value> = clients
        .iter()
        .filter(|client| client["verdict"] == "rejected")
        .collect();
    assert_eq!(rejected.len(), 2);
    assert!(clients.len() < 2100, "{}", clients.len());
    let evicted = &document["summary"]["evicted"];
    assert!(evicted["clients"].as_u64().unwrap() > 8000, "{evicted}");
    assert_eq!(evicted["flagged"], 0);
    let reported: u64 = clients
        .iter()
        .map(|client| client["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(
        reported + evicted["requests"].as_u64().unwrap(),
        document["summary"]["requests"].as_u64().unwrap()
    );
}

#[test]
fn flagged_clients_that_were_forgotten_are_told() {
    let bench = Bench::new();
    let log: String = (0..2200)
        .flat_map(|client| (0..12).map(move |n| (client, n)))
        .map(|(client, n)| {
            let name = format!("10.0.{}.{}", client >> 8, client & 255);
            line(&name, client * 12 + n, &format!("/item/{n}"))
        })
        .collect();
    bench.write("access.log", log.as_bytes());
    let summary = bench.json(&["access.log", "--clients", "1"])["summary"].clone();
    let evicted = &summary["evicted"];
    // The table's eight ways, and what is kept beside them: see EVICTED_KEPT.
    assert_eq!(summary["verdicts"]["rejected"]["clients"], 2056);
    assert_eq!(evicted["flagged"], 144);
    // Each is stopped from its tenth request on.
    assert_eq!(evicted["requests_stopped"], 3 * 144);
    assert_eq!(summary["requests_stopped"], 3 * 2200);
    let text = String::from_utf8(bench.output(&["access.log", "--clients", "1"]).stdout).unwrap();
    let told = "forgotten to make room: 144 clients with 1,728 requests, 144 of them flagged";
    assert!(text.contains(told), "{text}");
    assert!(text.contains("; 6,600 stopped"), "{text}");
}

#[test]
fn rejection_is_a_matter_of_evidence() {
    let bench = Bench::new();
    let crawl: String = (0..60)
        .map(|n| line("192.0.2.1", n * 2, &format!("/item/{n}")))
        .collect();
    bench.write("access.log", crawl.as_bytes());
    #[track_caller]
    fn check(bench: &Bench, arguments: &[&str], verdict: &str, flagged_at: Option<u64>) {
        let client = bench.json(&[&["access.log"], arguments].concat())["clients"][0].clone();
        assert_eq!(client["verdict"], verdict, "{client}");
        assert_eq!(client["flagged_at_request"].as_u64(), flagged_at, "{client}");
    }
    check(&bench, &[], "rejected", Some(10));
    check(&bench, &["--min-requests", "4"], "rejected", Some(4));
    check(&bench, &["--threshold", "0"], "rejected", Some(10));
    check(&bench, &["--threshold", "1"], "suspect", Some(10));
    check(&bench, &["--threshold", "1", "--suspect", "0.99"], "passed", None);
    check(&bench, &["--allow", "192.0.2.0/24"], "allowed", Some(10));
}
