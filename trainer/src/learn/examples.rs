//! Which rows a model learns from, and how much each counts.

use std::collections::HashMap;

use sekisho_core::feature::{COUNT, FEATURES, Family, Features};

use crate::dataset::{Client, Label, Row, Site};

/// Request counts at which a client's features are learnt, beside its last.
pub const TRAINING_COUNTS: [u32; 6] = [4, 8, 16, 32, 64, 128];
/// One labelled row.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Features in schema order.
    pub features: &'a Features,
    /// Whose they are.
    pub client: &'a Client,
    /// The client's site.
    pub site: &'a str,
    /// When, unix seconds.
    pub at: u32,
    /// Whether the label says automated.
    pub automated: bool,
    /// How much it counts; positive.
    pub weight: f64,
}

/// The rows of `clients` that a model learns from. Weights: a client counts once, however many rows it has;
/// a crawler family of n clients counts as the square root of n; within a site, crawlers and humans count
/// the same, and a site counts as the square root of its labelled clients.
pub fn training_examples<'a>(
    sites: impl IntoIterator<Item = (&'a Site, Vec<&'a Client>)>,
) -> Vec<Example<'a>> {
    let mut examples = Vec::new();
    for (of, clients) in sites {
        let mut families: HashMap<u32, f64> = HashMap::new();
        for client in &clients {
            if let Some(Label::Crawler(family)) = client.label {
                *families.entry(family).or_default() += 1.0;
            }
        }
        let (mut site, mut sums, mut counts) = (Vec::new(), [0.0, 0.0], [0.0, 0.0]);
        for client in clients {
            let Some(label) = client.label else { continue };
            let rows = learnt_rows(client);
            let automated = label != Label::Human;
            let family = match label {
                Label::Crawler(family) => families[&family].sqrt(),
                Label::Human => 1.0,
            };
            for row in &rows {
                let weight = 1.0 / (rows.len() as f64 * family);
                sums[usize::from(automated)] += weight;
                site.push(Example {
                    features: &row.features,
                    client,
                    site: &of.name,
                    at: row.at,
                    automated,
                    weight,
                });
            }
            counts[usize::from(automated)] += f64::from(u8::from(!rows.is_empty()));
        }
        for example in &mut site {
            let class = usize::from(example.automated);
            example.weight *= (counts[0] + counts[1]).sqrt() / sums[class];
        }
        examples.append(&mut site);
    }
    let mean = examples.iter().map(|example| example.weight).sum::<f64>() / examples.len().max(1) as f64;
    examples.iter_mut().for_each(|example| example.weight /= mean);
    examples
}

/// The first row at each of [`TRAINING_COUNTS`] or, where the module scored later, before the next of them; and
/// the client's last. What has made fewer requests is not learnt.
pub fn learnt_rows(client: &Client) -> Vec<&Row> {
    let mut reached = 0;
    let learnt = |row: &&Row| {
        let passed = TRAINING_COUNTS.partition_point(|count| *count <= row.requests);
        let first = passed > reached;
        reached = reached.max(passed);
        passed > 0 && (first || row.requests == client.requests)
    };
    client.rows.iter().filter(learnt).collect()
}

/// Column-major values for the booster. Without assets and referers, their columns are constant: no tree
/// splits on them.
pub fn columns<'a>(rows: impl Iterator<Item = &'a Features> + Clone, all_features: bool) -> Vec<f64> {
    let mut values = Vec::new();
    for column in 0..COUNT {
        let known = all_features || FEATURES[column].family == Family::Behaviour;
        values.extend(
            rows.clone()
                .map(|features| if known { f64::from(features[column]) } else { 0.0 }),
        );
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(label: Label, rows: usize) -> Client {
        let row = |requests| Row {
            requests,
            at: 0,
            features: [0.5; COUNT],
        };
        let rows = TRAINING_COUNTS.into_iter().take(rows);
        let rows = rows.flat_map(|requests| [row(requests), row(requests + 1)]);
        Client {
            label: Some(label),
            requests: 200,
            rows: [row(3)].into_iter().chain(rows).collect(),
            ..Client::named("192.0.2.1")
        }
    }

    #[test]
    fn classes_weigh_the_same_whatever_their_rows() {
        let clients = vec![
            client(Label::Human, 6),
            client(Label::Human, 1),
            client(Label::Crawler(1), 6),
            client(Label::Crawler(2), 2),
            client(Label::Crawler(2), 1),
        ];
        let site = Site {
            name: "site".into(),
            clients,
            lines: 0,
            unparsable: 0,
        };
        let examples = training_examples([(&site, site.clients.iter().collect())]);
        assert_eq!(examples.len(), 16, "rows at 3 and 5 requests are not learnt");
        let weight = |automated| -> f64 {
            examples
                .iter()
                .filter(|example| example.automated == automated)
                .map(|example| example.weight)
                .sum()
        };
        assert!((weight(true) - weight(false)).abs() < 1e-9);
    }

    #[test]
    fn masked_columns_are_constant() {
        let features = [0.5; COUNT];
        let values = columns([&features, &features].into_iter(), false);
        for (column, feature) in FEATURES.iter().enumerate() {
            let expected = if feature.family == Family::Behaviour {
                0.5
            } else {
                0.0
            };
            assert_eq!(
                &values[column * 2..column * 2 + 2],
                [expected, expected],
                "{}",
                feature.name
            );
        }
    }
}
