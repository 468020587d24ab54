//! By which names the daemon is asked.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Headers that proxies add. A program on this machine that asks by itself has none of them.
const FORWARDED: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What is said to whoever asks by another name.
pub const REFUSED: &str = "asked by a name that is not ours: ask by address, or add the name to [api] hosts";

/// Whether the request names us. A page of the web can make a browser on this machine ask here under a name of its
/// own, and would be answered.
pub fn is_asked(headers: &HeaderMap, hosts: &[String]) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| is_ours(host, hosts))
}

/// Whether a `Host` is an address, `localhost`, or one of these names; its port does not matter.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = name_of(host);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

/// A `Host` without its port.
fn name_of(host: &str) -> &str {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.unwrap_or_default()
}

/// Whether a program on this machine asks by itself, as far as headers tell: as we listen on a loopback address, any other
/// name was asked at a proxy, and so was what a proxy marked. A proxy that does neither cannot be told from a program;
/// the pages' forms would not work behind it, as they need its `Host`.
pub fn is_direct(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_local = host.map(name_of).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost")
            || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    });
    is_local && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        #[track_caller]
        fn check(host: &str, expected: bool) {
            assert_eq!(is_ours(host, &["sekisho.example".to_owned()]), expected, "{host}");
        }
        check("127.0.0.1:9180", true);
        check("127.0.0.1", true);
        check("[::1]:9180", true);
        check("LOCALHOST:9180", true);
        check("sekisho.example", true);
        check("rebind.example:9180", false);
        check("", false);
        check("localhost.rebind.example", false);
        check("127.0.0.1.rebind.example", false);
    }

    #[test]
    fn what_came_through_a_proxy_is_told_apart() {
        #[track_caller]
        fn check(host: &str, more: &str, expected: bool) {
            let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            if let Some((name, value)) = more.split_once(": ") {
                let name: axum::http::HeaderName = name.parse().unwrap();
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_direct(&headers), expected, "{host} {more}");
        }
        check("127.0.0.1:9180", "", true);
        check("[::1]:9180", "", true);
        check("localhost", "accept: text/html", true);
        check("sekisho.example", "", false);
        check("192.0.2.1", "", false);
        check("127.0.0.1:9180", "x-forwarded-for: 192.0.2.7", false);
        check("127.0.0.1:9180", "via: 1.1 proxy", false);
    }
}
