//! Which clients a filter finds.

use super::filter::{Cursor, Filter};
use crate::label;
use crate::store::{ClientRow, Names, SearchPage, Store, StoreError};

/// Digits of a reference id.
const REFERENCE: usize = 16;

/// By what a text found clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// No text: the list.
    List,
    /// A reference id.
    Reference,
    /// The beginning of a name. Clients come by zone and name, whatever order was asked for.
    Beginning,
    /// A name.
    Name,
    /// A network.
    Network,
}

/// A page of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// By what.
    pub by: By,
    /// Its rows.
    pub clients: Vec<ClientRow>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<Cursor>,
}

/// At most `limit` clients.
///
/// # Errors
/// The store refuses.
pub fn find(store: &Store, names: &Names, filter: &Filter, limit: u32) -> Result<Found, StoreError> {
    let text = filter.text.as_str();
    if text.is_empty() {
        return listed(store, filter, limit, By::List);
    }
    if text.len() == REFERENCE && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let found = store.clients_of_reference(&text.to_ascii_lowercase())?;
        if !found.is_empty() {
            let clients = found.into_iter().map(|(client, _)| client);
            return Ok(whole(By::Reference, clients, filter));
        }
    }
    let exact = || -> Result<Found, StoreError> {
        let clients = label::find(store, names, text)?;
        Ok(whole(By::Name, clients.into_iter(), filter))
    };
    if text.contains('/') {
        if !label::find(store, names, text)?.is_empty() {
            return exact();
        }
        let network = names.network(text);
        let of_network = Filter {
            network: Some(network.clone()),
            ..filter.clone()
        };
        let found = listed(store, &of_network, limit, By::Network)?;
        if !network.is_empty() && (!found.clients.is_empty() || filter.after.is_some()) {
            return Ok(found);
        }
    }
    let start = octets(text);
    let found = beginning(store, filter, start.as_deref().unwrap_or(text), limit)?;
    match found.clients.is_empty() && filter.after.is_none() {
        true => exact(),
        false => Ok(found),
    }
}

fn listed(store: &Store, filter: &Filter, limit: u32, by: By) -> Result<Found, StoreError> {
    let page = store.clients(&filter.query(limit))?;
    Ok(Found {
        by,
        clients: page.clients,
        next: page.next.map(|(value, id)| Cursor::Value(value, id)),
    })
}

fn beginning(store: &Store, filter: &Filter, start: &str, limit: u32) -> Result<Found, StoreError> {
    let after = match &filter.after {
        Some(Cursor::Name(zone, name)) => Some((zone.clone(), name.clone())),
        _ => None,
    };
    let SearchPage { clients, next } =
        store.clients_beginning(start, &filter.query(limit), after.as_ref())?;
    Ok(Found {
        by: By::Beginning,
        clients,
        next: next.map(|(zone, name)| Cursor::Name(zone, name)),
    })
}

/// Few clients, all of them: one a zone.
fn whole(by: By, clients: impl Iterator<Item = ClientRow>, filter: &Filter) -> Found {
    let mut clients: Vec<ClientRow> = clients.filter(|client| filter.passes(client)).collect();
    filter.sort(&mut clients);
    Found {
        by,
        clients,
        next: None,
    }
}

/// How the names in an IPv4 network of 8 or 16 bits begin.
fn octets(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/')?;
    let kept = match bits {
        "8" => 1,
        "16" => 2,
        _ => return None,
    };
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let octets: Vec<String> = address.octets()[..kept].iter().map(u8::to_string).collect();
    Some(format!("{}.", octets.join(".")))
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::{COUNT, schema_hash};
    use sekisho_core::sample::{Kind, Sample, VERSION};
    use tempfile::TempDir;

    use super::*;
    use crate::store::{ClientOrder, FileId, Intake, Line, Position};

    const AT: u32 = 1_800_000_000;

    fn sample(client: &str, zone: &str, requests: u32, verdict: &str) -> Sample {
        Sample {
            version: VERSION,
            kind: Kind::Flagged,
            id: "00000000000000aa".into(),
            at: AT + requests,
            zone: zone.into(),
            client: client.into(),
            requests,
            score: Some(0.5),
            challenger: None,
            label: None,
            verdict: verdict.into(),
            reasons: Vec::new(),
            schema: schema_hash().into(),
            features: vec![0.5; COUNT],
            model: "ab".repeat(32),
            method: "GET".into(),
            target: "/".into(),
        }
    }

    fn store(dir: &TempDir) -> Store {
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let samples = [
            sample("192.0.2.1", "clients", 10, "PASSED"),
            sample("192.0.2.1", "login", 90, "REJECTED"),
            sample("192.0.2.2", "clients", 30, "REJECTED"),
            sample("192.0.2.3", "clients", 20, "PASSED"),
        ];
        let lines: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_line().unwrap()).collect();
        let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::Whole(line)).collect();
        let mut position = Position {
            row: None,
            path: "s".into(),
            id: FileId { device: 1, inode: 1 },
            head: Vec::new(),
            head_length: 0,
            offset: 9,
            skipping: false,
        };
        let intake = Intake {
            source: "s",
            names: &Names::Plain,
            now: AT + 100,
        };
        store.take(intake, &lines, &mut position).unwrap();
        store
    }

    #[test]
    fn what_is_found_passes_the_filters_that_are_shown() {
        let dir = TempDir::new().unwrap();
        let store = store(&dir);
        #[track_caller]
        fn check(store: &Store, text: &str, worst: Option<&'static str>, by: By, expected: &[(&str, &str)]) {
            let filter = Filter {
                text: text.into(),
                worst,
                order: ClientOrder::Requests,
                ..Filter::default()
            };
            let found = find(store, &Names::Plain, &filter, 9).unwrap();
            let named = |client: &'_ ClientRow| (client.zone.clone(), client.name.clone());
            let names: Vec<(String, String)> = found.clients.iter().map(named).collect();
            let expected: Vec<(String, String)> = (expected.iter())
                .map(|(zone, name)| ((*zone).to_owned(), (*name).to_owned()))
                .collect();
            assert_eq!((found.by, names), (by, expected), "{text} {worst:?}");
        }
        let (one, two, three) = ("192.0.2.1", "192.0.2.2", "192.0.2.3");
        let rejected = Some("REJECTED");
        let all = [
            ("clients", one),
            ("clients", two),
            ("clients", three),
            ("login", one),
        ];
        check(&store, "192.0.2.", None, By::Beginning, &all);
        let stopped = [("clients", two), ("login", one)];
        check(&store, "192.0.2.", rejected, By::Beginning, &stopped);
        check(&store, "192.0.0.0/16", rejected, By::Beginning, &stopped);
        let by_requests = [("login", one), ("clients", two)];
        check(&store, "192.0.2.0/24", rejected, By::Network, &by_requests);
        let seen = [
            ("login", one),
            ("clients", two),
            ("clients", three),
            ("clients", one),
        ];
        check(&store, "00000000000000AA", None, By::Reference, &seen);
        check(&store, "00000000000000aa", rejected, By::Reference, &by_requests);
        check(&store, "192.0.2.3", rejected, By::Name, &[]);
    }

    #[test]
    fn wide_networks_are_beginnings() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(octets(text).as_deref(), expected, "{text}");
        }
        check("10.0.0.0/8", Some("10."));
        check("192.168.7.0/16", Some("192.168."));
        check("192.0.2.0/24", None);
        check("10.0.0/8", None);
        check("2001:db8::/16", None);
        check("%/8", None);
    }
}
