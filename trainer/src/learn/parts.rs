//! What is learnt from, what decides when to stop, what is measured on: apart in time, with no network in two.

use std::collections::HashMap;

use crate::dataset::Site;

/// Shares of a site's clients, of the rarer class, that come before the validation and before the test.
const VALIDATE_FROM: f64 = 0.7;
const TEST_FROM: f64 = 0.85;

/// A site in three parts of time.
#[derive(Debug)]
pub struct Parts {
    /// What happened first: learnt from.
    pub learn: Site,
    /// What new networks did then: decides when to stop.
    pub validate: Site,
    /// What newer networks did: measured on.
    pub test: Site,
}

impl Parts {
    /// Splits a site. A network belongs where its first client does; what it does later is in no part.
    pub fn of(site: &Site) -> Parts {
        let times = times(site);
        let at = |share: f64| {
            times
                .get((times.len() as f64 * share) as usize)
                .copied()
                .unwrap_or(u32::MAX)
        };
        let (validate, test) = (at(VALIDATE_FROM), at(TEST_FROM));
        let mut came: HashMap<&str, u32> = HashMap::new();
        for client in &site.clients {
            let first = came.entry(client.group()).or_insert(client.first);
            *first = (*first).min(client.first);
        }
        let of = |from: u32, until: u32| {
            let part = |group: &str| came.get(group).is_some_and(|first| (from..until).contains(first));
            let clients = site.clients.iter().filter(|client| part(client.group()));
            let part = site.with(clients.cloned().collect());
            if until == u32::MAX {
                part
            } else {
                part.until(until)
            }
        };
        Parts {
            learn: of(0, validate),
            validate: of(validate, test),
            test: of(test, u32::MAX),
        }
    }
}

/// First times of the labelled clients of the rarer class, ascending, so that there are some in every part.
fn times(site: &Site) -> Vec<u32> {
    let of = |human: bool| -> Vec<u32> {
        let labelled = site
            .clients
            .iter()
            .filter(|client| client.label.is_some() && client.is_human() == human);
        labelled.map(|client| client.first).collect()
    };
    let (crawlers, humans) = (of(false), of(true));
    let mut times = if humans.is_empty() || (!crawlers.is_empty() && crawlers.len() < humans.len()) {
        crawlers
    } else {
        humans
    };
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use sekisho_core::feature::COUNT;

    use super::*;
    use crate::dataset::{Client, Label, Row};

    fn client(network: u8, host: u8, first: u32, length: u32, human: bool) -> Client {
        let row = |requests: u32, at: u32| Row {
            requests,
            at,
            features: [0.0; COUNT],
        };
        Client {
            label: Some(if human { Label::Human } else { Label::Crawler(1) }),
            first,
            last: first + length,
            requests: 8,
            rows: vec![row(4, first), row(8, first + length)],
            ..Client::named(&format!("10.0.{network}.{host}"))
        }
    }

    proptest! {
        #[test]
        fn no_network_and_no_time_is_in_two_parts(
            made in prop::collection::vec((0u8..40, 0u8..4, 0u32..100_000, 0u32..50_000, any::<bool>()), 20..200),
        ) {
            let clients: Vec<Client> = made
                .into_iter()
                .map(|(network, host, first, length, human)| client(network, host, first, length, human))
                .collect();
            let site = Site { name: String::new(), clients, lines: 0, unparsable: 0 };
            let parts = Parts::of(&site);
            let groups = |site: &Site| -> HashSet<String> {
                site.clients.iter().map(|client| client.group().to_owned()).collect()
            };
            let (learn, validate, test) = (groups(&parts.learn), groups(&parts.validate), groups(&parts.test));
            prop_assert!(learn.is_disjoint(&validate) && learn.is_disjoint(&test) && validate.is_disjoint(&test));
            let rows = |site: &Site| -> Vec<u32> {
                site.clients.iter().flat_map(|client| &client.rows).map(|row| row.at).collect()
            };
            let last = |site: &Site| rows(site).into_iter().max().unwrap_or(0);
            let first = |site: &Site| rows(site).into_iter().min().unwrap_or(u32::MAX);
            prop_assert!(last(&parts.learn) <= first(&parts.validate).min(first(&parts.test)));
            prop_assert!(last(&parts.validate) <= first(&parts.test));
        }
    }
}
