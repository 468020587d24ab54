//! How requests come and answers go: HTTP/2, TLS, pipelines, ranges, files, threads, many workers.

use std::process::Command;

use sekisho_tests::along::Case;
use sekisho_tests::http2::get_at_once;
use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{COUNTERS, counters, site};

#[test]
fn answers_go_out_as_without_us() {
    let long = "<p>0123456789 abcdefghij</p>\n".repeat(20_000);
    let case = Case {
        server: "gzip on; gzip_min_length 1; gzip_types text/css; keepalive_requests 5; large_client_header_buffers 4 2k;
            location /sent { sendfile on; tcp_nopush on; try_files /long.html =404; }
            location /direct { directio 4k; output_buffers 2 32k; try_files /long.html =404; }
            location /threads { aio threads; sendfile off; try_files /long.html =404; }
            location /threads-sent { aio threads; sendfile on; sendfile_max_chunk 16k; try_files /long.html =404; }
            location /slow { limit_rate 4m; try_files /long.html =404; }
            location /one { max_ranges 1; try_files /page.html =404; }
            location /expires { expires epoch; etag off; if_modified_since before; add_header Cache-Control public; try_files /page.html =404; }
            location /status { stub_status; }
            location = /empty.gif { empty_gif; }
            location /list/ { autoindex on; alias %DIR%/html/sub/; index none; }
            location /random/ { random_index on; alias %DIR%/html/sub/; }",
        files: &[("html/long.html", &long)],
        requests: &[
            "GET /sent",
            "GET /sent\nAccept-Encoding: gzip",
            "HEAD /sent",
            "GET /sent\nRange: bytes=100000-100099",
            "GET /sent\nRange: bytes=-5",
            "GET /sent\nRange: bytes=900000-",
            "GET /direct",
            "GET /threads",
            "GET /threads\nRange: bytes=100-200",
            "GET /threads-sent",
            "GET /slow",
            "GET /one\nRange: bytes=0-1,3-4",
            "GET /style.css\nAccept-Encoding: gzip",
            "GET /expires\nIf-Modified-Since: Tue, 19 Jan 2038 00:00:00 GMT",
            "GET /page.html\nIf-Match: \"no\"",
            "GET /empty.gif",
            "GET /list/",
            "GET /random/",
            "OPTIONS /page.html",
            "GET /page.html\n|\nHEAD /page.html\n|\nGET /style.css\n|\nGET /nothing\n|\nGET /page.html",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /sent",
            "200 REJECTED_DRY_RUN - - /sent",
            "200 REJECTED_DRY_RUN - - /sent",
            "206 REJECTED_DRY_RUN - - /sent",
            "206 REJECTED_DRY_RUN - - /sent",
            "416 REJECTED_DRY_RUN - - /sent",
            "200 REJECTED_DRY_RUN - - /direct",
            "200 REJECTED_DRY_RUN - - /threads",
            "206 REJECTED_DRY_RUN - - /threads",
            "200 REJECTED_DRY_RUN - - /threads-sent",
            "200 REJECTED_DRY_RUN - - /slow",
            "200 REJECTED_DRY_RUN - - /one",
            "200 REJECTED_DRY_RUN - - /style.css",
            "304 REJECTED_DRY_RUN - - /expires",
            "412 REJECTED_DRY_RUN - - /page.html",
            "200 REJECTED_DRY_RUN - - /empty.gif",
            "200 REJECTED_DRY_RUN - - /list/",
            "200 REJECTED_DRY_RUN - - /random/",
            "405 REJECTED_DRY_RUN - - /page.html",
            "200 REJECTED_DRY_RUN - - /page.html",
            "200 REJECTED_DRY_RUN - - /page.html",
            "200 REJECTED_DRY_RUN - - /style.css",
            "404 REJECTED_DRY_RUN - - /nothing",
            "200 REJECTED_DRY_RUN - - /page.html",
        ],
        ..Case::default()
    };
    let nginx = case.shadow("answers");
    assert!(!nginx.error_log().contains("[alert]"), "{}", nginx.error_log());
}

#[test]
fn a_stopped_request_in_a_pipeline_leaves_the_others_alone() {
    let case = Case {
        server: "location /free { sekisho off; try_files /page.html =404; }",
        requests: &[
            "GET /free\n|\nGET /page.html\n|\nPOST /page.html\nContent-Length: 5\n\nhello\n|\nGET /free",
        ],
        log: &[
            "200 - - - /free",
            "429 REJECTED - - /page.html",
            "429 REJECTED - - /page.html",
            "200 - - - /free",
        ],
        ..Case::default()
    };
    let (_, answers) = case.enforced("pipeline");
    assert_eq!(answers[0].matches("<html>page</html>").count(), 2);
}

#[test]
fn stub_status_counts_as_without_us() {
    let case = Case {
        server: "location /status { stub_status; }",
        requests: &["GET /status"],
        ..Case::default()
    };
    let (nginx, answers) = case.enforced("stub_status");
    assert!(
        answers[0].starts_with("HTTP/1.1 429 "),
        "its location has a checkpoint like any other: {}",
        answers[0]
    );
    drop(nginx);
    let open = Case {
        server: "location /status { sekisho off; stub_status; }",
        ..case
    };
    let nginx = open.start(Module::TestClock, "sekisho_dry_run off;");
    for _ in 0..5 {
        assert_eq!(nginx.get("/page.html", &[]).status, 429);
    }
    let text = String::from_utf8(nginx.get("/status", &[]).body).expect("text");
    // One more connection, that of the fixture, waited for the port.
    assert!(text.contains("\n 7 7 6 \n"), "{text}");
}

const ZONE: &str = "sekisho_zone $binary_remote_addr zone=clients:1m; sekisho_model %DIR%/model.onnx; \
                    log_format streams '$server_protocol $status $sekisho_status $request_uri'; access_log %DIR%/streams.log streams;";
const STRICT: &str = "sekisho zone=clients threshold=0 suspect=0 min_requests=1;";

/// curl's word on one transfer a line, `STATUS BYTES`, sorted.
fn curl(nginx: &Nginx, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("curl");
    command.args([
        "-s",
        "-k",
        "--max-time",
        "60",
        "-w",
        "\\n%{http_code} %{http_version} %{size_download}\\n",
    ]);
    let port = nginx.port().to_string();
    command.args(arguments.iter().map(|argument| argument.replace("%PORT%", &port)));
    let output = command.output().expect("curl is installed");
    assert!(
        output.status.success(),
        "curl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.split(' ').count() == 3 && line.starts_with(|digit: char| digit.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn each_stream_of_a_multiplexed_connection_is_one_visit() {
    let http = |more: &str| {
        format!(
            "{ZONE} server {{ listen 127.0.0.1:%PORT% http2; {STRICT} {more} location / {{ try_files /page.html =404; }} }} \
                 server {{ listen unix:%DIR%/admin.sock; sekisho zone=clients; {COUNTERS} }}"
        )
    };
    let targets: Vec<String> = (0..60).map(|number| format!("/{number}")).collect();
    let at_once = |nginx: &Nginx| get_at_once(nginx.connect(), &targets).expect("all streams end");
    let nginx = site(Module::TestClock).start(&http(""));
    assert_eq!(at_once(&nginx), [200; 60]);
    let mut lines = nginx.lines("streams.log", 60);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 60, "each once");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("HTTP/2.0 200 REJECTED_DRY_RUN /")),
        "{lines:?}"
    );
    assert_eq!(unix_counters(&nginx)["requests"], 60);

    let nginx = site(Module::TestClock).start(&http("sekisho_dry_run off;"));
    assert_eq!(at_once(&nginx), [429; 60]);
    assert_eq!(unix_counters(&nginx)["rejected"], 60);
}

fn unix_counters(nginx: &Nginx) -> std::collections::BTreeMap<String, u64> {
    let socket = nginx.path().join("admin.sock");
    let output = Command::new("curl")
        .args(["-s", "--max-time", "20", "--unix-socket"])
        .arg(socket)
        .arg("http://shop.test/counters")
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

#[test]
fn over_tls_as_in_the_clear() {
    let site = site(Module::TestClock);
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=shop.test",
        ])
        .arg("-keyout")
        .arg(site.path().join("key.pem"))
        .arg("-out")
        .arg(site.path().join("certificate.pem"))
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let nginx = site.start(&format!(
        "{ZONE} ssl_certificate %DIR%/certificate.pem; ssl_certificate_key %DIR%/key.pem; \
         server {{ listen 127.0.0.1:%PORT% ssl http2; {STRICT} location / {{ try_files /page.html =404; }} \
         location /free {{ sekisho off; try_files /page.html =404; }} location /stop {{ sekisho_dry_run off; }} {COUNTERS} }}"
    ));
    let url = |path: &str| format!("https://127.0.0.1:%PORT%/{path}");
    let (pages, stop, free) = (url("[1-20]"), url("stop"), url("free"));
    assert_eq!(curl(&nginx, &["--http2", "-Z", &pages]), vec!["200 2 18"; 20]);
    assert_eq!(curl(&nginx, &["--http1.1", &pages]), vec!["200 1.1 18"; 20]);
    let mixed = curl(&nginx, &["--http2", &stop, &free]);
    assert_eq!(
        (mixed.len(), &mixed[0][..], &mixed[1][..6]),
        (2, "200 2 18", "429 2 ")
    );
    // A body that nobody reads, stopped on its stream: the connection serves on.
    let body = "x".repeat(100_000);
    let posted = curl(
        &nginx,
        &["--http2", "-d", &body, &stop, "--next", "-k", "-s", &free],
    );
    assert!(posted.iter().any(|line| line.starts_with("429 2 ")), "{posted:?}");
    let lines = nginx.lines("streams.log", 44);
    assert_eq!(lines.iter().filter(|line| line.contains(" REJECTED")).count(), 42);
    // A plain request to the TLS port is answered before us.
    assert_eq!(nginx.get("/page.html", &[]).status, 400);
    assert_eq!(nginx.lines("streams.log", 45)[44], "HTTP/1.1 400 - /page.html");
}

#[test]
fn four_workers_that_accept_many_at_once_count_all() {
    let nginx = site(Module::TestClock).workers(4).start(&format!(
        "{ZONE} server {{ listen 127.0.0.1:%PORT% reuseport backlog=512; {STRICT} location / {{ try_files /page.html =404; }} {COUNTERS} }}"
    ));
    // Until the first score is in, requests that come at the same time have no verdict to stand on.
    assert_eq!(nginx.get("/first", &[]).status, 200);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let nginx = &nginx;
            scope.spawn(move || {
                for number in 0..50 {
                    assert_eq!(nginx.get(&format!("/{client}/{number}"), &[]).status, 200);
                }
            });
        }
    });
    // A lock that is not to be had in a bounded time is skipped, and that is counted.
    let numbers = counters(&nginx);
    let skipped = numbers["lock_failures"];
    assert!(numbers["requests"] + skipped >= 401, "{numbers:?}");
    assert!(numbers["rejected_dry_run"] + skipped >= 401, "{numbers:?}");
    assert!(skipped <= 4, "{numbers:?}");
}
