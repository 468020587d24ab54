//! Parts of one site, with no crawler family in two of them.

use sekisho_core::key::{Seed, key_hash};

use super::booster::{FitError, Fitted, Settings};
use super::examples::training_examples;
use crate::dataset::{Client, Label, Site};

/// Parts that a site's families are dealt into.
const FOLDS: u64 = 5;

/// Scores of a site's labelled clients, one list a client in the order of its rows; empty for others.
pub type Scores = Vec<Vec<f64>>;

/// Scores by a model of other sites.
pub fn by_others(
    site: &Site,
    others: &[&Site],
    settings: Settings,
    all_features: bool,
) -> Result<Scores, FitError> {
    let everyone = others
        .iter()
        .map(|other| (*other, other.clients.iter().collect()));
    let fitted = Fitted::fit(&training_examples(everyone), settings, all_features)?;
    Ok(site.clients.iter().map(|client| score(&fitted, client)).collect())
}

/// Scores within a site: each fifth of the crawler families and of the people by a model of the rest. No
/// family is on both sides.
pub fn by_families(site: &Site, settings: Settings, all_features: bool) -> Result<Scores, FitError> {
    let mut scores = vec![Vec::new(); site.clients.len()];
    for held_out in 0..FOLDS {
        let rest = site.clients.iter().filter(|client| fold(client) != held_out);
        let fitted = Fitted::fit(
            &training_examples([(site, rest.collect())]),
            settings,
            all_features,
        )?;
        for (client, scores) in site.clients.iter().zip(&mut scores) {
            if fold(client) == held_out {
                *scores = score(&fitted, client);
            }
        }
    }
    Ok(scores)
}

fn score(fitted: &Fitted, client: &Client) -> Vec<f64> {
    match client.label {
        Some(_) => fitted.score(client.rows.iter().map(|row| &row.features)),
        None => Vec::new(),
    }
}

/// The fold of a crawler is its family's, that of a person its own.
fn fold(client: &Client) -> u64 {
    let hash = match client.label {
        Some(Label::Crawler(family)) => key_hash(Seed::FIXED, &family.to_le_bytes()),
        _ => key_hash(Seed::FIXED, client.name.as_bytes()),
    };
    hash % FOLDS
}
