//! The client against a listener that answers as it is told.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::*;

/// Answers as many requests as there are answers, each a status and a body; gives back what was asked.
fn answering(answers: Vec<(u16, String)>) -> (Nginx, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nginx = of(&format!("http://{}/sekisho/", listener.local_addr().unwrap()));
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            asked.push(text.lines().next().unwrap_or_default().to_owned());
            let head = format!(
                "HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            let _ = stream.write_all(body.as_bytes());
        }
        asked
    });
    (nginx, asked)
}

fn of(api: &str) -> Nginx {
    Nginx::new(&NginxSection {
        name: "shop".to_owned(),
        api: api.to_owned(),
        allow_file: None,
        poll_seconds: 5,
    })
}

fn page(clients: &[&str], next: Option<u32>, busy: u32) -> (u16, String) {
    let decisions = clients.iter().map(
        |client| json!({"client": client, "origin": "model", "until": 9, "reasons": ["pace"], "id": "0"}),
    );
    let decisions: Vec<_> = decisions.collect();
    let seen = json!({"from": 0, "to": 8, "of": 8, "busy_sets": busy});
    let page = json!({"zone": "clients", "decisions": decisions, "next": next, "seen": seen});
    (200, page.to_string())
}

#[test]
fn lists_are_followed_to_their_end() {
    #[track_caller]
    fn check(pages: Vec<(u16, String)>, expected: &[&str], complete: bool) {
        let count = pages.len();
        let (nginx, asked) = answering(pages);
        let found = nginx.decisions("a b").unwrap();
        let clients: Vec<&str> = found.list.iter().map(|one| one.client.as_str()).collect();
        assert_eq!((clients.as_slice(), found.complete), (expected, complete));
        let asked = asked.join().unwrap();
        assert_eq!(
            asked[0],
            "GET /sekisho/v1/decisions?zone=a%20b&limit=1000&cursor=0 HTTP/1.1"
        );
        assert_eq!(asked.len(), count);
    }
    check(vec![page(&["a"], None, 0)], &["a"], true);
    check(
        vec![page(&["a", "b"], Some(8), 0), page(&["b", "c"], None, 0)],
        &["a", "b", "c"],
        true,
    );
    check(vec![page(&["a"], Some(8), 1), page(&[], None, 0)], &["a"], false);
    // One that leads in a circle.
    check(
        vec![page(&["a"], Some(8), 0), page(&["b"], Some(8), 0)],
        &["a", "b"],
        false,
    );
}

#[test]
fn what_is_asked_is_what_the_api_has() {
    let decision =
        r#"{"zone":"clients","client":"192.0.2.7","origin":"operator","until":99,"reasons":[],"id":"0a"}"#;
    let refusal = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"no \u001b[31m"}}}}"#);
    let (nginx, asked) = answering(vec![
        (201, decision.to_owned()),
        (204, String::new()),
        (404, refusal("no_decision")),
        (404, refusal("no_zone")),
        (403, "<html>".to_owned()),
        (302, String::new()),
        (200, "<html>".to_owned()),
        (200, " ".repeat(MAX_ANSWER as usize + 1)),
    ]);
    assert_eq!(nginx.ban("clients", "192.0.2.7", 60, "why").unwrap().until, 99);
    assert!(nginx.lift("clients", "2001:db8::/64").unwrap());
    assert!(!nginx.lift("clients", "../../v1/status?").unwrap());
    let told = |error: NginxError| error.to_string();
    assert!(told(nginx.lift("none", "session=a1").unwrap_err()).ends_with("refuses: no \\u{1b}[31m"));
    assert!(told(nginx.status().unwrap_err()).contains("answers 403: let this machine's address in"));
    assert!(told(nginx.status().unwrap_err()).ends_with("answers 302"));
    assert!(told(nginx.status().unwrap_err()).contains("does not answer as sekisho_api does"));
    assert!(told(nginx.status().unwrap_err()).contains("nginx \"shop\" does not answer"));
    let asked = asked.join().unwrap();
    assert_eq!(
        asked[..4],
        [
            "POST /sekisho/v1/decisions HTTP/1.1",
            "DELETE /sekisho/v1/decisions/clients/2001:db8::/64 HTTP/1.1",
            "DELETE /sekisho/v1/decisions/clients/hex:2e2e2f2e2e2f76312f7374617475733f HTTP/1.1",
            "DELETE /sekisho/v1/decisions/none/hex:73657373696f6e3d6131 HTTP/1.1",
        ]
    );
}

#[test]
fn nobody_there_is_told_with_the_remedy() {
    // Port 1 of this machine: nobody listens there.
    let error = of("http://127.0.0.1:1").status().unwrap_err().to_string();
    assert!(
        error.contains("nginx \"shop\" does not answer at http://127.0.0.1:1/v1/status: see that it runs"),
        "{error}"
    );
}

#[test]
fn the_list_of_the_allowed_is_edited_as_a_whole() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("allow");
    let mut nginx = of("http://127.0.0.1:1");
    let allowed = |client: &str, until| Allowed {
        client: client.to_owned(),
        until,
        note: "ana".to_owned(),
    };
    let none = nginx.allow(&allowed("192.0.2.7", None)).unwrap_err();
    assert!(none.to_string().contains("set [[nginx]] allow_file"), "{none}");
    nginx.allow_file = Some(path.clone());
    assert_eq!(nginx.allowed().unwrap(), []);
    nginx.allow(&allowed("192.0.2.7", None)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o644);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    nginx.allow(&allowed("192.0.2.8", Some(100))).unwrap();
    assert_eq!(mode(&path), 0o640, "the mode stays");
    assert_eq!(nginx.allowed().unwrap().len(), 2);
    assert!(!nginx.expire_allowed(99).unwrap());
    assert!(nginx.expire_allowed(100).unwrap());
    assert!(nginx.disallow("192.0.2.7").unwrap() && !nginx.disallow("192.0.2.7").unwrap());
    assert!(fs::read_to_string(&path).unwrap().starts_with("255.255.255.255 "));
    let error = nginx.allow(&allowed("session=a1", None)).unwrap_err();
    assert!(error.to_string().contains("session=a1 is neither"), "{error}");
    nginx.allow_file = Some(dir.path().join("none/allow"));
    let error = nginx.allow(&allowed("192.0.2.7", None)).unwrap_err();
    assert!(error.to_string().contains("must be able to write it"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it");
}
