//! What is done about a verdict: status, delay, tag, or a line in the log.

use std::time::{Duration, Instant};

use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{COUNTERS, START, browse, checked, counters, crawl, site, visit};

/// Thresholds under which a crawler of the simple model is suspect, not rejected.
const SUSPECT: &str = "sekisho zone=clients threshold=0.99 suspect=0.9;";

/// A server that answers with what the module told it.
const UPSTREAM: &str = "server { listen unix:%DIR%/up.sock; return 200 \"<$http_x_sekisho>\"; }";

fn body(nginx: &Nginx, client: &str, second: u32, headers: &[(&str, &str)]) -> String {
    String::from_utf8(visit(nginx, client, second, "/up/page", headers).body).expect("text")
}

#[test]
fn a_stopped_client_is_told_when_to_come_back() {
    #[track_caller]
    fn check(directives: &str, status: u16, retry_after: Option<&str>) {
        let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", directives));
        crawl(&nginx, "192.0.2.1", 0, 10);
        let stopped = visit(&nginx, "192.0.2.1", 109, "/page.html", &[]);
        assert_eq!(stopped.status, status, "{directives}");
        assert_eq!(stopped.header("Retry-After"), retry_after, "{directives}");
        assert_eq!(browse(&nginx, "192.0.2.2", 0, 12), [200; 12], "{directives}");
    }
    check("", 429, Some("500"));
    check("sekisho_status 503;", 503, Some("500"));
    check("sekisho_rejected status=403;", 403, None);
    // 444: nginx closes the connection without an answer.
    check("sekisho_rejected status=444;", 0, None);
    check("sekisho zone=clients ban=1h;", 429, Some("3500"));
    check("error_page 429 = /gone.html;", 200, Some("500"));
}

#[test]
fn repeated_bans_double_up_to_their_maximum() {
    let more = "sekisho_dry_run off;";
    let nginx = site(Module::TestClock).start(&checked(more, "sekisho zone=clients ban=100s ban_max=300s;"));
    let mut now = 0;
    for expected in ["100", "200", "300", "300"] {
        crawl(&nginx, "192.0.2.1", now, 9);
        let stopped = visit(&nginx, "192.0.2.1", now + 9, "/page.html", &[]);
        assert_eq!(stopped.header("Retry-After"), Some(expected), "at {now}");
        now += 9 + expected.parse::<u32>().expect("a number");
    }
}

#[test]
fn a_page_of_ones_own_shows_the_reference_id() {
    let locations = "error_page 429 @stopped;
        location @stopped { internal; return 429 \"stopped, reference $sekisho_id by $sekisho_zone\"; }";
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", locations));
    crawl(&nginx, "192.0.2.1", 0, 10);
    let stopped = visit(&nginx, "192.0.2.1", 20, "/page.html", &[]);
    let text = String::from_utf8(stopped.body).expect("text");
    let lines = nginx.lines("access.log", 11);
    let id = lines[10].split(' ').nth(5).expect("the log has an id").to_owned();
    assert_eq!(
        (stopped.status, text),
        (429, format!("stopped, reference {id} by clients"))
    );
    assert!(nginx.error_log().contains(&id), "the operator finds it");
}

#[test]
fn a_suspect_can_be_answered_delayed_and_told_of_but_not_in_dry_run() {
    #[track_caller]
    fn check(dry_run: &str, reaction: &str, status: u16) {
        let locations = format!("{SUSPECT} {reaction} location = /counters {{ sekisho off; }}");
        let nginx =
            site(Module::TestClock).start(&checked(&format!("sekisho_dry_run {dry_run};"), &locations));
        assert_eq!(
            crawl(&nginx, "192.0.2.1", 0, 11)[10],
            status,
            "{dry_run} {reaction}"
        );
        let lines = nginx.lines("access.log", 11);
        assert_eq!(lines[10].split(' ').nth(2), Some("SUSPECT"), "{reaction}");
    }
    check("off", "sekisho_suspect status=403;", 403);
    check("off", "sekisho_suspect log;", 200);
    check("off", "", 200);
    check("on", "sekisho_suspect status=403;", 200);
}

#[test]
fn a_delayed_request_holds_nobody_else() {
    let locations = format!("{SUSPECT} sekisho_suspect delay=700ms; {COUNTERS}");
    let nginx = site(Module::TestClock)
        .workers(1)
        .start(&checked("sekisho_dry_run off;", &locations));
    crawl(&nginx, "192.0.2.1", 0, 9);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| visit(&nginx, "192.0.2.1", 9, "/page.html", &[]).status);
        wait_for(|| (counters(&nginx)["delayed"] == 1).then_some(())).expect("it is being delayed");
        assert_eq!(browse(&nginx, "192.0.2.2", 0, 5), [200; 5]);
        let others = start.elapsed();
        assert_eq!(slow.join().expect("no panic"), 200);
        assert!(others < start.elapsed() && start.elapsed() >= Duration::from_millis(700));
    });
    // Who goes away while waiting is forgotten, and counted once.
    drop(nginx.connect());
    let lines = nginx.lines("access.log", 15);
    let delayed = lines.iter().filter(|line| line.contains(" SUSPECT ")).count();
    assert_eq!((lines.len(), delayed), (15, 1), "{lines:#?}");
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let locations = format!("{SUSPECT} sekisho_suspect delay=5s; {COUNTERS}");
    let nginx = site(Module::TestClock)
        .workers(1)
        .start(&checked("sekisho_dry_run off; keepalive_timeout 0;", &locations));
    crawl(&nginx, "192.0.2.1", 0, 9);
    // 256 connections are all that this nginx has; half of them wait, and then go away.
    let time = START + 9;
    let request = format!(
        "GET /page.html HTTP/1.1\r\nHost: a\r\nX-Real-IP: 192.0.2.1\r\nX-Sekisho-Time: {time}\r\n\r\n"
    );
    let waiting: Vec<_> = (0..128)
        .map(|_| {
            let mut stream = nginx.connect();
            std::io::Write::write_all(&mut stream, request.as_bytes()).expect("nginx reads");
            stream
        })
        .collect();
    wait_for(|| (counters(&nginx)["delayed"] == 128).then_some(())).expect("all wait");
    drop(waiting);
    let lines = nginx.lines("access.log", 9 + 128);
    assert_eq!(lines.iter().filter(|line| line.contains(" 499 ")).count(), 128);
}

#[test]
fn the_upstream_is_told_and_a_visitor_cannot_make_it_up() {
    let locations =
        format!("{SUSPECT} sekisho_suspect tag; location /up/ {{ proxy_pass http://unix:%DIR%/up.sock; }}");
    let nginx =
        site(Module::TestClock).start(&checked(&format!("sekisho_dry_run off; {UPSTREAM}"), &locations));
    let forged = [("X-Sekisho", "REJECTED"), ("x-sekisho", "again")];
    // From 1.23 on nginx joins headers of one name.
    let told = body(&nginx, "192.0.2.2", 0, &forged);
    assert_eq!(told.replace(", PASSED", ""), "<PASSED>");
    crawl(&nginx, "192.0.2.1", 0, 9);
    let told = body(&nginx, "192.0.2.1", 9, &[]);
    assert!(
        told.starts_with("<SUSPECT; score=0.9526; id=") && told.len() == 44,
        "{told}"
    );
}

#[test]
fn what_a_visitor_makes_up_never_gets_through_where_tagging_is_configured() {
    #[track_caller]
    fn check(server: &str, location: &str, headers: &[(&str, &str)], expected: &str) {
        let locations = format!(
            "{SUSPECT} {server} location /up/ {{ {location} \
             proxy_pass http://unix:%DIR%/up.sock; }}"
        );
        let more = format!("sekisho_dry_run off; underscores_in_headers on; {UPSTREAM}");
        let nginx = site(Module::TestClock).start(&checked(&more, &locations));
        crawl(&nginx, "192.0.2.1", 0, 9);
        let told = body(&nginx, "192.0.2.1", 9, headers);
        assert!(
            told.starts_with(expected),
            "{server} {location} {headers:?}: {told}"
        );
    }
    let forged = ("X-Sekisho", "ALLOWED");
    let tag = "sekisho_suspect tag;";
    check(tag, "", &[forged], "<SUSPECT; ");
    // A fault of ours, and a client without a key.
    check(tag, "", &[forged, ("X-Sekisho-Fault", "panic")], "<PASSED>");
    let nobody = "sekisho_zone $http_x_nobody zone=nobody:1m;";
    let locations =
        format!("sekisho zone=nobody; {tag} location /up/ {{ proxy_pass http://unix:%DIR%/up.sock; }}");
    let nginx = site(Module::TestClock).start(&checked(
        &format!("{nobody} sekisho_dry_run off; {UPSTREAM}"),
        &locations,
    ));
    assert_eq!(body(&nginx, "192.0.2.1", 0, &[forged]), "<PASSED>");
    // A request that moves inside, from where nothing is tagged.
    check(
        "error_page 403 = @moved; location @moved { sekisho_suspect tag; proxy_pass http://unix:%DIR%/up.sock; }",
        "deny all;",
        &[forged],
        "<SUSPECT; ",
    );
}

#[test]
fn a_name_that_an_upstream_takes_for_ours_is_ours_too() {
    let upstream =
        "server { listen unix:%DIR%/up.sock; underscores_in_headers on; return 200 \"<$http_x_sekisho>\"; }";
    let locations =
        format!("{SUSPECT} sekisho_suspect tag; location /up/ {{ proxy_pass http://unix:%DIR%/up.sock; }}");
    let more = format!("sekisho_dry_run off; underscores_in_headers on; {upstream}");
    let nginx = site(Module::TestClock).start(&checked(&more, &locations));
    let told = body(&nginx, "192.0.2.2", 0, &[("x_sekisho", "ALLOWED")]);
    assert_eq!(told.replace(", PASSED", ""), "<PASSED>");
}

#[test]
fn without_tagging_headers_pass_as_they_are() {
    let locations = "location /up/ { proxy_pass http://unix:%DIR%/up.sock; }";
    let nginx =
        site(Module::TestClock).start(&checked(&format!("sekisho_dry_run off; {UPSTREAM}"), locations));
    assert_eq!(body(&nginx, "192.0.2.2", 0, &[("X-Sekisho", "mine")]), "<mine>");
}
