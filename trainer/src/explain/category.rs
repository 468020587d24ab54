//! What kind of client it is: a table of preconditions over the snapshot. A category that a language model names is
//! held against the same table.

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::snapshot::Snapshot;

/// Kinds of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Tries passwords.
    CredentialStuffing,
    /// Looks for known holes.
    VulnerabilityScan,
    /// Asks for the same thing at a beat.
    Monitoring,
    /// One of many that behave alike.
    SwarmMember,
    /// Comes back to the same pages.
    PriceWatch,
    /// Goes through combinations of filters.
    FacetedCrawl,
    /// Goes through all pages.
    CatalogueScrape,
    /// None of these.
    Unclear,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A feature by its name, in the unit that people count in.
    Feature(&'static str),
    /// Distinct URLs since the record began: `lifetime_url_ratio` times `requests`.
    DistinctUrls,
    /// Other clients that behave alike at the same time.
    Alike,
    /// Seconds from the first sample to the last.
    Span,
}

/// One precondition: the fact is at least, or at most, this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// At least.
    Least(Fact, f64),
    /// At most.
    Most(Fact, f64),
}

use Condition::{Least, Most};
use Fact::{Alike, DistinctUrls, Feature, Span};

/// All categories with their preconditions. Of several that hold, the first is the category by rule: the more specific
/// come first.
pub const RULES: [(Category, &[Condition]); 8] = [
    (
        Category::CredentialStuffing,
        &[
            Least(Feature("post_share"), 0.5),
            Least(Feature("client_error_share"), 0.2),
            Most(Feature("distinct_path_ratio"), 0.3),
            Most(DistinctUrls, 20.0),
        ],
    ),
    (
        Category::VulnerabilityScan,
        &[
            Least(Feature("client_error_share"), 0.5),
            Least(DistinctUrls, 5.0),
        ],
    ),
    (
        Category::Monitoring,
        &[
            Least(Feature("phase_coherence"), 0.9),
            Least(Feature("beacon_score"), 0.8),
            Most(DistinctUrls, 5.0),
            Most(Feature("client_error_share"), 0.2),
            Most(Feature("post_share"), 0.1),
        ],
    ),
    (
        Category::SwarmMember,
        &[
            Least(Alike, 10.0),
            Most(Feature("client_error_share"), 0.5),
            Most(Feature("post_share"), 0.5),
        ],
    ),
    (
        Category::PriceWatch,
        &[
            Most(Feature("lifetime_url_ratio"), 0.5),
            Least(DistinctUrls, 6.0),
            Least(Span, 1800.0),
            Most(Feature("asset_share"), 0.3),
            Most(Feature("client_error_share"), 0.3),
            Most(Feature("post_share"), 0.1),
        ],
    ),
    (
        Category::FacetedCrawl,
        &[
            Least(Feature("query_share"), 0.6),
            Least(Feature("query_diversity"), 0.5),
            Least(Feature("lifetime_url_ratio"), 0.3),
            Most(Feature("distinct_path_ratio"), 0.5),
            Most(Feature("post_share"), 0.1),
        ],
    ),
    (
        Category::CatalogueScrape,
        &[
            Least(Feature("distinct_path_ratio"), 0.5),
            Least(Feature("lifetime_url_ratio"), 0.6),
            Least(DistinctUrls, 8.0),
            Most(Feature("query_share"), 0.5),
            Most(Feature("client_error_share"), 0.5),
            Most(Feature("post_share"), 0.1),
        ],
    ),
    (Category::Unclear, &[]),
];

impl Category {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::CredentialStuffing => "credential_stuffing",
            Category::VulnerabilityScan => "vulnerability_scan",
            Category::Monitoring => "monitoring",
            Category::SwarmMember => "swarm_member",
            Category::PriceWatch => "price_watch",
            Category::FacetedCrawl => "faceted_crawl",
            Category::CatalogueScrape => "catalogue_scrape",
            Category::Unclear => "unclear",
        }
    }

    /// From the same word.
    pub fn from_word(word: &str) -> Option<Category> {
        RULES
            .iter()
            .map(|(category, _)| *category)
            .find(|category| category.as_str() == word)
    }

    /// Whether its preconditions hold. A client whose score does not speak against it has no other category than
    /// [`Category::Unclear`], and no client has that one when another holds.
    pub fn holds(self, snapshot: &Snapshot) -> bool {
        let conditions = RULES.iter().find(|(category, _)| *category == self);
        let met =
            conditions.is_some_and(|(_, conditions)| conditions.iter().all(|each| each.is_met(snapshot)));
        match self {
            Category::Unclear => by_rule(snapshot) == Category::Unclear,
            _ => met && snapshot.score >= snapshot.policy.suspect,
        }
    }

    /// Features that its preconditions look at, the ones it asks to be high first.
    pub fn features(self) -> Vec<&'static str> {
        let conditions = RULES.iter().find(|(category, _)| *category == self);
        let conditions = conditions.map_or(&[][..], |(_, conditions)| conditions);
        let least = conditions.iter().filter(|each| matches!(each, Least(..)));
        let mut names: Vec<&'static str> = least.filter_map(|each| each.feature()).collect();
        if self == Category::PriceWatch {
            names.push("lifetime_url_ratio");
        }
        names
    }
}

/// The first category whose preconditions hold.
pub fn by_rule(snapshot: &Snapshot) -> Category {
    let mut rules = RULES
        .iter()
        .filter(|(category, _)| *category != Category::Unclear);
    rules
        .find(|(category, _)| category.holds(snapshot))
        .map_or(Category::Unclear, |(category, _)| *category)
}

/// Whether the score, or something else that was found, speaks against the client.
pub fn is_held_against(snapshot: &Snapshot) -> bool {
    snapshot.score >= snapshot.policy.suspect || !snapshot.marks.is_empty()
}

impl Condition {
    fn is_met(&self, snapshot: &Snapshot) -> bool {
        match *self {
            Least(fact, bound) => fact.of(snapshot) >= bound,
            Most(fact, bound) => fact.of(snapshot) <= bound,
        }
    }

    fn feature(&self) -> Option<&'static str> {
        match *self {
            Least(Feature(name), _) | Most(Feature(name), _) => Some(name),
            _ => None,
        }
    }
}

impl Fact {
    /// Its value in a snapshot.
    pub fn of(self, snapshot: &Snapshot) -> f64 {
        let feature = |name: &str| {
            let raw = snapshot.features.get(name).copied().unwrap_or_default();
            Measure::named(name).shown(raw)
        };
        match self {
            Feature(name) => feature(name),
            DistinctUrls => (feature("lifetime_url_ratio") * feature("requests"))
                .max(1.0)
                .round(),
            Alike => snapshot.alike.clients.total as f64,
            Span => f64::from(snapshot.span()),
        }
    }

    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Feature(name) => name,
            DistinctUrls => "distinct URLs",
            Alike => "clients alike",
            Span => "seconds seen",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn rules_look_at_features_of_the_schema() {
        for (category, conditions) in RULES {
            assert_eq!(Category::from_word(category.as_str()), Some(category));
            for name in conditions.iter().filter_map(|each| each.feature()) {
                assert!(sekisho_core::feature::index(name).is_some(), "{name}");
            }
        }
    }

    /// What operators read is what is checked.
    #[test]
    fn the_page_has_these_rules() {
        let page = include_str!("../../../docs/explain.md");
        for (category, conditions) in RULES {
            let mut row = format!("| `{}` |", category.as_str());
            for (index, condition) in conditions.iter().enumerate() {
                let (fact, sign, bound) = match *condition {
                    Least(fact, bound) => (fact, "≥", bound),
                    Most(fact, bound) => (fact, "≤", bound),
                };
                let comma = if index > 0 { "," } else { "" };
                write!(row, "{comma} {} {sign} {bound}", fact.as_str()).unwrap();
            }
            assert!(
                page.contains(row.trim_end_matches('|').trim_end()),
                "missing in docs/explain.md: {row}"
            );
        }
    }
}
