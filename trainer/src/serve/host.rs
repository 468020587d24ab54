//! By which names the daemon is asked.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

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
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours))
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
}
