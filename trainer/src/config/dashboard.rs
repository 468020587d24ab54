//! `[dashboard]`: how long people stay logged in, and whether a proxy says who they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Fault, fault};
use crate::user::Role;

/// Hours of a session at most: a month.
const MOST_HOURS: u32 = 744;
/// Minutes without a request at most: a day.
const MOST_IDLE: u32 = 1440;
/// Proxies at most.
const MOST_PROXIES: usize = 64;
/// Names in `roles` at most.
const MOST_ROLES: usize = 1000;
/// Headers that mean something else: believing them as a name would make everybody somebody.
const TAKEN: [&str; 10] = [
    "accept",
    "accept-language",
    "authorization",
    "cookie",
    "host",
    "origin",
    "referer",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// `[dashboard]`: the pages for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DashboardSection {
    /// Its address as people reach it, for links in notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Hours after a log-in until the next.
    pub session_hours: u32,
    /// Minutes without a request until the next log-in.
    pub idle_minutes: u32,
    /// Addresses of proxies, whose word about who asks, from where and by which scheme is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The header in which they name the user; without it they name nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_header: Option<String>,
    /// The header in which they name the user's groups, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_header: Option<String>,
    /// Roles of users, or of groups where there is a `role_header`; whoever is not in it is a viewer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
}

impl Default for DashboardSection {
    fn default() -> DashboardSection {
        DashboardSection {
            url: None,
            session_hours: 12,
            idle_minutes: 120,
            trusted_proxies: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            user_header: None,
            role_header: None,
            roles: BTreeMap::new(),
        }
    }
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(dashboard: &DashboardSection) -> Result<(), Fault> {
    let refused = |key, reason: String| Err(fault("dashboard", key, reason));
    if dashboard.url.as_deref().is_some_and(|url| !is_base(url)) {
        let reason =
            "url is the address of the dashboard as people reach it, such as https://sekisho.example";
        return refused("url", reason.to_owned());
    }
    if !(1..=MOST_HOURS).contains(&dashboard.session_hours) {
        return refused("session_hours", format!("session_hours is 1 to {MOST_HOURS}"));
    }
    if !(1..=MOST_IDLE).contains(&dashboard.idle_minutes) {
        return refused("idle_minutes", format!("idle_minutes is 1 to {MOST_IDLE}"));
    }
    if dashboard.trusted_proxies.len() > MOST_PROXIES {
        return refused(
            "trusted_proxies",
            format!("at most {MOST_PROXIES} proxies are trusted"),
        );
    }
    let headers = [
        ("user_header", &dashboard.user_header),
        ("role_header", &dashboard.role_header),
    ];
    for (key, header) in headers {
        if header.as_deref().is_some_and(|header| !is_free(header)) {
            let reason = format!(
                "{key} is a header of its own, such as X-Remote-User, that the proxy sets for every request"
            );
            return refused(key, reason);
        }
    }
    if dashboard.user_header.is_none() {
        let without = "is of no use without user_header: users of `sekisho user` have their roles from there";
        if dashboard.role_header.is_some() {
            return refused("role_header", format!("role_header {without}"));
        }
        if !dashboard.roles.is_empty() {
            return refused("roles", format!("roles {without}"));
        }
    } else if dashboard.trusted_proxies.is_empty() {
        let reason = "user_header is believed of trusted_proxies only, and there are none";
        return refused("user_header", reason.to_owned());
    }
    if dashboard.user_header.is_some() && dashboard.user_header == dashboard.role_header {
        return refused(
            "role_header",
            "role_header is another one than user_header".to_owned(),
        );
    }
    if dashboard.roles.len() > MOST_ROLES {
        return refused("roles", format!("at most {MOST_ROLES} names have roles"));
    }
    Ok(())
}

/// Whether paths can be put behind an address, and nothing of it has a meaning in a message.
fn is_base(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~:/[]".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(plain))
}

/// Whether a text is the name of a header that means nothing else.
fn is_free(header: &str) -> bool {
    let is_token = !header.is_empty()
        && header.len() <= 64
        && header
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_token && !TAKEN.contains(&header.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_nothing_behind_its_path() {
        #[track_caller]
        fn check(url: &str, expected: bool) {
            assert_eq!(is_base(url), expected, "{url}");
        }
        check("https://sekisho.example", true);
        check("http://127.0.0.1:9180/", true);
        check("https://intranet.example/sekisho", true);
        check("http://[::1]:9180", true);
        check("sekisho.example", false);
        check("https://", false);
        check("https:///x", false);
        check("https://a.example/?next=", false);
        check("https://a.example/#x", false);
        check("https://a.example/|click>", false);
        check("https://ana@a.example", false);
    }
}
