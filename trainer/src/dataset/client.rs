//! A client with its rows: what learning, calibration, evaluation and drift look at.

use sekisho_core::feature::Features;
use sekisho_core::key::{ClientKey, Prefixes, Seed, key_hash, shown_address};

use super::labels::Label;
use super::origin::Origin;

/// Neighbours: who shares this prefix with a client is taken to be of the same house.
const NETWORK: Prefixes = Prefixes { v4: 24, v6: 48 };
/// Families of crawlers known by their network, apart from those known by a pattern's number and from whole logs.
const NETWORK_FAMILY: u32 = 1 << 31;
const NETWORK_FAMILY_BITS: u32 = (1 << 30) - 1;

/// Features of one client at one request count.
#[derive(Clone, Debug)]
pub struct Row {
    /// Requests so far.
    pub requests: u32,
    /// Unix seconds of that request.
    pub at: u32,
    /// Its features then.
    pub features: Features,
}

/// One client with its rows.
#[derive(Clone, Debug)]
pub struct Client {
    /// Name as the log or the sample shows it.
    pub name: Box<str>,
    /// Its /24 or /48; empty when its name is no address.
    pub network: Box<str>,
    /// What is believed of it, if anything.
    pub label: Option<Label>,
    /// Who says so.
    pub origin: Option<Origin>,
    /// Whether it completed what only people complete, whatever its label.
    pub completed: bool,
    /// Whether it is a declared crawler that renders pages as a browser does; see
    /// [`Signs::renders`](super::Signs::renders).
    pub renders: bool,
    /// First and last time it was seen, unix seconds.
    pub first: u32,
    /// See `first`.
    pub last: u32,
    /// Requests in the time looked at.
    pub requests: u32,
    /// Requests before that time; rows count on from these.
    pub earlier: u32,
    /// Whether it is in the samples only because it was drawn for the contrast.
    pub drawn: bool,
    /// How many clients of the site it stands for: 1 unless only a share of such clients was drawn.
    pub weight: f64,
    /// Request numbers at which today's rules would have stopped it, as in [`super::Rule::ALL`].
    pub stopped_at: [Option<u32>; 2],
    /// Its rows, ascending by requests.
    pub rows: Vec<Row>,
}

impl Default for Client {
    /// Nobody yet.
    fn default() -> Client {
        Client {
            name: Box::default(),
            network: Box::default(),
            label: None,
            origin: None,
            completed: false,
            renders: false,
            first: 0,
            last: 0,
            requests: 0,
            earlier: 0,
            drawn: false,
            weight: 1.0,
            stopped_at: [None; 2],
            rows: Vec::new(),
        }
    }
}

impl Client {
    /// A client by its name, with its network.
    pub fn named(name: &str) -> Client {
        Client {
            name: name.into(),
            network: network_of(name).into(),
            ..Client::default()
        }
    }

    /// Whether it is believed to be a person.
    pub fn is_human(&self) -> bool {
        self.label == Some(Label::Human)
    }

    /// Whether it is believed to be automated.
    pub fn is_crawler(&self) -> bool {
        matches!(self.label, Some(Label::Crawler(_)))
    }

    /// Its neighbours and itself: the network, or the name where that is no address. Whoever is in one group
    /// stays together when data are split.
    pub fn group(&self) -> &str {
        if self.network.is_empty() {
            &self.name
        } else {
            &self.network
        }
    }

    /// Its family as a crawler when nothing but its address tells: its group.
    pub fn family(&self) -> u32 {
        let hash = key_hash(Seed::FIXED, self.group().as_bytes()) as u32;
        NETWORK_FAMILY | hash & NETWORK_FAMILY_BITS
    }
}

/// The /24 or /48 of an address, also of one with a prefix; empty for what is no address.
fn network_of(name: &str) -> String {
    let address = name.split('/').next().unwrap_or_default();
    match ClientKey::from_text(address.as_bytes()) {
        ClientKey::Text(_) => String::new(),
        key => shown_address(key.as_bytes(), NETWORK).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_prefixes_of_addresses() {
        #[track_caller]
        fn check(name: &str, expected: &str) {
            assert_eq!(network_of(name), expected, "{name}");
        }
        check("192.0.2.77", "192.0.2.0/24");
        check("192.0.2.0/24", "192.0.2.0/24");
        check("::ffff:192.0.2.77", "192.0.2.0/24");
        check("2001:db8:1:2::/64", "2001:db8:1::/48");
        check("2001:db8:1:2:3::9", "2001:db8:1::/48");
        check("p:00112233445566778899aabbccddeeff", "");
        check("c00kie", "");
        check("", "");
    }

    #[test]
    fn neighbours_are_one_family_and_no_pattern_s() {
        let family = |name| Client::named(name).family();
        assert_eq!(family("192.0.2.1"), family("192.0.2.200"));
        assert_ne!(family("192.0.2.1"), family("192.0.3.1"));
        assert!(family("192.0.2.1") >= 1 << 31 && family("192.0.2.1") < u32::MAX - (1 << 20));
    }
}
