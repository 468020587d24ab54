//! `sekisho notify`, and what `sekisho serve` tells by itself, to a real receiver.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use sekisho_core::feature::{COUNT, index, schema_hash};
use sekisho_core::sample::{Kind, Sample, VERSION};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Method, path, headers and body of a request.
type Seen = (String, Vec<String>, String);
/// What is answered: by the request's path and how many came before.
type Answer = fn(&str, usize) -> (u16, String);

struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Receiver {
    fn start(answer: Answer) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let all = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = all.clone();
                thread::spawn(move || serve(stream, &all, answer));
            }
        });
        Receiver { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    fn documents(&self) -> Vec<Value> {
        let seen = self.seen();
        let posted = seen.iter().filter(|(line, ..)| line.starts_with("POST /hook"));
        posted
            .map(|(.., body)| serde_json::from_str(body).expect("JSON"))
            .collect()
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Seen>>, answer: Answer) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let length = lines
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).expect("a body");
    let line = lines.remove(0);
    let before = {
        let mut all = all.lock().expect("whole");
        all.push((line.clone(), lines, String::from_utf8(body).expect("text")));
        all.len() - 1
    };
    let (status, body) = answer(&line, before);
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
}

struct Bench(TempDir);

impl Bench {
    fn new(more: &str) -> Bench {
        let bench = Bench(TempDir::new().expect("a directory"));
        let config = format!(
            "[[samples]]\npath = {:?}\n[store]\npath = {:?}\n[api]\nlisten = \"127.0.0.1:0\"\n\
             [dashboard]\nurl = \"https://sekisho.example\"\n{}",
            bench.path("samples"),
            bench.path("store.db"),
            more.replace("%DIR%", &bench.0.path().display().to_string()),
        );
        fs::write(bench.path("sekisho.toml"), config).expect("written");
        fs::write(bench.path("key"), KEY).expect("written");
        fs::write(bench.path("samples"), "").expect("written");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("sekisho.toml"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// The daemon, until it is dropped.
    fn serve(&self) -> Daemon {
        let mut command = self.command(&["serve"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Daemon(command.spawn().expect("it starts"))
    }

    fn status(&self) -> Value {
        let output = self.run(&["notify", "status", "--format", "json"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u32::try_from(now.as_secs()).expect("before 2106")
}

fn sample(client: &str, at: u32, requests: u32, crawls: bool) -> Sample {
    let mut features = vec![0.0; COUNT];
    let shown: [(&str, f32); 3] = if crawls {
        [
            ("distinct_url_ratio", 1.0),
            ("missing_referer_share", 1.0),
            ("long_tail_share", 0.9),
        ]
    } else {
        [
            ("asset_share", 0.8),
            ("assets_per_page", 6.0),
            ("trail_referer_share", 0.6),
        ]
    };
    for (name, value) in shown {
        features[index(name).expect("a feature")] = value;
    }
    Sample {
        version: VERSION,
        kind: if crawls { Kind::Flagged } else { Kind::Contrast },
        id: format!("{at:016x}"),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests,
        score: Some(if crawls { 0.97 } else { 0.05 }),
        challenger: None,
        label: None,
        verdict: if crawls { "REJECTED_DRY_RUN" } else { "PASSED" }.into(),
        reasons: vec!["distinct_url_ratio".into()],
        schema: schema_hash().into(),
        features,
        model: "ab".repeat(32),
        method: "GET".into(),
        target: format!("/<!channel>/{requests}?token=secret{requests}"),
    }
}

#[test]
fn a_test_message_goes_to_every_target_or_says_why_not() {
    let receiver = Receiver::start(|line, _| (if line.contains("gone") { 410 } else { 200 }, String::new()));
    let bench = Bench::new(
        "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = \"%DIR%/hook\"\nkey_file = \"%DIR%/key\"\n\
         [[notify]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"%DIR%/chat\"\n\
         [[notify]]\nname = \"gone\"\nkind = \"webhook\"\nurl_file = \"%DIR%/gone\"\n",
    );
    for name in ["hook", "chat", "gone"] {
        fs::write(bench.path(name), format!("{}/{name}/T0PSECRET", receiver.url)).expect("written");
    }
    let output = bench.run(&["notify", "test"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said,
        "hook took it\nchat took it\ngone did not take it: it answered 410\n"
    );
    let all = [output.stdout, output.stderr].concat();
    assert!(
        !String::from_utf8_lossy(&all).contains("T0PSECRET"),
        "the address is a secret"
    );
    assert_eq!(
        bench.run(&["notify", "test", "--target", "chat"]).status.code(),
        Some(0)
    );
    let unknown = bench.run(&["notify", "test", "--target", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the configuration has hook, chat, gone"));

    let seen = receiver.seen();
    let header = |place: usize, name: &str| {
        let (_, headers, _) = &seen[place];
        headers
            .iter()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    let signature = header(0, "x-sekisho-signature").expect("a webhook with a key is signed");
    assert!(
        signature.starts_with("t=") && signature.contains(",v1="),
        "{signature}"
    );
    assert_eq!(header(1, "x-sekisho-signature"), None);
    let slack: Value = serde_json::from_str(&seen[1].2).expect("JSON");
    assert!(
        slack["blocks"][1]
            .to_string()
            .contains("<https://sekisho.example/|"),
        "{slack:#}"
    );

    let check = bench.run(&["config", "check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{said}");
    fs::write(bench.path("chat"), "hooks.example.org/no-scheme").expect("written");
    let check = bench.run(&["config", "check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        !check.status.success()
            && said.contains("[[notify]] url_file: ")
            && said.contains("holds no address"),
        "{said}"
    );
}

/// A day of people, and a crawl of the last twenty minutes: lines of a sample file.
fn crawl() -> Vec<u8> {
    let at = now();
    let mut samples: Vec<Sample> = (0..40)
        .map(|number| {
            sample(
                &format!("198.18.0.{number}"),
                at - 40_000 + number * 60,
                20,
                false,
            )
        })
        .collect();
    for number in 0..6 {
        for step in 1..4 {
            samples.push(sample(
                &format!("192.0.2.{number}"),
                at - 1_200 + number * 9 + step * 60,
                step * 200,
                true,
            ));
        }
    }
    let lines = samples
        .iter()
        .flat_map(|sample| [sample.to_line().expect("a line"), b"\n".to_vec()].concat());
    lines.collect()
}

#[test]
fn new_crawlers_are_told_once_also_over_a_restart() {
    let receiver = Receiver::start(|line, before| {
        // The first attempt fails, so that it is sent again.
        (
            if line.contains("hook") && before == 0 {
                429
            } else {
                200
            },
            String::new(),
        )
    });
    let bench = Bench::new(
        "[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = \"%DIR%/hook\"\nevents = [\"cluster\"]\n\
         group_window = 0\nmin_interval = 0\n",
    );
    fs::write(bench.path("hook"), format!("{}/hook/secret", receiver.url)).expect("written");
    fs::write(bench.path("samples"), crawl()).expect("written");
    assert!(bench.run(&["serve", "--once"]).status.success());

    let daemon = bench.serve();
    until("it is tried", || receiver.documents().len() == 1);
    until("it is noted", || bench.status()[0]["error"] == "it answered 429");
    drop(daemon);
    let store = Connection::open(bench.path("store.db")).expect("opened");
    // Its time comes at once, and clusters are looked for again.
    let again = "UPDATE notice SET due = 0; DELETE FROM setting WHERE name = 'notify.clusters'";
    store.execute_batch(again).expect("written");
    let _daemon = bench.serve();
    until("it is sent", || bench.status()[0]["sent"] == 1);
    let looked = "SELECT COUNT(*) FROM setting WHERE name = 'notify.clusters'";
    until("it was looked again", || {
        store
            .query_row(looked, [], |row| row.get::<_, i64>(0))
            .is_ok_and(|count| count == 1)
    });
    let status = bench.status();
    assert_eq!(
        (&status[0]["sent"], &status[0]["waiting"]),
        (&json!(1), &json!(0)),
        "{status:#}"
    );

    let documents = receiver.documents();
    assert_eq!(documents.len(), 2, "{documents:#?}");
    assert_eq!(documents[0], documents[1], "the same message, with the same id");
    let event = &documents[0]["events"][0];
    assert_eq!(
        (&event["kind"], &event["title"]),
        (&json!("cluster"), &json!("New crawlers: 6 clients"))
    );
    assert_eq!(event["links"][0], "https://sekisho.example/groups");
    let text = event.to_string();
    assert!(
        text.contains("192.0.2.0/24 (6 clients)") && text.contains("\"/{text}/{number}?token\""),
        "{event:#}"
    );
    assert!(!text.contains("channel") && !text.contains("secret"), "{event:#}");
}

/// A module whose breaker trips after it was asked some times.
fn tripping(line: &str, before: usize) -> (u16, String) {
    if line.starts_with("POST") {
        return (200, String::new());
    }
    if line.contains("/v1/metrics") {
        return (200, "sekisho_scores_total 5\n".to_owned());
    }
    let trips = usize::from(before >= 12);
    let zone = json!({"name": "clients<!here>", "key": "$binary_remote_addr", "bytes": 65536, "since": 1_700_000_000,
        "clients": {"capacity": 100, "held": 1, "estimated": false},
        "counters": {"requests": 5, "breaker_trips": trips, "proxies": 0}, "guards": {"open_until": null}});
    let status = json!({"version": "0.1.0", "nginx_version": "1.22.1", "now": 1_700_000_100, "configured_at": 1,
        "uptime_seconds": 5, "workers": [], "totals": {}, "zones": [zone], "decisions": [], "next": null});
    (200, status.to_string())
}

#[test]
fn a_guard_that_trips_is_told() {
    let receiver = Receiver::start(tripping);
    let bench = Bench::new(&format!(
        "[[nginx]]\nname = \"shop\"\napi = \"{}/sekisho\"\npoll_seconds = 1\n\
         [[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = \"%DIR%/hook\"\nevents = [\"guard\"]\ngroup_window = 0\n",
        receiver.url
    ));
    fs::write(bench.path("hook"), format!("{}/hook/secret", receiver.url)).expect("written");
    let _daemon = bench.serve();
    until("the breaker is told", || !receiver.documents().is_empty());
    let documents = receiver.documents();
    let event = &documents[0]["events"][0];
    assert_eq!(
        (&event["kind"], &event["title"]),
        (&json!("guard"), &json!("The breaker tripped"))
    );
    assert_eq!(
        event["facts"][1],
        json!({"text": "Zone", "names": ["clients<!here>"]})
    );
}
