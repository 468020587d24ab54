//! The earlier and the later half of a site, with no network in both.

use std::collections::HashMap;

use crate::dataset::Site;

const DAY: f64 = 86_400.0;

/// Clients of the networks that came before the median of `firsts`, the times when people came first, as far as they
/// had come by then; and clients of the networks that came later.
pub fn split(site: &Site, mut firsts: Vec<u32>) -> (Site, Site) {
    firsts.sort_unstable();
    let cut = firsts.get(firsts.len() / 2).copied().unwrap_or_default();
    let mut came: HashMap<&str, u32> = HashMap::new();
    for client in &site.clients {
        let first = came.entry(client.group()).or_insert(client.first);
        *first = (*first).min(client.first);
    }
    let is_new = |group: &str| came.get(group).is_some_and(|first| *first >= cut);
    let later = site.clients.iter().filter(|client| is_new(client.group()));
    (site.until(cut), site.with(later.cloned().collect()))
}

/// Days that a site's clients span, at least a part of one.
pub fn days(site: &Site) -> f64 {
    let (first, last) = site.span().unwrap_or_default();
    (f64::from(last - first) / DAY).max(1.0 / DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Client;

    #[test]
    fn no_network_is_in_both_halves() {
        let client = |name: &str, first| Client {
            first,
            last: first + 10,
            requests: 1,
            ..Client::named(name)
        };
        let site = Site {
            name: String::new(),
            clients: vec![
                client("192.0.2.1", 0),
                client("198.51.100.1", 86_400),
                client("203.0.113.1", 200_000),
                client("192.0.2.2", 200_001),
            ],
            lines: 0,
            unparsable: 0,
        };
        let (earlier, later) = split(&site, vec![0, 200_000]);
        let names = |site: &Site| -> Vec<String> {
            site.clients
                .iter()
                .map(|client| client.name.to_string())
                .collect()
        };
        assert_eq!(names(&earlier), ["192.0.2.1", "198.51.100.1"]);
        assert_eq!(
            names(&later),
            ["203.0.113.1"],
            "192.0.2.2 has a neighbour in the earlier half"
        );
        assert!((days(&earlier) - 1.0).abs() < 0.01);
    }
}
