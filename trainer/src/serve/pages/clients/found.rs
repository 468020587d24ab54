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
    /// A name or its beginning.
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
        let found = exact()?;
        if !found.clients.is_empty() {
            return Ok(found);
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
        store.clients_beginning(start, filter.zone.as_deref(), after.as_ref(), limit)?;
    Ok(Found {
        by: By::Name,
        clients,
        next: next.map(|(zone, name)| Cursor::Name(zone, name)),
    })
}

/// Few clients, all of them: one a zone.
fn whole(by: By, clients: impl Iterator<Item = ClientRow>, filter: &Filter) -> Found {
    let of_zone = |client: &ClientRow| filter.zone.as_ref().is_none_or(|zone| *zone == client.zone);
    Found {
        by,
        clients: clients.filter(of_zone).collect(),
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
    use super::*;

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
