//! One client has two names: the API's (`docs/api.md`), and the samples', under which the store knows it. For an
//! address they are the same.

use std::fmt::Write;
use std::net::IpAddr;

const HEX: &str = "hex:";
const HASH: &str = "hash:";

/// The address that a name is, or its network, with the bits of the prefix; `None` when it is neither.
pub fn address_of(name: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match name.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (name, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = |bits: &str| bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = match bits {
        None => most,
        Some(bits) => bits.parse().ok().filter(|_| digits(bits))?,
    };
    (bits <= most).then_some((address, bits))
}

/// The samples' name of a client that the API names so: an address, or the key's bytes in hex. Of a long key the API
/// knows only the hash, and that stays.
pub fn stored_name(name: &str) -> String {
    if address_of(name).is_some() || name.starts_with(HASH) {
        return name.to_owned();
    }
    match name.strip_prefix(HEX) {
        Some(hex) => hex.to_owned(),
        None => hexadecimal(name.as_bytes()),
    }
}

/// The API's name of a client that the store, or a person, names so.
pub fn api_name(name: &str) -> String {
    let marked = name.starts_with(HEX) || name.starts_with(HASH);
    if marked || address_of(name).is_some() {
        return name.to_owned();
    }
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !name.is_empty() && name.len().is_multiple_of(2) && name.bytes().all(is_hex) {
        return format!("{HEX}{name}");
    }
    format!("{HEX}{}", hexadecimal(name.as_bytes()))
}

/// Text as a part of a path or a query: all but the unreserved characters of RFC 3986, colon and slash escaped.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_of_one_client() {
        #[track_caller]
        fn check(api: &str, stored: &str, back: &str) {
            assert_eq!(
                (stored_name(api).as_str(), api_name(stored).as_str()),
                (stored, back)
            );
        }
        check("192.0.2.7", "192.0.2.7", "192.0.2.7");
        check("2001:db8::/64", "2001:db8::/64", "2001:db8::/64");
        check("192.0.2.0/24", "192.0.2.0/24", "192.0.2.0/24");
        check("session=a1", "73657373696f6e3d6131", "hex:73657373696f6e3d6131");
        check("hex:612062", "612062", "hex:612062");
        check(
            "hash:5fe21e445c44551e",
            "hash:5fe21e445c44551e",
            "hash:5fe21e445c44551e",
        );
        check("unix:", "756e69783a", "hex:756e69783a");
        // A person may write a key as it is.
        assert_eq!(api_name("session=a1"), "hex:73657373696f6e3d6131");
        assert_eq!(api_name("../x"), "hex:2e2e2f78");
    }

    #[test]
    fn addresses_are_told_from_other_keys() {
        #[track_caller]
        fn check(name: &str, expected: Option<u8>) {
            assert_eq!(address_of(name).map(|(_, bits)| bits), expected, "{name}");
        }
        check("192.0.2.7", Some(32));
        check("192.0.2.0/24", Some(24));
        check("2001:db8::/64", Some(64));
        check("2001:db8::1", Some(128));
        check("192.0.2.0/33", None);
        check("192.0.2.0/+8", None);
        check("192.0.2.0/", None);
        check("192.0.2", None);
        check("a/8", None);
        check("", None);
    }

    #[test]
    fn nothing_leaves_its_part_of_a_path() {
        assert_eq!(escaped("a b?c#d%\u{e9}"), "a%20b%3Fc%23d%25%C3%A9");
        assert_eq!(escaped("2001:db8::/64"), "2001:db8::/64");
    }
}
