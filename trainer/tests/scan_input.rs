//! Logs as they should not be.

mod scan_support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use scan_support::{Bench, airis, line};
use serde_json::Value;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn failure(bench: &Bench, arguments: &[&str], code: i32) -> String {
    let output = bench.scan(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn rubbish_between_lines_is_counted_and_the_first_is_shown() {
    let bench = Bench::new();
    let mut log = line("192.0.2.1", 1, "/a").into_bytes();
    log.extend([0x1b, b'[', b'2', b'J', 0, 0xff, 0xfe, b' ', b'\n']);
    log.extend(vec![0; 5000]);
    log.push(b'\n');
    log.extend(vec![b'x'; 1 << 20]);
    log.push(b'\n');
    log.extend(line("192.0.2.1", 2, "/b").into_bytes());
    log.extend(b"192.0.2.9 - - [20/Feb/2016:05:00:45 +0000] \"\\x16\\x03\\x01\" 400 0 \"-\" \"-\"\n");
    bench.write("access.log", &log);
    let summary = bench.json(&["access.log"])["summary"].clone();
    assert_eq!(
        (&summary["lines"], &summary["unparsable"]),
        (&6.into(), &3.into())
    );
    assert_eq!(
        (&summary["requests"], &summary["malformed_requests"]),
        (&2.into(), &1.into())
    );
    let first = &summary["first_unparsable"];
    assert_eq!(
        (&first["file"], &first["line"]),
        (&"access.log".into(), &2.into())
    );
    assert_eq!(first["text"], "\\u{1b}[2J\\u{0}\u{fffd}\u{fffd} ");
    let table = bench.output(&["access.log"]).stdout;
    assert!(
        !table.contains(&0x1b) && !table.contains(&0),
        "hostile bytes reached the terminal"
    );
}

#[test]
fn a_log_of_nothing_but_rubbish_is_an_error() {
    let bench = Bench::new();
    bench.write(
        "access.log",
        &(0..=255).cycle().take(100_000).collect::<Vec<u8>>(),
    );
    let error = failure(&bench, &["access.log"], 1);
    assert!(error.contains("none of"), "{error}");
    assert!(
        error.contains("access.log:1: column 1: expected a client address"),
        "{error}"
    );
    assert!(error.contains("--log-format"), "{error}");
}

#[test]
fn an_empty_log_is_no_error() {
    let bench = Bench::new();
    bench.write("access.log", b"");
    let output = bench.output(&["access.log"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("0 requests by 0 clients\n")
    );
}

#[test]
fn a_truncated_archive_is_used_as_far_as_it_goes() {
    let bench = Bench::new();
    let packed = gzip(&std::fs::read(airis()).unwrap());
    bench.write("access.log.gz", &packed[..packed.len() / 2]);
    let summary = bench.json(&["access.log.gz"])["summary"].clone();
    let requests = summary["requests"].as_u64().unwrap();
    assert!(requests > 500 && requests < 2900, "{requests}");
    assert_eq!(
        summary["incomplete_files"][0]["reason"],
        "the gzip archive ends early"
    );
    assert_eq!(summary["incomplete_files"][0]["lines"], requests);
    let table = String::from_utf8(bench.output(&["access.log.gz"]).stdout).unwrap();
    assert!(
        table.contains("access.log.gz: the gzip archive ends early"),
        "{table}"
    );
}

#[test]
fn dates_far_away_and_time_running_backwards() {
    let bench = Bench::new();
    let mut log = String::new();
    for day in [
        "01/Jan/1970:00:00:00",
        "31/Dec/2099:23:59:59",
        "20/Feb/2016:05:00:45",
    ]
    .iter()
    .cycle()
    .take(300)
    {
        writeln!(
            log,
            "192.0.2.1 - - [{day} +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\""
        )
        .unwrap();
    }
    log += &(0..300)
        .rev()
        .map(|second| line("192.0.2.2", second, "/"))
        .collect::<String>();
    bench.write("access.log", log.as_bytes());
    let document = bench.json(&["access.log"]);
    assert_eq!(document["summary"]["requests"], 600);
    assert_eq!(document["summary"]["first_seen"], "1970-01-01T00:00:00Z");
    assert_eq!(document["summary"]["last_seen"], "2099-12-31T23:59:59Z");
    for client in document["clients"].as_array().unwrap() {
        let finite = client["features"]
            .as_object()
            .unwrap()
            .values()
            .all(Value::is_number);
        assert!(finite && client["score"].is_number(), "{client}");
    }
}

#[test]
fn ipv6_clients_are_clients() {
    let bench = Bench::new();
    bench.write(
        "access.log",
        (line("2001:db8::7", 1, "/") + &line("2001:db8:0:0::9", 2, "/a")).as_bytes(),
    );
    let clients = bench.json(&["access.log"])["clients"].clone();
    assert_eq!(
        clients.as_array().unwrap().len(),
        1,
        "two addresses of one network: {clients}"
    );
    assert_eq!(
        (&clients[0]["client"], &clients[0]["requests"]),
        (&"2001:db8::/64".into(), &2.into())
    );
}

#[test]
fn thirty_thousand_clients_of_one_request() {
    let bench = Bench::new();
    let log: String = (0..30_000)
        .map(|n| {
            line(
                &format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255),
                n / 10,
                "/",
            )
        })
        .collect();
    bench.write("access.log", log.as_bytes());
    let document = bench.json(&["access.log"]);
    assert_eq!(document["summary"]["clients"], 30_000);
    assert_eq!(document["summary"]["evicted"]["clients"], 0);
    assert!(
        document["clients"]
            .as_array()
            .unwrap()
            .iter()
            .all(|client| client["verdict"] == "passed")
    );
}

#[test]
fn one_client_of_a_million_requests() {
    let bench = Bench::new();
    let mut log = String::new();
    for n in 0..1_000_000 {
        log += &line("192.0.2.1", n / 20, &format!("/item/{n}"));
    }
    bench.write("access.log", log.as_bytes());
    let begun = Instant::now();
    let document = bench.json(&["access.log"]);
    let took = begun.elapsed();
    assert_eq!(document["clients"][0]["requests"], 1_000_000);
    assert_eq!(document["clients"][0]["verdict"], "rejected");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn rotated_logs_and_standard_input_in_any_order() {
    let bench = Bench::new();
    let text = std::fs::read(airis()).unwrap();
    let cuts: Vec<usize> = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let (first, second) = (cuts[999], cuts[1999]);
    bench.write("access.log.2.gz", &gzip(&text[..first]));
    bench.write("access.log.1", &text[first..second]);
    bench.write("access.log", &text[second..]);
    let whole = airis().display().to_string();
    let clients = |arguments: &[&str]| bench.json(arguments)["clients"].clone();
    let expected = clients(&[&whole]);
    assert_eq!(
        clients(&["access.log", "access.log.1", "access.log.2.gz"]),
        expected
    );
    assert_eq!(
        clients(&["access.log.1", "access.log.2.gz", "access.log"]),
        expected
    );
    let mut command = bench.scan(&["--format", "json", "access.log", "-", "access.log.1"]);
    let output = command.write_stdin(gzip(&text[..first])).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["clients"], expected);
    let names = serde_json::json!(["standard input", "access.log.1", "access.log"]);
    assert_eq!(document["summary"]["files"], names);
}

#[test]
fn every_way_to_write_a_log_gives_the_same_clients() {
    let bench = Bench::new();
    let (mut json, mut pipes) = (String::new(), String::new());
    for text in std::fs::read_to_string(airis()).unwrap().lines() {
        let parts: Vec<&str> = text.split('"').collect();
        let (head, numbers) = (parts[0], parts[2].trim().split_once(' ').unwrap());
        let (client, time) = (
            head.split(' ').next().unwrap(),
            &head[head.find('[').unwrap() + 1..head.len() - 2],
        );
        let entry = serde_json::json!({
            "remote_addr": client, "time_local": time, "request": parts[1],
            "status": numbers.0, "body_bytes_sent": numbers.1, "http_referer": parts[3],
        });
        writeln!(json, "{entry}").unwrap();
        writeln!(
            pipes,
            "{}|{}|{time}|{}|{}|{client}",
            numbers.0, numbers.1, parts[1], parts[3]
        )
        .unwrap();
    }
    bench.write("json.log", json.as_bytes());
    bench.write("pipes.log", pipes.as_bytes());
    let expected = bench.json(&[&airis().display().to_string()])["clients"].clone();
    assert_eq!(bench.json(&["json.log"])["clients"], expected);
    let format = "$status|$body_bytes_sent|$time_local|$request|$http_referer|$remote_addr";
    assert_eq!(
        bench.json(&["pipes.log", "--log-format", format])["clients"],
        expected
    );
}

#[test]
fn errors_name_what_is_wrong() {
    let bench = Bench::new();
    bench.write("access.log", line("192.0.2.1", 1, "/").as_bytes());
    let damaged = std::fs::read(bench.path("model.onnx")).unwrap();
    bench.write("model.onnx", &damaged[..damaged.len() / 2]);
    let refused = failure(&bench, &["access.log"], 1);
    assert!(
        refused.starts_with("sekisho: the model model.onnx is refused: "),
        "{refused}"
    );
    let bench = Bench::new();
    let missing = failure(&bench, &["none.log"], 1);
    assert!(
        missing.starts_with("sekisho: cannot read none.log: "),
        "{missing}"
    );
    bench.write("access.log", line("192.0.2.1", 1, "/").as_bytes());
    assert!(failure(&bench, &["access.log", "--allow", "192.0.2.0/33"], 1).contains("neither a network"));
    assert!(failure(&bench, &["access.log", "--log-format", "$remote_addr"], 2).contains("$time_local"));
    assert!(failure(&bench, &["access.log", "--threshold", "1.5"], 2).contains("at most 1"));
    let above = ["access.log", "--threshold", "0.5", "--suspect", "0.6"];
    assert!(failure(&bench, &above, 2).contains("--suspect 0.6 is above the threshold 0.5"));
    assert!(failure(&bench, &[], 2).contains("<LOG>"));
}

#[test]
fn a_file_counts_once() {
    let bench = Bench::new();
    bench.write("access.log", line("192.0.2.1", 1, "/").as_bytes());
    std::os::unix::fs::symlink("access.log", bench.path("link.log")).unwrap();
    #[track_caller]
    fn check(bench: &Bench, logs: &[&str], expected: &str) {
        let error = failure(bench, logs, 2);
        assert!(error.contains(expected), "{error}");
    }
    check(
        &bench,
        &["access.log", "access.log"],
        "access.log and access.log are the same file",
    );
    check(
        &bench,
        &["access.log", "link.log"],
        "access.log and link.log are the same file",
    );
    check(&bench, &["-", "-"], "only once");
}

#[test]
fn a_file_too_large_for_a_model_is_not_read() {
    let bench = Bench::new();
    bench.write("access.log", line("192.0.2.1", 1, "/").as_bytes());
    let file = std::fs::File::create(bench.path("model.onnx")).unwrap();
    file.set_len(1 << 30).unwrap();
    // Not enough memory for the file, more than enough for a model.
    let script = "ulimit -v 800000; exec \"$0\" scan --model model.onnx access.log";
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(assert_cmd::cargo::cargo_bin("sekisho"))
        .current_dir(bench.path(""))
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the limit is 4194304"), "{error}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    let log: String = (0..30_000)
        .map(|n| line(&format!("10.0.{}.{}", n >> 8 & 255, n & 255), n / 10, "/"))
        .collect();
    bench.write("access.log", log.as_bytes());
    let binary = assert_cmd::cargo::cargo_bin("sekisho");
    let script = "set -o pipefail; \"$0\" scan --model model.onnx --format jsonl access.log | head -n 1";
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(binary)
        .current_dir(bench.path(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
}

#[test]
fn a_format_that_lacks_what_scores_stand_on_is_told_of() {
    let bench = Bench::new();
    bench.write(
        "own.log",
        b"192.0.2.1 [20/Feb/2016:05:00:01 +0000] \"GET / HTTP/1.1\" 200 5 \"-\"\n",
    );
    let check = |format: &str, told: &[&str]| {
        let output = bench.output(&["own.log", "--log-format", format]);
        let said = String::from_utf8_lossy(&output.stderr);
        for name in ["$http_referer", "$body_bytes_sent"] {
            assert_eq!(said.contains(name), told.contains(&name), "{format}: {said}");
        }
    };
    let start = "$remote_addr [$time_local] \"$request\" $status";
    check(&format!("{start} $body_bytes_sent \"$http_referer\""), &[]);
    check(&format!("{start} $body_bytes_sent \"$x\""), &["$http_referer"]);
    check(
        &format!("{start} $x \"$y\""),
        &["$http_referer", "$body_bytes_sent"],
    );
}
