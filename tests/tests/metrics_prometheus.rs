//! What nginx and the daemon tell of themselves, read by a real Prometheus: every rule and every panel gets data.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sekisho_core::feature::{COUNT, index, schema_hash};
use sekisho_core::sample::{Class, Kind, Label, Origin, Sample, VERSION};
use sekisho_tests::gateway::{Gateway, chat};
use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::prometheus::{Job, Prometheus, promtool, without_comparisons};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{browse, crawl, site};
use serde_json::Value;

const DAY: u32 = 86_400;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Longest that data is waited for.
const PATIENCE: Duration = Duration::from_secs(40);
/// What Grafana puts in for a rate's window when everything is scraped each second.
const WINDOW: &str = "30s";

/// `sekisho serve` over what nginx writes, and what it has of days before.
struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    fn start(directory: &Path, gateway: &Gateway) -> Daemon {
        let path = |name: &str| directory.join(name).display().to_string();
        fs::write(path("token"), TOKEN).expect("own directory");
        fs::write(path("hook"), format!("{}/hook\n", gateway.url())).expect("own directory");
        let config = format!(
            "[[samples]]\npath = \"{}\"\nname = \"before\"\n[[samples]]\npath = \"{}\"\nname = \"nginx\"\n\
             [store]\npath = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{}\"\n\
             [models]\ndirectory = \"{}\"\n\
             [[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = \"{}\"\nevents = [\"cluster\", \"guard\"]\n\
             [[llm.targets]]\nname = \"gateway\"\nkind = \"openai\"\nbase_url = \"{}/v1\"\nmodel = \"m\"\nlocal_only = true\n\
             [llm.budget]\nday = {{ tokens = 1000000 }}\n",
            path("before"),
            path("samples"),
            path("store.db"),
            path("token"),
            path("models"),
            path("hook"),
            gateway.url(),
        );
        fs::write(path("sekisho.toml"), config).expect("own directory");
        let serve = |more: &[&str]| {
            let mut command = Command::new(root().join("target/release/sekisho"));
            command
                .arg("serve")
                .args(more)
                .arg("--config")
                .arg(path("sekisho.toml"));
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        // The store is filled first, so that drift is looked at as soon as the daemon runs.
        let filled = serve(&["--once"]).stderr(Stdio::null()).status();
        assert!(filled.expect("it is built").success());
        let mut child = serve(&[]).stderr(Stdio::piped()).spawn().expect("it is built");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let listens = lines.find_map(|line| {
            line.ok()?
                .split_once("http://")
                .map(|(_, rest)| rest.trim().to_owned())
        });
        let address = listens.expect("it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Daemon { child, address }
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn metrics(&self) -> String {
        let answer = self.ask("GET", "/metrics");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        body.to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Samples of ten days: enough for drift, a person among the rejected, and a label.
fn history(now: u32) -> Vec<u8> {
    let mut samples = Vec::new();
    for (days, first, share) in [(10, 0, 0.1_f32), (2, 80, 0.9)] {
        for client in 0..80_u32 {
            let at = now - days * DAY + client * 60;
            samples.push(sample(
                &format!("198.18.0.{}", first + client),
                at,
                share,
                client.is_multiple_of(4),
            ));
        }
    }
    let person = Sample {
        kind: Kind::Label,
        label: Some(Label {
            label: Class::Human,
            origin: Origin::Conversion,
        }),
        id: format!("{:016x}", u64::MAX),
        ..samples[80].clone()
    };
    samples.push(person);
    let lines = samples.iter().map(|sample| sample.to_line().expect("a line"));
    lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect()
}

fn sample(client: &str, at: u32, share: f32, rejected: bool) -> Sample {
    let mut features = vec![0.0; COUNT];
    for name in ["distinct_url_ratio", "missing_referer_share"] {
        features[index(name).expect("a feature")] = share;
    }
    Sample {
        version: VERSION,
        kind: if rejected { Kind::Flagged } else { Kind::Contrast },
        id: format!("{at:016x}"),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests: 40,
        score: Some(if rejected { 0.96 } else { 0.1 }),
        challenger: None,
        label: None,
        verdict: if rejected { "REJECTED_DRY_RUN" } else { "PASSED" }.into(),
        reasons: vec!["distinct_url_ratio".into()],
        schema: schema_hash().into(),
        features,
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/product/17".into(),
    }
}

fn shop() -> Nginx {
    let site = site(Module::Production);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    site.write(
        "before",
        &history(u32::try_from(now.as_secs()).expect("before 2106")),
    );
    site.start(
        "sekisho_zone $binary_remote_addr zone=clients:1m;
         sekisho_model %DIR%/model.onnx;
         sekisho zone=clients;
         sekisho_dry_run off;
         sekisho_samples %DIR%/samples contrast=100%;
         set_real_ip_from 127.0.0.1;
         real_ip_header X-Real-IP;
         server {
             listen 127.0.0.1:%PORT%;
             location / { }
             location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }
         }",
    )
}

/// An expression, where it stands, and what of it must give data.
struct Asked {
    place: String,
    expression: String,
}

fn rules(prometheus: &Prometheus) -> Vec<Asked> {
    let mut asked = Vec::new();
    let document = prometheus.get("rules");
    for group in document["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules") {
            let (name, query) = (
                rule["name"].as_str().expect("a name"),
                rule["query"].as_str().expect("a query"),
            );
            let place = format!("rule {name}");
            if rule["type"] == "recording" {
                // What it records is there too.
                asked.push(Asked {
                    place: place.clone(),
                    expression: name.to_owned(),
                });
            }
            asked.push(Asked {
                place,
                expression: without_comparisons(query),
            });
        }
    }
    asked
}

fn panels() -> Vec<Asked> {
    let text = fs::read_to_string(root().join("contrib/grafana/sekisho.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut asked = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            let expression = expression
                .replace("$__rate_interval", WINDOW)
                .replace("$instance", ".*")
                .replace("$zone", ".*");
            assert!(
                !expression.contains('$'),
                "a variable that nobody sets: {expression}"
            );
            asked.push(Asked {
                place: format!("panel {}", panel["title"]),
                expression,
            });
        }
    }
    asked
}

/// What gives no data, and why. A number somewhere among the series is data, NaN is none.
fn missing(prometheus: &Prometheus, asked: &[Asked]) -> Vec<String> {
    let is_number = |series: &Value| {
        let text = series["value"][1].as_str().unwrap_or("NaN");
        text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let without = asked.iter().filter_map(|asked| {
        let found = prometheus.query(&asked.expression);
        let told = match found {
            Ok(series) if series.iter().any(is_number) => return None,
            Ok(series) => format!("{} series without a number", series.len()),
            Err(error) => error,
        };
        Some(format!("{}: {}: {told}", asked.place, asked.expression))
    });
    without.collect()
}

fn contrib(name: &str) -> PathBuf {
    root().join("contrib/prometheus").join(name)
}

/// Over 20 s: Prometheus has to scrape some times before a rate is there.
#[test]
fn every_rule_and_every_panel_gets_data() {
    let nginx = shop();
    let answer = chat("m", "{\"category\":\"unclear\",\"claims\":[],\"notes\":\"\"}");
    let gateway = Gateway::start(vec![answer]);
    let daemon = Daemon::start(nginx.path(), &gateway);
    let hosts = [format!("127.0.0.1:{}", nginx.port()), daemon.address.clone()];
    let jobs = [
        Job {
            name: "sekisho",
            target: &hosts[0],
            path: "/sekisho/v1/metrics",
        },
        Job {
            name: "sekisho-serve",
            target: &hosts[1],
            path: "/metrics",
        },
    ];
    let prometheus = Prometheus::start(&jobs, &[contrib("recording.yml"), contrib("alerts.yml")]);
    let asked: Vec<Asked> = rules(&prometheus).into_iter().chain(panels()).collect();
    assert!(asked.len() > 100, "{} expressions were found", asked.len());

    let began = Instant::now();
    let mut left = Vec::new();
    for round in 0.. {
        crawl(&nginx, &format!("192.0.2.{}", round % 20), round * 20, 80);
        browse(&nginx, &format!("198.51.100.{}", round % 20), round * 20, 40);
        for path in ["/v1/status", "/v1/clients", "/nowhere"] {
            daemon.ask("GET", path);
        }
        let told = daemon.ask("POST", &format!("/v1/clients/{}/explanation", round % 160 + 1));
        assert!(
            told.starts_with("HTTP/1.1 200") && told.contains("\"how\":\"asked\""),
            "{told}"
        );
        left = missing(&prometheus, &asked);
        if left.is_empty() || began.elapsed() > PATIENCE {
            break;
        }
    }
    assert!(
        left.is_empty(),
        "{} of {}: {left:#?}\n{}",
        left.len(),
        asked.len(),
        prometheus.log()
    );

    all_is_well(&prometheus);
    let rejected = prometheus.query("sum(sekisho_requests_total{verdict=\"rejected\"})");
    let rejected = rejected.expect("a sum")[0]["value"][1]
        .as_str()
        .map(str::to_owned);
    assert!(rejected.is_some_and(|text| text.parse::<f64>().is_ok_and(|count| count > 50.0)));
    as_prometheus_wants_them(&daemon, &nginx);
}

/// No rule fails, and everybody can be scraped.
fn all_is_well(prometheus: &Prometheus) {
    let document = prometheus.get("rules");
    for group in document["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules") {
            assert_eq!(
                (&rule["health"], rule["lastError"].as_str()),
                (&Value::from("ok"), None),
                "{rule}"
            );
        }
    }
    let targets = prometheus.get("targets");
    for target in targets["activeTargets"].as_array().expect("targets") {
        assert_eq!(
            (&target["health"], &target["lastError"]),
            (&Value::from("up"), &Value::from("")),
            "{target}"
        );
    }
}

/// No name without a unit, no counter without `_total`, no label that a visitor chose, and few series.
fn as_prometheus_wants_them(daemon: &Daemon, nginx: &Nginx) {
    let module = String::from_utf8(nginx.get("/sekisho/v1/metrics", &[]).body).expect("text");
    for text in [daemon.metrics(), module] {
        let (agrees, said) = promtool(&["check", "metrics"], &text, nginx.path());
        assert!(agrees && said.is_empty(), "{said}");
        for hostile in ["192.0.2.", "198.51.100.", "198.18.", "/product", "nowhere"] {
            assert!(!text.contains(hostile), "{hostile}\n{text}");
        }
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!((50..500).contains(&series), "{series} series");
    }
}

#[test]
fn rules_are_right_and_each_alert_fires_and_stays_quiet() {
    let folder = root().join("contrib/prometheus");
    let (agrees, said) = promtool(&["check", "rules", "recording.yml", "alerts.yml"], "", &folder);
    assert!(agrees, "{said}");
    let (agrees, said) = promtool(
        &["check", "config", "--syntax-only", "prometheus.yml"],
        "",
        &folder,
    );
    assert!(agrees, "{said}");
    let (agrees, said) = promtool(&["test", "rules", "tests.yml"], "", &folder);
    assert!(agrees, "{said}");

    let (alerts, tests) = (
        read("contrib/prometheus/alerts.yml"),
        read("contrib/prometheus/tests.yml"),
    );
    let page = read("docs/metrics.md");
    let anchors: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    for part in alerts.split("- alert: ").skip(1) {
        let name = part.lines().next().expect("a name");
        for word in ["fires", "stays quiet"] {
            assert!(
                tests.contains(&format!("- name: {name} {word}\n")),
                "{name} {word}"
            );
        }
        for key in ["severity: ", "summary: ", "description: "] {
            assert!(part.contains(key), "{name} has no {key}");
        }
        let anchor = part.split_once("docs/metrics.md#").expect("a runbook").1;
        let anchor = anchor.lines().next().unwrap_or_default();
        assert!(
            anchors.contains(anchor),
            "{name}: docs/metrics.md has no {anchor}"
        );
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of ours")
}
