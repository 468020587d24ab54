//! Who a request belongs to: the key's bytes and their keyed hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fold;

/// Secret of one zone. Clients choose their URLs and, with IPv6, their addresses: without a secret they
/// could choose their place in the table and in the sketches too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64, pub u64);

impl Seed {
    /// The seed of everything offline (scan, training) and of the module's test build. Two runs over one
    /// log agree bit for bit only when they share the seed.
    pub const FIXED: Seed = Seed(0, 0);
}

/// Keyed hash of a key's bytes. Never 0: 0 marks a free record.
#[inline]
pub fn key_hash(seed: Seed, key: &[u8]) -> u64 {
    fold::hash(seed, key).max(1)
}

/// How many leading bits of an address name a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Bits of an IPv4 address, 1 to 32.
    pub v4: u8,
    /// Bits of an IPv6 address, 1 to 128.
    pub v6: u8,
}

impl Prefixes {
    /// A client: an IPv4 address, or the /64 that an IPv6 subscriber chooses addresses from (RFC 6177, RFC 4291
    /// section 2.5.1).
    pub const CLIENT: Prefixes = Prefixes { v4: 32, v6: 64 };

    /// Whether these name larger groups than others do, in one family or both.
    pub fn wider_than(self, other: Prefixes) -> bool {
        self.v4 < other.v4 || self.v6 < other.v6
    }
}

/// A client's name: the bytes that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKey<'a> {
    /// An IPv4 address, 4 octets.
    V4([u8; 4]),
    /// An IPv6 address, 16 octets.
    V6([u8; 16]),
    /// Anything else: the text itself.
    Text(&'a [u8]),
}

impl<'a> ClientKey<'a> {
    /// An address as nginx has it in `$binary_remote_addr`; `None` for any other length. An IPv4 address mapped
    /// into IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address.
    #[inline]
    pub fn from_octets(octets: &[u8]) -> Option<ClientKey<'a>> {
        match *octets {
            [a, b, c, d] | [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => {
                Some(ClientKey::V4([a, b, c, d]))
            }
            _ => octets.try_into().ok().map(ClientKey::V6),
        }
    }

    /// Reads an address as nginx prints it; what is no address stays text.
    pub fn from_text(text: &'a [u8]) -> ClientKey<'a> {
        match str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
            Some(IpAddr::V4(address)) => ClientKey::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                ClientKey::from_octets(&address.octets()).unwrap_or(ClientKey::Text(text))
            }
            None => ClientKey::Text(text),
        }
    }

    /// The same with the bits behind the prefix cleared.
    #[inline(always)]
    pub fn within(self, prefixes: Prefixes) -> ClientKey<'a> {
        match self {
            ClientKey::V4(octets) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(prefixes.v4.min(32)))
                    .unwrap_or(0);
                ClientKey::V4((u32::from_be_bytes(octets) & mask).to_be_bytes())
            }
            ClientKey::V6(octets) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(prefixes.v6.min(128)))
                    .unwrap_or(0);
                ClientKey::V6((u128::from_be_bytes(octets) & mask).to_be_bytes())
            }
            text @ ClientKey::Text(_) => text,
        }
    }

    /// The bytes that are hashed.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            ClientKey::V4(octets) => octets,
            ClientKey::V6(octets) => octets,
            ClientKey::Text(text) => text,
        }
    }
}

/// The key of a client as a log shows it: an address within [`Prefixes::CLIENT`], else the text.
pub fn client_key(text: &str) -> ClientKey<'_> {
    ClientKey::from_text(text.as_bytes()).within(Prefixes::CLIENT)
}

/// The name for people of a client as a log shows it: the network of an IPv6 address, else the text as it is.
pub fn shown_client(text: &str) -> String {
    let address = match ClientKey::from_text(text.as_bytes()) {
        ClientKey::Text(_) => None,
        key => shown_address(key.as_bytes(), Prefixes::CLIENT),
    };
    address.unwrap_or_else(|| text.to_owned())
}

/// A client's name for people: an address, with its prefix when that is no single IPv4 address.
pub fn shown_address(octets: &[u8], prefixes: Prefixes) -> Option<String> {
    Some(match ClientKey::from_octets(octets)?.within(prefixes) {
        ClientKey::V4(octets) if prefixes.v4 >= 32 => Ipv4Addr::from(octets).to_string(),
        ClientKey::V4(octets) => format!("{}/{}", Ipv4Addr::from(octets), prefixes.v4),
        ClientKey::V6(octets) if prefixes.v6 >= 128 => Ipv6Addr::from(octets).to_string(),
        ClientKey::V6(octets) => format!("{}/{}", Ipv6Addr::from(octets), prefixes.v6),
        ClientKey::Text(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_the_octets_of_binary_remote_addr() {
        #[track_caller]
        fn check(text: &str, bytes: &[u8]) {
            assert_eq!(client_key(text).as_bytes(), bytes, "{text}");
        }
        check("192.0.2.7", &[192, 0, 2, 7]);
        check("::ffff:192.0.2.7", &[192, 0, 2, 7]);
        check(
            "2001:db8:1:2:3::9",
            &[0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        check("unix:", b"unix:");
        check("192.0.2.256", b"192.0.2.256");
    }

    #[test]
    fn a_prefix_keeps_its_bits_and_clears_the_rest() {
        #[track_caller]
        fn check(text: &str, v4: u8, v6: u8, expected: &str) {
            let key = ClientKey::from_text(text.as_bytes());
            let shown = shown_address(key.as_bytes(), Prefixes { v4, v6 });
            assert_eq!(shown.as_deref(), Some(expected), "{text} {v4} {v6}");
        }
        check("192.0.2.7", 32, 64, "192.0.2.7");
        check("192.0.2.7", 24, 64, "192.0.2.0/24");
        check("192.0.2.7", 1, 64, "128.0.0.0/1");
        check("::ffff:192.0.2.7", 16, 64, "192.0.0.0/16");
        check("2001:db8:1:2:3::9", 32, 64, "2001:db8:1:2::/64");
        check("2001:db8:1:2:3::9", 32, 48, "2001:db8:1::/48");
        check("2001:db8::9", 32, 128, "2001:db8::9");
        assert_eq!(shown_address(b"abc", Prefixes::CLIENT), None);
        assert_eq!(shown_client("2001:db8::9"), "2001:db8::/64");
        assert_eq!(shown_client("host.example"), "host.example");
    }

    #[test]
    fn the_seed_decides_the_hash() {
        assert_ne!(key_hash(Seed(1, 2), b"a"), key_hash(Seed(1, 3), b"a"));
        assert_ne!(key_hash(Seed::FIXED, b""), 0);
    }
}
