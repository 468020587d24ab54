//! What of a language model's answer is true. Each predicate is computed anew on the snapshot, the category is held
//! against its preconditions, and what is left is told in our words with our numbers.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::category::{Category, Fact, by_rule};
use super::claim::{Claim, MAX_CLAIMS, MAX_NOTES};
use super::snapshot::{Evidence, Snapshot};
use super::words::{self, Lang};
use crate::visible::escaped;

/// Times the median from which on a ratio says something.
pub const LEAST_RATIO: f64 = 1.5;
/// Part of all that speaks against a client from which on evidence is one of the main reasons.
pub const DRIVES: f64 = 0.2;
/// Others alike from which on they are many.
pub const MANY: f64 = 3.0;
/// Share of samples from which on a path is worth a word.
pub const LEAST_SHARE: f64 = 0.2;
/// Where only the model's typical human is known, a share this far from it is unlike it.
pub const SHARE_APART: f64 = 0.15;
/// Characters kept of a claim that was dropped.
const SHOWN: usize = 200;
/// Claims of an answer that are looked at; the rest is counted as too many.
const LOOKED_AT: usize = 64;

/// Why a claim, or a category, was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is not in the schema.
    Malformed,
    /// It cites what is not there.
    UnknownId,
    /// The evidence says otherwise.
    False,
    /// It was said before, or follows from what was.
    Duplicate,
    /// It is true of nearly anybody.
    Weak,
    /// It is past the bound.
    TooMany,
    /// The category's preconditions do not hold.
    Preconditions,
}

/// A claim that holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptClaim {
    /// The claim.
    pub claim: Claim,
    /// Ids of the evidence, or the path template, that it stands on.
    pub evidence: Vec<String>,
    /// In English.
    pub en: String,
    /// In Japanese.
    pub ja: String,
}

/// A claim, or a category, that does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// What was said, as far as it is kept, made visible.
    pub said: String,
    /// Why not.
    pub reason: Reason,
}

/// What of an answer is left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// The answer's category where its preconditions hold, else that by rule.
    pub category: Category,
    /// Whether it is the answer's.
    pub category_is_answered: bool,
    /// Claims that hold.
    pub kept: Vec<KeptClaim>,
    /// What does not.
    pub dropped: Vec<Dropped>,
    /// The model's own words: nobody checked them.
    pub unverified_notes: Option<String>,
}

/// Checks an answer, whatever it is.
pub fn verify(snapshot: &Snapshot, answer: &Value) -> Verified {
    let mut dropped = Vec::new();
    let rule = by_rule(snapshot);
    let said = answer.get("category");
    let named = said.and_then(Value::as_str).and_then(Category::from_word);
    let answered = named.filter(|category| category.holds(snapshot));
    if answered.is_none() {
        let reason = if named.is_some() {
            Reason::Preconditions
        } else {
            Reason::Malformed
        };
        dropped.push(drop_it(said.unwrap_or(&Value::Null), reason));
    }
    let category = answered.unwrap_or(rule);
    let mut kept: Vec<KeptClaim> = Vec::new();
    let mut told = BTreeSet::new();
    let none = Vec::new();
    let claims = answer.get("claims").and_then(Value::as_array).unwrap_or(&none);
    for (index, value) in claims.iter().take(LOOKED_AT).enumerate() {
        let judged = if index >= MAX_CLAIMS {
            Err(Reason::TooMany)
        } else {
            judge(snapshot, value, &mut told)
        };
        match judged.and_then(|claim| render(snapshot, category, claim)) {
            Ok(claim) => kept.push(claim),
            Err(reason) => dropped.push(drop_it(value, reason)),
        }
    }
    let notes = answer.get("notes").and_then(Value::as_str).map(str::trim);
    Verified {
        category,
        category_is_answered: answered.is_some(),
        kept,
        dropped,
        unverified_notes: notes
            .filter(|notes| !notes.is_empty())
            .map(|notes| escaped(notes.as_bytes(), MAX_NOTES)),
    }
}

fn drop_it(value: &Value, reason: Reason) -> Dropped {
    Dropped {
        said: escaped(value.to_string().as_bytes(), SHOWN),
        reason,
    }
}

/// The claim when it is well formed, true, says something, and was not told before.
fn judge(snapshot: &Snapshot, value: &Value, told: &mut BTreeSet<String>) -> Result<Claim, Reason> {
    let claim: Claim = serde_json::from_value(value.clone()).map_err(|_| Reason::Malformed)?;
    holds(snapshot, &claim)?;
    if told.insert(subject(&claim)) {
        Ok(claim)
    } else {
        Err(Reason::Duplicate)
    }
}

/// What a claim tells; of two that tell the same, the first is kept.
fn subject(claim: &Claim) -> String {
    match claim {
        Claim::AboveBaseline { e } | Claim::RatioOf { e, .. } => format!("above {e}"),
        Claim::BelowBaseline { e } => format!("below {e}"),
        Claim::CoOccurs { e1, e2 } => format!("both {} {}", e1.min(e2), e1.max(e2)),
        Claim::DrivesScore { e } => format!("drives {e}"),
        Claim::Decides { e } => format!("decides {e}"),
        Claim::Periodic {} => "periodic".to_owned(),
        Claim::ManyAlike { .. } => "alike".to_owned(),
        Claim::PathShare { template, .. } => format!("path {template}"),
    }
}

/// Whether the snapshot bears a claim out.
///
/// # Errors
/// Why not.
pub fn holds(snapshot: &Snapshot, claim: &Claim) -> Result<(), Reason> {
    let item = |id: &str| snapshot.item(id).ok_or(Reason::UnknownId);
    match claim {
        Claim::AboveBaseline { e } => side(item(e)?, true),
        Claim::BelowBaseline { e } => side(item(e)?, false),
        Claim::RatioOf { e, at_least } => ratio(item(e)?, *at_least),
        Claim::CoOccurs { e1, e2 } => {
            let (one, other) = (item(e1)?, item(e2)?);
            if one.id == other.id {
                return Err(Reason::Weak);
            }
            truth(is_unlike(one) && is_unlike(other))
        }
        Claim::DrivesScore { e } => {
            let item = item(e)?;
            truth(item.attribution > 0.0 && item.attribution >= DRIVES * against(snapshot))
        }
        Claim::Decides { e } => truth(item(e)?.threshold.is_some()),
        Claim::Periodic {} => {
            let fact = |name| Fact::Feature(name).of(snapshot);
            truth(fact("phase_coherence") >= 0.9 && fact("beacon_score") >= 0.8)
        }
        Claim::ManyAlike { at_least } => {
            truth(Fact::Alike.of(snapshot) >= *at_least)?;
            worth(*at_least >= MANY)
        }
        Claim::PathShare { template, at_least } => {
            let template = snapshot.template(template).ok_or(Reason::UnknownId)?;
            let share = template.count as f64 / (snapshot.paths.samples.max(1)) as f64;
            truth(share >= *at_least)?;
            worth(*at_least >= LEAST_SHARE)
        }
    }
}

/// Beyond what visitors have, on one side. Beyond the median but among them, it is true of many.
fn side(item: &Evidence, above: bool) -> Result<(), Reason> {
    let median = item.baseline.median;
    truth(if above {
        item.value > median
    } else {
        item.value < median
    })?;
    worth(is_unlike(item))
}

fn ratio(item: &Evidence, at_least: f64) -> Result<(), Reason> {
    let median = item.baseline.median;
    // A number of times of nothing is no number.
    truth(median > 0.0 && at_least.is_finite() && item.value >= at_least * median)?;
    worth(at_least >= LEAST_RATIO && is_unlike(item))
}

/// Whether the client's value is outside of what nine tenths of the visitors have; where only the typical human is
/// known, half as much again or two thirds of it, and of shares a good part of the whole.
pub fn is_unlike(item: &Evidence) -> bool {
    let (value, median) = (item.value, item.baseline.median);
    match item.baseline.tails {
        Some((low, high)) => value > high || value < low,
        None if item.unit == "share" => (value - median).abs() >= SHARE_APART,
        None => value > median * LEAST_RATIO && value > median + 0.1 || value < median / LEAST_RATIO - 0.001,
    }
}

/// Log-odds of all evidence that speaks against the client.
fn against(snapshot: &Snapshot) -> f64 {
    let added = snapshot.evidence.iter().map(|item| item.attribution.max(0.0));
    added.sum()
}

fn truth(holds: bool) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(Reason::False) }
}

fn worth(says_something: bool) -> Result<(), Reason> {
    if says_something { Ok(()) } else { Err(Reason::Weak) }
}

fn render(snapshot: &Snapshot, category: Category, claim: Claim) -> Result<KeptClaim, Reason> {
    let tell = |lang| words::claim(lang, snapshot, category, &claim).ok_or(Reason::UnknownId);
    let (en, ja) = (tell(Lang::En)?, tell(Lang::Ja)?);
    let evidence = match &claim {
        Claim::AboveBaseline { e }
        | Claim::BelowBaseline { e }
        | Claim::RatioOf { e, .. }
        | Claim::DrivesScore { e }
        | Claim::Decides { e } => vec![e.clone()],
        Claim::CoOccurs { e1, e2 } => vec![e1.clone(), e2.clone()],
        Claim::PathShare { template, .. } => vec![template.clone()],
        Claim::Periodic {} | Claim::ManyAlike { .. } => Vec::new(),
    };
    Ok(KeptClaim {
        claim,
        evidence,
        en,
        ja,
    })
}
