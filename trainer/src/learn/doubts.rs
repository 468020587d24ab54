//! Conversions that are not believed.
//!
//! An order costs a crawler a few cents and makes it human. So the label is the client's alone, never its network's;
//! and where a more trusted origin calls a neighbour a crawler, it teaches nothing.

use std::collections::HashSet;

use crate::dataset::{Origin, Site};

/// Takes the label from people by conversion in whose /24 or /48 somebody is a crawler by a more trusted origin.
/// Gives their names.
pub fn doubt_conversions(site: &mut Site) -> Vec<String> {
    let crawling: HashSet<String> = site
        .clients
        .iter()
        .filter(|client| {
            client.is_crawler() && client.origin.is_some_and(|origin| origin < Origin::Conversion)
        })
        .map(|client| client.group().to_owned())
        .collect();
    let mut doubted = Vec::new();
    for client in &mut site.clients {
        let bought = client.is_human() && client.origin == Some(Origin::Conversion);
        if bought && crawling.contains(client.group()) {
            client.label = None;
            doubted.push(client.name.to_string());
        }
    }
    doubted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Client, Label};

    #[test]
    fn a_conversion_beside_a_known_crawler_teaches_nothing() {
        let client = |name: &str, label, origin| Client {
            label: Some(label),
            origin: Some(origin),
            ..Client::named(name)
        };
        let mut site = Site {
            name: String::new(),
            clients: vec![
                client("192.0.2.1", Label::Crawler(1), Origin::Trap),
                client("192.0.2.2", Label::Human, Origin::Conversion),
                client("192.0.2.3", Label::Human, Origin::Operator),
                client("198.51.100.1", Label::Crawler(1), Origin::Declared),
                client("198.51.100.2", Label::Human, Origin::Conversion),
            ],
            lines: 0,
            unparsable: 0,
        };
        assert_eq!(doubt_conversions(&mut site), ["192.0.2.2"]);
        let human = site.clients.iter().filter(|client| client.is_human());
        let names: Vec<&str> = human.map(|client| &*client.name).collect();
        assert_eq!(
            names,
            ["192.0.2.3", "198.51.100.2"],
            "what a stranger declares doubts nobody"
        );
    }
}
