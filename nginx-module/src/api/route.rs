//! What a request to the API asks for: its path, its query, the names of clients in it.
//!
//! Pure and strict: a path or a query that is not exactly one of those that the API has is refused.

use std::fmt::Write;

use sekisho_core::key::{ClientKey, Prefixes, shown_address};

/// Longest query, in bytes.
pub const MAX_QUERY: usize = 1024;
/// Longest name of a zone or client in a path, in bytes: a name of 1 KiB in hex, and its mark.
const MAX_SEGMENT: usize = 2 * 1024 + 8;
/// What a key that is no address and not plainly printable is written as.
const HEX: &str = "hex:";
/// What a client is written as whose key is not known in full: the hash of it.
const HASH: &str = "hash:";

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `v1/status`
    Status,
    /// `v1/metrics`
    Metrics,
    /// `v1/clients`
    Clients,
    /// `v1/clients/{zone}/{client}`
    Client { zone: &'a str, client: &'a str },
    /// `v1/decisions`
    Decisions,
    /// `v1/decisions/{zone}/{client}`
    Decision { zone: &'a str, client: &'a str },
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET, or HEAD: nginx leaves out the body.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

impl<'a> Route<'a> {
    /// The route of a decoded path behind the location's prefix. A client may be an address with its prefix, and
    /// so have a slash in its name.
    pub fn parse(path: &'a [u8]) -> Option<Route<'a>> {
        let path = std::str::from_utf8(path).ok()?;
        if path
            .split('/')
            .any(|segment| segment.is_empty() || segment.len() > MAX_SEGMENT)
        {
            return None;
        }
        let mut segments = [""; 4];
        let mut count = 0;
        for (place, segment) in segments.iter_mut().zip(path.splitn(4, '/')) {
            *place = segment;
            count += 1;
        }
        let [version, section, zone, client] = segments;
        match (version, section, count) {
            ("v1", "status", 2) => Some(Route::Status),
            ("v1", "metrics", 2) => Some(Route::Metrics),
            ("v1", "clients", 2) => Some(Route::Clients),
            ("v1", "clients", 4) => Some(Route::Client { zone, client }),
            ("v1", "decisions", 2) => Some(Route::Decisions),
            ("v1", "decisions", 4) => Some(Route::Decision { zone, client }),
            _ => None,
        }
    }

    /// The methods it takes, as the `Allow` header lists them.
    pub fn allow(self) -> &'static str {
        match self {
            Route::Decisions => "GET, HEAD, POST",
            Route::Decision { .. } => "GET, HEAD, DELETE",
            _ => "GET, HEAD",
        }
    }

    /// What a method means here; `None` when it is not among [`Route::allow`].
    pub fn verb(self, method: &[u8]) -> Option<Verb> {
        match (method, self) {
            (b"GET" | b"HEAD", _) => Some(Verb::Get),
            (b"POST", Route::Decisions) => Some(Verb::Post),
            (b"DELETE", Route::Decision { .. }) => Some(Verb::Delete),
            _ => None,
        }
    }
}

/// The part of a URI inside of a location with this prefix.
pub fn inside<'a>(prefix: &[u8], uri: &'a [u8]) -> Option<&'a [u8]> {
    let rest = uri.strip_prefix(prefix)?;
    if prefix.ends_with(b"/") {
        Some(rest)
    } else {
        rest.strip_prefix(b"/")
    }
}

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadQuery {
    /// More than [`MAX_QUERY`] bytes.
    TooLong,
    /// A pair without a name or a value, or with a broken escape.
    Malformed,
    /// A name that the resource does not have.
    Unknown(String),
    /// A name given twice.
    Twice(String),
    /// A name that must be there.
    Missing(&'static str),
    /// A value out of what is expected.
    Value(&'static str, &'static str),
}

impl std::fmt::Display for BadQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadQuery::TooLong => write!(f, "the query has more than {MAX_QUERY} bytes"),
            BadQuery::Malformed => f.write_str("the query is not a list of name=value"),
            BadQuery::Unknown(name) => write!(f, "there is no query parameter \"{name}\" here"),
            BadQuery::Twice(name) => write!(f, "the query parameter \"{name}\" is given twice"),
            BadQuery::Missing(name) => write!(f, "the query parameter \"{name}\" is missing"),
            BadQuery::Value(name, expected) => write!(f, "the query parameter \"{name}\" must be {expected}"),
        }
    }
}

/// A query, decoded; each name in it is one of those known and given once.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&...`. An empty query is none.
    pub fn parse(text: &[u8], known: &[&str]) -> Result<Query, BadQuery> {
        if text.len() > MAX_QUERY {
            return Err(BadQuery::TooLong);
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        if text.is_empty() {
            return Ok(Query(pairs));
        }
        for pair in text.split(|&byte| byte == b'&') {
            let equals = pair
                .iter()
                .position(|&byte| byte == b'=')
                .ok_or(BadQuery::Malformed)?;
            let name = decode(&pair[..equals]).ok_or(BadQuery::Malformed)?;
            let value = decode(&pair[equals + 1..]).ok_or(BadQuery::Malformed)?;
            if !known.contains(&name.as_str()) {
                return Err(BadQuery::Unknown(name));
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(BadQuery::Twice(name));
            }
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(known, _)| known == name)?;
        Some(&pair.1)
    }

    /// The value of a name that must be there.
    pub fn require(&self, name: &'static str) -> Result<&str, BadQuery> {
        self.get(name).ok_or(BadQuery::Missing(name))
    }

    /// A value read by `read`; `None` when it is not given.
    pub fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadQuery> {
        self.get(name)
            .map(|value| read(value).ok_or(BadQuery::Value(name, expected)))
            .transpose()
    }
}

/// A plain decimal number: digits only, no needless zero in front.
pub fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// Decodes a part of a query: `%XX`, and `+` for a space.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Text as a part of a path: all but the unreserved characters of RFC 3986, colon and slash escaped.
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// How a client is named in paths and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// By its key.
    Key(Vec<u8>),
    /// By the hash of its key.
    Hash(u64),
}

impl Client {
    /// Reads a name. In a zone by address an address stands for its group under the zone's prefixes. `None` when no
    /// client of the zone can have that name.
    pub fn parse(text: &str, prefixes: Option<Prefixes>) -> Option<Client> {
        if let Some(hex) = text.strip_prefix(HASH) {
            let hash = (hex.len() == 16).then(|| unhex(hex)).flatten()?;
            return Some(Client::Hash(u64::from_be_bytes(hash.try_into().ok()?)));
        }
        if let Some(hex) = text.strip_prefix(HEX) {
            return unhex(hex).filter(|key| !key.is_empty()).map(Client::Key);
        }
        if text.is_empty() {
            return None;
        }
        let key = match prefixes {
            // nginx has this for whoever comes by a socket of the file system.
            Some(_) if text == "unix:" => ClientKey::Text(text.as_bytes()),
            Some(prefixes) => address(text, prefixes)?,
            None => ClientKey::Text(text.as_bytes()),
        };
        Some(Client::Key(key.as_bytes().to_vec()))
    }

    /// The name, which [`Client::parse`] reads back.
    pub fn name(&self, prefixes: Option<Prefixes>) -> String {
        let key = match self {
            Client::Hash(hash) => return format!("{HASH}{hash:016x}"),
            Client::Key(key) => key.as_slice(),
        };
        let address = prefixes.and_then(|prefixes| shown_address(key, prefixes));
        address.unwrap_or_else(|| {
            let plain = is_plain(key) && (prefixes.is_none() || key == b"unix:");
            if plain {
                String::from_utf8_lossy(key).into_owned()
            } else {
                hex(key)
            }
        })
    }
}

/// An address under a zone's prefixes; one written with a prefix must have the zone's.
fn address(text: &str, prefixes: Prefixes) -> Option<ClientKey<'_>> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits)?)),
        None => (text, None),
    };
    let key = ClientKey::from_text(address.as_bytes());
    let length = match key {
        ClientKey::V4(_) => prefixes.v4,
        ClientKey::V6(_) => prefixes.v6,
        ClientKey::Text(_) => return None,
    };
    bits.is_none_or(|bits| bits == u32::from(length))
        .then(|| key.within(prefixes))
}

/// Whether a key can stand as it is: in a path, a terminal, a log.
fn is_plain(key: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:=@,".contains(byte);
    let marked = key.starts_with(HEX.as_bytes()) || key.starts_with(HASH.as_bytes());
    // A path of dots alone would be resolved before it comes to us.
    !key.is_empty() && key.iter().all(plain) && !marked && !matches!(key, b"." | b"..")
}

fn hex(key: &[u8]) -> String {
    key.iter().fold(HEX.to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] if !high.is_ascii_uppercase() && !low.is_ascii_uppercase() => {
                Some(digit(high)? << 4 | digit(low)?)
            }
            _ => None,
        })
        .collect()
}
