//! The same scores offline and live: a real log walks through a live nginx in virtual time, then `sekisho scan`
//! reads the access log that nginx wrote. Same clients, same counts, same scores, bit for bit.

mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use flate2::read::MultiGzDecoder;
use lines::{REQUEST_LINES, invented_lines};
use sekisho_core::checkpoint::DEFAULT_MIN_REQUESTS;
use sekisho_core::key::shown_client;
use sekisho_tests::nginx::{Module, Nginx, Site};
use sekisho_tests::source::root;
use serde_json::Value;

/// Lines of the real log.
const LINES: usize = 20_000;
/// An invented line after so many real ones.
const EVERY: usize = 5;
/// Requests on one connection: each new one may go to the other worker.
const KEEPALIVE_REQUESTS: u32 = 300;
/// Room in the zone, for nginx and for the scan.
const ZONE: &str = "4m";

/// What one of the two says of a client.
#[derive(Clone, Debug, Default, PartialEq)]
struct Account {
    requests: u64,
    /// Bits of the last score.
    last: Option<u32>,
    /// Bits of the highest score in force since it could be judged, or until then.
    peak: Option<u32>,
    /// Number of the first request that was suspect or worse.
    flagged_at: Option<u64>,
    /// Requests that were rejected.
    rejected: u64,
}

type Accounts = BTreeMap<String, Account>;

fn sekisho() -> Command {
    let path = root().join("target/release/sekisho");
    assert!(
        path.exists(),
        "{} is missing: build the workspace with --release",
        path.display()
    );
    Command::new(path)
}

/// `sekisho replay --origin`, until it is dropped.
struct Origin {
    child: Child,
    address: String,
}

impl Origin {
    fn start() -> Origin {
        let mut command = sekisho();
        command
            .args(["replay", "--origin", "127.0.0.1:0"])
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the origin starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the origin says where it is");
        let address = line
            .trim_end()
            .strip_prefix("origin http://")
            .expect("an address")
            .to_owned();
        Origin { child, address }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx before the origin: a combined access log in virtual time, and beside it what the checkpoint concluded.
fn start(origin: &Origin, dry_run: &str) -> Nginx {
    let site = Site::new(Module::TestClock);
    site.write(
        "model.onnx",
        &fs::read(root().join("models/default.onnx")).expect("the default model"),
    );
    let http = format!(
        r#"
        sekisho_zone $binary_remote_addr zone=clients:{ZONE};
        sekisho_model %DIR%/model.onnx;
        sekisho zone=clients;
        sekisho_dry_run {dry_run};
        # What a log cannot know of.
        sekisho_bots off; sekisho_breaker off; sekisho_proxy_guard off;
        sekisho_log_level info;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        keepalive_requests {KEEPALIVE_REQUESTS};
        # Of a request that it refuses before its headers nginx knows its own time only.
        map $http_x_replay_time_local $then {{ "" $time_local; default $http_x_replay_time_local; }}
        log_format combined_then '$remote_addr - - [$then] "$request" $status $body_bytes_sent '
                                 '"$http_referer" "$http_user_agent"';
        log_format decision '$remote_addr $status $sekisho_status $sekisho_score';
        upstream origin {{ server {}; keepalive 8; }}
        server {{
            listen 127.0.0.1:%PORT%;
            access_log %DIR%/access.log combined_then;
            access_log %DIR%/decisions.log decision;
            location / {{
                proxy_pass http://origin;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_max_temp_file_size 0;
            }}
        }}"#,
        origin.address
    );
    site.start(&http)
}

/// The first lines of a real log with invented ones among them.
fn write_log(path: &Path) -> usize {
    let log = File::open(root().join("models/data/airis.log.gz")).expect("a log of the repository");
    let real = BufReader::new(MultiGzDecoder::new(log))
        .split(b'\n')
        .map_while(Result::ok)
        .take(LINES);
    let mut out = Vec::new();
    let mut invented = invented_lines().into_iter().cycle();
    for (index, line) in real.enumerate() {
        out.extend_from_slice(&line);
        out.push(b'\n');
        if index % EVERY == 0 {
            out.extend_from_slice(invented.next().expect("a cycle").as_bytes());
            out.push(b'\n');
        }
    }
    fs::write(path, &out).expect("own directory");
    out.iter().filter(|&&byte| byte == b'\n').count()
}

/// One client that sends [`REQUEST_LINES`].
fn send_request_lines(nginx: &Nginx) {
    for line in REQUEST_LINES {
        let request = format!(
            "{line}\r\nHost: shop.test\r\nConnection: close\r\nX-Real-IP: 192.0.2.200\r\n\
             X-Sekisho-Time: 1455944400\r\nX-Replay-Time-Local: 20/Feb/2016:05:00:00 +0000\r\n\
             X-Replay-Status: 200\r\nX-Replay-Bytes: 10\r\n\r\n"
        );
        assert!(
            !nginx.exchange(request.as_bytes()).is_empty(),
            "no answer to {line}"
        );
    }
}

fn replay(log: &Path, port: u16) -> Value {
    let to = format!("http://127.0.0.1:{port}");
    let output = sekisho()
        .arg("replay")
        .arg(log)
        .args(["--to", &to, "--format", "json"])
        .output();
    let output = output.expect("the replay runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a JSON report")
}

/// What nginx concluded, request by request, added up by client.
fn live(decisions: &str) -> Accounts {
    let mut accounts = Accounts::new();
    for line in decisions.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [client, _, verdict, score] = words[..] else {
            panic!("{line}")
        };
        if verdict == "-" {
            continue;
        }
        let account = accounts.entry(shown_client(client)).or_default();
        account.requests += 1;
        if let Ok(score) = score.parse::<f32>() {
            account.last = Some(score.to_bits());
            // What a client scored before it could be judged counts only until then.
            let before = account
                .peak
                .filter(|_| account.requests != u64::from(DEFAULT_MIN_REQUESTS));
            account.peak = Some(
                before
                    .map_or(score, |peak| f32::from_bits(peak).max(score))
                    .to_bits(),
            );
        }
        if verdict != "PASSED" {
            account.flagged_at.get_or_insert(account.requests);
        }
        account.rejected += u64::from(verdict.starts_with("REJECTED"));
    }
    accounts
}

/// What the scan concludes from the access log that nginx wrote.
fn scanned(log: &Path, dry_run: bool) -> Accounts {
    let mut command = sekisho();
    command.args(["scan", "--format", "jsonl", "--quiet", "--zone", ZONE, "--model"]);
    command.arg(root().join("models/default.onnx")).arg(log);
    if dry_run {
        command.arg("--dry-run");
    }
    let output = command.output().expect("the scan runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let clients = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    clients
        .map(|line| {
            let client: Value = serde_json::from_slice(line).expect("a JSON object a line");
            // The shortest digits of an f32 read back as the same f32.
            let bits = |name: &str| client[name].as_f64().map(|score| (score as f32).to_bits());
            let account = Account {
                requests: client["requests"].as_u64().expect("a count"),
                last: bits("last_score"),
                peak: bits("score"),
                flagged_at: client["flagged_at_request"].as_u64(),
                rejected: client["requests_stopped"].as_u64().expect("a count"),
            };
            (client["client"].as_str().expect("a name").to_owned(), account)
        })
        .collect()
}

/// Clients on which the two differ, with what each says.
fn differences(live: &Accounts, scanned: &Accounts) -> Vec<String> {
    let names: BTreeSet<&String> = live.keys().chain(scanned.keys()).collect();
    let different = names
        .into_iter()
        .filter(|name| live.get(*name) != scanned.get(*name));
    different
        .map(|name| {
            format!(
                "{name}\n  live {:?}\n  scan {:?}",
                live.get(name),
                scanned.get(name)
            )
        })
        .collect()
}

struct Outcome {
    live: Accounts,
    scanned: Accounts,
    access_log: PathBuf,
    nginx: Nginx,
}

/// Sends the log, waits for both of nginx's logs, scans the one and adds up the other.
fn run(dry_run: bool) -> Outcome {
    let origin = Origin::start();
    let nginx = start(&origin, if dry_run { "on" } else { "off" });
    let log = nginx.path().join("real.log");
    let lines = write_log(&log);
    send_request_lines(&nginx);
    let report = replay(&log, nginx.port());
    let replay = &report["replay"];
    let sent = replay["requests"].as_u64().expect("a count") as usize;
    let skipped: u64 = replay["skipped"]
        .as_object()
        .expect("reasons")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(
        sent + skipped as usize,
        lines,
        "every line is sent or counted: {replay}"
    );
    assert!(skipped < 1_000 && sent > LINES, "{replay}");
    assert!(
        replay["connections"].as_u64() >= Some(sent as u64 / u64::from(KEEPALIVE_REQUESTS)),
        "{replay}"
    );

    let logged = sent + REQUEST_LINES.len();
    nginx.lines("access.log", logged);
    let decisions = nginx.lines("decisions.log", logged).join("\n");
    let access_log = nginx.path().join("access.log");
    Outcome {
        live: live(&decisions),
        scanned: scanned(&access_log, dry_run),
        access_log,
        nginx,
    }
}

fn total(accounts: &Accounts, count: impl Fn(&Account) -> u64) -> u64 {
    accounts.values().map(count).sum()
}

/// Enough happened for the comparison to mean something.
fn assert_lively(live: &Accounts) {
    assert!(live.len() > 500, "{} clients", live.len());
    assert!(live.keys().any(|client| client.contains(':')), "no IPv6");
    assert_eq!(
        live["192.0.2.200"].requests, 10,
        "nginx let these of the request lines in"
    );
    assert!(
        live.values().filter(|account| account.last.is_some()).count() > 200,
        "hardly any scores"
    );
    assert!(
        live.values()
            .filter(|account| account.flagged_at.is_some())
            .count()
            > 20,
        "hardly any flags"
    );
    assert!(
        total(live, |account| account.rejected) > 500,
        "hardly any rejections"
    );
}

#[test]
fn in_dry_run_the_scan_says_what_nginx_said() {
    let outcome = run(true);
    assert_lively(&outcome.live);
    let different = differences(&outcome.live, &outcome.scanned);
    assert!(
        different.is_empty(),
        "{} clients differ:\n{}",
        different.len(),
        different.join("\n")
    );
    assert_eq!(
        total(&outcome.live, |account| account.rejected),
        total(&outcome.scanned, |account| account.rejected)
    );
    assert!(
        !outcome.nginx.error_log().contains("[crit]"),
        "{}",
        outcome.nginx.error_log()
    );
}

#[test]
fn under_enforcement_the_scan_of_the_enforced_log_says_it_too() {
    let outcome = run(false);
    assert_lively(&outcome.live);
    let different = differences(&outcome.live, &outcome.scanned);
    assert!(
        different.is_empty(),
        "{} clients differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// The comparison can fail: one request a second later, and one client is another.
#[test]
fn a_second_makes_a_difference() {
    let outcome = run(true);
    let text = fs::read_to_string(&outcome.access_log).expect("ASCII");
    let shifted = outcome.nginx.path().join("shifted.log");
    let mut out = File::create(&shifted).expect("own directory");
    for line in text.lines() {
        let (before, seconds) = line.split_at(line.find(" +0000] ").expect("a time") - 2);
        let second: u32 = seconds[..2].parse().expect("seconds");
        let moved = if second == 30 { 31 } else { second };
        writeln!(out, "{before}{moved:02}{}", &seconds[2..]).expect("own directory");
    }
    drop(out);
    assert!(!differences(&outcome.live, &scanned(&shifted, true)).is_empty());
}
