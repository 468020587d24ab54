//! `sekisho analyse` over simulated logs.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use rusqlite::Connection;
use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{Class, Kind, Label, Origin, Sample, VERSION};
use serde_json::Value;
use tempfile::TempDir;

/// 2026-01-05T11:00:00Z, when the events of these tests begin.
const EVENT: u32 = 1_767_610_800;

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("sekisho").expect("it is built");
        // No store of this machine is looked at.
        command
            .current_dir(self.0.path())
            .env("SEKISHO_STORE_PATH", self.path("none.db"));
        command.args(args);
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let assert = self.command(args).assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
    }

    /// Two hours of people from 10:00 on, and a naive crawler in the second of them.
    fn simulate(&self) {
        let start = "2026-01-05T10:00:00Z";
        let people = [
            "simulate",
            "--quiet",
            "--people",
            "400",
            "--crawlers",
            "googlebot=1,uptime=1",
        ];
        self.run(
            &[
                &people[..],
                &["--duration", "2h", "--start", start, "--out", "people.log"],
            ]
            .concat(),
        );
        let crawl = [
            "simulate",
            "--quiet",
            "--people",
            "0",
            "--crawlers",
            "naive=1",
            "--duration",
            "1h",
        ];
        self.run(
            &[
                &crawl[..],
                &["--start", "2026-01-05T11:00:00Z", "--out", "crawl.log"],
            ]
            .concat(),
        );
    }

    #[track_caller]
    fn analyse(&self, event: &str, more: &[&str]) -> String {
        let span = ["--from", "2026-01-05T10:00:00Z", "--to", "2026-01-05T12:00:00Z"];
        self.run(&[&["analyse", "--event", event][..], &span, more].concat())
    }

    #[track_caller]
    fn json(&self, event: &str, more: &[&str]) -> Value {
        let text = self.analyse(event, &[more, &["--format", "json"]].concat());
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Place {
    /// A store with these samples, for `--config store.toml`.
    fn store(&self, samples: &[Sample]) {
        let config = format!(
            "[[samples]]\npath = {:?}\n[store]\npath = {:?}\nretention_days = 3650\n",
            self.path("samples"),
            self.path("store.db"),
        );
        self.write("store.toml", &config);
        let lines = samples.iter().map(|sample| sample.to_line().expect("a line"));
        let text: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
        fs::write(self.path("samples"), text).expect("written");
        let mut command = self.command(&["serve", "--once", "--config", "store.toml"]);
        command.env_remove("SEKISHO_STORE_PATH").assert().success();
    }

    /// What is found with the store, and more.
    #[track_caller]
    fn with_store(&self, event: &str, more: &[&str]) -> Value {
        let span = ["--from", "2026-01-05T10:00:00Z", "--to", "2026-01-05T12:00:00Z"];
        let asked = [
            "analyse",
            "--event",
            event,
            "--config",
            "store.toml",
            "--format",
            "json",
        ];
        let mut command = self.command(&[&asked[..], &span, more].concat());
        let assert = command.env_remove("SEKISHO_STORE_PATH").assert().success();
        serde_json::from_slice(&assert.get_output().stdout).expect("JSON")
    }
}

fn sample(client: &str, at: u32, verdict: &str) -> Sample {
    Sample {
        version: VERSION,
        kind: if verdict == "PASSED" {
            Kind::Contrast
        } else {
            Kind::Flagged
        },
        id: format!("{at:08x}{:08x}", client.len()),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests: 20,
        score: Some(if verdict == "PASSED" { 0.05 } else { 0.97 }),
        challenger: None,
        label: None,
        verdict: verdict.into(),
        reasons: vec!["distinct_url_ratio".into()],
        schema: schema_hash().into(),
        features: vec![0.5; COUNT],
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/product/17".into(),
    }
}

/// The hypothesis of this name, as the answer tells it.
#[track_caller]
fn named<'a>(found: &'a Value, id: &str) -> &'a Value {
    let all = found["hypotheses"].as_array().expect("hypotheses");
    all.iter()
        .find(|one| one["id"] == id)
        .unwrap_or_else(|| panic!("no {id}: {found:#}"))
}

#[test]
fn the_store_alone_tells_that_we_stopped_people() {
    let place = Place::new();
    let mut samples: Vec<Sample> = (0..40)
        .map(|number| {
            sample(
                &format!("198.18.0.{number}"),
                EVENT - 3_000 + number * 60,
                "PASSED",
            )
        })
        .collect();
    for number in 0..120 {
        samples.push(sample(
            &format!("198.18.1.{number}"),
            EVENT + 60 + number * 20,
            "REJECTED",
        ));
    }
    samples.push(Sample {
        kind: Kind::Label,
        label: Some(Label {
            label: Class::Human,
            origin: Origin::Conversion,
        }),
        ..sample("198.18.1.7", EVENT + 3_000, "REJECTED")
    });
    place.store(&samples);
    let found = place.with_store("customers are stopped since 11:00", &[]);
    assert_eq!(found["hypotheses"][0]["id"], "own_limits", "{found:#}");
    let told = named(&found, "own_limits").to_string();
    assert!(
        told.contains("the module stopped more") && told.contains("labelled human"),
        "{told}"
    );
}

#[test]
fn a_new_champion_near_the_beginning_is_told_from_the_store() {
    let place = Place::new();
    place.store(&[sample("198.18.0.1", EVENT - 60, "PASSED")]);
    let promote = |at: u32| {
        let store = Connection::open(place.path("store.db")).expect("opened");
        let insert =
            "INSERT INTO promotion (at, action, digest, actor, note) VALUES (?, 'promote', ?, 'ana', '')";
        store.execute(insert, (at, "cd".repeat(32))).expect("written");
    };
    promote(EVENT - 3_500);
    let far = place.with_store("slow since 11:00", &[]);
    assert_eq!(far["hypotheses"], Value::Array(Vec::new()), "{far:#}");
    promote(EVENT + 30);
    let near = place.with_store("slow since 11:00", &[]);
    let told = named(&near, "reload");
    let said = &told["supports"][0];
    assert!(
        said["says"]
            .as_str()
            .is_some_and(|text| text.contains("the champion became")),
        "{told:#}"
    );
    assert_eq!(said["cites"][0]["file"], "store", "{told:#}");
}

#[test]
fn what_the_module_says_of_a_network_stands_beside_the_log() {
    let place = Place::new();
    place.simulate();
    // The crawler of the simulated log.
    let log = fs::read_to_string(place.path("crawl.log")).expect("a log");
    let client = log.split(' ').next().expect("an address").to_owned();
    let samples: Vec<Sample> = (0..30)
        .map(|number| sample(&client, EVENT + 60 + number * 30, "REJECTED_DRY_RUN"))
        .collect();
    place.store(&samples);
    let found = place.with_store("slow since 11:00", &["--access-log", "people.log", "crawl.log"]);
    let told = named(&found, "crawl");
    let supports = told["supports"].to_string();
    assert!(supports.contains("samples"), "{told:#}");
}

/// A line of an access log, `second` seconds after 10:00.
fn line(client: &str, second: u32, target: &str, agent: &str) -> String {
    let (hour, minute, second) = (10 + second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{client} - - [05/Jan/2026:{hour}:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" 200 512 \
         \"https://shop.example/\" \"{agent}\"\n"
    )
}

#[test]
fn networks_and_shared_addresses_are_told_apart() {
    let place = Place::new();
    place.simulate();
    let swarm: String = (0..1_200)
        .map(|number| {
            let client = format!("203.0.113.{}", number % 60);
            line(
                &client,
                3_600 + number * 2,
                &format!("/catalogue/item-{number}"),
                "Mozilla/5.0 (X11)",
            )
        })
        .collect();
    place.write("swarm.log", &swarm);
    let found = place.json("slow since 11:00", &["--access-log", "people.log", "swarm.log"]);
    assert_eq!(found["hypotheses"][0]["id"], "network_swarm", "{found:#}");

    let pages = ["/", "/style.css", "/app.js", "/logo.webp", "/catalogue"];
    let office: String = (0..1_500)
        .map(|number: u32| {
            let agent = format!("Mozilla/5.0 (person {})", number % 40);
            line(
                "203.0.113.9",
                3_600 + number * 2,
                pages[number as usize % pages.len()],
                &agent,
            )
        })
        .collect();
    place.write("office.log", &office);
    let found = place.json("slow since 11:00", &["--access-log", "people.log", "office.log"]);
    assert_eq!(found["hypotheses"][0]["id"], "shared_address", "{found:#}");
}

#[test]
fn a_crawl_is_found_with_its_network() {
    let place = Place::new();
    place.simulate();
    let logs = ["--access-log", "people.log", "crawl.log"];
    for (event, by) in [("site slow since 11:00", "event"), ("the site is slow", "change")] {
        let found = place.json(event, &logs);
        assert_eq!(found["split"]["by"], by, "{found:#}");
        let first = &found["hypotheses"][0];
        assert_eq!(first["id"], "crawl", "{found:#}");
        let title = first["title"].as_str().expect("a title");
        assert!(title.contains("198.51.100.0/24"), "{title}");
        let cite = &first["supports"][0]["cites"][0];
        assert_eq!(cite["file"], "crawl.log");
        let line = cite["line"].as_u64().expect("a line") as usize;
        let log = fs::read_to_string(place.path("crawl.log")).expect("a log");
        let text = cite["text"]
            .as_str()
            .expect("text")
            .trim_end_matches('…')
            .to_owned();
        assert!(
            log.lines().nth(line - 1).expect("that line").starts_with(&text),
            "{text}"
        );
    }
    let text = place.analyse("site slow since 11:00", &logs);
    assert!(
        text.contains("WHAT MAY HAVE HAPPENED") && text.contains("Check next"),
        "{text}"
    );
    let markdown = place.analyse(
        "site slow since 11:00",
        &[&logs[..], &["--format", "markdown"]].concat(),
    );
    assert!(markdown.contains("## What may have happened"), "{markdown}");
}

#[test]
fn other_crowds_are_told_from_crawls() {
    #[track_caller]
    fn check(people: &str, crawlers: &str, preset: &str, expected: &str) {
        let place = Place::new();
        place.simulate();
        let start = [
            "--start",
            "2026-01-05T11:00:00Z",
            "--duration",
            "1h",
            "--out",
            "more.log",
        ];
        let who = [
            "simulate", "--quiet", "--preset", preset, "--people", people, "--skip", "5000",
        ];
        place.run(&[&who[..], &["--crawlers", crawlers], &start].concat());
        let found = place.json("slow since 11:00", &["--access-log", "people.log", "more.log"]);
        assert_eq!(found["hypotheses"][0]["id"], expected, "{found:#}");
    }
    check("0", "swarm=6000", "day", "scattered_swarm");
    check("0", "stuffing=20", "day", "password_stuffing");
    check("1500", "uptime=1", "flash-sale", "rush");
}

#[test]
fn a_quiet_log_has_no_hypothesis() {
    let place = Place::new();
    place.simulate();
    for event in ["checkout slow since 11:00", "nothing in particular"] {
        let found = place.json(event, &["--access-log", "people.log"]);
        assert_eq!(found["hypotheses"], Value::Array(Vec::new()), "{found:#}");
    }
    let text = place.analyse("checkout slow since 11:00", &["--access-log", "people.log"]);
    assert!(text.contains("No hypothesis of the catalogue fits"), "{text}");
}

#[test]
fn servers_that_fail_are_known_by_what_they_say() {
    #[track_caller]
    fn check(message: &str, lines: usize, expected: Option<&str>) {
        let place = Place::new();
        let mut log = String::new();
        for line in 0..lines {
            let (minute, second) = (line / 60 % 60, line % 60);
            log += &format!(
                "2026/01/05 20:{minute:02}:{second:02} [error] 7#7: *{line} {message}, client: 192.0.2.1\n"
            );
        }
        place.write("error.log", &log);
        let found = place.json(
            "slow since 20:00",
            &["--error-log", "error.log", "--utc-offset", "+09:00"],
        );
        assert_eq!(found["hypotheses"][0]["id"].as_str(), expected, "{found:#}");
    }
    let upstream =
        "upstream timed out (110: Connection timed out) while reading response header from upstream";
    check(upstream, 200, Some("upstream"));
    check(
        "write() to \"/var/log/x\" failed (28: No space left on device)",
        1,
        Some("disk_full"),
    );
    check(
        "limiting requests, excess: 5.100 by zone \"one\"",
        200,
        Some("own_limits"),
    );
    check(
        "open() \"/var/www/favicon.ico\" failed (2: No such file or directory)",
        200,
        None,
    );
    check(
        "sekisho: breaker tripped, 40% of recent clients and 3% of recent requests",
        1,
        Some("guard_tripped"),
    );
    check("worker process 4711 exited on signal 11", 1, Some("worker_crash"));
    check(
        "256 worker_connections are not enough",
        3,
        Some("nginx_exhausted"),
    );
    check("signal 1 (SIGHUP) received, reconfiguring", 1, Some("reload"));
    check(
        "SSL_do_handshake() failed (SSL: error:0A000416:SSL routines::sslv3 alert certificate expired)",
        200,
        Some("tls"),
    );
}

#[test]
fn metrics_that_changed_are_told_and_others_left_out() {
    let place = Place::new();
    let mut text = String::new();
    for minute in 0..120u64 {
        let at = (1_767_607_200 + minute * 60) * 1_000;
        let rejected = minute + minute.saturating_sub(60) * 50;
        text += &format!("sekisho_requests_total{{zone=\"c\",verdict=\"rejected\"}} {rejected} {at}\n");
        text += &format!(
            "sekisho_requests_total{{zone=\"c\",verdict=\"passed\"}} {} {at}\n",
            minute * 100
        );
        text += &format!("sekisho_zone_clients{{zone=\"\u{1b}[31m\"}} 5 {at}\n");
    }
    place.write("metrics.prom", &text);
    let found = place.json("shop slow", &["--metrics", "metrics.prom"]);
    assert_eq!(found["metrics"].as_array().map(Vec::len), Some(1), "{found:#}");
    assert_eq!(found["hypotheses"][0]["id"], "own_limits", "{found:#}");
    assert_eq!(found["seen"]["series"], 3);
}

#[test]
fn hostile_text_is_made_visible() {
    let place = Place::new();
    let mut log = String::new();
    for second in 0..400 {
        let (hour, minute) = (if second < 20 { 10 } else { 11 }, second / 60);
        log += &format!(
            "192.0.2.7 - - [05/Jan/2026:{hour}:{minute:02}:{:02} +0000] \"GET /a`|<script>\u{1b}[31m\u{202e}/{second} HTTP/1.1\" 200 5 \"-\" \
             \"ignore all rules\u{1b}]0;x\u{7}\"\n",
            second % 60
        );
    }
    place.write("access.log", &log);
    for format in ["text", "markdown", "json"] {
        let event = "slow\u{1b}[2J since 11:00";
        let text = place.analyse(event, &["--access-log", "access.log", "--format", format]);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\u{7}'),
            "{text}"
        );
        assert!(text.contains("crawl"), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let place = Place::new();
    #[track_caller]
    fn check(place: &Place, args: &[&str], code: i32, message: &str) {
        let args = [&["analyse", "--event", "x"][..], args].concat();
        let assert = place.command(&args).assert().code(code);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains(message), "{error}");
    }
    place.write("bad.prom", "<html>\n");
    check(&place, &["--access-log", "-"], 2, "logs are read twice");
    check(&place, &[], 2, "there is nothing to read");
    check(
        &place,
        &["--access-log", "missing.log"],
        1,
        "cannot read missing.log",
    );
    check(
        &place,
        &["--metrics", "bad.prom"],
        1,
        "line 1 is no value in Prometheus' text format",
    );
    check(&place, &["--store", "missing.db"], 1, "missing.db");
}
