//! Content delivery networks by their published ranges.
//!
//! A CDN's address as the client means that nginx was not told whom the CDN speaks for: to act on such a
//! key would stop everyone behind it.

use crate::lines::{self, Counted, Fault, LineError};
use crate::networks::Networks;

/// The bundled list; `models/lists/README.md` says where it is from and how to refresh it.
pub const DEFAULT: &str = include_str!("../../models/lists/cdn.txt");

/// CDNs in one list.
pub const MAX_CDNS: usize = 256;

/// Named sets of networks.
#[derive(Clone, Debug, Default)]
pub struct Cdns {
    all: Networks,
    /// The first two octets of IPv4 addresses in any of them, one bit each.
    begun: Vec<u64>,
    each: Vec<(String, Networks)>,
}

impl Cdns {
    /// Lines `cdn NAME`, each followed by its networks, one a line; see [`lines`] for comments, bad lines and
    /// bounds.
    pub fn parse(text: &[u8]) -> (Cdns, Vec<LineError>) {
        let mut found: Vec<(String, Vec<ipnet::IpNet>)> = Vec::new();
        let mut counted = Counted::default();
        // What follows a bad name must not go to the CDN before it.
        let mut open = false;
        let errors = lines::read(text, |line| {
            if let Some(name) = lines::after(line, "cdn") {
                open = false;
                let name = lines::name(name)?.to_owned();
                if found.len() == MAX_CDNS {
                    return Err(Fault::Full {
                        what: "CDNs",
                        max: MAX_CDNS,
                    });
                }
                found.push((name, Vec::new()));
                open = true;
                return Ok(());
            }
            let network = counted.network(line)?;
            let last = found.last_mut().filter(|_| open);
            let (_, networks) = last.ok_or(Fault::Homeless("cdn"))?;
            networks.push(network);
            Ok(())
        });
        let all: Networks = found.iter().flat_map(|(_, networks)| networks).copied().collect();
        let each = found
            .into_iter()
            .map(|(name, networks)| (name, networks.into_iter().collect()));
        (
            Cdns {
                begun: all.first_halves(),
                all,
                each: each.collect(),
            },
            errors,
        )
    }

    /// The CDN that an address of 4 or 16 bytes belongs to. For other addresses a look at the first two octets, or
    /// one binary search.
    pub fn of(&self, address: &[u8]) -> Option<&str> {
        let ruled_out = <[u8; 4]>::try_from(address).is_ok_and(|[first, second, ..]| {
            let half = usize::from(u16::from_be_bytes([first, second]));
            self.begun
                .get(half / 64)
                .is_none_or(|bits| bits >> (half % 64) & 1 == 0)
        });
        if ruled_out || !self.all.contains(address) {
            return None;
        }
        let found = self.each.iter().find(|(_, networks)| networks.contains(address));
        found.map(|(name, _)| name.as_str())
    }

    /// The names, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.each.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[track_caller]
    fn check(cdns: &Cdns, address: &str, expected: Option<&str>) {
        let found = match address.parse().expect("an address") {
            IpAddr::V4(address) => cdns.of(&address.octets()),
            IpAddr::V6(address) => cdns.of(&address.octets()),
        };
        assert_eq!(found, expected, "{address}");
    }

    #[test]
    fn a_list_names_its_networks() {
        let text = b"# two\ncdn one\n192.0.2.0/24;\n2001:db8::/32\n\ncdn two # here\n198.51.100.7\n";
        let (cdns, errors) = Cdns::parse(text);
        assert_eq!(errors, []);
        assert_eq!(cdns.names().collect::<Vec<_>>(), ["one", "two"]);
        check(&cdns, "192.0.2.9", Some("one"));
        check(&cdns, "::ffff:192.0.2.9", Some("one"));
        check(&cdns, "2001:db8::1", Some("one"));
        check(&cdns, "198.51.100.7", Some("two"));
        check(&cdns, "198.51.100.8", None);
    }

    #[test]
    fn bad_lines_are_left_out() {
        let (cdns, errors) =
            Cdns::parse(b"192.0.2.0/24\ncdn one\ncdn Two\n192.0.2.0/24\ncdn two\nhere\n198.51.100.7");
        let found: Vec<_> = errors
            .into_iter()
            .map(|error| (error.line, error.fault))
            .collect();
        assert_eq!(
            found,
            [
                (1, Fault::Homeless("cdn")),
                (3, Fault::Name),
                (4, Fault::Homeless("cdn")),
                (6, Fault::Network)
            ]
        );
        check(&cdns, "192.0.2.1", None);
        check(&cdns, "198.51.100.7", Some("two"));
        let many: String = (0..=MAX_CDNS).map(|index| format!("cdn {index}\n")).collect();
        let (cdns, errors) = Cdns::parse(many.as_bytes());
        assert_eq!((cdns.names().count(), errors.len()), (MAX_CDNS, 1));
    }

    #[test]
    fn the_bundled_list_finds_well_known_addresses() {
        let (cdns, errors) = Cdns::parse(DEFAULT.as_bytes());
        assert_eq!(errors, []);
        check(&cdns, "104.16.0.1", Some("cloudflare"));
        check(&cdns, "2606:4700::1111", Some("cloudflare"));
        check(&cdns, "151.101.1.1", Some("fastly"));
        for private in PRIVATE {
            check(&cdns, private, None);
        }
        let empty = cdns.each.iter().find(|(_, networks)| networks.is_empty());
        assert!(empty.is_none(), "{empty:?} has no networks");
    }

    /// Addresses that no public list may hold.
    const PRIVATE: [&str; 10] = [
        "10.0.0.1",
        "127.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "192.0.2.1",
        "203.0.113.1",
        "::1",
        "2001:db8::1",
    ];
}
