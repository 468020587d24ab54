//! Few-shot examples: past explanations that people found right, so that a language model sees what an answer is.

use std::fmt::Write;

use serde_json::{Value, json};

use super::canonical::{canonical, tidy};
use super::category::{Category, Condition, RULES};
use super::claim::{Claim, MAX_CLAIMS};
use super::prompt::{Sight, figures};
use super::similar::{Candidate, Said};
use super::snapshot::Snapshot;
use super::verify::holds;

/// Examples at most.
const MAX_EXAMPLES: usize = 4;
/// Examples that are wanted: where people found fewer categories right, several of one.
const WANTED: usize = 3;
/// Snapshots that are read for them at most: rules may have changed since, so that some are none any longer.
const MOST_READ: usize = 16;
/// Claims that are made by rule where no language model made any.
const BY_RULE: usize = 3;
/// Evidence of an example besides what its claims cite: the strongest.
const STRONGEST: usize = 4;
/// Characters of an example; one that is longer is left out. Some six hundred tokens: small models read four thousand.
const MAX_LENGTH: usize = 1500;

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What was explained.
    pub snapshot: Snapshot,
    /// Category that a person found right.
    pub category: Category,
    /// Claims that hold, the ones that people voted for first.
    pub claims: Vec<Claim>,
}

/// A past case whole, as an example is made of it.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// The snapshot, JSON.
    pub document: String,
    /// Its newest explanation, JSON.
    pub explanation: String,
    /// Votes of its newest feedback: claims as canonical JSON, and whether each is a good one.
    pub votes: Vec<(String, bool)>,
}

/// Those that people found right: of each category the nearest one first, as many categories as there are, and more of
/// the same ones only where there are too few. `read` looks up a snapshot, [`MOST_READ`] times at most.
///
/// # Errors
/// Those of `read`.
pub fn examples<E>(
    candidates: &[Candidate<'_>],
    mut read: impl FnMut(&str) -> Result<Option<Whole>, E>,
) -> Result<Vec<Example>, E> {
    let right: Vec<&Candidate<'_>> = candidates
        .iter()
        .filter(|candidate| candidate.said == Said::Correct)
        .collect();
    let mut left = MOST_READ;
    let mut make = |candidate: &Candidate<'_>| {
        if left == 0 {
            return Ok(None);
        }
        left -= 1;
        let whole = read(&candidate.row.snapshot)?;
        Ok(whole.and_then(|whole| example(candidate.category, &whole)))
    };
    let mut chosen: Vec<(usize, Example)> = Vec::new();
    let mut categories = Vec::new();
    for (place, candidate) in right.iter().enumerate() {
        if chosen.len() < MAX_EXAMPLES && !categories.contains(&candidate.category) {
            let Some(example) = make(candidate)? else {
                continue;
            };
            categories.push(candidate.category);
            chosen.push((place, example));
        }
    }
    for (place, candidate) in right.iter().enumerate() {
        if chosen.len() < WANTED && chosen.iter().all(|(taken, _)| *taken != place) {
            chosen.extend(make(candidate)?.map(|example| (place, example)));
        }
    }
    Ok(chosen.into_iter().map(|(_, example)| example).collect())
}

/// `None` where the rules have changed so that the category holds no longer, or nothing can be claimed.
fn example(category: Category, whole: &Whole) -> Option<Example> {
    let snapshot: Snapshot = serde_json::from_str(&whole.document).ok()?;
    if !category.holds(&snapshot) {
        return None;
    }
    let mut claims = claimed(whole, &snapshot);
    if claims.is_empty() {
        claims = by_rule(&snapshot);
    }
    claims.truncate(MAX_CLAIMS);
    let example = Example {
        category,
        claims,
        snapshot,
    };
    (!example.claims.is_empty()).then_some(example)
}

/// What a language model claimed then, as far as it holds and nobody voted against it.
fn claimed(whole: &Whole, snapshot: &Snapshot) -> Vec<Claim> {
    let document: Value = serde_json::from_str(&whole.explanation).unwrap_or_default();
    let kept = document.pointer("/verified/kept").and_then(Value::as_array);
    let vote = |claim: &Claim| {
        let text = canonical(&json!(claim));
        let vote = whole.votes.iter().find(|(voted, _)| *voted == text);
        vote.map(|(_, up)| *up)
    };
    let mut claims: Vec<Claim> = kept
        .into_iter()
        .flatten()
        .filter_map(|each| serde_json::from_value(each.get("claim")?.clone()).ok())
        .filter(|claim| vote(claim) != Some(false) && holds(snapshot, claim).is_ok())
        .collect();
    claims.sort_by_key(|claim| vote(claim).is_none());
    claims
}

/// What holds of the strongest evidence.
fn by_rule(snapshot: &Snapshot) -> Vec<Claim> {
    let each = snapshot.evidence.iter().flat_map(|item| {
        let e = || item.id.clone();
        [
            Claim::DrivesScore { e: e() },
            Claim::AboveBaseline { e: e() },
            Claim::BelowBaseline { e: e() },
            Claim::Decides { e: e() },
        ]
    });
    each.filter(|claim| holds(snapshot, claim).is_ok())
        .take(BY_RULE)
        .collect()
}

/// Examples as text; nothing where there are none. What a prompt may not show is not in them either.
pub fn told(examples: &[Example], sight: Sight) -> String {
    let mut text = String::new();
    let mut number = 0;
    for example in examples {
        let shown = |claim: &&Claim| sight == Sight::Unredacted || !matches!(claim, Claim::PathShare { .. });
        let claims: Vec<&Claim> = example.claims.iter().filter(shown).collect();
        let answer = json!({"category": example.category, "claims": claims});
        let mut one = facts(example);
        one.push_str(&rows(example, &claims));
        let _ = writeln!(one, "answer: {answer}");
        if one.chars().count() <= MAX_LENGTH && !claims.is_empty() {
            number += 1;
            let _ = write!(text, "\nExample {number}\n{one}");
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\nAnswers about other clients that a person found right; their ids are of their own evidence:\n{text}"
    )
}

/// What the category's rule looks at.
fn facts(example: &Example) -> String {
    let rule = RULES.iter().find(|(category, _)| *category == example.category);
    let mut text = String::new();
    for condition in rule.map_or(&[][..], |(_, conditions)| conditions) {
        let (Condition::Least(fact, _) | Condition::Most(fact, _)) = *condition;
        let _ = writeln!(text, "{},{}", fact.as_str(), tidy(fact.of(&example.snapshot)));
    }
    text
}

/// The evidence that claims cite, and the strongest besides.
fn rows(example: &Example, claims: &[&Claim]) -> String {
    let cited = |id: &str| {
        claims.iter().any(|claim| match claim {
            Claim::AboveBaseline { e }
            | Claim::BelowBaseline { e }
            | Claim::RatioOf { e, .. }
            | Claim::DrivesScore { e }
            | Claim::Decides { e } => e == id,
            Claim::CoOccurs { e1, e2 } => e1 == id || e2 == id,
            Claim::Periodic {} | Claim::ManyAlike { .. } | Claim::PathShare { .. } => false,
        })
    };
    let mut text = "id,feature,value,median,low,high,threshold,attribution\n".to_owned();
    for (place, item) in example.snapshot.evidence.iter().enumerate() {
        if place < STRONGEST || cited(&item.id) {
            let _ = writeln!(text, "{},{},{}", item.id, item.feature, figures(item));
        }
    }
    text
}
