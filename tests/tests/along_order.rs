//! Who is asked first: realip, then we, then limit_req, limit_conn, access and auth_request.

use std::io::{Read, Write};

use sekisho_tests::along::{Case, wire};
use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{COUNTERS, counters, crawl, site};

const RATE: &str = "limit_req_zone $binary_remote_addr zone=rate:1m rate=1r/m;";

#[test]
fn limit_req_decides_after_us() {
    let page = "try_files /page.html =404;";
    for rules in [
        "limit_req zone=rate; sekisho_status 403;",
        "sekisho_status 403; limit_req zone=rate;",
    ] {
        let server = format!("location /a {{ {rules} {page} }}");
        let case = Case {
            http: RATE,
            server: &server,
            requests: &["GET /a", "GET /a", "GET /a"],
            ..Case::default()
        };
        // What limit_req refuses was seen by us before.
        let log = [
            "200 REJECTED_DRY_RUN PASSED - /a",
            "503 REJECTED_DRY_RUN REJECTED - /a",
            "503 REJECTED_DRY_RUN REJECTED - /a",
        ];
        Case { log: &log, ..case }.shadow(rules);
        // What we refuse, limit_req never sees: a banned client does not use up anybody's rate.
        let log = ["403 REJECTED - - /a"; 3];
        Case { log: &log, ..case }.enforced(rules);
    }
}

#[test]
fn a_delayed_request_is_accounted_once() {
    let case = Case {
        http: "limit_req_zone $binary_remote_addr zone=rate:1m rate=20r/s;",
        server: "limit_req zone=rate burst=5; location / { try_files $uri =404; }",
        requests: &[
            "GET /page.html",
            "GET /page.html\n|\nGET /page.html\n|\nGET /style.css",
        ],
        log: &[
            "200 REJECTED_DRY_RUN PASSED - /page.html",
            "200 REJECTED_DRY_RUN DELAYED - /page.html",
            "200 REJECTED_DRY_RUN DELAYED - /page.html",
            "200 REJECTED_DRY_RUN DELAYED - /style.css",
        ],
        ..Case::default()
    };
    case.shadow("delay");
}

#[test]
fn limit_req_in_dry_run_and_we_do_not_know_of_each_other() {
    let case = Case {
        http: RATE,
        server: "limit_req zone=rate; limit_req_dry_run on;",
        requests: &["GET /page.html", "GET /page.html"],
        ..Case::default()
    };
    let log = [
        "200 REJECTED_DRY_RUN PASSED - /page.html",
        "200 REJECTED_DRY_RUN REJECTED_DRY_RUN - /page.html",
    ];
    Case { log: &log, ..case }.shadow("dry run");
    Case {
        log: &["429 REJECTED - - /page.html"; 2],
        ..case
    }
    .enforced("dry run");
}

/// Asks for a slow file and keeps the connection; returns once the response has begun.
fn hold(nginx: &Nginx) -> std::net::TcpStream {
    let mut stream = nginx.connect();
    stream.write_all(&wire("GET /slow")).expect("nginx reads");
    stream.read_exact(&mut [0; 12]).expect("the response begins");
    stream
}

#[test]
fn limit_conn_decides_after_us() {
    let slow = "x".repeat(100_000);
    let case = Case {
        http: "limit_conn_zone $binary_remote_addr zone=conn:1m;",
        server: "location /slow { limit_conn conn 1; limit_rate 1k; sendfile off; output_buffers 1 1k; \
                 postpone_output 0; try_files /slow.txt =404; }",
        files: &[("html/slow.txt", &slow)],
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let held = hold(&nginx);
    assert_eq!(nginx.get("/slow", &[]).status, 503);
    assert_eq!(
        nginx.lines("along.log", 1),
        ["503 REJECTED_DRY_RUN - REJECTED /slow"]
    );
    assert_eq!(counters(&nginx)["requests"], 2);
    drop(held);

    let nginx = case.start(Module::TestClock, "sekisho_dry_run off;");
    assert_eq!(nginx.get("/slow", &[]).status, 429);
    assert_eq!(nginx.lines("along.log", 1), ["429 REJECTED - - /slow"]);
}

#[test]
fn access_rules_decide_after_us() {
    let case = Case {
        server: "location /denied { deny all; } location /allowed { allow 127.0.0.1; deny all; try_files /page.html =404; } \
                 location /any { satisfy any; deny all; auth_basic shop; auth_basic_user_file %DIR%/users; } \
                 location /all { satisfy all; allow all; auth_basic shop; auth_basic_user_file %DIR%/users; try_files /page.html =404; } \
                 location /read { limit_except GET { deny all; } try_files /page.html =404; }",
        // Password "open", in a form that needs no tool.
        files: &[("users", "anna:{PLAIN}open\n")],
        requests: &[
            "GET /denied",
            "GET /allowed",
            "GET /any",
            "GET /all\nAuthorization: Basic YW5uYTpvcGVu",
            "GET /all\nAuthorization: Basic YW5uYTpzaHV0",
            "GET /read",
            "DELETE /read",
        ],
        ..Case::default()
    };
    let log = [
        "403 REJECTED_DRY_RUN - - /denied",
        "200 REJECTED_DRY_RUN - - /allowed",
        "401 REJECTED_DRY_RUN - - /any",
        "200 REJECTED_DRY_RUN - - /all",
        "401 REJECTED_DRY_RUN - - /all",
        "200 REJECTED_DRY_RUN - - /read",
        "403 REJECTED_DRY_RUN - - /read",
    ];
    Case { log: &log, ..case }.shadow("access");
    let log = [
        "429 REJECTED - - /denied",
        "429 REJECTED - - /allowed",
        "429 REJECTED - - /any",
        "429 REJECTED - - /all",
        "429 REJECTED - - /all",
        "429 REJECTED - - /read",
        "429 REJECTED - - /read",
    ];
    Case { log: &log, ..case }.enforced("access");
}

#[test]
fn auth_request_is_asked_after_us_and_its_subrequests_are_nobodys() {
    let case = Case {
        http: "log_format asked '$uri $http_x_verdict'; \
               server { listen unix:%DIR%/auth.sock; access_log %DIR%/auth.log asked; \
               location /yes { return 204; } location /no { return 403; } }",
        server: "location /in { auth_request /ask/yes; try_files /page.html =404; } \
                 location /out { auth_request /ask/no; try_files /page.html =404; } \
                 location /ask/ { internal; proxy_pass http://unix:%DIR%/auth.sock:/; \
                 proxy_pass_request_body off; proxy_set_header X-Verdict $sekisho_verdict_of_case; }",
        requests: &["GET /in", "GET /out"],
        ..Case::default()
    };
    // The bare server knows no such variable; ours shows the main request's verdict in its subrequest.
    let with = |value: &str| case.server.replace("$sekisho_verdict_of_case", value);
    let plain = with("none");
    let log = ["200 REJECTED_DRY_RUN - - /in", "403 REJECTED_DRY_RUN - - /out"];
    Case {
        server: &plain,
        log: &log,
        ..case
    }
    .shadow("auth_request");
    let shown = with("$sekisho_status");
    let told = Case {
        server: &shown,
        ..case
    };
    let nginx = told.start(Module::TestClock, "");
    assert_eq!(nginx.get("/in", &[]).status, 200);
    assert_eq!(nginx.lines("auth.log", 1), ["/yes REJECTED_DRY_RUN"]);
    assert_eq!(counters(&nginx)["requests"], 1);

    let log = ["429 REJECTED - - /in", "429 REJECTED - - /out"];
    let (nginx, _) = Case {
        server: &plain,
        log: &log,
        ..case
    }
    .enforced("auth_request");
    assert_eq!(
        nginx.read("auth.log"),
        "",
        "a banned client costs the backend nothing"
    );
}

#[test]
fn return_and_rewrite_come_before_us() {
    let case = Case {
        server: "location /returned { return 204; } location /moved { rewrite ^ /page.html redirect; } \
                 if ($request_method = BREW) { return 418; } \
                 location /conditional { if ($arg_a) { return 202 \"a\"; } try_files /page.html =404; }",
        requests: &[
            "GET /returned",
            "GET /moved",
            "BREW /page.html",
            "GET /conditional?a=1",
            "GET /conditional",
        ],
        ..Case::default()
    };
    let log = [
        "204 - - - /returned",
        "302 - - - /moved",
        "418 - - - /page.html",
        "202 - - - /conditional?a=1",
        "200 REJECTED_DRY_RUN - - /conditional",
    ];
    Case { log: &log, ..case }.shadow("return");
    let log = [log[0], log[1], log[2], log[3], "429 REJECTED - - /conditional"];
    Case { log: &log, ..case }.enforced("return");
}

const ZONE: &str = "sekisho_zone $binary_remote_addr zone=clients:1m; sekisho_model %DIR%/model.onnx; \
                    sekisho zone=clients; sekisho_dry_run off; set_real_ip_from 127.0.0.1; set_real_ip_from 203.0.113.0/24;";

/// Ten pages without a referer from a client named in one way, then one more: its status.
fn banned(nginx: &Nginx, name: impl Fn(u32) -> Vec<u8>) -> (u16, u16) {
    let status = |number| {
        let bytes = nginx.exchange(&name(number));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0)
    };
    let first = status(0);
    (1..10).for_each(|number| {
        status(number);
    });
    (first, status(10))
}

#[test]
fn realip_names_the_client_before_we_ask() {
    let server = |real_ip: &str| {
        format!(
            "{ZONE} real_ip_header X-Forwarded-For; {real_ip} server {{ listen 127.0.0.1:%PORT%; {COUNTERS} }}"
        )
    };
    let from = |chain: &'static str| {
        move |number: u32| wire(&format!("GET /page.html?n={number}\nX-Forwarded-For: {chain}"))
    };
    // Not recursive: the last address is the client, whoever is behind it.
    let nginx = site(Module::TestClock).start(&server(""));
    assert_eq!(banned(&nginx, from("192.0.2.1, 203.0.113.9")), (200, 429));
    assert_eq!(banned(&nginx, from("192.0.2.2, 203.0.113.9")), (429, 429));
    // Recursive: the last one that is no trusted proxy, so a forged head changes nothing.
    let nginx = site(Module::TestClock).start(&server("real_ip_recursive on;"));
    assert_eq!(banned(&nginx, from("192.0.2.1, 203.0.113.9")), (200, 429));
    assert_eq!(banned(&nginx, from("192.0.2.2, 203.0.113.9")), (200, 429));
    assert_eq!(
        banned(&nginx, from("198.51.100.7, 192.0.2.2, 203.0.113.9")),
        (429, 429)
    );
    // An IPv6 client, and one that sends no address at all: the proxy itself.
    assert_eq!(banned(&nginx, from("2001:db8::1")), (200, 429));
    assert_eq!(banned(&nginx, from("nonsense")), (200, 429));
    assert_eq!(counters(&nginx)["requests"], 55);
}

#[test]
fn the_proxy_protocol_names_the_client() {
    let http = format!(
        "{ZONE} real_ip_header proxy_protocol; server {{ listen 127.0.0.1:%PORT% proxy_protocol; {COUNTERS} }}"
    );
    let nginx = site(Module::TestClock).start(&http);
    let from = |address: &'static str| {
        move |number: u32| {
            let head = format!("PROXY TCP4 {address} 127.0.0.1 4000 80\r\n");
            [head.into_bytes(), wire(&format!("GET /page.html?n={number}"))].concat()
        }
    };
    assert_eq!(banned(&nginx, from("192.0.2.1")), (200, 429));
    assert_eq!(banned(&nginx, from("192.0.2.2")), (200, 429));
    assert_eq!(banned(&nginx, from("192.0.2.1")), (429, 429));
}

#[test]
fn a_unix_socket_without_realip_is_one_client_and_with_it_many() {
    let visits = |http: &str| {
        let nginx = site(Module::TestClock).start(http);
        let ask = |client: u32| {
            let output = std::process::Command::new("curl")
                .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"])
                .arg("--unix-socket")
                .arg(nginx.path().join("shop.sock"))
                .arg("-H")
                .arg(format!("X-Real-IP: 192.0.2.{client}"))
                .arg(format!("http://shop.test/page.html?client={client}"))
                .output();
            String::from_utf8(output.expect("curl is installed").stdout).expect("a status")
        };
        let statuses: Vec<String> = (0..12).map(ask).collect();
        statuses
    };
    let listen = format!(
        "{ZONE} real_ip_header X-Real-IP; server {{ listen 127.0.0.1:%PORT%; listen unix:%DIR%/shop.sock; }}"
    );
    let alone = visits(&listen);
    assert_eq!(
        alone[9..],
        ["429", "429", "429"],
        "who comes through the socket is one client"
    );
    assert_eq!(visits(&format!("set_real_ip_from unix:; {listen}")), ["200"; 12]);
}

#[test]
fn a_client_is_known_over_all_its_connections() {
    let nginx = site(Module::TestClock).start(&format!(
        "{ZONE} real_ip_header X-Real-IP; server {{ listen 127.0.0.1:%PORT%; {COUNTERS} }}"
    ));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 9), [200; 9]);
    // Realip takes the address of each request, not of the connection.
    let other = "GET /page.html\nX-Real-IP: 192.0.2.2";
    let known = "GET /page.html?a\nX-Real-IP: 192.0.2.1\nX-Sekisho-Time: 1700000009";
    let answer = nginx.exchange(&wire(&format!("{other}\n|\n{known}\n|\n{other}")));
    let text = String::from_utf8_lossy(&answer);
    let statuses: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("HTTP/1.1 "))
        .collect();
    assert_eq!(
        statuses,
        [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 429 Too Many Requests",
            "HTTP/1.1 200 OK"
        ]
    );
}
