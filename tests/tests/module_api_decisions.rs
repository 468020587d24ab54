//! Bans that an operator puts and lifts through the API, and the bodies that they come in.

use std::io::{Read, Write};
use std::process::Command;

use sekisho_tests::api::{LOCATIONS, ZONES, ask, delete, json_of, post, refused, request, shop};
use sekisho_tests::nginx::Module;
use sekisho_tests::visitors::{START, checked, crawl, site, visit};
use serde_json::{Value, json};

#[test]
fn an_operator_bans_and_lifts() {
    let nginx = shop();
    assert_eq!(visit(&nginx, "192.0.2.7", 0, "/page.html", &[]).status, 200);
    let body =
        r#"{"zone":"clients","client":"192.0.2.7","seconds":600,"reason":"scrapes \"prices\"\n\u001b[31m"}"#;
    let answer = post(&nginx, 1, body);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let location = answer.header("Location").expect("a place").to_owned();
    assert!(
        location.ends_with("/sekisho/v1/decisions/clients/192.0.2.7"),
        "{location}"
    );
    let decision = json_of(&answer);
    assert_eq!(decision["origin"], "operator");
    assert_eq!(decision["until"], START + 601);
    let log = nginx.error_log();
    let note = "sekisho: ban by operator, zone \"clients\", client \"192.0.2.7\", 600 seconds, reason \"scrapes \\\"prices\\\"\\n\\u{1b}[31m\"";
    assert!(log.contains(note), "{log}");
    assert_eq!(visit(&nginx, "192.0.2.7", 2, "/page.html", &[]).status, 429);
    assert_eq!(
        ask(&nginx, 2, "/sekisho/v1/decisions/clients/192.0.2.7"),
        decision
    );
    crawl(&nginx, "192.0.2.1", 0, 12);
    let list = ask(&nginx, 20, "/sekisho/v1/decisions?zone=clients");
    let mut origins: Vec<_> = list["decisions"]
        .as_array()
        .expect("decisions")
        .iter()
        .map(|ban| ban["origin"].clone())
        .collect();
    origins.sort_by_key(Value::to_string);
    assert_eq!(origins, ["model", "operator"]);

    assert_eq!(
        delete(&nginx, 20, "/sekisho/v1/decisions/clients/192.0.2.7").status,
        204
    );
    assert_eq!(visit(&nginx, "192.0.2.7", 21, "/page.html", &[]).status, 200);
    refused(
        &delete(&nginx, 20, "/sekisho/v1/decisions/clients/192.0.2.7"),
        404,
        "no_decision",
    );
    assert!(
        nginx
            .error_log()
            .contains("sekisho: ban lifted by operator, zone \"clients\", client \"192.0.2.7\"")
    );

    let unknown = r#"{"zone":"clients","client":"2001:db8::1","seconds":5}"#;
    assert_eq!(post(&nginx, 30, unknown).status, 201);
    assert_eq!(visit(&nginx, "2001:db8::1", 31, "/page.html", &[]).status, 429);
    assert_eq!(
        visit(&nginx, "2001:db8::1", 35, "/page.html", &[]).status,
        200,
        "every ban expires"
    );
    refused(
        &nginx.get("/sekisho/v1/decisions/clients/2001:db8::1", &[]),
        404,
        "no_decision",
    );
}

#[test]
fn a_list_is_read_in_parts() {
    let nginx = shop();
    for number in 0..20 {
        let body = json!({"zone": "clients", "client": format!("198.51.100.{number}"), "seconds": 900});
        assert_eq!(post(&nginx, 0, &body.to_string()).status, 201);
    }
    let (mut cursor, mut clients, mut parts) = (json!(0), Vec::new(), 0);
    while let Some(place) = cursor.as_u64() {
        let list = ask(
            &nginx,
            1,
            &format!("/sekisho/v1/decisions?zone=clients&limit=7&cursor={place}"),
        );
        let part = list["decisions"].as_array().expect("decisions");
        assert!(part.len() <= 7);
        clients.extend(part.iter().map(|ban| ban["client"].to_string()));
        cursor = list["next"].clone();
        parts += 1;
    }
    clients.sort();
    clients.dedup();
    assert_eq!((clients.len(), parts), (20, 3));
    let beyond = ask(&nginx, 1, "/sekisho/v1/decisions?zone=clients&cursor=2147483647");
    assert_eq!(
        (&beyond["decisions"], &beyond["next"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn bad_bodies_are_refused_in_json() {
    let nginx = shop();
    let body = |text: &str, status: u16, code: &str| refused(&post(&nginx, 0, text), status, code);
    for text in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"zone":"clients"}"#,
        r#"{"zone":"clients","client":"192.0.2.1"}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":0}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":2592001}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":-1}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":1.5}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":"600"}"#,
        r#"{"zone":"clients","client":"","seconds":600}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":600,"forever":true}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":600,"seconds":60}"#,
        r#"{"zone":"clients","client":"192.0.2.1","seconds":600} {}"#,
        "{\"zone\":\"clients\",\"client\":\"\u{1}\",\"seconds\":600}",
    ] {
        body(text, 400, "bad_body");
    }
    let order = |client: &str, reason: &str| {
        json!({"zone": "clients", "client": client, "seconds": 60, "reason": reason}).to_string()
    };
    body(&order("192.0.2.1", &"r".repeat(201)), 400, "bad_body");
    body(&order("192.0.2.999", ""), 404, "no_client");
    body(&order("hash:0123456789abcdef", ""), 404, "no_client");
    body(&order("192.0.2.0/24", ""), 404, "no_client");
    body(
        &order("192.0.2.1", "").replace("clients", "nowhere"),
        404,
        "no_zone",
    );
    body(&format!("\"{}\"", "x".repeat(4100)), 413, "body_too_large");
    assert_eq!(post(&nginx, 0, &order("192.0.2.1", &"é".repeat(200))).status, 201);

    let text = order("192.0.2.3", "");
    let length = text.len().to_string();
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        request(&nginx, "POST", "/sekisho/v1/decisions", headers, body)
    };
    refused(
        &send(&[("Content-Length", &length)], text.as_bytes()),
        415,
        "bad_content_type",
    );
    refused(
        &send(
            &[("Content-Length", &length), ("Content-Type", "text/json")],
            text.as_bytes(),
        ),
        415,
        "bad_content_type",
    );
    let accepted = send(
        &[
            ("Content-Length", &length),
            ("Content-Type", "Application/JSON; charset=utf-8"),
        ],
        text.as_bytes(),
    );
    assert_eq!(accepted.status, 201);
    refused(
        &send(
            &[("Content-Length", "99999"), ("Content-Type", "application/json")],
            b"",
        ),
        413,
        "body_too_large",
    );
    let chunked = [
        ("Transfer-Encoding", "chunked"),
        ("Content-Type", "application/json"),
    ];
    let chunks = |part: &str, times: usize| {
        [
            format!("{:x}\r\n{part}\r\n", part.len()).repeat(times),
            "0\r\n\r\n".to_owned(),
        ]
        .concat()
    };
    assert_eq!(send(&chunked, chunks(&text, 1).as_bytes()).status, 201);
    refused(
        &send(&chunked, chunks(&" ".repeat(1000), 5).as_bytes()),
        413,
        "body_too_large",
    );
    refused(
        &send(&chunked, chunks(&" ".repeat(1000), 60).as_bytes()),
        413,
        "body_too_large",
    );
    assert_eq!(send(&chunked, b"zz\r\n").status, 400, "nginx's own");
}

#[test]
fn connections_go_on_after_bodies_heads_and_refusals() {
    let nginx = shop();
    let body = r#"{"zone":"clients","client":"192.0.2.7","seconds":600}"#;
    let post = format!(
        "POST /sekisho/v1/decisions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let head = "HEAD /sekisho/v1/status HTTP/1.1\r\nHost: a\r\n\r\n";
    let wrong = "PUT /sekisho/v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let delete =
        "DELETE /sekisho/v1/decisions/clients/192.0.2.7 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    let last = "GET /sekisho/v1/decisions?zone=clients HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = [&post, head, wrong, delete, last].concat();
    let text = String::from_utf8(nginx.exchange(all.as_bytes())).expect("text");
    let codes: Vec<_> = text.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(codes, ["201", "200", "405", "204", "200"], "{text}");
    let answer = request(&nginx, "HEAD", "/sekisho/v1/status", &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(
        answer
            .header("Content-Length")
            .is_some_and(|length| length != "0")
    );

    // A body in two parts, the second one later.
    let mut stream = nginx.connect();
    let (first, second) = post.split_at(post.len() - 10);
    stream.write_all(first.as_bytes()).expect("nginx reads");
    assert_eq!(
        nginx.get("/sekisho/v1/status", &[]).status,
        200,
        "nobody waits for it"
    );
    stream.write_all(second.as_bytes()).expect("nginx reads");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 201");
    // A client that goes away in the middle of its body costs nothing.
    let mut gone = nginx.connect();
    gone.write_all(first.as_bytes()).expect("nginx reads");
    drop(gone);
    assert_eq!(nginx.get("/sekisho/v1/status", &[]).status, 200);
}

#[test]
fn a_body_that_nginx_keeps_in_a_file_is_read() {
    let more = format!("{ZONES} client_body_buffer_size 16; client_body_in_file_only clean;");
    let nginx = site(Module::TestClock).start(&checked(&more, LOCATIONS));
    assert_eq!(
        post(
            &nginx,
            0,
            r#"{"zone":"clients","client":"192.0.2.7","seconds":600}"#
        )
        .status,
        201
    );
    refused(&post(&nginx, 0, &" ".repeat(4096)), 400, "bad_body");
}

#[test]
fn http_2_works() {
    let http =
        checked(ZONES, LOCATIONS).replace("listen 127.0.0.1:%PORT%;", "listen 127.0.0.1:%PORT% http2;");
    let nginx = site(Module::TestClock).start(&http);
    let curl = |arguments: &[&str]| {
        let url = format!("http://127.0.0.1:{}/sekisho/v1/decisions", nginx.port());
        let common = [
            "-s",
            "-m",
            "20",
            "--http2-prior-knowledge",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
        ];
        let output = Command::new("curl")
            .args(common)
            .args(arguments)
            .arg(&url)
            .output()
            .expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let json = ["-H", "Content-Type: application/json"];
    let body = r#"{"zone":"clients","client":"192.0.2.7","seconds":600}"#;
    assert_eq!(curl(&[&json[..], &["-d", body]].concat()), "2 201");
    // Without a length: the body ends with its stream.
    assert_eq!(
        curl(&[&json[..], &["-H", "Content-Length:", "-d", body]].concat()),
        "2 201"
    );
    assert_eq!(
        curl(&[&json[..], &["-H", "Content-Length:", "-d", &"x".repeat(9000)]].concat()),
        "2 413"
    );
    assert_eq!(curl(&["-X", "PUT"]), "2 405");
    assert_eq!(curl(&[]), "2 400", "no zone");
}
