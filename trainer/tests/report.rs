//! `sekisho report` over a store that `sekisho serve --once` filled.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use sekisho_core::feature::{COUNT, index, schema_hash};
use sekisho_core::sample::{Class, Kind, Label, Origin, Sample, VERSION};
use serde_json::Value;
use tempfile::TempDir;

/// 2026-05-28T20:26:40Z.
const START: u32 = 1_780_000_000;
const DAY: u32 = 86_400;
const HOSTILE: &str = "/<script>alert(1)</script>\u{202e}`|\u{1b}[31m";

struct Place(TempDir);

impl Place {
    /// A store with these samples.
    fn new(samples: &[Sample]) -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        let config = format!(
            "[[samples]]\npath = {:?}\n[store]\npath = {:?}\nretention_days = 3650\n",
            place.path("samples"),
            place.path("store.db"),
        );
        fs::write(place.path("sekisho.toml"), config).expect("written");
        let lines = samples.iter().map(|sample| sample.to_line().expect("a line"));
        let text: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
        fs::write(place.path("samples"), text).expect("written");
        place.run(&["serve", "--once"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::cargo_bin("sekisho").expect("it is built");
        command.args(args).arg("--config").arg(self.path("sekisho.toml"));
        let assert = command.assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
    }

    /// The second day against the first.
    #[track_caller]
    fn report(&self, more: &[&str]) -> String {
        let args = [
            "report",
            "--from",
            "2026-05-29T20:00:00Z",
            "--to",
            "2026-05-30T20:00:00Z",
        ];
        self.run(&[&args, more].concat())
    }
}

fn sample(client: &str, at: u32, requests: u32, verdict: &str, features: &[(&str, f32)]) -> Sample {
    let mut values = vec![0.0; COUNT];
    for (name, value) in features {
        values[index(name).expect("a feature")] = *value;
    }
    let flagged = verdict != "PASSED";
    Sample {
        version: VERSION,
        kind: if flagged { Kind::Flagged } else { Kind::Contrast },
        id: format!("{at:016x}"),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests,
        score: Some(if flagged { 0.96 } else { 0.05 }),
        challenger: None,
        label: None,
        verdict: verdict.into(),
        reasons: vec!["distinct_url_ratio".into(), "asset_share".into()],
        schema: schema_hash().into(),
        features: values,
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/product/17".into(),
    }
}

const CRAWL: [(&str, f32); 5] = [
    ("distinct_url_ratio", 1.0),
    ("missing_referer_share", 1.0),
    ("long_tail_share", 0.9),
    ("interval_mean", 1.0),
    ("response_bytes", 14.0),
];
const PROBE: [(&str, f32); 5] = [
    ("distinct_url_ratio", 1.0),
    ("client_error_share", 0.95),
    ("query_share", 0.9),
    ("other_method_share", 0.3),
    ("path_depth", 4.0),
];
const PERSON: [(&str, f32); 4] = [
    ("asset_share", 0.8),
    ("assets_per_page", 6.0),
    ("trail_referer_share", 0.6),
    ("interval_mean", 4.0),
];

/// On the first day people and a prober; on the second people, the prober, and six crawlers of a kind not seen before.
fn week() -> Vec<Sample> {
    let mut samples = Vec::new();
    for day in [0, DAY] {
        for number in 0..40 {
            let client = format!("198.18.0.{number}");
            samples.push(sample(&client, START + day + number * 600, 20, "PASSED", &PERSON));
        }
        let again = if day == 0 { 40 } else { 80 };
        samples.push(sample(
            "203.0.113.9",
            START + day + 500,
            again,
            "REJECTED",
            &PROBE,
        ));
    }
    for number in 0..6 {
        let client = format!("192.0.2.{number}");
        for step in 0..4 {
            let at = START + DAY + 40_000 + number * 60 + step * 3_000;
            samples.push(sample(&client, at, 16 + step * 200, "REJECTED_DRY_RUN", &CRAWL));
        }
    }
    let mut hostile = sample("192.0.2.5", START + DAY + 60_000, 900, "TRAPPED", &CRAWL);
    hostile.target = HOSTILE.into();
    hostile.reasons = vec!["trap".into(), "<b>".into()];
    hostile.score = Some(0.99);
    samples.push(hostile.clone());
    samples.push(Sample {
        kind: Kind::Label,
        label: Some(Label {
            label: Class::Crawler,
            origin: Origin::Trap,
        }),
        at: hostile.at + 1,
        ..hostile
    });
    samples
}

#[test]
fn a_report_tells_what_is_new() {
    let place = Place::new(&week());
    let text = place.report(&[]);
    insta::assert_snapshot!("report_markdown", text);
    assert!(
        !text.contains('\u{202e}') && !text.contains('\u{1b}'),
        "hidden text is shown"
    );
    let json: Value = serde_json::from_str(&place.report(&["--format", "json"])).expect("JSON");
    assert_eq!(json["clusters"][0]["trend"], "new");
    assert_eq!(json["clusters"][0]["networks"][0]["network"], "192.0.2.0/24");
    assert_eq!(json["clusters"][1]["trend"], "steady");
    assert_eq!(json["cases"][0]["client"], "192.0.2.5");
    // Digests of snapshots stand on a key of the installation.
    let mut json = json;
    for case in json["cases"].as_array_mut().expect("cases") {
        case["explained"]["snapshot"] = Value::from("[digest]");
    }
    insta::assert_snapshot!("report_json", serde_json::to_string_pretty(&json).expect("JSON"));
}

/// Attempts of two models in the time, one without a price, and one before it.
fn spend(place: &Place) {
    let store = rusqlite::Connection::open(place.path("store.db")).expect("opened");
    let insert = "INSERT INTO attempt (at, operation, provider, model, served, outcome, duration_ms, tokens_in, tokens_out, nanos)
        VALUES (?, 'explain', ?, 'm', ?, ?, 5, ?, ?, ?)";
    type Row<'a> = (
        u32,
        &'a str,
        Option<&'a str>,
        &'a str,
        Option<i64>,
        Option<i64>,
        Option<i64>,
    );
    let within = START + DAY + 100;
    let rows: [Row<'_>; 5] = [
        (
            within,
            "hosted",
            Some("large-2"),
            "ok",
            Some(1000),
            Some(200),
            Some(1_500_000),
        ),
        (
            within + 1,
            "hosted",
            Some("large-2"),
            "ok",
            Some(1000),
            Some(100),
            Some(1_250_000),
        ),
        (within + 2, "hosted", None, "timeout", None, None, None),
        (
            within + 3,
            "other",
            Some("<b>\u{202e}x|y`"),
            "ok",
            Some(7),
            Some(3),
            None,
        ),
        (
            START - DAY,
            "hosted",
            Some("large-2"),
            "ok",
            Some(1),
            Some(1),
            Some(9_000_000_000),
        ),
    ];
    for row in rows {
        store.execute(insert, row).expect("written");
    }
}

#[test]
fn language_models_cost_what_they_cost_in_the_time() {
    let place = Place::new(&week());
    spend(&place);
    let text = place.report(&[]);
    let part = text
        .split("## Language models")
        .nth(1)
        .expect("a part of its own");
    let part = part.split("## What to know").next().expect("before the notes");
    insta::assert_snapshot!("report_language_models", part);
    let json: Value = serde_json::from_str(&place.report(&["--format", "json"])).expect("JSON");
    let spent = &json["language_models"]["spent"];
    assert_eq!(spent[0]["model"], "large-2");
    assert_eq!(
        (&spent[0]["attempts"], &spent[0]["cost"]),
        (&Value::from(2), &Value::from(0.00275))
    );
    let unpriced: u64 = spent
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["unpriced"].as_u64())
        .sum();
    assert_eq!(unpriced, 2);
    let page = place.report(&["--format", "html"]);
    assert!(
        page.contains("<h2>Language models</h2>") && page.contains("0.0027"),
        "{page}"
    );
    assert!(
        page.contains("&#60;b&#62;") && !page.contains('\u{202e}'),
        "a provider's word is escaped"
    );
}

#[test]
fn cases_are_explained_by_rule() {
    let place = Place::new(&week());
    let json: Value = serde_json::from_str(&place.report(&["--format", "json"])).expect("JSON");
    for case in json["cases"].as_array().expect("cases") {
        let explained = &case["explained"];
        assert!(
            explained["category"].is_string() && explained["asked"].is_null(),
            "{case:#}"
        );
        assert!(
            explained["sentences"]
                .as_array()
                .is_some_and(|told| told.len() >= 2),
            "{case:#}"
        );
        let text = case["text"].as_str().expect("text");
        assert!(
            text.contains(explained["category"].as_str().unwrap_or_default()),
            "{text}"
        );
    }
    let store = rusqlite::Connection::open(place.path("store.db")).expect("opened");
    let kept: i64 = store
        .query_row("SELECT COUNT(*) FROM snapshot", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(kept, 0, "a report changes nothing");
}

#[test]
fn a_page_runs_and_loads_nothing() {
    let place = Place::new(&week());
    let out = place.path("page.html");
    place.report(&["--format", "html", "--out", &out.display().to_string()]);
    let page = fs::read_to_string(&out).expect("a page");
    for part in [
        "<script", "<img", "<link", "href", "src=\"", "url(", "@import", "http:", "https:",
    ] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(part), "{part}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)"), "a target is escaped");
    assert!(page.contains("&#60;b&#62;"), "a reason is escaped");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
    assert_eq!(page.matches("<svg").count(), 2);
}

#[test]
fn nothing_happened_is_no_failure() {
    let place = Place::new(&[]);
    let text = place.report(&[]);
    assert!(text.contains("There are no samples of this time"), "{text}");
    let json: Value = serde_json::from_str(&place.report(&["--format", "json"])).expect("JSON");
    assert_eq!(json["empty"], true);
    assert_eq!(json["cost"], Value::Null);
    let page = place.report(&["--format", "html"]);
    assert!(page.contains("There are no samples of this time"), "{page}");
}

#[test]
fn a_zone_is_told_alone_and_metrics_are_read() {
    let place = Place::new(&week());
    let text = place.report(&["--zone", "others"]);
    assert!(text.contains("Only zone `others`"), "{text}");
    assert!(text.contains("There are no samples of this time"), "{text}");
    let metrics = (0..3).map(|minute| {
        let at = u64::from(START + DAY + 60 * minute) * 1_000;
        format!("sekisho_breaker_trips_total{{zone=\"clients\"}} {minute} {at}\n")
    });
    fs::write(place.path("metrics"), metrics.collect::<String>()).expect("written");
    let text = place.report(&["--metrics", &place.path("metrics").display().to_string()]);
    assert!(text.contains("the breaker put enforcement off: 2"), "{text}");
}

#[test]
fn times_the_wrong_way_round_are_refused() {
    let place = Place::new(&[]);
    let mut command = Command::cargo_bin("sekisho").expect("it is built");
    command.args(["report", "--from", "1d", "--to", "2d", "--config"]);
    let assert = command.arg(place.path("sekisho.toml")).assert().failure();
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(error.contains("name the earlier time first"), "{error}");
}
