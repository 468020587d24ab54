//! Who a request belongs to: the key's bytes and their keyed hash.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

/// Secret of one zone. Clients choose their URLs and, with IPv6, their addresses: without a secret they
/// could choose their place in the table and in the sketches too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64, pub u64);

impl Seed {
    /// The seed of everything offline (scan, training) and of the module's test build. Two runs over one
    /// log agree bit for bit only when they share the seed.
    pub const FIXED: Seed = Seed(0, 0);

    pub(crate) fn hasher(self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// SipHash-1-3 of a key's bytes (Aumasson and Bernstein, 2012). Never 0: 0 marks a free record.
pub fn key_hash(seed: Seed, key: &[u8]) -> u64 {
    let mut hasher = seed.hasher();
    hasher.write(key);
    hasher.finish().max(1)
}

/// A client's name as a log shows it, in the bytes that nginx has in `$binary_remote_addr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKey<'a> {
    /// An IPv4 address, 4 octets.
    V4([u8; 4]),
    /// An IPv6 address, 16 octets.
    V6([u8; 16]),
    /// Anything else: the text itself.
    Text(&'a [u8]),
}

impl ClientKey<'_> {
    /// The bytes that are hashed.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            ClientKey::V4(octets) => octets,
            ClientKey::V6(octets) => octets,
            ClientKey::Text(text) => text,
        }
    }
}

/// Reads an address as nginx prints it; what is no address stays text.
pub fn client_key(text: &str) -> ClientKey<'_> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => ClientKey::V4(address.octets()),
        Ok(IpAddr::V6(address)) => ClientKey::V6(address.octets()),
        Err(_) => ClientKey::Text(text.as_bytes()),
    }
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
        check("::1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        check("unix:", b"unix:");
        check("192.0.2.256", b"192.0.2.256");
    }

    #[test]
    fn the_seed_decides_the_hash() {
        assert_ne!(key_hash(Seed(1, 2), b"a"), key_hash(Seed(1, 3), b"a"));
        assert_ne!(key_hash(Seed::FIXED, b""), 0);
    }
}
