//! The shadow invariant: with dry run on, no visitor can tell that the module is there.

use sekisho_tests::along::{answer, date_files};
use sekisho_tests::nginx::Module;
use sekisho_tests::visitors::{CHECKED, site};

/// One server with many kinds of answers, and a backend on a unix socket.
const SERVER: &str = "
    server { listen unix:%DIR%/backend.sock; location / { return 200 \"method $request_method, length $content_length\\n\"; } }
    server {
        listen 127.0.0.1:%PORT%; lingering_timeout 50ms; client_max_body_size 1k; large_client_header_buffers 4 8k;
        error_page 404 /gone.html; error_page 403 @refused;
        location / { try_files $uri $uri/ =404; }
        location /tried { try_files /nothing /page.html; }
        location /backend { proxy_pass http://unix:%DIR%/backend.sock; }
        location /moved { return 301 /page.html; }
        location /secret { deny all; }
        location @refused { add_header X-Refused yes; try_files /page.html =404; }
        location /mixed { add_before_body /sub/index.html; try_files /page.html =404; }
        location /dead { proxy_pass http://unix:%DIR%/nothing.sock; }
        location /rewritten { rewrite ^ /style.css last; }
        location = /empty.gif { empty_gif; }
    }";

/// Requests by name; those of one entry share a connection.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let close = "Host: shop.test\r\nConnection: close\r\n";
    let line = |line: &str, more: &str| format!("{line} HTTP/1.1\r\n{close}{more}\r\n").into_bytes();
    let alive = "GET /page.html HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    let long = "a".repeat(9000);
    vec![
        ("page", line("GET /page.html", "")),
        ("index", line("GET /", "Referer: http://shop.test/\r\n")),
        ("head", line("HEAD /page.html", "")),
        ("range", line("GET /page.html", "Range: bytes=2-5\r\n")),
        ("bad range", line("GET /page.html", "Range: bytes=900-\r\n")),
        (
            "not modified",
            line(
                "GET /page.html",
                "If-None-Match: *\r\nIf-Modified-Since: Tue, 19 Jan 2038 00:00:00 GMT\r\n",
            ),
        ),
        ("missing", line("GET /nothing-here?a=%00%ff", "")),
        ("directory", line("GET /sub", "")),
        ("tried", line("GET /tried", "")),
        ("forbidden", line("GET /secret", "")),
        (
            "post",
            line("POST /backend", "Content-Length: 5\r\n")
                .into_iter()
                .chain(*b"hello")
                .collect(),
        ),
        (
            "chunked",
            line("POST /backend", "Transfer-Encoding: chunked\r\n")
                .into_iter()
                .chain(*b"2\r\nhi\r\n0\r\n\r\n")
                .collect(),
        ),
        ("post to a file", line("POST /page.html", "Content-Length: 0\r\n")),
        (
            "expects",
            line("POST /backend", "Expect: 100-continue\r\nContent-Length: 2\r\n")
                .into_iter()
                .chain(*b"ok")
                .collect(),
        ),
        ("too large", line("POST /backend", "Content-Length: 4096\r\n")),
        ("no backend", line("GET /dead", "")),
        ("moved", line("GET /moved", "")),
        ("rewritten", line("GET /rewritten", "")),
        ("subrequest", line("GET /mixed", "")),
        ("gif", line("GET /empty.gif", "")),
        ("options", line("OPTIONS /page.html", "")),
        ("absolute", line("GET http://shop.test/page.html", "")),
        ("traversal", line("GET /../../etc/passwd", "")),
        (
            "keepalive",
            [alive.as_bytes(), alive.as_bytes(), &line("GET /style.css", "")].concat(),
        ),
        ("http/1.0", b"GET /page.html HTTP/1.0\r\n\r\n".to_vec()),
        ("http/0.9", b"GET /page.html\r\n".to_vec()),
        ("no host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()),
        ("rubbish", b"\x16\x03\x01\x02\x00\r\n\r\n".to_vec()),
        ("long line", line(&format!("GET /{long}"), "")),
        (
            "hostile headers",
            line(
                "GET /page.html",
                "Referer: \x1b[2J\"'\\\r\nUser-Agent: \r\nX-Sekisho-Time: 1\r\n",
            ),
        ),
    ]
}

#[test]
fn in_dry_run_not_one_byte_differs_from_a_server_without_the_module() {
    let checked = |more: &str| format!("{CHECKED} {more} {SERVER}");
    let start = |module, http: &str| {
        let site = site(module);
        date_files(&site);
        site.start(http)
    };
    let bare = start(Module::Absent, SERVER);
    let shadows = [
        (
            "production",
            start(Module::Production, &checked("sekisho_status 503;")),
        ),
        (
            "threshold 0",
            start(
                Module::Production,
                &checked("sekisho_samples %DIR%/samples.jsonl;").replace(
                    "sekisho zone=clients;",
                    "sekisho zone=clients threshold=0 suspect=0 min_requests=1;",
                ),
            ),
        ),
        ("test clock", start(Module::TestClock, &checked(""))),
    ];
    // Twice over: in the second round the client has long been flagged.
    for round in 0..2 {
        for (name, request) in requests() {
            let expected = answer(&bare, &request);
            assert!(
                name == "rubbish" || name == "http/0.9" || expected.starts_with("HTTP/1.1 "),
                "{name}: {expected}"
            );
            for (build, shadow) in &shadows {
                assert_eq!(
                    answer(shadow, &request),
                    expected,
                    "{name}, {build}, round {round}"
                );
            }
        }
    }
    let log = shadows[1].1.read("access.log");
    assert!(
        log.contains(" REJECTED_DRY_RUN "),
        "the shadow would have rejected: {log}"
    );
}
