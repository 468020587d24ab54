//! What a reverse proxy says of a request. Only the word of an address in `[dashboard] trusted_proxies` counts.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};

use crate::config::DashboardSection;
use crate::user::{Role, is_name};

/// Groups of a user that are looked at.
const MOST_GROUPS: usize = 100;

/// What is believed of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it comes from.
    pub address: IpAddr,
    /// Whether the browser speaks TLS to the proxy.
    pub is_https: bool,
    /// Who asks, where the proxy logs people in.
    pub user: Option<(String, Role)>,
}

/// A proxy names a user in a way that cannot be believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Unclear;

/// What is believed of a request that came from `peer`.
///
/// # Errors
/// [`Unclear`] where the header names several users, or something that is no name: nobody is let in by a guess.
pub fn told(headers: &HeaderMap, peer: IpAddr, settings: &DashboardSection) -> Result<Told, Unclear> {
    let peer = peer.to_canonical();
    let mut told = Told {
        address: peer,
        is_https: false,
        user: None,
    };
    if !settings
        .trusted_proxies
        .iter()
        .any(|proxy| proxy.to_canonical() == peer)
    {
        return Ok(told);
    }
    told.is_https =
        last(headers, "x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    // The last address is the one that the proxy saw itself; those before it are the client's word.
    if let Some(address) = last(headers, "x-forwarded-for").and_then(|address| address.parse().ok()) {
        told.address = address;
    }
    told.user = user(headers, settings)?;
    Ok(told)
}

fn user(headers: &HeaderMap, settings: &DashboardSection) -> Result<Option<(String, Role)>, Unclear> {
    let Some(header) = name_of(settings.user_header.as_deref()) else {
        return Ok(None);
    };
    let mut named = headers.get_all(header).iter();
    let Some(name) = named.next() else {
        return Ok(None);
    };
    let name = name.to_str().map_err(|_| Unclear)?.trim();
    if named.next().is_some() {
        return Err(Unclear);
    }
    if name.is_empty() {
        return Ok(None);
    }
    if !is_name(name) {
        return Err(Unclear);
    }
    let role = match name_of(settings.role_header.as_deref()) {
        Some(header) => groups(headers, &header, settings),
        None => settings.roles.get(name).copied(),
    };
    Ok(Some((name.to_owned(), role.unwrap_or(Role::Viewer))))
}

/// The highest role of the user's groups.
fn groups(headers: &HeaderMap, header: &HeaderName, settings: &DashboardSection) -> Option<Role> {
    let values = headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let groups = values.flat_map(|value| value.split(',')).take(MOST_GROUPS);
    groups
        .filter_map(|group| settings.roles.get(group.trim()).copied())
        .max()
}

fn name_of(header: Option<&str>) -> Option<HeaderName> {
    HeaderName::try_from(header?).ok()
}

fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> DashboardSection {
        DashboardSection {
            user_header: Some("X-Remote-User".to_owned()),
            roles: [
                ("ana".to_owned(), Role::Approver),
                ("sre".to_owned(), Role::Operator),
            ]
            .into(),
            ..DashboardSection::default()
        }
    }

    fn read(headers: &[(&str, &str)], peer: &str, settings: &DashboardSection) -> Result<Told, Unclear> {
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        told(&map, peer.parse().unwrap(), settings)
    }

    #[test]
    fn a_header_is_believed_of_a_trusted_proxy_only() {
        #[track_caller]
        fn check(headers: &[(&str, &str)], peer: &str, expected: Option<(&str, Role)>) {
            let found = read(headers, peer, &settings()).unwrap().user;
            let expected = expected.map(|(name, role)| (name.to_owned(), role));
            assert_eq!(found, expected, "{headers:?} {peer}");
        }
        let ana = [("x-remote-user", "ana")];
        check(&ana, "127.0.0.1", Some(("ana", Role::Approver)));
        check(&ana, "::ffff:127.0.0.1", Some(("ana", Role::Approver)));
        check(&ana, "127.0.0.2", None);
        check(&ana, "192.0.2.1", None);
        check(&[("x-remote-user", "ben")], "::1", Some(("ben", Role::Viewer)));
        check(&[("x-remote-user", " ")], "127.0.0.1", None);
        check(&[], "127.0.0.1", None);
        // A client cannot make itself seem to come from the proxy.
        check(
            &[("x-remote-user", "ana"), ("x-forwarded-for", "127.0.0.1")],
            "127.0.0.9",
            None,
        );
        let nobody = read(&ana, "127.0.0.1", &DashboardSection::default()).unwrap();
        assert_eq!(nobody.user, None, "without user_header no header names anybody");
    }

    #[test]
    fn groups_give_the_highest_role() {
        let settings = DashboardSection {
            role_header: Some("X-Groups".to_owned()),
            ..settings()
        };
        let role = |groups: &str| {
            let headers = [("x-remote-user", "ana"), ("x-groups", groups)];
            read(&headers, "127.0.0.1", &settings).unwrap().user.unwrap().1
        };
        assert_eq!(role("staff, sre"), Role::Operator);
        assert_eq!(role("staff"), Role::Viewer);
        assert_eq!(role(""), Role::Viewer);
    }

    #[test]
    fn unclear_names_let_nobody_in() {
        for headers in [
            &[("x-remote-user", "ana"), ("x-remote-user", "ben")][..],
            &[("x-remote-user", "ana, ben")],
            &[("x-remote-user", "<b>")],
        ] {
            assert_eq!(
                read(headers, "127.0.0.1", &settings()),
                Err(Unclear),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn address_and_scheme_are_those_that_the_proxy_saw() {
        let headers = [
            ("x-forwarded-for", "198.51.100.1, 192.0.2.7"),
            ("x-forwarded-proto", "https"),
        ];
        let told = read(&headers, "127.0.0.1", &settings()).unwrap();
        assert_eq!(
            (told.address, told.is_https),
            ("192.0.2.7".parse().unwrap(), true)
        );
        let told = read(&headers, "127.0.0.2", &settings()).unwrap();
        assert_eq!(
            (told.address, told.is_https),
            ("127.0.0.2".parse().unwrap(), false)
        );
    }
}
