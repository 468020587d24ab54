//! The earlier and the later half of a site, with no network in both.

use std::collections::HashMap;

use sekisho_core::key::{Seed, key_hash};

use super::people::People;
use crate::dataset::{Client, Site};

const DAY: f64 = 86_400.0;

/// Where somebody was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    before: bool,
    after: bool,
}

/// What happened before and after the time by which half of the people had come, each by other networks. Whose network
/// came on one side only is there. Those that came on both sides, as people do who return, are dealt out by a hash of
/// the network, and count with what they did on that side: both halves are about as long, and as full.
pub fn split(site: &Site, min_requests: u32) -> (Site, Site) {
    let judged = |client: &Client| client.rows.iter().any(|row| row.requests >= min_requests);
    let people = site
        .clients
        .iter()
        .filter(|client| judged(client) && People::Both.includes(client));
    let mut times: Vec<u32> = people.filter_map(|client| middle(client, min_requests)).collect();
    times.sort_unstable();
    let cut = times.get(times.len() / 2).copied().unwrap_or_default();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    for client in &site.clients {
        let group = seen.entry(client.group()).or_default();
        // When a client was seen first tells nothing of one that was known before the data begin: its rows do.
        let rows = client.rows.iter().filter(|row| row.requests >= min_requests);
        let mut times = rows.map(|row| row.at).peekable();
        if times.peek().is_none() {
            group.before |= client.first < cut;
            group.after |= client.last >= cut;
        }
        for at in times {
            group.before |= at < cut;
            group.after |= at >= cut;
        }
    }
    let is_earlier = |client: &&Client| match seen.get(client.group()) {
        Some(Seen {
            before: true,
            after: true,
        }) => is_heads(client.group()),
        Some(group) => group.before,
        None => false,
    };
    let (earlier, later) = site.clients.iter().partition::<Vec<&Client>, _>(is_earlier);
    let part = |clients: Vec<&Client>| site.with(clients.into_iter().cloned().collect());
    (part(earlier).until(cut), part(later).since(cut))
}

/// The time of the middle one of the rows at which a client could be judged.
fn middle(client: &Client, min_requests: u32) -> Option<u32> {
    let rows = client.rows.iter().filter(|row| row.requests >= min_requests);
    let mut times: Vec<u32> = rows.map(|row| row.at).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// A coin that falls the same way for a network each time.
fn is_heads(group: &str) -> bool {
    key_hash(Seed::FIXED, group.as_bytes())
        .count_ones()
        .is_multiple_of(2)
}

/// Days that a site's clients span, at least a part of one.
pub fn days(site: &Site) -> f64 {
    let (first, last) = site.span().unwrap_or_default();
    (f64::from(last - first) / DAY).max(1.0 / DAY)
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::*;
    use crate::dataset::{Label, Row};

    /// A person with a row at each of these times.
    fn person(name: &str, times: impl IntoIterator<Item = u32>) -> Client {
        let rows: Vec<Row> = times
            .into_iter()
            .zip(1..)
            .map(|(at, rank)| Row {
                requests: 16 * rank,
                at,
                features: [0.0; COUNT],
            })
            .collect();
        Client {
            label: Some(Label::Human),
            first: rows[0].at,
            last: rows[rows.len() - 1].at,
            requests: 16 * rows.len() as u32,
            rows,
            ..Client::named(name)
        }
    }

    fn site(clients: Vec<Client>) -> Site {
        Site {
            name: String::new(),
            clients,
            lines: 0,
            unparsable: 0,
        }
    }

    fn names(site: &Site) -> Vec<&str> {
        site.clients.iter().map(|client| &*client.name).collect()
    }

    #[test]
    fn no_network_is_in_both_halves() {
        let site = site(vec![
            person("192.0.2.1", [0]),
            person("198.51.100.1", [86_400]),
            person("203.0.113.1", [200_000]),
            person("203.0.113.2", [200_001]),
        ]);
        let (earlier, later) = split(&site, 10);
        assert_eq!(names(&earlier), ["192.0.2.1", "198.51.100.1"]);
        assert_eq!(names(&later), ["203.0.113.1", "203.0.113.2"]);
        assert!((days(&earlier) - 1.0).abs() < 0.01);
    }

    #[test]
    fn neighbours_stay_together() {
        let site = site(vec![
            person("192.0.2.1", [0]),
            person("198.51.100.1", [10]),
            person("203.0.113.1", [20]),
            person("192.0.2.2", [30]),
        ]);
        let (earlier, later) = split(&site, 10);
        let both = [names(&earlier), names(&later)];
        let of = |half: &Vec<&str>| half.iter().filter(|name| name.starts_with("192.0.2.")).count();
        assert!(both.iter().any(|half| of(half) == 0), "{both:?}");
    }

    /// A hundred days of which the last ten are looked at, by people who come every day.
    #[test]
    fn people_who_return_fill_both_halves() {
        let people = (0..400).map(|number| {
            person(
                &format!("10.{}.{}.1", number / 250, number % 250),
                (0..100).map(move |day| day * 86_400 + number),
            )
        });
        let whole = site(people.collect());
        // Kept samples are younger than the client, and cut ones seem to begin all at once.
        let mut pruned = whole.with(whole.clients.clone());
        for client in &mut pruned.clients {
            client.rows.retain(|row| row.at >= 90 * 86_400);
        }
        for site in [pruned, whole.since(90 * 86_400)] {
            let (earlier, later) = split(&site, 10);
            for half in [&earlier, &later] {
                assert!(
                    (150..=250).contains(&half.clients.len()),
                    "{}",
                    half.clients.len()
                );
                let rows: usize = half.clients.iter().map(|client| client.rows.len()).sum();
                let each = rows / half.clients.len();
                assert!((4..=6).contains(&each), "{each} of ten days");
            }
            assert_eq!(earlier.clients.len() + later.clients.len(), 400);
            let last = earlier
                .clients
                .iter()
                .flat_map(|client| &client.rows)
                .map(|row| row.at)
                .max();
            let first = later
                .clients
                .iter()
                .flat_map(|client| &client.rows)
                .map(|row| row.at)
                .min();
            assert!(last < first, "{last:?} {first:?}");
        }
    }
}
