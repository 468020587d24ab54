//! Who is taken for a person when nobody, or not enough, was labelled.

use std::sync::LazyLock;

use sekisho_core::feature::{Features, index};
use serde::Serialize;

use super::choose::{CONFIDENCE, Scored};
use crate::dataset::Client;
use crate::learn::Judged;
use crate::learn::proportion::{effective, least_sample};

/// Least share of requests that are assets, and of pages that were asked for from a page of one's own trail, where
/// pages are looked at whole and one after the other; and the greatest share without any referer.
const ASSETS: f32 = 0.2;
const TRAIL: f32 = 0.2;
const NO_REFERER: f32 = 0.5;

/// Who is taken for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum People {
    /// Labelled people where they are enough for the budget, else also who shows signs of one
    Auto,
    /// Clients with the label human only
    Labels,
    /// Clients that load pages whole and walk from page to page, whatever their label
    Signs,
    /// Clients with the label human, and those without a label that show signs
    Both,
}

impl People {
    /// What is assumed, in a sentence.
    pub fn assumption(self) -> &'static str {
        match self {
            People::Labels | People::Auto => {
                "people are the clients labelled human; labels are assumed to be right, and other people to score \
                 as these do"
            }
            People::Signs => {
                "no label was used: every client that loads pages whole and walks from page to page is taken for a \
                 person; crawlers among them can only raise the thresholds, people who do neither are not among them"
            }
            People::Both => {
                "people are the clients labelled human, and every client without a label that loads pages whole and \
                 walks from page to page; crawlers among these can only raise the thresholds, people who do neither \
                 are not among them"
            }
        }
    }

    /// The worst scores of the people among these clients.
    pub fn of(self, clients: &[Judged<'_>]) -> Vec<Scored> {
        let people = clients.iter().filter(|judged| self.includes(judged.client));
        let scored = people.filter_map(|judged| {
            Some(Scored {
                score: judged.worst()?,
                weight: judged.client.weight,
            })
        });
        scored.collect()
    }

    /// Whether a client is among them.
    pub fn includes(self, client: &Client) -> bool {
        match self {
            People::Auto | People::Labels => client.is_human(),
            People::Signs => shows_signs(client),
            People::Both => client.is_human() || client.label.is_none() && shows_signs(client),
        }
    }
}

/// The basis that a choice stands on: `Auto` becomes labels where they are enough for the budget.
pub fn basis(asked: People, clients: &[Judged<'_>], budget: f64) -> People {
    if asked != People::Auto {
        return asked;
    }
    let labelled = People::Labels.of(clients);
    let enough =
        effective(labelled.iter().map(|person| person.weight)) >= least_sample(budget, CONFIDENCE) as f64;
    if enough { People::Labels } else { People::Both }
}

/// Of the people, and the clients without a label that would be rejected, the share that these clients are: the
/// share of people rejected if all of them are people.
pub fn at_worst(clients: &[Judged<'_>], threshold: f32) -> f64 {
    let (mut rejected, mut people) = (0.0, 0.0);
    for judged in clients {
        let Some(worst) = judged.worst().filter(|_| !judged.client.is_crawler()) else {
            continue;
        };
        if worst >= threshold {
            rejected += judged.client.weight;
        } else if People::Both.includes(judged.client) {
            people += judged.client.weight;
        }
    }
    rejected / f64::max(rejected + people, 1.0)
}

fn shows_signs(client: &Client) -> bool {
    client.rows.last().is_some_and(|row| walks(&row.features))
}

/// Whether these features are those of somebody who looks at pages whole and walks from page to page.
fn walks(features: &Features) -> bool {
    static PLACES: LazyLock<[usize; 3]> = LazyLock::new(|| {
        ["asset_share", "trail_referer_share", "missing_referer_share"]
            .map(|name| index(name).unwrap_or_default())
    });
    let [assets, trail, missing] = PLACES.map(|place| features[place]);
    assets >= ASSETS && trail >= TRAIL && missing <= NO_REFERER
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::*;
    use crate::dataset::{Label, Row};

    fn client(label: Option<Label>, assets: f32) -> Client {
        let mut features = [0.0; COUNT];
        features[index("asset_share").unwrap()] = assets;
        features[index("trail_referer_share").unwrap()] = 0.6;
        Client {
            label,
            rows: vec![Row {
                requests: 12,
                at: 0,
                features,
            }],
            ..Client::named("192.0.2.1")
        }
    }

    #[test]
    fn a_label_beats_signs() {
        let clients = [
            client(Some(Label::Human), 0.0),
            client(None, 0.7),
            client(Some(Label::Crawler(1)), 0.7),
            client(None, 0.0),
        ];
        let site = crate::dataset::Site {
            name: String::new(),
            clients: clients.to_vec(),
            lines: 0,
            unparsable: 0,
        };
        let model = crate::scan::load_model(None).unwrap();
        let judged = crate::learn::judge(&model, &site, 10);
        let count = |people: People| people.of(&judged).len();
        assert_eq!(count(People::Labels), 1);
        assert_eq!(
            count(People::Signs),
            2,
            "without labels a crawler that looks like a person is one"
        );
        assert_eq!(count(People::Both), 2);
        assert_eq!(
            basis(People::Auto, &judged, 0.001),
            People::Both,
            "one person is not enough"
        );
        assert_eq!(basis(People::Auto, &judged, 0.5), People::Both);
    }
}
