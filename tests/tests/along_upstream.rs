//! In front of backends: errors, caches, uploads, upgrades.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use sekisho_core::sample::Sample;
use sekisho_tests::along::{Case, wire};
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{START, counters};

#[test]
fn a_backend_s_errors_reach_the_visitor_as_without_us() {
    let case = Case {
        http: "server { listen unix:%DIR%/backend.sock; location / { return 200 \"$uri\\n\"; } location /500 { return 500; } \
               location /503 { return 503 \"later\\n\"; } location /404 { return 404; } location /cut { return 444; } \
               location /large { add_header X-Large aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; return 200; } } \
               upstream second { server unix:%DIR%/nothing.sock; server unix:%DIR%/backend.sock; } \
               upstream nobody { server unix:%DIR%/nothing.sock; server unix:%DIR%/nothing2.sock; }",
        server: "location /b/ { proxy_pass http://unix:%DIR%/backend.sock:/; } \
                 location /second/ { proxy_pass http://second/; } location /nobody/ { proxy_pass http://nobody/; } \
                 location /small/ { proxy_buffer_size 64; proxy_buffers 2 64; proxy_busy_buffers_size 64; proxy_pass http://unix:%DIR%/backend.sock:/; } \
                 location /page/ { proxy_intercept_errors on; error_page 500 503 /gone.html; proxy_pass http://unix:%DIR%/backend.sock:/; }",
        requests: &[
            "GET /b/x",
            "GET /b/500",
            "GET /b/503",
            "GET /b/404",
            "GET /b/cut",
            "GET /second/x",
            "GET /nobody/x",
            "GET /small/large",
            "GET /page/500",
            "GET /page/503",
            "GET /page/x",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /b/x",
            "500 REJECTED_DRY_RUN - - /b/500",
            "503 REJECTED_DRY_RUN - - /b/503",
            "404 REJECTED_DRY_RUN - - /b/404",
            "502 REJECTED_DRY_RUN - - /b/cut",
            "200 REJECTED_DRY_RUN - - /second/x",
            "502 REJECTED_DRY_RUN - - /nobody/x",
            "502 REJECTED_DRY_RUN - - /small/large",
            "500 REJECTED_DRY_RUN - - /page/500",
            "503 REJECTED_DRY_RUN - - /page/503",
            "200 REJECTED_DRY_RUN - - /page/x",
        ],
        ..Case::default()
    };
    case.shadow("errors");
}

/// A feature of the last sample, once all that wait in the workers are written.
fn last_sampled(nginx: &Nginx, feature: &str) -> f32 {
    let flagged = (counters(nginx)["scores"] as usize).saturating_sub(4);
    let lines = nginx.lines("samples.jsonl", flagged);
    let samples = lines
        .iter()
        .map(|line| Sample::parse(line.as_bytes()).expect("a whole line"));
    let sample = samples.max_by_key(|sample| sample.requests).expect("a sample");
    sample.features[sekisho_core::feature::index(feature).expect("a feature")]
}

#[test]
fn what_comes_from_a_cache_is_a_visit_too() {
    let case = Case {
        http: "proxy_cache_path %DIR%/cache keys_zone=pages:1m; sekisho_samples %DIR%/samples.jsonl; \
               server { listen unix:%DIR%/backend.sock; access_log %DIR%/asked.log; \
               location / { root %DIR%/html; } location /missing { return 404; } }",
        server: "location / { proxy_cache pages; proxy_cache_valid 200 404 10m; proxy_pass http://unix:%DIR%/backend.sock; \
                 add_header X-Cache $upstream_cache_status always; }",
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let ask = |number: u32, target: &str| {
        let time = (START + number * 2).to_string();
        nginx.get(target, &[("X-Sekisho-Time", &time)])
    };
    let seen: Vec<(u16, String)> = (0..40)
        .map(|number| {
            let response = ask(
                number,
                if number.is_multiple_of(2) {
                    "/page.html"
                } else {
                    "/missing"
                },
            );
            (
                response.status,
                response.header("X-Cache").unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let expected = |number: usize| {
        let status = if number.is_multiple_of(2) { 200 } else { 404 };
        (status, if number < 2 { "MISS" } else { "HIT" }.to_owned())
    };
    assert_eq!(seen, (0..40).map(expected).collect::<Vec<_>>());
    assert_eq!(counters(&nginx)["requests"], 40);
    assert_eq!(
        nginx.lines("asked.log", 2).len(),
        2,
        "the backend was asked twice"
    );
    // What the cache answered is what the record learnt: half of it was not there.
    let missing = last_sampled(&nginx, "client_error_share");
    assert!((0.35..0.65).contains(&missing), "{missing}");
}

#[test]
fn a_stopped_request_is_not_cached_and_not_served_from_the_cache() {
    let case = Case {
        http: "proxy_cache_path %DIR%/cache keys_zone=pages:1m; \
               server { listen unix:%DIR%/backend.sock; access_log %DIR%/asked.log; location / { root %DIR%/html; } }",
        server: "location / { proxy_cache pages; proxy_cache_valid any 10m; proxy_pass http://unix:%DIR%/backend.sock; } \
                 location /free/ { sekisho off; proxy_cache pages; proxy_cache_key $scheme$proxy_host/page.html; proxy_cache_valid any 10m; \
                 proxy_pass http://unix:%DIR%/backend.sock:/page.html; add_header X-Cache $upstream_cache_status; }",
        requests: &["GET /page.html", "GET /free/", "GET /page.html", "GET /free/"],
        log: &[
            "429 REJECTED - - /page.html",
            "200 - - - /free/",
            "429 REJECTED - - /page.html",
            "200 - - - /free/",
        ],
        ..Case::default()
    };
    let (nginx, answers) = case.enforced("cache");
    assert!(
        answers[1].contains("X-Cache: MISS") && answers[3].contains("X-Cache: HIT"),
        "{answers:?}"
    );
    assert_eq!(nginx.read("asked.log").lines().count(), 1);
}

#[test]
fn bodies_arrive_whole() {
    let large = "0123456789".repeat(200_000);
    let sized = format!("POST /copy\nContent-Length: {}\n\n{large}", large.len());
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = format!("POST /copy\nTransfer-Encoding: chunked\n\n{chunk}");
    let unbuffered = chunked.replace("/copy", "/unbuffered");
    let put = format!("PUT /dav/new.txt\nContent-Length: {}\n\n{large}", large.len());
    let case = Case {
        http: "client_max_body_size 8m; server { listen unix:%DIR%/backend.sock; client_body_in_file_only clean; \
               location / { return 200 \"$request_method $content_length $http_transfer_encoding\\n\"; } \
               location /echo { proxy_pass http://unix:%DIR%/sink.sock; } } \
               server { listen unix:%DIR%/sink.sock; location / { return 200 \"$content_length\\n\"; } }",
        server: "lingering_timeout 50ms; location /copy { proxy_pass http://unix:%DIR%/backend.sock:/echo; } \
                 location /unbuffered { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://unix:%DIR%/backend.sock:/echo; } \
                 location /dav/ { root %DIR%/tmp/client_body; dav_methods PUT DELETE; create_full_put_path on; } \
                 location /tiny { client_max_body_size 1k; proxy_pass http://unix:%DIR%/backend.sock; }",
        requests: &[
            &sized,
            &chunked,
            &unbuffered,
            &put,
            "DELETE /dav/new.txt",
            "POST /tiny\nContent-Length: 2000\n\n",
            "POST /copy\nExpect: 100-continue\nContent-Length: 5\n\nhello",
            "POST /copy\nContent-Length: 5\n\nhello\n|\nPOST /copy\nTransfer-Encoding: chunked\n\n0\r\n\r\n\n|\nGET /copy",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /copy",
            "200 REJECTED_DRY_RUN - - /copy",
            "200 REJECTED_DRY_RUN - - /unbuffered",
            "201 REJECTED_DRY_RUN - - /dav/new.txt",
            "204 REJECTED_DRY_RUN - - /dav/new.txt",
            "413 - - - /tiny",
            "200 REJECTED_DRY_RUN - - /copy",
            "200 REJECTED_DRY_RUN - - /copy",
            "200 REJECTED_DRY_RUN - - /copy",
            "200 REJECTED_DRY_RUN - - /copy",
        ],
        ..Case::default()
    };
    case.shadow("bodies");
    // Stopped with its body still coming: answered, the connection not torn.
    let refused = [sized.as_str(), &chunked];
    let stopped = Case {
        requests: &refused,
        log: &["429 REJECTED - - /copy"; 2],
        ..case
    };
    let (_, answers) = stopped.enforced("bodies");
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    }
}

/// Answers each connection with an upgrade, and then sends back what it gets, in capitals.
fn upgrading_backend(path: &std::path::Path, connections: usize) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(path).expect("own directory");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("own socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let mut stream = stream.expect("nginx connects");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("nginx sends the request");
                head.push(byte[0]);
            }
            stream
                .write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: Upgrade\r\n\r\n",
                )
                .expect("nginx reads");
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..count].to_ascii_uppercase()).is_err() {
                    break;
                }
            }
        }
    })
}

#[test]
fn an_upgraded_connection_stays_open_and_is_one_visit() {
    let case = Case {
        server: "location /socket { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection upgrade; proxy_pass http://unix:%DIR%/shout.sock; }",
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let backend = upgrading_backend(&nginx.path().join("shout.sock"), 1);
    let mut stream = nginx.connect();
    stream
        .write_all(&wire("GET /socket\nConnection: Upgrade\nUpgrade: shout"))
        .expect("nginx reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    for round in 0..3 {
        stream.write_all(b"hello").expect("open");
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).expect("open");
        assert_eq!(&echo, b"HELLO", "round {round}");
    }
    assert_eq!(counters(&nginx)["requests"], 1);
    drop(stream);
    backend.join().expect("the backend ends with its connection");
    assert_eq!(nginx.lines("along.log", 1), ["101 REJECTED_DRY_RUN - - /socket"]);
}

#[test]
fn a_visitor_who_leaves_early_is_accounted_and_harms_nothing() {
    let case = Case {
        server: "location /silent { proxy_pass http://unix:%DIR%/silent.sock; }",
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let listener = UnixListener::bind(nginx.path().join("silent.sock")).expect("own directory");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(nginx.path().join("silent.sock"), open).expect("own socket");
    for _ in 0..5 {
        let mut stream = nginx.connect();
        stream.write_all(&wire("GET /silent")).expect("nginx reads");
        let held = listener.accept().expect("nginx asks the backend");
        drop(stream);
        drop(held);
    }
    let ended = || (nginx.read("along.log").lines().count() == 5).then_some(());
    wait_for(ended).expect("all five end");
    assert_eq!(counters(&nginx)["requests"], 5);
    assert_eq!(nginx.get("/page.html", &[]).status, 200);
}
