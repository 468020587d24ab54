//! Bans for programs that follow a CrowdSec local API: its `GET /v1/decisions/stream` and `GET /v1/decisions`, as
//! bouncers ask for them.
//!
//! Handed out is what nginx acts on: no ban in dry run, none while the breaker is open, and addresses and networks only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::nginx::address_of;
use crate::store::{DecisionRow, EventKind, Store, StoreError};

/// Events that are read at a time.
const PAGE: u32 = 5_000;
/// Events that are read for one who was away: what is older is over by itself.
const MAX_EVENTS: i64 = 200_000;
/// Keys of one file: as many as its 4 KiB hold.
const MAX_KEYS: usize = 64;
/// Bytes of a key at least: 128 bits when they are random, in hex.
const LEAST_KEY: usize = 32;

/// Who may follow: a name and the digest of a key each.
#[derive(Clone, Default)]
pub struct Keys(Vec<(String, [u8; 32])>);

/// Why keys are refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeysError {
    /// A line is no name and key.
    #[error(
        "line {0} of [decisions] bouncer_keys_file is no name and key: write a line for each, such as `firewall KEY` with the key from `openssl rand -hex 32`"
    )]
    Line(usize),
    /// A name or a key is there twice.
    #[error("line {0} of [decisions] bouncer_keys_file has the name or the key of another line")]
    Twice(usize),
    /// There are too many.
    #[error("[decisions] bouncer_keys_file has more than {MAX_KEYS} keys")]
    TooMany,
}

impl Keys {
    /// Reads a name and a key a line; `#` starts a comment.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn parse(text: &str) -> Result<Keys, KeysError> {
        let mut keys: Vec<(String, [u8; 32])> = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, key) = match words[..] {
                [] => continue,
                [name, key] if is_name(name) && key.len() >= LEAST_KEY => (name, key),
                _ => return Err(KeysError::Line(place + 1)),
            };
            let digest = Sha256::digest(key).into();
            if keys
                .iter()
                .any(|(other, known)| other == name || *known == digest)
            {
                return Err(KeysError::Twice(place + 1));
            }
            keys.push((name.to_owned(), digest));
        }
        if keys.len() > MAX_KEYS {
            return Err(KeysError::TooMany);
        }
        Ok(Keys(keys))
    }

    /// Whose key this is. Digests are compared, so that the time that it takes tells nothing.
    pub fn name(&self, given: &[u8]) -> Option<&str> {
        let digest: [u8; 32] = Sha256::digest(given).into();
        let found = self.0.iter().find(|(_, known)| *known == digest)?;
        Some(&found.0)
    }
}

fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 64 && text.bytes().all(good)
}

/// A ban as bouncers know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BouncerDecision {
    /// Our number.
    pub id: i64,
    /// Who began it: `sekisho`, or where we have it from.
    pub origin: String,
    /// Always `ban`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `Ip` or `Range`.
    pub scope: &'static str,
    /// The address or network.
    pub value: String,
    /// What is left of it, as Go writes durations.
    pub duration: String,
    /// `sekisho/` and what began it.
    pub scenario: String,
}

/// What changed; each absent where nothing did, as in the original.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Bans that are over, or that nginx no longer acts on.
    pub deleted: Option<Vec<BouncerDecision>>,
    /// Bans that began, or that nginx acts on from now on.
    pub new: Option<Vec<BouncerDecision>>,
}

/// What somebody wants to know; empty lists leave nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Scopes, in small letters.
    pub scopes: Vec<String>,
    /// Origins.
    pub origins: Vec<String>,
    /// Parts of scenarios.
    pub scenarios: Vec<String>,
    /// Parts of scenarios that are left out.
    pub without: Vec<String>,
}

impl Filter {
    fn takes(&self, decision: &BouncerDecision) -> bool {
        let among = |list: &[String], word: &str| {
            list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(word))
        };
        let part = |list: &[String]| list.iter().any(|part| decision.scenario.contains(part.as_str()));
        among(&self.scopes, decision.scope)
            && among(&self.origins, &decision.origin)
            && (self.scenarios.is_empty() || part(&self.scenarios))
            && !part(&self.without)
    }
}

/// A store, and how its names are turned back where they can be.
pub struct Bans<'a> {
    /// The store.
    pub store: &'a Store,
    /// The plain name of a decision's client; `None` when only its pseudonym is known.
    pub plain: &'a dyn Fn(&DecisionRow) -> Option<String>,
    /// Unix seconds.
    pub now: u32,
}

impl Bans<'_> {
    /// All bans that nginx acts on; of several on one address the longest.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self, filter: &Filter) -> Result<Vec<BouncerDecision>, StoreError> {
        let mut longest: BTreeMap<String, (u32, BouncerDecision)> = BTreeMap::new();
        for row in self.store.open_decisions(None)? {
            if !self.is_active(&row) {
                continue;
            }
            let Some(decision) = self.decision(&row).filter(|one| filter.takes(one)) else {
                continue;
            };
            let known = longest.get(&decision.value);
            if known.is_none_or(|(expires, _)| row.expires > *expires) {
                longest.insert(decision.value.clone(), (row.expires, decision));
            }
        }
        Ok(longest.into_values().map(|(_, decision)| decision).collect())
    }

    /// The bans on an address: on itself, or a network that holds it.
    ///
    /// # Errors
    /// The store's.
    pub fn on(&self, address: IpAddr, filter: &Filter) -> Result<Vec<BouncerDecision>, StoreError> {
        let mut all = self.all(filter)?;
        all.retain(|decision| holds(&decision.value, address));
        Ok(all)
    }

    /// What changed since `name` asked last, and keeps that he was told; everything when he starts, or asks for the first
    /// time.
    ///
    /// # Errors
    /// The store's; he is told the same the next time.
    pub fn pull(&self, name: &str, startup: bool, filter: &Filter) -> Result<Stream, StoreError> {
        let follower = format!("bouncer:{name}");
        let last = self.store.last_event()?;
        let stream = match self.store.followed(&follower)? {
            Some(after) if !startup => self.since(after.max(last - MAX_EVENTS), last, filter)?,
            _ => Stream {
                new: some(self.all(filter)?),
                deleted: None,
            },
        };
        self.store.set_followed(&follower, last, self.now)?;
        Ok(stream)
    }

    fn since(&self, mut after: i64, last: i64, filter: &Filter) -> Result<Stream, StoreError> {
        let mut touched: HashMap<i64, DecisionRow> = HashMap::new();
        let mut turned: HashSet<i64> = HashSet::new();
        while after < last {
            let events = self.store.decision_events(after, PAGE)?;
            let Some(newest) = events.last() else { break };
            after = newest.seq;
            let told: Vec<_> = events.into_iter().filter(|event| event.seq <= last).collect();
            let acted = told.iter().filter(|event| event.kind == EventKind::Acted);
            turned.extend(acted.map(|event| event.decision.id));
            touched.extend(told.into_iter().map(|event| (event.decision.id, event.decision)));
        }
        // What never was to be acted on was never told; what no longer is, since dry run was turned on, is taken back.
        touched.retain(|id, row| row.dry_run == Some(false) || turned.contains(id));
        if touched.is_empty() {
            return Ok(Stream::default());
        }
        let mut active: HashMap<String, BouncerDecision> = HashMap::new();
        active.extend(self.all(filter)?.into_iter().map(|one| (one.value.clone(), one)));
        let (mut new, mut deleted) = (BTreeMap::new(), BTreeMap::new());
        for row in touched.values() {
            let Some(decision) = self.decision(row).filter(|one| filter.takes(one)) else {
                continue;
            };
            // Another ban on the same address may go on.
            match active.get(&decision.value) {
                Some(other) => new.insert(decision.value, other.clone()),
                None => deleted.insert(decision.value.clone(), decision),
            };
        }
        Ok(Stream {
            new: some(new.into_values().collect()),
            deleted: some(deleted.into_values().collect()),
        })
    }

    fn is_active(&self, row: &DecisionRow) -> bool {
        row.is_enforced() && row.expires > self.now
    }

    fn decision(&self, row: &DecisionRow) -> Option<BouncerDecision> {
        let value = (self.plain)(row)?;
        let scope = scope(&value)?;
        let origin = match row.origin.as_str() {
            "model" | "trap" | "operator" => "sekisho",
            other => other,
        };
        let reasons = if row.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", row.reasons.join(", "))
        };
        Some(BouncerDecision {
            id: row.id,
            origin: origin.to_owned(),
            kind: "ban",
            scope,
            value,
            duration: go_duration(i64::from(row.expires) - i64::from(self.now)),
            scenario: format!("sekisho/{}{reasons}", row.origin),
        })
    }
}

/// What sort of value a name is; `None` when it is no address.
pub fn scope(name: &str) -> Option<&'static str> {
    let (address, bits) = address_of(name)?;
    let whole = bits == if address.is_ipv4() { 32 } else { 128 };
    Some(if whole && !name.contains('/') {
        "Ip"
    } else {
        "Range"
    })
}

fn holds(value: &str, address: IpAddr) -> bool {
    let Some((network, bits)) = address_of(value) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Seconds as Go's `time.Duration` writes them.
fn go_duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let left = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (left / 3_600, left / 60 % 60, left % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::{End, Names, NewDecision};

    const NOW: u32 = 1_800_000_000;

    fn store() -> (TempDir, Store) {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        (dir, store)
    }

    fn begin(store: &Store, client: &str, origin: &str, seconds: u32, dry_run: Option<bool>) -> i64 {
        let new = NewDecision {
            nginx: "shop".to_owned(),
            zone: "clients".to_owned(),
            client: client.to_owned(),
            origin: origin.to_owned(),
            reasons: vec!["pace".to_owned(), "depth".to_owned()],
            begun: NOW,
            until: NOW + seconds,
            expires: NOW + seconds,
            dry_run,
            ..NewDecision::default()
        };
        store.begin_decision(&new, &Names::Plain, NOW).unwrap()
    }

    fn values(list: Option<Vec<BouncerDecision>>) -> Vec<String> {
        list.unwrap_or_default()
            .into_iter()
            .map(|one| one.value)
            .collect()
    }

    #[track_caller]
    fn pull(store: &Store, name: &str, startup: bool, new: &[&str], deleted: &[&str]) {
        let plain = |row: &DecisionRow| Some(row.client.clone());
        let bans = Bans {
            store,
            plain: &plain,
            now: NOW,
        };
        let stream = bans.pull(name, startup, &Filter::default()).unwrap();
        assert_eq!(values(stream.new), new, "new");
        assert_eq!(values(stream.deleted), deleted, "deleted");
    }

    #[test]
    fn each_one_is_told_what_changed_since_he_asked() {
        let (_dir, store) = store();
        let first = begin(&store, "192.0.2.7", "model", 600, Some(false));
        begin(&store, "192.0.2.8", "model", 600, Some(true));
        begin(&store, "session=a1", "trap", 600, Some(false));
        let unknown = begin(&store, "192.0.2.9", "model", 600, None);
        pull(&store, "one", true, &["192.0.2.7"], &[]);
        pull(&store, "one", false, &[], &[]);
        store.set_dry_run(unknown, false, NOW).unwrap();
        begin(&store, "2001:db8::/64", "operator", 600, Some(false));
        pull(&store, "one", false, &["192.0.2.9", "2001:db8::/64"], &[]);
        store.set_held(unknown, true, NOW).unwrap();
        store.end_decision(first, End::Lifted, "ana", (NOW, NOW)).unwrap();
        pull(&store, "one", false, &[], &["192.0.2.7", "192.0.2.9"]);
        store.set_held(unknown, false, NOW).unwrap();
        pull(&store, "one", false, &["192.0.2.9"], &[]);
        store.set_dry_run(unknown, true, NOW).unwrap();
        pull(&store, "one", false, &[], &["192.0.2.9"]);
        store.set_dry_run(unknown, false, NOW).unwrap();
        pull(&store, "one", false, &["192.0.2.9"], &[]);
        pull(&store, "two", false, &["192.0.2.9", "2001:db8::/64"], &[]);
        pull(&store, "two", true, &["192.0.2.9", "2001:db8::/64"], &[]);
    }

    #[test]
    fn of_two_bans_on_one_address_the_longer_counts() {
        let (_dir, store) = store();
        let short = begin(&store, "192.0.2.7", "model", 60, Some(false));
        pull(&store, "one", true, &["192.0.2.7"], &[]);
        let long = begin(&store, "192.0.2.7", "trap", 600, Some(false));
        store.end_decision(short, End::Expired, "", (NOW, NOW)).unwrap();
        pull(&store, "one", false, &["192.0.2.7"], &[]);
        store.end_decision(long, End::Gone, "", (NOW, NOW)).unwrap();
        pull(&store, "one", false, &[], &["192.0.2.7"]);
    }

    #[test]
    fn what_is_told_is_what_bouncers_know() {
        let (_dir, store) = store();
        begin(&store, "192.0.2.7", "model", 4_000, Some(false));
        begin(&store, "2001:db8::/64", "crowdsec", 59, Some(false));
        let plain = |row: &DecisionRow| Some(row.client.clone());
        let bans = Bans {
            store: &store,
            plain: &plain,
            now: NOW,
        };
        let all = bans.all(&Filter::default()).unwrap();
        assert_eq!(
            serde_json::to_string(&all[0]).unwrap(),
            r#"{"id":1,"origin":"sekisho","type":"ban","scope":"Ip","value":"192.0.2.7","duration":"1h6m40s","scenario":"sekisho/model (pace, depth)"}"#
        );
        #[track_caller]
        fn check(bans: &Bans<'_>, filter: Filter, expected: usize) {
            assert_eq!(bans.all(&filter).unwrap().len(), expected, "{filter:?}");
        }
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filter = Filter::default;
        check(
            &bans,
            Filter {
                scopes: words(&["ip"]),
                ..filter()
            },
            1,
        );
        check(
            &bans,
            Filter {
                scopes: words(&["ip", "range"]),
                ..filter()
            },
            2,
        );
        check(
            &bans,
            Filter {
                origins: words(&["CAPI"]),
                ..filter()
            },
            0,
        );
        check(
            &bans,
            Filter {
                scenarios: words(&["pace"]),
                ..filter()
            },
            2,
        );
        check(
            &bans,
            Filter {
                without: words(&["sekisho/crowdsec"]),
                ..filter()
            },
            1,
        );
        let on = |text: &str| bans.on(text.parse().unwrap(), &filter()).unwrap().len();
        assert_eq!(
            ["192.0.2.7", "192.0.2.8", "2001:db8::9", "2001:db8:0:1::9"].map(on),
            [1, 0, 1, 0]
        );
    }

    #[test]
    fn durations_are_written_as_go_does() {
        let found = [0, 59, 60, 3_599, 3_600, 90_061, -61].map(go_duration);
        assert_eq!(
            found,
            ["0s", "59s", "1m0s", "59m59s", "1h0m0s", "25h1m1s", "-1m1s"]
        );
    }

    #[test]
    fn keys_are_a_name_and_a_key_a_line() {
        #[track_caller]
        fn check(text: &str, expected: Option<KeysError>) {
            assert_eq!(Keys::parse(text).err(), expected, "{text}");
        }
        let key = "0123456789abcdef0123456789abcdef";
        check(&format!("# bouncers\nfirewall {key} # edge\n\n"), None);
        check(
            &format!("firewall\t{key}\nother {}\n", key.replace('0', "f")),
            None,
        );
        check("firewall short", Some(KeysError::Line(1)));
        check(&format!("\n{key}"), Some(KeysError::Line(2)));
        check(&format!("a {key}\na {key}x"), Some(KeysError::Twice(2)));
        check(&format!("a {key}\nb {key}"), Some(KeysError::Twice(2)));
        let keys = Keys::parse(&format!("firewall {key}")).unwrap();
        assert_eq!(keys.name(key.as_bytes()), Some("firewall"));
        assert_eq!((keys.name(b""), keys.name(&key.as_bytes()[1..])), (None, None));
    }
}
