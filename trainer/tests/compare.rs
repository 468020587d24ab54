//! Champion against challenger, and drift, as an operator runs them.

mod learning_support;

use learning_support::{Bench, labelled, log, models, sample};
use sekisho_core::sample::Sample;
use serde_json::Value;

const HOSTILE: &str = "<img src=x onerror=alert(1)>.onnx";

/// The default model, and one of another log, under names that an operator chose badly.
fn contenders(bench: &Bench) {
    std::fs::copy(models().join("default.onnx"), bench.path("champion.onnx")).unwrap();
    let (log, attackers) = (log("semicomplete"), log("hackers"));
    bench
        .run(&["train", &log, "--automated", &attackers, "--out", HOSTILE])
        .ok();
}

#[test]
fn two_models_are_compared_on_a_log() {
    let bench = Bench::new();
    contenders(&bench);
    let log = log("semicomplete");
    let arguments = [
        "evaluate",
        "--champion",
        "champion.onnx",
        "--challenger",
        HOSTILE,
        &log,
        "--since",
        "2d",
    ];
    let text = bench
        .run(&[&arguments[..], &["--html", "page.html"]].concat())
        .ok()
        .out;
    assert!(
        text.starts_with("On the last 2 days this model would newly stop "),
        "{text}"
    );
    assert!(
        text.contains("the data do not tell who completed an order"),
        "{text}"
    );
    assert!(
        text.contains("champion.onnx does not say until when it learnt"),
        "{text}"
    );
    assert!(text.contains("learnt until 2015-10-30T"), "{text}");

    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    assert!(
        ["<script", "<img", "href", "src=\"", "url(", "@import"]
            .iter()
            .all(|part| !page.contains(part)),
        "nothing runs or loads"
    );
    assert!(page.contains("&#60;img src=x onerror"), "names are escaped");
    assert_eq!(page.matches("<svg").count(), 5);
    assert!(page.contains("prefers-color-scheme: dark"));

    let json = |threads: &str| -> Value {
        let mut command = assert_cmd::Command::cargo_bin("sekisho").unwrap();
        command
            .current_dir(bench.path(""))
            .env("RAYON_NUM_THREADS", threads);
        let output = command
            .args(arguments)
            .args(["--format", "json"])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let one = json("1");
    assert_eq!(
        one,
        json("2"),
        "intervals are drawn the same however many threads there are"
    );
    let auc = &one["champion"]["auc"];
    let (value, low, high) = (&auc["value"], &auc["interval"][0], &auc["interval"][1]);
    assert!(
        low.as_f64() <= value.as_f64() && value.as_f64() <= high.as_f64(),
        "{auc}"
    );
}

#[test]
fn orders_are_known_from_samples() {
    let bench = Bench::new();
    std::fs::copy(models().join("default.onnx"), bench.path("a.onnx")).unwrap();
    bench.samples("samples", &labelled(60));
    let arguments = [
        "evaluate",
        "--champion",
        "a.onnx",
        "--challenger",
        "a.onnx",
        "--samples",
        "samples",
    ];
    let same = bench.run(&arguments).ok().out;
    assert!(
        same.contains("newly stop 0 clients (0.00 % of load) and release 0"),
        "{same}"
    );
    assert!(
        same.contains("of the newly stopped none completed an order"),
        "{same}"
    );
    let all = bench
        .run(
            &[
                &arguments[..],
                &["--threshold", "1", "--challenger-threshold", "0"],
            ]
            .concat(),
        )
        .ok()
        .out;
    assert!(all.contains("newly stop 120 clients"), "{all}");
    assert!(
        all.contains("of the newly stopped 60 completed an order"),
        "{all}"
    );
    let drawn: Vec<Sample> = (0..30)
        .map(|number| sample(&format!("10.9.{number}.1"), 1_000 + number, true))
        .collect();
    bench.samples("samples", &[labelled(60), drawn].concat());
    let weighed = [&arguments[..], &["--contrast", "10%", "--format", "json"]].concat();
    let report = bench.run(&weighed).json();
    assert_eq!(
        report["clients"], 420.0,
        "120 as they are, 30 that stand for ten each"
    );
    let effective = report["effective"].as_f64().unwrap();
    assert!((effective - 420.0 * 420.0 / 3_120.0).abs() < 1e-9, "{effective}");
}

#[test]
fn wrong_usage_of_either_form_is_told() {
    let bench = Bench::new();
    bench.run(&["evaluate", "one.log"]).failed(2, "two logs or more");
    bench.run(&["evaluate"]).failed(2, "<LOG>...");
    bench
        .run(&["evaluate", "a", "b", "--format", "table"])
        .failed(2, "markdown or json");
    bench
        .run(&["evaluate", "a", "--champion", "a"])
        .failed(2, "--challenger");
    let arguments = ["evaluate", "a", "--champion", "a", "--challenger", "b"];
    bench
        .run(&[&arguments[..], &["--format", "markdown"]].concat())
        .failed(2, "table or json");
    bench
        .run(&[&arguments[..], &["--extra", "c"]].concat())
        .failed(2, "cannot be used with");
    bench.run(&arguments).failed(1, "cannot read the model a");
}

#[test]
fn a_time_without_judged_clients_is_told() {
    let bench = Bench::new();
    std::fs::copy(models().join("default.onnx"), bench.path("a.onnx")).unwrap();
    let log = log("semicomplete");
    let run = bench.run(&[
        "evaluate",
        "--champion",
        "a.onnx",
        "--challenger",
        "a.onnx",
        &log,
        "--since",
        "2020-01-01",
    ]);
    run.failed(1, "go further back");
}

#[test]
fn drift_alarms_when_others_come() {
    let bench = Bench::new();
    let (airis, other) = (log("airis"), log("semicomplete"));
    let drifted = bench.run(&["drift", &other, "--reference", &airis, "--fail"]);
    drifted.failed(1, "");
    assert!(drifted.out.starts_with("Drifted: "), "{}", drifted.out);
    assert!(
        drifted.out.contains("interval_mean") && drifted.out.contains("ALARM"),
        "{}",
        drifted.out
    );
    let report = bench
        .run(&["drift", &airis, "--recent", "7d", "--format", "json"])
        .json();
    assert!(report["score"]["index"].as_f64() > Some(0.0));
    assert_eq!(report["deciles"].as_array().map(Vec::len), Some(11));
    bench
        .run(&["drift", &other, "--recent", "1h"])
        .failed(1, "it takes 50 of each");
}

#[test]
fn the_same_people_are_steady() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(200));
    let text = bench
        .run(&["drift", "--samples", "samples", "--recent", "1d", "--fail"])
        .ok()
        .out;
    assert!(text.starts_with("Steady: 0 alarms, 0 to watch"), "{text}");
}

/// On samples, and by a model that depends on nothing else.
#[test]
fn people_can_read_it() {
    let bench = Bench::new();
    bench.samples("samples", &labelled(400));
    bench
        .run(&[
            "train",
            "--samples",
            "samples",
            "--until",
            "2016-02-24",
            "--out",
            "site.onnx",
        ])
        .ok();
    let with = ["--samples", "samples", "--model", "site.onnx"];
    let calibrated = bench
        .run(&[&["calibrate", "--budget", "0.02"], &with[..]].concat())
        .ok();
    insta::assert_snapshot!("calibrated", calibrated.out);
    let drift = bench
        .run(&[&["drift", "--recent", "2d"], &with[..]].concat())
        .ok();
    insta::assert_snapshot!("drift", drift.out);
    let pair = [
        "evaluate",
        "--champion",
        "site.onnx",
        "--challenger",
        "site.onnx",
        "--samples",
        "samples",
    ];
    let compared = bench.run(&[&pair[..], &["--since", "2016-02-24"]].concat()).ok();
    insta::assert_snapshot!("compared", compared.out);
}
