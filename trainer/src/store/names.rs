//! Under which name a client is kept: as it is, or as a keyed pseudonym.

use std::fmt::{self, Write};

use hmac::{Hmac, Mac};
use rusqlite::OptionalExtension;
use sekisho_core::key::{ClientKey, Prefixes, shown_address};
use sha2::{Digest, Sha256};

use super::{Store, StoreError};

/// Networks that clients are counted by: what one customer of a hoster or one household usually has.
const NETWORK: Prefixes = Prefixes { v4: 24, v6: 48 };
/// Bytes of a pseudonym: enough that two clients never share one, and that it stays readable.
const PSEUDONYM: usize = 16;
/// What a pseudonym begins with.
const MARK: &str = "p:";

/// How names are kept.
#[derive(Clone)]
pub enum Names {
    /// As they are.
    Plain,
    /// As HMAC-SHA-256 (RFC 2104) under this key.
    Keyed(Hmac<Sha256>),
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Names::Plain => "Plain",
            Names::Keyed(_) => "Keyed",
        })
    }
}

impl Names {
    /// Pseudonyms under a key, of any length.
    pub fn keyed(key: &[u8]) -> Names {
        // A key longer than a block is hashed first, as HMAC itself does with it.
        let mut block = [0; 64];
        match block.get_mut(..key.len()) {
            Some(start) => start.copy_from_slice(key),
            None => block[..32].copy_from_slice(&Sha256::digest(key)),
        }
        Names::Keyed(Hmac::new(&block.into()))
    }

    /// The name under which a client is kept. A pseudonym stays what it is.
    pub fn client(&self, name: &str) -> String {
        match self {
            Names::Keyed(key) if !is_pseudonym(name) => pseudonym(key, "client", name),
            _ => name.to_owned(),
        }
    }

    /// The network of a client whose plain name this is; empty when the name is no address.
    pub fn network(&self, name: &str) -> String {
        let network = network_of(name).unwrap_or_default();
        match self {
            Names::Keyed(key) if !network.is_empty() => pseudonym(key, "network", &network),
            _ => network,
        }
    }

    /// What tells a line that was read before: 16 bytes of its SHA-256. Where names are pseudonyms it is keyed: a
    /// row holds all of its line but the name, so that a plain digest would tell which of four billion addresses it is.
    pub fn digest(&self, line: &[u8]) -> [u8; 16] {
        let plain: [u8; 16] = head(&Sha256::digest(line));
        match self {
            Names::Plain => plain,
            Names::Keyed(key) => head(&mac(key, &[b"line ", &plain])),
        }
    }

    /// How a store that keeps names so is marked: the kind, and for pseudonyms what tells one key from another.
    fn mark(&self) -> String {
        match self {
            Names::Plain => "plain".to_owned(),
            Names::Keyed(key) => format!("pseudonym under key {}", hex(&mac(key, &[b"mark"])[..4])),
        }
    }
}

impl Store {
    /// Binds the store to one way of keeping names, at its first use; later refuses any other, which would make two
    /// clients of one.
    pub fn bind_names(&self, names: &Names) -> Result<(), StoreError> {
        let wanted = names.mark();
        let select = "SELECT value FROM setting WHERE name = 'addresses'";
        let read = || self.connection.query_row(select, [], |row| row.get(0)).optional();
        let found: String = match read()? {
            Some(found) => found,
            None => {
                // Whoever is first decides; who comes at the same time reads what that was.
                let insert = "INSERT INTO setting VALUES ('addresses', ?) ON CONFLICT DO NOTHING";
                self.connection.execute(insert, [&wanted])?;
                read()?.unwrap_or_default()
            }
        };
        if found == wanted {
            Ok(())
        } else {
            Err(StoreError::Addresses { found, wanted })
        }
    }
}

/// The /24 or /48 of a client's plain name, which may have a prefix itself; a wider one stays as it is.
pub fn network_of(name: &str) -> Option<String> {
    let (address, bits) = match name.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u8>().ok()?),
        None => (name, 128),
    };
    let key = ClientKey::from_text(address.as_bytes());
    let prefixes = Prefixes {
        v4: NETWORK.v4.min(bits),
        v6: NETWORK.v6.min(bits),
    };
    match key {
        ClientKey::Text(_) => None,
        _ => shown_address(key.as_bytes(), prefixes),
    }
}

/// Whether a name is a pseudonym, under whatever key.
pub fn is_pseudonym(name: &str) -> bool {
    name.strip_prefix(MARK).is_some_and(|rest| {
        rest.len() == 2 * PSEUDONYM && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn pseudonym(key: &Hmac<Sha256>, what: &str, name: &str) -> String {
    let code = mac(key, &[what.as_bytes(), b" ", name.as_bytes()]);
    format!("{MARK}{}", hex(&code[..PSEUDONYM]))
}

fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut code = key.clone();
    parts.iter().for_each(|part| code.update(part));
    code.finalize().into_bytes().into()
}

fn head(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|index| bytes[index])
}

/// Bytes in hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_those_of_addresses() {
        #[track_caller]
        fn check(name: &str, expected: Option<&str>) {
            assert_eq!(network_of(name).as_deref(), expected, "{name}");
        }
        check("192.0.2.7", Some("192.0.2.0/24"));
        check("192.0.2.0/24", Some("192.0.2.0/24"));
        check("192.0.0.0/16", Some("192.0.0.0/16"));
        check("2001:db8:1:2::/64", Some("2001:db8:1::/48"));
        check("2001:db8::9", Some("2001:db8::/48"));
        check("c0000207", None);
        check("192.0.2.7/x", None);
        check("", None);
    }

    /// Computed with Python's hmac module.
    #[test]
    fn a_pseudonym_is_an_hmac() {
        let names = Names::keyed(b"0123456789abcdef0123456789abcdef");
        assert_eq!(names.client("192.0.2.7"), EXPECTED);
        assert_eq!(names.client(EXPECTED), EXPECTED);
        let long = Names::keyed(&[7; 100]);
        assert_eq!(long.client("192.0.2.7"), EXPECTED_LONG);
    }

    const EXPECTED: &str = "p:16104e1d5c8ddc455fdba7e01a775ebb";
    const EXPECTED_LONG: &str = "p:c5eea67ad220d54dd74ea52d32073b64";

    #[test]
    fn names_differ_by_key_and_use() {
        let (one, other) = (Names::keyed(b"one"), Names::keyed(b"other"));
        assert_ne!(one.client("192.0.2.7"), other.client("192.0.2.7"));
        assert_ne!(one.client("192.0.2.0/24"), one.network("192.0.2.7"));
        assert_eq!(one.network("192.0.2.7"), one.network("192.0.2.8"));
        assert_eq!(one.network("c0000207"), "");
        assert_eq!(Names::Plain.client("192.0.2.7"), "192.0.2.7");
        assert_ne!(one.digest(b"line"), other.digest(b"line"));
        assert_ne!(one.digest(b"line"), Names::Plain.digest(b"line"));
    }
}
