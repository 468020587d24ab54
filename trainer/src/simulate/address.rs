//! Addresses of simulated clients: from ranges that belong to nobody, and no address twice.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4.
    V4(Ipv4Addr),
    /// One address of an IPv6 network of its own, a /64.
    V6(Ipv6Addr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::V4(address) => address.fmt(f),
            Address::V6(address) => address.fmt(f),
        }
    }
}

/// A range that addresses are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// People: 198.18.0.0/15 (RFC 2544), scattered, and 2001:db8::/32 (RFC 3849).
    People,
    /// Search engines and monitors: 192.0.2.0/24 (RFC 5737), half for each.
    Google,
    /// The other half.
    Bing,
    /// Crawlers in data centres: 198.51.100.0/24 (RFC 5737).
    Hosting,
    /// Crawlers that hide: 203.0.113.0/24 (RFC 5737).
    Proxies,
    /// Botnets: 240.0.0.0/4 (RFC 1112, reserved), scattered over all of it.
    Botnet,
}

/// Every fourth person has IPv6.
const SIXTH: u32 = 4;
/// Scatter: odd numbers, so that no two clients fall together.
const PEOPLE_STEP: u32 = 0x9e3b;
const BOTNET_STEP: u32 = 0x09e3_779b;

impl Range {
    /// Most clients of one range, all of them with different addresses.
    pub fn room(self) -> u32 {
        match self {
            Range::People => 131_072,
            Range::Google | Range::Bing => 100,
            Range::Hosting | Range::Proxies => 250,
            Range::Botnet => 10_000_000,
        }
    }

    /// The address of the client `number`, from 0; past [`Range::room`] they come again.
    pub fn address(self, number: u32) -> Address {
        let number = number % self.room();
        let host = |network: [u8; 3], host: u32| {
            Address::V4(Ipv4Addr::new(network[0], network[1], network[2], host as u8))
        };
        match self {
            Range::People if number % SIXTH == SIXTH - 1 => {
                let place = number / SIXTH;
                let (high, low) = ((place >> 8) as u16, (place & 255) as u16);
                Address::V6(Ipv6Addr::new(0x2001, 0xdb8, high + 1, low, 0, 0, 0, 0x10 + low))
            }
            Range::People => {
                let place = number.wrapping_mul(PEOPLE_STEP) & 0x1_ffff;
                Address::V4(Ipv4Addr::from_bits(0xc612_0000 | place))
            }
            Range::Google => host([192, 0, 2], number + 1),
            Range::Bing => host([192, 0, 2], number + 129),
            Range::Hosting => host([198, 51, 100], number + 1),
            Range::Proxies => host([203, 0, 113], number + 1),
            Range::Botnet => {
                let place = number.wrapping_mul(BOTNET_STEP) & 0x0fff_ffff;
                Address::V4(Ipv4Addr::from_bits(0xf000_0000 | place))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_address_comes_twice() {
        let ranges = [
            Range::People,
            Range::Google,
            Range::Bing,
            Range::Hosting,
            Range::Proxies,
        ];
        let mut seen = HashSet::new();
        for range in ranges {
            for number in 0..range.room() {
                assert!(seen.insert(range.address(number)), "{range:?} {number}");
            }
        }
        for number in (0..100_000).chain(9_900_000..10_000_000) {
            assert!(seen.insert(Range::Botnet.address(number)), "{number}");
        }
    }

    #[test]
    fn addresses_are_nobodys() {
        #[track_caller]
        fn check(range: Range, number: u32, expected: &str) {
            assert_eq!(range.address(number).to_string(), expected);
        }
        check(Range::People, 0, "198.18.0.0");
        check(Range::People, 1, "198.18.158.59");
        check(Range::People, 3, "2001:db8:1::10");
        check(Range::Google, 0, "192.0.2.1");
        check(Range::Bing, 99, "192.0.2.228");
        check(Range::Proxies, 249, "203.0.113.250");
        check(Range::Botnet, 2, "243.198.239.54");
    }
}
