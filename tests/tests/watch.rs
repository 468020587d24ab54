//! `sekisho serve` watches a real nginx: its counters and bans, in dry run and not.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{checked, site};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};

/// Production's module: bans of the test build end by a clock that stands still.
const API: &str = "location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }";

/// A daemon over the samples of an nginx, which ends with the test.
struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    fn start(nginx: &Nginx) -> Daemon {
        let path = |name: &str| nginx.path().join(name).display().to_string();
        let text = format!(
            "[[samples]]\npath = \"{}\"\n[store]\npath = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n
             [[nginx]]\nname = \"shop\"\napi = \"http://127.0.0.1:{}/sekisho/\"\npoll_seconds = 1\n",
            path("samples"),
            path("store.db"),
            nginx.port()
        );
        fs::write(path("sekisho.toml"), text).expect("own directory");
        let mut child = Command::new(root().join("target/release/sekisho"))
            .args(["serve", "--config", &path("sekisho.toml")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it is built");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = String::new();
        while !lines.contains("listening on http://") {
            assert_ne!(said.read_line(&mut lines).expect("text"), 0, "it ended: {lines}");
        }
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let address = lines.rsplit("http://").next().expect("an address").trim();
        Daemon {
            address: address.to_owned(),
            child,
        }
    }

    fn status(&self) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request = format!(
            "GET /v1/status HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A column of the one row that a statement has, as text; nothing while there is none.
fn told(nginx: &Nginx, sql: &str) -> String {
    let script = "import sqlite3,sys;print('|'.join(str(c) for r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]) for c in r))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(nginx.path().join("store.db"))
        .arg(sql)
        .output()
        .expect("python3 is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn until(nginx: &Nginx, sql: &str, expected: &str) {
    let is_so = || (told(nginx, sql) == expected).then_some(());
    wait_for(is_so).unwrap_or_else(|| {
        panic!(
            "{sql}: {}, not {expected}\n{}",
            told(nginx, sql),
            nginx.error_log()
        )
    });
}

fn crawl(nginx: &Nginx, client: &str, requests: u32) -> Vec<u16> {
    let one = |number: u32| {
        nginx
            .get(&format!("/page.html?item={number}"), &[("X-Real-IP", client)])
            .status
    };
    (0..requests).map(one).collect()
}

#[test]
fn counters_and_bans_come_into_the_store() {
    let more = "sekisho_samples %DIR%/samples;";
    let locations =
        format!("location / {{ sekisho_dry_run off; }} location /quiet/ {{ alias %DIR%/html/; }} {API}");
    let nginx = site(Module::Production).start(&checked(more, &locations));
    let daemon = Daemon::start(&nginx);
    let zone = |status: &Value| status["nginx"][0]["status"]["zones"][0]["name"].clone();
    wait_for(|| (zone(&daemon.status()) == "clients").then_some(())).expect("it is watched");

    assert_eq!(crawl(&nginx, "192.0.2.7", 12)[11], 429);
    until(
        &nginx,
        "SELECT SUM(requests) FROM traffic WHERE zone = 'clients'",
        "12",
    );
    until(
        &nginx,
        "SELECT nginx, zone, client, origin, dry_run, ended FROM decision",
        "shop|clients|192.0.2.7|model|0|None",
    );
    assert_eq!(
        told(
            &nginx,
            "SELECT begun <= until AND expires - until BETWEEN -5 AND 5 FROM decision"
        ),
        "1"
    );
    // In a location in dry run, beside: the sample tells.
    for number in 0..12 {
        let target = format!("/quiet/page.html?item={number}");
        assert_eq!(nginx.get(&target, &[("X-Real-IP", "192.0.2.8")]).status, 200);
    }
    until(
        &nginx,
        "SELECT dry_run FROM decision WHERE client = '192.0.2.8'",
        "1",
    );
    let banned = "SELECT COUNT(*) FROM decision WHERE ended IS NULL";
    assert_eq!(told(&nginx, banned), "2");

    drop(nginx);
    wait_for(|| daemon.status()["nginx"][0]["status"].is_null().then_some(())).expect("it is missed");
    assert!(daemon.status()["nginx"][0]["failing_since"].is_u64());
}
