//! Past cases that are like a client: snapshots of which a person said what they were.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use sekisho_core::feature::{COUNT, FEATURES, Features, Unit};
use serde::{Deserialize, Serialize};

use super::canonical::tidy;
use super::category::Category;
use super::handbook::as_day;
use super::snapshot::Snapshot;
use crate::store::{CaseFeedback, CaseRow, Class};

/// Cases that are shown: more than three nobody compares.
pub const MAX_CASES: usize = 3;
/// What is less near than this is another kind of client.
const LEAST_NEAR: f64 = 0.85;
/// Clients from which on their spread is known.
const LEAST_CLIENTS: usize = 20;
/// The least spread of a feature, in parts of what is far for its unit: where all clients have the same value, a small
/// difference is not a whole one.
const LEAST_SPREAD: f32 = 0.1;

/// What a difference in each feature is measured by.
///
/// The distance is Gower's (1971): the mean over the features of the absolute difference in parts of the feature's range,
/// here the range of nine tenths of the site's clients, and never more than one. Features have different units, so each
/// needs its own scale; the site's own spread makes what is usual here count little; percentiles and the bound keep a
/// few strange clients, or one strange feature, from deciding all; and it is 0 to 1, so that it can be told to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruler {
    spread: Features,
}

impl Default for Ruler {
    fn default() -> Ruler {
        Ruler {
            spread: FEATURES.map(|feature| far(feature.unit)),
        }
    }
}

impl Ruler {
    /// Of a site's clients; where they are too few, of what is far for each unit.
    pub fn of(clients: &[&Features]) -> Ruler {
        let mut ruler = Ruler::default();
        if clients.len() < LEAST_CLIENTS {
            return ruler;
        }
        for (feature, spread) in ruler.spread.iter_mut().enumerate() {
            let mut values: Vec<f32> = clients.iter().map(|features| features[feature]).collect();
            values.sort_by(f32::total_cmp);
            let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
            *spread = (at(95) - at(5)).max(*spread * LEAST_SPREAD);
        }
        ruler
    }

    /// How near two rows of features are: 1 is the same, 0 is apart in everything. The number of requests does not count.
    pub fn near(&self, one: &Features, other: &Features) -> f64 {
        let mut sum = 0.0;
        for index in (0..COUNT).filter(|index| FEATURES[*index].name != "requests") {
            let apart = (one[index] - other[index]).abs() / self.spread[index];
            sum += f64::from(apart.min(1.0));
        }
        1.0 - sum / (COUNT - 1) as f64
    }
}

/// What is far in a unit.
fn far(unit: Unit) -> f32 {
    match unit {
        Unit::Share => 1.0,
        Unit::Bits => 2.0,
        Unit::Number | Unit::LogSeconds | Unit::Segments => 4.0,
        Unit::LogBytes | Unit::LogCount => 8.0,
    }
}

/// What a person said a past case was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "category")]
pub enum Said {
    /// The explanation was right.
    Correct,
    /// It was this category.
    WrongCategory(Category),
    /// It was a person.
    FalsePositive,
    /// Nobody knows.
    Unclear,
    /// An operator labelled the client human.
    Human,
    /// An operator labelled it a crawler.
    Crawler,
}

/// A past case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id of its snapshot; empty in what is kept, as the case may be forgotten before it.
    pub snapshot: String,
    /// Unix second of its last sample; a day in documents.
    #[serde(rename = "date", with = "as_day")]
    pub at: u32,
    /// Category that it was told as.
    pub category: Category,
    /// What a person said.
    pub said: Said,
    /// 0.85 to 1.
    pub near: f64,
}

/// A row that can be compared.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The row.
    pub row: &'a CaseRow,
    /// Unix second of its last sample.
    pub at: u32,
    /// Category that it was told as.
    pub category: Category,
    /// What a person said.
    pub said: Said,
    /// 0 to 1.
    pub near: f64,
}

/// Rows that can be compared with a snapshot, the nearest first; of equally near ones those on
/// which there is feedback, then the newest.
pub fn candidates<'a>(snapshot: &Snapshot, ruler: &Ruler, rows: &'a [CaseRow]) -> Vec<Candidate<'a>> {
    let Some(own) = features(&snapshot.features) else {
        return Vec::new();
    };
    let compare = |row: &'a CaseRow| {
        let by_name: BTreeMap<&str, f64> = serde_json::from_str(&row.features).ok()?;
        Some(Candidate {
            at: row.until,
            category: told(row)?,
            said: said(row.feedback.as_ref(), row.class)?,
            near: tidy(ruler.near(&own, &features(&by_name)?)),
            row,
        })
    };
    let mut found: Vec<Candidate<'_>> = rows.iter().filter_map(compare).collect();
    found.sort_by(|a, b| {
        let has_feedback = |candidate: &Candidate<'_>| candidate.row.feedback.is_some();
        let nearer = b.near.total_cmp(&a.near);
        let nearer = nearer.then(has_feedback(b).cmp(&has_feedback(a)));
        let nearer = nearer.then(b.at.cmp(&a.at));
        nearer.then_with(|| a.row.snapshot.cmp(&b.row.snapshot))
    });
    found
}

/// The nearest cases, one of a client, at most [`MAX_CASES`].
pub fn nearest(candidates: &[Candidate<'_>]) -> Vec<Case> {
    let mut clients = Vec::new();
    let mut cases = Vec::new();
    for candidate in candidates.iter().filter(|each| each.near >= LEAST_NEAR) {
        if cases.len() < MAX_CASES && !clients.contains(&candidate.row.client) {
            clients.push(candidate.row.client);
            cases.push(Case {
                snapshot: candidate.row.snapshot.clone(),
                at: candidate.at,
                category: candidate.category,
                said: candidate.said,
                near: tidy((candidate.near * 100.0).round() / 100.0),
            });
        }
    }
    cases
}

/// The category that a row was told as.
fn told(row: &CaseRow) -> Option<Category> {
    if let Some(feedback) = &row.feedback {
        return Category::from_word(&feedback.told);
    }
    Category::from_word(row.told.as_deref()?)
}

fn said(feedback: Option<&CaseFeedback>, class: Option<Class>) -> Option<Said> {
    let Some(feedback) = feedback else {
        return Some(match class? {
            Class::Human => Said::Human,
            Class::Crawler => Said::Crawler,
        });
    };
    Some(match (feedback.verdict.as_str(), class) {
        // Feedback becomes a label: one that says otherwise is a later word.
        ("correct" | "wrong_category", Some(Class::Human)) => Said::Human,
        ("false_positive", Some(Class::Crawler)) => Said::Crawler,
        ("correct", _) => Said::Correct,
        ("wrong_category", _) => Said::WrongCategory(Category::from_word(feedback.said.as_deref()?)?),
        ("false_positive", _) => Said::FalsePositive,
        _ => Said::Unclear,
    })
}

/// Features in the order of the schema; `None` when they are of another one.
fn features<K: Ord + Borrow<str>>(by_name: &BTreeMap<K, f64>) -> Option<Features> {
    let mut all = [0.0; COUNT];
    for (feature, place) in FEATURES.iter().zip(&mut all) {
        *place = *by_name.get(feature.name)? as f32;
    }
    (by_name.len() == COUNT).then_some(all)
}
