//! What keeps a model of a site from being led astray.

mod learning_support;

use learning_support::{Bench, START, labelled, log, sample, told};
use sekisho_core::sample::{Class, Origin, Sample};
use serde_json::Value;

fn account(bench: &Bench) -> Value {
    serde_json::from_slice(&std::fs::read(bench.path("site.json")).unwrap()).unwrap()
}

/// Clients of the samples that the model of the site stops at even odds.
fn stopped(bench: &Bench) -> f64 {
    let models = ["evaluate", "--champion", "site.onnx", "--challenger", "site.onnx"];
    let rest = ["--samples", "samples", "--threshold", "0.5", "--format", "json"];
    let report = bench.run(&[&models[..], &rest].concat()).json();
    report["change"]["still_stopped"]["clients"].as_f64().unwrap()
}

#[test]
fn samples_are_learnt_the_same_way_twice() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(150));
    let mut made = Vec::new();
    for _ in 0..2 {
        let run = bench
            .run(&["train", "--samples", "samples", "--out", "site.onnx"])
            .ok();
        assert!(
            !run.err.contains('\r') && !run.err.contains('\u{1b}'),
            "no bar in a pipe: {}",
            run.err
        );
        made.push(std::fs::read(bench.path("site.onnx")).unwrap());
    }
    assert!(made[0] == made[1], "the same samples and seed give the same file");
    let account = account(&bench);
    let parts = account["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    assert!(
        parts
            .windows(2)
            .all(|pair| pair[0]["to"].as_u64() < pair[1]["from"].as_u64()),
        "{account}"
    );
    assert_eq!(account["learnt_until"], u64::from(START + 299 * 600));
    assert_eq!(account["held_out"]["auc"], 1.0);
    let card = std::fs::read_to_string(bench.path("site.md")).unwrap();
    assert!(
        card.contains("## Held out") && card.contains("## Weights"),
        "{card}"
    );
}

#[test]
fn until_leaves_the_rest_out() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(150));
    bench
        .run(&[
            "train",
            "--samples",
            "samples",
            "--until",
            "1d",
            "--out",
            "site.onnx",
        ])
        .ok();
    let until = account(&bench)["learnt_until"].as_u64().unwrap();
    assert!(until < u64::from(START + 299 * 600 - 86_400 + 600), "{until}");
}

#[test]
fn one_class_is_refused() {
    let bench = Bench::new();
    let people: Vec<Sample> = labelled(50).into_iter().step_by(2).collect();
    bench.samples("samples", &people);
    let run = bench.run(&["train", "--samples", "samples", "--out", "site.onnx"]);
    run.failed(
        1,
        "there are 0 crawler rows and 50 human rows to learn from; a model needs both",
    );
    assert!(!bench.path("site.onnx").exists());
}

#[test]
fn canaries_must_not_flip() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(150));
    let canaries = |name: &str, person_is: Class| {
        let canary = [
            told("person", 1, true, person_is, Origin::Operator),
            told("crawler", 2, false, Class::Crawler, Origin::Operator),
        ];
        bench.samples(name, &canary);
    };
    canaries("good", Class::Human);
    canaries("bad", Class::Crawler);
    let arguments = ["train", "--samples", "samples", "--out", "site.onnx", "--canary"];
    let refused = bench.run(&[&arguments[..], &["bad"]].concat());
    refused.failed(
        1,
        "1 of 2 canaries flip, so nothing was written: person, a crawler, scores 0.",
    );
    assert!(!bench.path("site.onnx").exists());
    bench.run(&[&arguments[..], &["good"]].concat()).ok();
    assert_eq!(account(&bench)["canaries"], 2);
    bench.write("none", b"\n{\"label\":\"human\"}\n");
    bench
        .run(&[&arguments[..], &["none"]].concat())
        .failed(1, "none:2: missing field `schema`");
}

#[test]
fn a_conversion_does_not_whitelist_its_network() {
    let bench = Bench::new();
    let mut samples = labelled(150);
    // A swarm that was trapped now and then; one of it bought something.
    for host in 0..100 {
        let name = format!("192.0.2.{host}");
        samples.push(match host {
            0 => told(&name, 1000, false, Class::Human, Origin::Conversion),
            1..10 => told(&name, 1000 + host, false, Class::Crawler, Origin::Trap),
            _ => sample(&name, 1000 + host, false),
        });
    }
    bench.samples("samples", &samples);
    let ran = bench
        .run(&["train", "--samples", "samples", "--out", "site.onnx"])
        .ok();
    assert!(
        ran.err.contains("conversions that were not believed: 192.0.2.0"),
        "whoever trains is told who it is: {}",
        ran.err
    );
    let account = account(&bench);
    assert_eq!(account["doubted"], 1);
    for file in ["site.json", "site.md"] {
        let text = std::fs::read_to_string(bench.path(file)).unwrap();
        assert!(
            !text.contains("192.0.2."),
            "who is named there cannot be forgotten: {text}"
        );
    }
    for capped in account["caps"].as_array().unwrap() {
        let (after, cap) = (capped["after"].as_f64().unwrap(), capped["cap"].as_f64().unwrap());
        assert!(after <= cap * 1.01, "{capped}");
    }
    assert_eq!(stopped(&bench), 250.0, "all of the swarm, and the other crawlers");
}

#[test]
fn a_conversion_of_an_unknown_network_teaches_little() {
    let bench = Bench::new();
    let mut samples = labelled(150);
    // Nobody of this swarm was ever caught, and one of it bought something.
    for host in 0..100 {
        let name = format!("192.0.2.{host}");
        samples.push(match host {
            0 => told(&name, 1000, false, Class::Human, Origin::Conversion),
            _ => sample(&name, 1000 + host, false),
        });
    }
    bench.samples("samples", &samples);
    bench
        .run(&["train", "--samples", "samples", "--out", "site.onnx"])
        .ok();
    assert_eq!(stopped(&bench), 250.0);
}

#[test]
fn logs_and_samples_are_learnt_together() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(100));
    let (log, attackers) = (log("semicomplete"), log("hackers"));
    let arguments = [
        "train",
        &log,
        "--automated",
        &attackers,
        "--samples",
        "samples",
        "--out",
        "site.onnx",
    ];
    bench.run(&arguments).ok();
    let card = std::fs::read_to_string(bench.path("site.md")).unwrap();
    for site in ["semicomplete", "hackers", "clients"] {
        assert!(card.contains(&format!("| {site} | learn |")), "{site}");
    }
}
