//! Thresholds keep to their budget on people whom the choice did not know, or are refused.

mod learning_support;

use learning_support::{Bench, START, labelled, log, sample, told};
use sekisho_core::model::{Limits, Model};
use sekisho_core::sample::{Class, Origin, Sample};
use serde_json::Value;

fn number(value: &Value, path: &str) -> f64 {
    value
        .pointer(path)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{path} of {value}"))
}

/// A model that has not seen airis.
fn stranger(bench: &Bench) -> String {
    let (one, other, attackers) = (log("srhegde"), log("semicomplete"), log("hackers"));
    bench
        .run(&[
            "train",
            &one,
            &other,
            "--automated",
            &attackers,
            "--whole",
            "--out",
            "stranger.onnx",
        ])
        .ok();
    "stranger.onnx".to_owned()
}

#[test]
fn the_rate_of_the_later_half_is_within_the_stated_interval() {
    let bench = Bench::new();
    let model = stranger(&bench);
    let airis = log("airis");
    for people in ["labels", "signs", "both"] {
        for budget in ["0.01", "0.02"] {
            let arguments = [
                "calibrate",
                &airis,
                "--model",
                &model,
                "--budget",
                budget,
                "--people",
                people,
            ];
            let report = bench
                .run(&[&arguments[..], &["--format", "json"]].concat())
                .json();
            for cut in ["reject", "suspect"] {
                let (low, high) = (
                    number(&report, &format!("/{cut}/people/interval/0")),
                    number(&report, &format!("/{cut}/people/interval/1")),
                );
                let later = number(&report, &format!("/later/{cut}/rate"));
                // The interval is of one half's rate; that the other half's own is no surprise needs both.
                let above = number(&report, &format!("/later/{cut}/interval/1"));
                assert!(
                    later <= high && low <= above,
                    "{people} {budget} {cut}: {later} not in {low} to {high}"
                );
                assert!(
                    high <= 2.0 * number(&report, &format!("/budgets/{cut}")),
                    "{report}"
                );
            }
            let rejected = number(&report, "/would_reject/humans");
            assert!(
                rejected <= 889.0 * budget.parse::<f64>().unwrap(),
                "{people}: {rejected} labelled people"
            );
            assert!(number(&report, "/would_reject/crawlers") > 500.0, "{report}");
        }
    }
}

#[test]
fn too_little_evidence_is_refused_with_what_is_missing() {
    let bench = Bench::new();
    let refused = bench.run(&["calibrate", &log("semicomplete"), "--budget", "0.001"]);
    refused.failed(1, "it takes 2995 people judged in the earlier half of the data");
    refused.failed(1, "more days of data in all");
    assert!(refused.out.is_empty(), "nothing to paste: {}", refused.out);
}

#[test]
fn samples_are_enough_with_labels_and_without() {
    let bench = Bench::new();
    let with = labelled(400);
    let without: Vec<Sample> = (0..800)
        .map(|number| {
            sample(
                &format!("10.{}.{}.1", number / 250, number % 250),
                number,
                number % 2 == 0,
            )
        })
        .collect();
    for (name, samples) in [("with", with), ("without", without)] {
        bench.samples(name, &samples);
        let arguments = ["calibrate", "--samples", name, "--budget", "0.03"];
        let text = bench.run(&arguments).ok().out;
        assert!(text.starts_with("sekisho zone=clients threshold=0."), "{text}");
        let report = bench
            .run(&[&arguments[..], &["--format", "json"]].concat())
            .json();
        assert_eq!(
            number(&report, "/reject/people/judged"),
            200.0,
            "{name}: the people of the earlier half"
        );
    }
}

#[test]
fn a_calibrated_model_brings_its_thresholds() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(400));
    let budgets = [
        "calibrate",
        "--samples",
        "samples",
        "--budget",
        "0.03",
        "--format",
        "json",
    ];
    let ran = bench
        .run(&[&budgets[..], &["--out", "calibrated.onnx"]].concat())
        .ok();
    assert!(ran.err.contains("wrote calibrated.onnx"), "{}", ran.err);
    let report = ran.json();
    let bytes = std::fs::read(bench.path("calibrated.onnx")).expect("it was written");
    let model = Model::load(&bytes, &Limits::DEFAULT).expect("nginx takes it");
    let thresholds = model.thresholds();
    let found = [thresholds.reject, thresholds.suspect, thresholds.reject_fpr].map(f64::from);
    let expected =
        ["/reject/threshold", "/suspect/threshold", "/budgets/reject"].map(|path| number(&report, path));
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{thresholds:?} of {report}");
    }
    assert_ne!(report["model"], model.digest(), "another file has another digest");

    let again = bench.run(
        &[
            &budgets[..],
            &["--model", "calibrated.onnx", "--out", "again.onnx"],
        ]
        .concat(),
    );
    again.ok();
    assert_eq!(
        std::fs::read(bench.path("again.onnx")).expect("it was written"),
        bytes,
        "the same trees, the same cut"
    );
    bench
        .run(&[&budgets[..], &["--out", "missing/calibrated.onnx"]].concat())
        .failed(1, "cannot use missing/calibrated.onnx");
}

#[test]
fn a_drawn_client_weighs_what_it_stands_for_and_tells_no_more() {
    let bench = Bench::new();
    let drawn: Vec<Sample> = (0..800)
        .map(|number| sample(&format!("10.{}.{}.1", number / 250, number % 250), number, true))
        .collect();
    bench.samples("drawn", &drawn);
    let arguments = [
        "calibrate",
        "--samples",
        "drawn",
        "--contrast",
        "1%",
        "--format",
        "json",
        "--budget",
    ];
    let report = bench.run(&[&arguments[..], &["0.02"]].concat()).json();
    assert_eq!(number(&report, "/reject/people/judged"), 40_000.0);
    let refused = bench.run(&[&arguments[..], &["0.001"]].concat());
    refused.failed(1, "there are 400");
}

#[test]
fn people_who_come_back_are_in_both_halves() {
    let bench = Bench::new();
    let visit = |day: u32, number: u32| {
        let name = format!("10.{}.{}.1", number / 250, number % 250);
        Sample {
            id: format!("{:016x}", day * 1_000 + number),
            at: START + day * 86_400 + number,
            requests: 16 * (day + 1),
            ..told(&name, number, true, Class::Human, Origin::Conversion)
        }
    };
    let samples: Vec<Sample> = (0..8)
        .flat_map(|day| (0..400).map(move |number| visit(day, number)))
        .collect();
    bench.samples("regulars", &samples);
    let arguments = [
        "calibrate",
        "--samples",
        "regulars",
        "--budget",
        "0.03",
        "--format",
        "json",
    ];
    for since in [&[][..], &["--since", "5d"]] {
        let report = bench.run(&[&arguments[..], since].concat()).json();
        let halves = ["/reject/people/judged", "/later/reject/judged"].map(|half| number(&report, half));
        assert!(
            halves.iter().all(|people| (150.0..=250.0).contains(people)),
            "{halves:?}"
        );
        assert_eq!(halves.iter().sum::<f64>(), 400.0, "nobody is in both: {halves:?}");
    }
}

#[test]
fn zones_are_sites() {
    let bench = Bench::new();
    let mut samples = labelled(200);
    samples.extend(labelled(200).into_iter().map(|sample| Sample {
        zone: "networks".into(),
        ..sample
    }));
    bench.samples("samples", &samples);
    let arguments = ["calibrate", "--samples", "samples", "--budget", "0.05"];
    bench
        .run(&arguments)
        .failed(1, "zones clients, networks: choose one with --zone");
    let text = bench
        .run(&[&arguments[..], &["--zone", "networks"]].concat())
        .ok()
        .out;
    assert!(text.starts_with("sekisho zone=networks "), "{text}");
    bench
        .run(&[&arguments[..], &["--zone", "none"]].concat())
        .failed(1, "there are samples of clients, networks");
}

#[test]
fn wrong_usage_is_told_apart() {
    let bench = Bench::new();
    bench.run(&["calibrate"]).failed(2, "<LOG>...");
    bench
        .run(&["calibrate", "a.log", "--samples", "b"])
        .failed(2, "cannot be used with");
    bench
        .run(&["calibrate", "a.log", "--budget", "0"])
        .failed(2, "such as 0.001");
    for flags in [["--zone", "clients"], ["--contrast", "1%"]] {
        for command in ["calibrate", "drift"] {
            let ran = bench.run(&[&[command, "a.log"][..], &flags].concat());
            ran.failed(2, "cannot be used with");
        }
        let trained = bench.run(&[&["train", "a.log", "--out", "a.onnx"][..], &flags].concat());
        trained.failed(2, "<--samples <FILE>|--store <DB>>");
    }
    bench
        .run(&[
            "calibrate",
            "a.log",
            "--budget",
            "0.01",
            "--suspect-budget",
            "0.005",
        ])
        .failed(
            2,
            "--suspect-budget is at least --budget: who is rejected was suspect before",
        );
    bench
        .run(&["calibrate", "--samples", "b", "--log-format", "json"])
        .failed(2, "cannot be used with");
    bench
        .run(&["calibrate", "missing.log"])
        .failed(1, "cannot read missing.log");
    bench.write("broken", b"{\"version\":2,\"ki\n");
    bench
        .run(&["calibrate", "--samples", "broken"])
        .failed(1, "1 broken lines");
    bench
        .run(&["calibrate", "--store", "missing.db"])
        .failed(1, "missing.db");
}
