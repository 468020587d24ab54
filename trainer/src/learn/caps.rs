//! Nobody dominates what is learnt: no client, no network, no day.
//!
//! Whoever can make many clients, or make one of them busy, or have one day to himself, would otherwise decide what
//! a model takes for a person. Shares are of the weight of one class, so no share of the total is greater either.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::examples::Example;

/// Greatest share of a class's weight that one client has.
pub const CLIENT_SHARE: f64 = 0.02;
/// Greatest share of a class's weight that one network, a /24 or /48, has.
pub const NETWORK_SHARE: f64 = 0.05;
/// Greatest share of a class's weight that one day, of UTC, has.
pub const DAY_SHARE: f64 = 0.2;
/// Where there are few holders, each may have so many times its even part.
const EVEN_TIMES: f64 = 2.0;
/// Rounds of cutting down: each makes the rest lighter, so that the next must cut a little more. More than it takes.
const ROUNDS: usize = 500;
/// How far over its cap a share may be left, as a part of the cap.
const SLACK: f64 = 1e-4;

/// Who may hold weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// One client.
    Client,
    /// One /24 or /48.
    Network,
    /// One day.
    Day,
}

/// A kind of holder in one class: what it may have, and what its largest had and has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capped {
    /// What was capped.
    pub holder: Holder,
    /// Whether among crawlers, or among people.
    pub crawlers: bool,
    /// Greatest share allowed; 1 where there are too few holders to say who dominates.
    pub cap: f64,
    /// Share of the largest before.
    pub before: f64,
    /// Share of the largest after.
    pub after: f64,
    /// Holders that were cut down.
    pub cut: usize,
    /// Who was the largest before.
    pub largest: String,
}

impl Capped {
    /// Without who that was, where it is a client or a network: what is kept must not name whom the store forgets.
    pub fn unnamed(&self) -> Capped {
        Capped {
            largest: match self.holder {
                Holder::Day => self.largest.clone(),
                Holder::Client | Holder::Network => String::new(),
            },
            ..self.clone()
        }
    }
}

/// The holders of one kind in one class.
struct Holders {
    holder: Holder,
    cap: f64,
    names: Vec<String>,
    /// For each example of the class, who holds it.
    of: Vec<usize>,
}

/// Cuts down whoever holds more than its share; classes weigh afterwards what they weighed before.
pub fn cap(examples: &mut [Example<'_>]) -> Vec<Capped> {
    let mut report = Vec::new();
    for automated in [true, false] {
        let mut class: Vec<&mut Example<'_>> = examples
            .iter_mut()
            .filter(|example| example.automated == automated)
            .collect();
        let total: f64 = class.iter().map(|example| example.weight).sum();
        if total <= 0.0 {
            continue;
        }
        let kinds = [Holder::Client, Holder::Network, Holder::Day].map(|holder| Holders::of(&class, holder));
        let mut weights: Vec<f64> = class.iter().map(|example| example.weight / total).collect();
        let before = kinds.each_ref().map(|holders| holders.sums(&weights));
        for _ in 0..ROUNDS {
            let changed = kinds.iter().filter(|holders| holders.cut(&mut weights)).count();
            if changed == 0 {
                break;
            }
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        for (holders, before) in kinds.iter().zip(&before) {
            report.push(holders.report(automated, before, &holders.sums(&weights)));
        }
        for (example, weight) in class.iter_mut().zip(weights) {
            example.weight = weight * total;
        }
    }
    report
}

/// The date, UTC.
fn day(at: u32) -> String {
    Timestamp::from_second(i64::from(at))
        .map(|time| time.strftime("%F").to_string())
        .unwrap_or_default()
}

impl Holders {
    fn of(class: &[&mut Example<'_>], holder: Holder) -> Holders {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut names = Vec::new();
        let of = class.iter().map(|example| {
            let name = match holder {
                Holder::Client => format!("{} of {}", example.client.name, example.site),
                Holder::Network => format!("{} of {}", example.client.group(), example.site),
                Holder::Day => day(example.at),
            };
            *places.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                names.len() - 1
            })
        });
        let of = of.collect();
        let share = match holder {
            Holder::Client => CLIENT_SHARE,
            Holder::Network => NETWORK_SHARE,
            Holder::Day => DAY_SHARE,
        };
        Holders {
            holder,
            cap: share.max(EVEN_TIMES / names.len().max(1) as f64).min(1.0),
            names,
            of,
        }
    }

    fn sums(&self, weights: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.names.len()];
        for (holder, weight) in self.of.iter().zip(weights) {
            sums[*holder] += weight;
        }
        sums
    }

    /// Whether anybody was cut.
    fn cut(&self, weights: &mut [f64]) -> bool {
        let sums = self.sums(weights);
        let most = self.cap * weights.iter().sum::<f64>();
        let mut changed = false;
        for (holder, weight) in self.of.iter().zip(weights) {
            if sums[*holder] > most * (1.0 + SLACK) {
                *weight *= most / sums[*holder];
                changed = true;
            }
        }
        changed
    }

    fn report(&self, crawlers: bool, before: &[f64], after: &[f64]) -> Capped {
        let largest = (0..before.len()).max_by(|left, right| before[*left].total_cmp(&before[*right]));
        let most = |sums: &[f64]| sums.iter().copied().fold(0.0, f64::max);
        let over = before.iter().filter(|sum| **sum > self.cap * (1.0 + SLACK));
        Capped {
            holder: self.holder,
            crawlers,
            cap: self.cap,
            before: most(before),
            after: most(after),
            cut: over.count(),
            largest: largest.map(|place| self.names[place].clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_core::feature::COUNT;

    use super::*;
    use crate::dataset::Client;

    static FEATURES: [f32; COUNT] = [0.5; COUNT];

    fn example<'a>(client: &'a Client, day: u32, automated: bool, weight: f64) -> Example<'a> {
        Example {
            features: &FEATURES,
            client,
            site: "site",
            at: day * 86_400,
            automated,
            weight,
        }
    }

    #[test]
    fn a_client_that_dominates_is_cut_down() {
        let clients: Vec<Client> = (0..200).map(|n| Client::named(&format!("10.0.{n}.1"))).collect();
        let weight = |n: usize| if n == 0 { 100.0 } else { 1.0 };
        let mut examples: Vec<Example<'_>> = clients
            .iter()
            .enumerate()
            .map(|(n, client)| example(client, n as u32 % 50, false, weight(n)))
            .collect();
        let report = cap(&mut examples);
        let client = &report[0];
        assert_eq!((client.holder, client.cut), (Holder::Client, 1));
        assert!(
            client.before > 0.3 && client.after <= CLIENT_SHARE * 1.01,
            "{client:?}"
        );
        assert_eq!(client.largest, "10.0.0.1 of site");
        let total: f64 = examples.iter().map(|example| example.weight).sum();
        assert!(
            (total - 299.0).abs() < 1e-6,
            "the class weighs what it weighed: {total}"
        );
    }

    #[test]
    fn a_network_of_many_clients_is_cut_down_too() {
        let swarm = (0..250).map(|n| format!("192.0.2.{n}"));
        let others = (0..100).map(|n| format!("10.0.{n}.1"));
        let clients: Vec<Client> = swarm.chain(others).map(|name| Client::named(&name)).collect();
        let mut examples: Vec<Example<'_>> = clients
            .iter()
            .enumerate()
            .map(|(n, client)| example(client, n as u32 % 50, true, 1.0))
            .collect();
        let report = cap(&mut examples);
        let network = &report[1];
        assert!(
            network.before > 0.7 && network.after <= NETWORK_SHARE * 1.01,
            "{network:?}"
        );
        assert_eq!(network.largest, "192.0.2.0/24 of site");
    }

    #[test]
    fn few_holders_keep_twice_their_even_part() {
        let clients: Vec<Client> = (0..10).map(|n| Client::named(&format!("10.0.{n}.1"))).collect();
        let mut examples: Vec<Example<'_>> = clients
            .iter()
            .map(|client| example(client, 1, true, 1.0))
            .collect();
        let report = cap(&mut examples);
        assert_eq!(
            report.iter().map(|capped| capped.cut).sum::<usize>(),
            0,
            "{report:?}"
        );
        assert_eq!(report[2].cap, 1.0, "one day is all there is");
    }

    proptest! {
        #[test]
        fn every_share_is_within_its_cap(
            made in prop::collection::vec((0u8..30, 0u8..8, 0u8..40, any::<bool>(), 0.01f64..100.0), 1..300),
        ) {
            let clients: Vec<Client> = made
                .iter()
                .map(|(network, host, ..)| Client::named(&format!("10.0.{network}.{host}")))
                .collect();
            let mut examples: Vec<Example<'_>> = made
                .iter()
                .zip(&clients)
                .map(|(&(_, _, day, automated, weight), client)| example(client, day.into(), automated, weight))
                .collect();
            for capped in cap(&mut examples) {
                prop_assert!(capped.after <= capped.cap * 1.02, "{:?}", capped);
            }
            prop_assert!(examples.iter().all(|example| example.weight > 0.0));
        }
    }
}
