//! A site with the API, and how it is asked.

use serde_json::Value;

use crate::nginx::{Module, Nginx, Response};
use crate::visitors::{START, checked, site, visit};

/// Within [`checked`]: enforcement, a second zone by a long text key, and the API.
pub const LOCATIONS: &str = "
    sekisho_dry_run off;
    location / { }
    location /by-agent/ { sekisho zone=agents; alias %DIR%/html/; }
    location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }
    location /plain { sekisho_api; }
    location /closed/ { sekisho_api; deny all; }
";
/// The second zone, by a key of text.
pub const ZONES: &str = "sekisho_zone $http_user_agent zone=agents:64k;";

/// A shop behind an enforcing checkpoint, with the API.
pub fn shop() -> Nginx {
    site(Module::TestClock).start(&checked(ZONES, LOCATIONS))
}

/// The API's answer at a moment, in JSON.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn ask(nginx: &Nginx, second: u32, target: &str) -> Value {
    let answer = visit(nginx, "127.0.0.1", second, target, &[]);
    assert_eq!(answer.status, 200, "{target}: {}", answer.headers);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    json_of(&answer)
}

/// An answer's body.
///
/// # Panics
/// When it is no JSON.
#[track_caller]
pub fn json_of(answer: &Response) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A request of any kind on a connection of its own.
pub fn request(nginx: &Nginx, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let bytes = [text.as_bytes(), body].concat();
    Response::parse(&nginx.exchange(&bytes))
}

/// Puts a ban.
pub fn post(nginx: &Nginx, second: u32, body: &str) -> Response {
    let time = (START + second).to_string();
    let length = body.len().to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", length.as_str()),
        ("X-Sekisho-Time", time.as_str()),
    ];
    request(nginx, "POST", "/sekisho/v1/decisions", &headers, body.as_bytes())
}

/// Asks to remove something.
pub fn delete(nginx: &Nginx, second: u32, target: &str) -> Response {
    let time = (START + second).to_string();
    request(nginx, "DELETE", target, &[("X-Sekisho-Time", time.as_str())], b"")
}

/// The answer is a refusal with this status and code.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn refused(answer: &Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.headers);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let error = &json_of(answer)["error"];
    assert_eq!(error["code"], code, "{error}");
    assert!(
        error["message"].as_str().is_some_and(|text| text.len() > 10),
        "{error}"
    );
}
