//! `sekisho simulate` from outside, and what models make of its logs.

mod scan_support;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use scan_support::{Bench, airis, line};
use serde_json::Value;

fn sekisho(directory: &Path) -> Command {
    let mut command = Command::cargo_bin("sekisho").expect("it is built");
    command.current_dir(directory);
    command
}

fn run(directory: &Path, arguments: &str) -> String {
    let assert = sekisho(directory)
        .args(arguments.split_whitespace())
        .assert()
        .success();
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn actors(directory: &Path, arguments: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run(directory, arguments)).expect("JSON");
    document["simulated_actors"].as_array().expect("actors").clone()
}

#[test]
fn help() {
    insta::assert_snapshot!(run(Path::new("."), "simulate --help"));
}

#[test]
fn the_report_of_actors() {
    let bench = Bench::new();
    run(
        &bench.path(""),
        "simulate --people 80 --crawlers naive=2,walker=2,swarm=50 --duration 20m --out shop.log --truth t.csv",
    );
    let output = bench.output(&["shop.log", "--truth", "t.csv", "--top", "0"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, report) = text.split_once("Simulated").expect("a report of actors");
    insta::assert_snapshot!(report);
}

#[test]
fn json_lines_mean_the_same() {
    let bench = Bench::new();
    let mix = "--people 40 --crawlers scan=2,polite=2 --duration 30m";
    run(
        &bench.path(""),
        &format!("simulate {mix} --out a.log --truth a.csv"),
    );
    run(
        &bench.path(""),
        &format!("simulate {mix} --out b.log --truth b.csv --format json"),
    );
    assert_eq!(
        fs::read(bench.path("a.csv")).unwrap(),
        fs::read(bench.path("b.csv")).unwrap()
    );
    let found = |log: &str, truth: &str| {
        let document = bench.json(&[log, "--truth", truth]);
        [document["clients"].clone(), document["simulated_actors"].clone()]
    };
    assert_eq!(found("a.log", "a.csv"), found("b.log", "b.csv"));
}

#[test]
fn the_truth_of_another_log_is_noticed() {
    let bench = Bench::new();
    run(
        &bench.path(""),
        "simulate --people 0 --crawlers naive=3 --duration 1m --out a.log --truth a.csv",
    );
    let log = airis();
    let output = bench.output(&[log.to_str().expect("a name"), "--truth", "a.csv"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("3 clients of the truth are not in the scan (forgotten, or another log)"),
        "{text}"
    );
}

#[test]
fn a_log_measures_and_simulates_again() {
    let bench = Bench::new();
    run(
        &bench.path(""),
        "simulate --people 200 --crawlers uptime=1 --duration 4h --out shop.log",
    );
    run(&bench.path(""), "simulate --measure shop.log --out shop.toml");
    run(
        &bench.path(""),
        "simulate --people 20 --profile shop.toml --lines 100 --out again.log --truth t.csv",
    );
    assert_eq!(
        fs::read_to_string(bench.path("again.log"))
            .unwrap()
            .lines()
            .count(),
        100
    );
}

#[test]
fn shipped_profiles_are_what_the_logs_measure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["airis", "srhegde", "semicomplete"] {
        let made = run(&root, &format!("simulate --measure models/data/{name}.log.gz"));
        let kept =
            fs::read_to_string(root.join(format!("trainer/src/simulate/profiles/{name}.toml"))).unwrap();
        assert!(
            made == kept,
            "profiles/{name}.toml is not what --measure prints: run it and commit the result"
        );
    }
}

#[test]
fn what_goes_wrong_is_said() {
    let bench = Bench::new();
    bench.write("bad.toml", b"source = \"x\"\n[visits]\npages = [9.0, 1.0]\n");
    bench.write("bad.csv", b"client,score\n1,2\n");
    bench.write("one.log", line("192.0.2.1", 1, "/").as_bytes());
    let check = |arguments: &str, code: i32, expected: &str| {
        let assert = sekisho(&bench.path(""))
            .args(arguments.split_whitespace())
            .assert()
            .code(code);
        let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(text.contains(expected), "{arguments}: {text}");
    };
    check(
        "simulate --crawlers wolf=3",
        2,
        "there is no crawler \"wolf\"; there are googlebot",
    );
    check("simulate --crawlers naive=900", 2, "give 0 to 250");
    check(
        "simulate --crawlers naive=200,facets=200",
        1,
        "400 clients are to have addresses of Hosting",
    );
    check("simulate --duration 5", 2, "from 60s to 60d");
    check("simulate --start yesterday", 2, "such as 2026-01-05T06:00:00Z");
    check("simulate --measure one.log --seed 2", 2, "cannot be used with");
    check("simulate --measure one.log", 1, "are too few to measure");
    check("simulate --measure missing.log", 1, "cannot read missing.log");
    check(
        "simulate --profile bad.toml",
        1,
        "the profile bad.toml, line 3, column 9: 1 comes after 9",
    );
    check(
        "simulate --profile missing.toml",
        1,
        "bundled are airis, srhegde and semicomplete",
    );
    check(
        "simulate --out x.log --truth x.log",
        1,
        "are both x.log; name two files",
    );
    check("simulate --out no/x.log", 1, "cannot write no/x.log");
    check("scan one.log --truth bad.csv", 1, "bad.csv is no ground truth");
    check(
        "scan one.log --truth missing.csv",
        1,
        "cannot read the ground truth missing.csv",
    );
}

#[test]
fn the_default_model_misses_the_walker_and_no_person_is_rejected() {
    let bench = Bench::new();
    for seed in 1..4 {
        run(
            &bench.path(""),
            &format!("simulate --preset loop --seed {seed} --out l.log --truth l.csv"),
        );
        for actor in actors(&bench.path(""), "scan l.log --truth l.csv --format json") {
            let rejected = actor["rejected"].as_f64().unwrap();
            match (actor["class"].as_str(), actor["disguised"].as_str()) {
                (Some("human"), _) => assert!(rejected == 0.0, "seed {seed}: {actor}"),
                (_, Some("yes")) => assert!(rejected < 0.2 && actor["clients"] == 16, "seed {seed}: {actor}"),
                _ => assert!(rejected > 0.9, "seed {seed}: {actor}"),
            }
        }
    }
}

#[test]
fn a_model_that_was_told_of_the_walker_finds_it() {
    let bench = Bench::new();
    let here = bench.path("");
    run(
        &here,
        "simulate --preset loop --seed 2 --crawlers googlebot=3,uptime=1 --out people.log",
    );
    run(
        &here,
        "simulate --preset loop --seed 2 --people 0 --crawlers walker=16 --out walkers.log",
    );
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/data/semicomplete.log.gz");
    sekisho(&here)
        .args([
            "train",
            "--whole",
            "people.log",
            "--automated",
            "walkers.log",
            "--out",
            "told.onnx",
        ])
        .arg(data)
        .assert()
        .success();
    run(&here, "simulate --preset loop --seed 3 --out l.log --truth l.csv");
    let scan = "scan l.log --truth l.csv --format json --model told.onnx --threshold 0.9 --suspect 0.8";
    for actor in actors(&here, scan) {
        let rejected = actor["rejected"].as_f64().unwrap();
        match (actor["class"].as_str(), actor["actor"].as_str()) {
            (Some("human"), _) => assert!(rejected == 0.0, "{actor}"),
            (_, Some("walker")) => {
                assert!(
                    rejected > 0.9 && actor["first_flag"].as_u64() < Some(200),
                    "{actor}"
                )
            }
            _ => {}
        }
    }
}
