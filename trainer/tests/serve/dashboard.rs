//! The dashboard as browsers and those who mean harm ask it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Bench, Daemon, until};

const API: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";
const PASSWORD: &str = "a horse and a battery";

/// An answer: status, head and body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The token of the page's forms.
    fn token(&self) -> String {
        let after = self.body.split("name=\"csrf\" value=\"").nth(1).expect("a token");
        after.split('"').next().expect("its end").to_owned()
    }

    /// The session that was begun.
    fn session(&self) -> String {
        let cookie = self.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("its value").to_owned()
    }
}

fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str("content-type: application/x-www-form-urlencoded\r\n");
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head[9..12].parse().expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn add(bench: &Bench, name: &str, role: &str) {
    let mut child = bench
        .command(&["user", "add", name, "--role", role])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{PASSWORD}").expect("typed");
    drop(stdin);
    assert!(child.wait().expect("waited for").success());
}

fn same_site(address: &str) -> [(&'static str, String); 2] {
    [
        ("origin", format!("http://{address}")),
        ("sec-fetch-site", "same-origin".to_owned()),
    ]
}

/// Posts a form as a page of ours does.
fn post(address: &str, path: &str, cookie: &str, body: &str) -> Answer {
    let site = same_site(address);
    let mut headers: Vec<(&str, &str)> = site.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("cookie", cookie));
    send(address, "POST", path, &headers, body)
}

fn log_in(address: &str, name: &str, password: &str) -> Answer {
    let token = send(address, "GET", "/log-in", &[], "").token();
    let password = password.replace(' ', "+");
    let body = format!("csrf={token}&name={name}&password={password}&next=%2Fusers");
    post(address, "/log-in", "", &body)
}

#[test]
fn without_users_pages_are_read_and_say_how_to_add_one() {
    let mut bench = Bench::new(API);
    bench.write(3);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    let page = send(&address, "GET", "/", &[("accept-language", "ja")], "");
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("lang=\"ja\"") && page.body.contains("sekisho user add"),
        "{}",
        page.body
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(!page.body.contains("<script>") && !page.body.contains(" style="));
    let nowhere = send(&address, "GET", "/nothing", &[], "");
    assert_eq!(nowhere.status, 404);
    assert!(
        nowhere.body.contains("Nothing is here") && nowhere.body.contains("<nav"),
        "{}",
        nowhere.body
    );
    assert_eq!(send(&address, "GET", "/users", &[], "").status, 403);
    assert_eq!(
        send(&address, "GET", "/", &[("host", "rebind.example")], "").status,
        403
    );
    let script = page.body.split("src=\"/assets/app-").nth(1).expect("a script");
    let script = format!("/assets/app-{}", script.split('"').next().expect("its end"));
    let script = send(&address, "GET", &script, &[], "");
    assert_eq!(
        script.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    // Language and colours are kept, and nothing else comes from a form of somebody who is not logged in.
    let body = format!("csrf={}&language=ja", page.token());
    let kept = post(&address, "/preferences", "", &body);
    assert_eq!((kept.status, kept.header("location")), (303, Some("/")));
    assert!(
        kept.header("set-cookie")
            .expect("a cookie")
            .starts_with("sekisho_language=ja")
    );
}

#[test]
fn with_users_everything_needs_a_session() {
    let bench = Bench::new(API);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    add(&bench, "ana", "approver");
    add(&bench, "vic", "viewer");
    let sent = send(&address, "GET", "/users?a=b", &[("accept", "text/html")], "");
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/log-in?next=/users%3Fa%3Db"))
    );
    assert_eq!(send(&address, "GET", "/users", &[], "").status, 401);

    let wrong = log_in(&address, "ana", "another horse again");
    assert_eq!(wrong.status, 403);
    assert!(
        wrong.body.contains("do not fit") && wrong.body.contains("value=\"ana\""),
        "{}",
        wrong.body
    );
    let unknown = log_in(&address, "nobody", PASSWORD);
    assert_eq!((unknown.status, unknown.body.contains("do not fit")), (403, true));

    let right = log_in(&address, "ana", PASSWORD);
    assert_eq!((right.status, right.header("location")), (303, Some("/users")));
    let cookie = right.header("set-cookie").expect("a cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");
    let session = right.session();
    let kept = bench.number("SELECT COUNT(*) FROM session");
    assert_eq!(kept, Some(1));
    let page = send(&address, "GET", "/users", &[("cookie", &session)], "");
    assert_eq!(
        (page.status, page.body.contains("<th scope=\"row\">vic</th>")),
        (200, true)
    );

    let viewer = log_in(&address, "vic", PASSWORD).session();
    let refused = send(&address, "GET", "/users", &[("cookie", &viewer)], "");
    assert_eq!(refused.status, 403);
    assert!(
        refused.body.contains("takes the role approver"),
        "{}",
        refused.body
    );

    let out = post(&address, "/log-out", &session, &format!("csrf={}", page.token()));
    assert_eq!(out.status, 303);
    assert_eq!(
        send(&address, "GET", "/users", &[("cookie", &session)], "").status,
        401
    );
    // Another password ends the sessions of its user at once.
    let mut child = bench
        .command(&["user", "password", "vic"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    writeln!(child.stdin.take().expect("piped"), "quite another password").expect("typed");
    assert!(child.wait().expect("waited for").success());
    assert_eq!(send(&address, "GET", "/", &[("cookie", &viewer)], "").status, 401);
}

#[test]
fn a_change_comes_from_a_page_of_ours_or_not_at_all() {
    let bench = Bench::new(API);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    add(&bench, "ana", "approver");
    let session = log_in(&address, "ana", PASSWORD).session();
    let token = send(&address, "GET", "/", &[("cookie", &session)], "").token();
    let out = |headers: &[(&str, &str)], body: &str| send(&address, "POST", "/log-out", headers, body).status;
    let origin = format!("http://{address}");
    let good = format!("csrf={token}");
    assert_eq!(
        out(&[("cookie", &session)], &good),
        403,
        "neither origin nor site"
    );
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(
            out(&[("cookie", &session), (name, value)], &good),
            403,
            "{name}: {value}"
        );
    }
    let ours = [("cookie", session.as_str()), ("origin", origin.as_str())];
    for body in [
        "",
        "csrf=",
        &"csrf=".repeat(2),
        &format!("csrf={}", "0".repeat(64)),
        &format!("{good}&{good}"),
    ] {
        assert_eq!(out(&ours, body), 403, "{body}");
    }
    let stranger = send(&address, "GET", "/log-in", &[], "").token();
    assert_eq!(
        out(&ours, &format!("csrf={stranger}")),
        403,
        "the token of somebody else's page"
    );
    assert_eq!(out(&ours, &format!("csrf={token}&x={}", "x".repeat(40_000))), 413);
    assert_eq!(out(&ours, &good), 303);
}

#[test]
fn who_guesses_passwords_waits() {
    let bench = Bench::new(API);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    add(&bench, "ana", "viewer");
    let statuses: Vec<u16> = (0..11)
        .map(|number| log_in(&address, "ana", &format!("guess number {number}")).status)
        .collect();
    assert_eq!(statuses[..10], [403; 10]);
    assert_eq!(statuses[10], 429);
    assert_eq!(
        log_in(&address, "ana", PASSWORD).status,
        429,
        "the right one waits, too"
    );
}

#[test]
fn a_proxy_names_users_where_it_is_trusted() {
    let header = "[dashboard]\nuser_header = \"X-Remote-User\"\n[dashboard.roles]\nana = \"approver\"\n";
    let users = |trusted: &str| {
        let bench = Bench::new(
            &format!("{API}{header}").replace("[dashboard.roles]", &format!("{trusted}\n[dashboard.roles]")),
        );
        let mut daemon = Daemon::start(bench.command(&["serve"]));
        let address = daemon.address();
        let ana = [("x-remote-user", "ana"), ("x-forwarded-proto", "https")];
        let named = send(&address, "GET", "/users", &ana, "");
        let nobody = send(&address, "GET", "/users", &[], "");
        let unclear = send(
            &address,
            "GET",
            "/",
            &[("x-remote-user", "ana"), ("x-remote-user", "ben")],
            "",
        );
        (named.status, nobody.status, unclear.status)
    };
    assert_eq!(users("trusted_proxies = [\"127.0.0.1\"]"), (200, 401, 403));
    // The same header from an address that is no proxy of ours.
    assert_eq!(users("trusted_proxies = [\"127.0.0.2\"]"), (401, 401, 401));
}

#[test]
fn the_interface_needs_a_session_once_there_are_users() {
    let bench = Bench::new(&format!("{API}hosts = [\"sekisho.example\"]\n"));
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    let by_name = [("host", "sekisho.example")];
    let forwarded = [("x-forwarded-for", "192.0.2.7")];
    let status = |headers: &[(&str, &str)]| send(&address, "GET", "/v1/status", headers, "").status;
    let metrics = |headers: &[(&str, &str)]| send(&address, "GET", "/metrics", headers, "").status;
    let all = || [status(&by_name), status(&forwarded), status(&[])];
    assert_eq!(all(), [200; 3], "nobody is known yet");
    add(&bench, "ana", "viewer");
    assert_eq!(all(), [401; 3], "a proxy may add no header at all");
    assert_eq!(
        (metrics(&[]), metrics(&by_name), metrics(&forwarded)),
        (200, 401, 401)
    );
    let session = log_in(&address, "ana", PASSWORD).session();
    assert_eq!(status(&[by_name[0], ("cookie", &session)]), 200);
}

#[test]
fn a_link_from_elsewhere_is_asked_for_again() {
    let bench = Bench::new(API);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    add(&bench, "ana", "viewer");
    let headers = [("accept", "text/html"), ("sec-fetch-site", "cross-site")];
    let again = send(&address, "GET", "/models", &headers, "");
    assert!(
        again.status == 200 && again.body.contains("http-equiv=\"refresh\""),
        "{}",
        again.body
    );
    let session = log_in(&address, "ana", PASSWORD).session();
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", session.as_str()),
    ];
    assert!(
        send(&address, "GET", "/models", &headers, "")
            .body
            .contains("<nav")
    );
}

#[test]
fn users_are_kept_by_the_command_line() {
    let bench = Bench::new(API);
    bench.append(b"");
    bench.output(&["serve", "--once"]);
    assert!(
        bench
            .output(&["user", "list"])
            .contains("nobody may change anything")
    );
    add(&bench, "ana", "approver");
    let list: serde_json::Value =
        serde_json::from_str(&bench.output(&["user", "list", "--format", "json"])).expect("JSON");
    assert_eq!(
        (&list[0]["name"], &list[0]["role"]),
        (&"ana".into(), &"approver".into())
    );
    assert!(
        bench
            .refusal(&["user", "add", "ana"], 1)
            .contains("there is a user ana")
    );
    assert!(
        bench
            .refusal(&["user", "add", "a b"], 1)
            .contains("a name is 1 to 64 letters")
    );
    assert!(
        bench
            .refusal(&["user", "add", "ben"], 1)
            .contains("at least 12 characters"),
        "nothing was typed"
    );
    assert!(
        bench
            .refusal(&["user", "role", "ben", "viewer"], 1)
            .contains("there is no user ben")
    );
    bench.refusal(&["user", "role", "ana", "king"], 2);
    bench.output(&["user", "role", "ana", "viewer"]);
    assert!(bench.output(&["user", "list"]).contains("viewer"));
    assert!(
        bench
            .refusal(&["user", "remove", "ana"], 1)
            .contains("ana is the last user")
    );
    bench.output(&["user", "remove", "ana", "--open"]);
    assert!(!bench.output(&["user", "list"]).contains("ana"));
}

#[test]
fn a_question_to_a_language_model_and_its_failure_are_in_the_audit_log() {
    let mut bench = Bench::new(API);
    bench.write(30);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    until("everything is stored", || bench.stored() == 30);
    let address = daemon.address();
    add(&bench, "ana", "operator");
    let session = log_in(&address, "ana", PASSWORD).session();
    let token = send(&address, "GET", "/", &[("cookie", &session)], "").token();
    let answer = post(&address, "/clients/1/ask", &session, &format!("csrf={token}"));
    assert_eq!(answer.status, 409, "there is no model: {}", answer.body);
    let database = bench.database();
    let mut lines = database
        .prepare("SELECT actor || ' ' || action || ' ' || subject || ' ' || detail FROM audit WHERE action LIKE 'dashboard.explain%' ORDER BY id")
        .expect("a log");
    let lines: Vec<String> = lines
        .query_map([], |row| row.get(0))
        .expect("lines")
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        lines,
        [
            "ana dashboard.explain client:1 {}",
            "ana dashboard.explain.failed client:1 {\"status\":409}"
        ]
    );
    assert_eq!(daemon.end(), Some(0));
}
