//! What people say of explanations. It becomes labels, examples, past cases and calibration, and changes no verdict of
//! nginx by itself.

mod command;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use super::canonical::canonical;
use super::category::Category;
use super::claim::Claim;
use crate::store::{Class, FeedbackRow, NewFeedback, Store, StoreError};
use crate::visible::is_hidden;
pub use command::{Args, run};

/// Bytes of an author's name, as for labels.
const MAX_AUTHOR: usize = 64;
/// Bytes of a note, as for labels.
const MAX_NOTE: usize = 1000;
/// Hex digits of a snapshot's id.
const ID: usize = 64;
/// Confidence of explanations that were kept before it was computed: it says nothing either way.
const UNKNOWN: f64 = 0.5;

/// What a person says of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "category")]
pub enum Verdict {
    /// It is right.
    Correct,
    /// The client is of this category.
    WrongCategory(Category),
    /// People are behind the client.
    FalsePositive,
    /// It cannot be said.
    Unclear,
}

/// Which way somebody votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It helped.
    Up,
    /// It did not.
    Down,
}

/// A vote on one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Number of the claim as it is shown, from 1.
    pub claim: usize,
    /// Which way.
    pub vote: Way,
}

/// Feedback on one explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Id of the snapshot that was explained.
    pub snapshot: String,
    /// What the person says.
    pub verdict: Verdict,
    /// Votes on claims.
    pub votes: Vec<Vote>,
    /// The person.
    pub author: String,
    /// Why; may be empty.
    pub note: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its number.
    pub id: i64,
    /// Whether it is new; the same person had said the same last.
    pub added: bool,
    /// What the client is labelled now by this.
    pub label: Option<Class>,
}

/// Feedback as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Its number.
    pub id: i64,
    /// Id of the snapshot.
    pub snapshot: String,
    /// Unix seconds.
    pub at: u32,
    /// The person.
    pub author: String,
    /// What was said.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Category that it was told as.
    pub told: Category,
    /// Why.
    pub note: String,
    /// Votes on claims.
    pub votes: Vec<(Value, Way)>,
}

/// Why feedback is not taken.
#[derive(Debug, Error)]
pub enum FeedbackError {
    /// There is no such explanation.
    #[error(
        "no explanation with this snapshot is kept: `sekisho explain` keeps one, and shows its id; what was forgotten or \
         is too old is gone"
    )]
    Unknown,
    /// The category is the one that it was told as.
    #[error("{} is the category that it was told as: say correct, or name another one", .0.as_str())]
    SameCategory(Category),
    /// There is no such claim.
    #[error("there is no claim {number}: this explanation shows {shown}")]
    NoClaim {
        /// The number.
        number: usize,
        /// Claims that there are.
        shown: usize,
    },
    /// A text is too long, or there is none.
    #[error("{what} has {least} to {most} bytes")]
    Length {
        /// Which text.
        what: &'static str,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A text holds what cannot be seen.
    #[error("{0} holds control characters")]
    Hidden(&'static str),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Verdict::Correct => "correct",
            Verdict::WrongCategory(_) => "wrong_category",
            Verdict::FalsePositive => "false_positive",
            Verdict::Unclear => "unclear",
        }
    }

    fn of(row: &FeedbackRow) -> Option<Verdict> {
        Some(match row.verdict.as_str() {
            "correct" => Verdict::Correct,
            "wrong_category" => Verdict::WrongCategory(Category::from_word(row.said.as_deref()?)?),
            "false_positive" => Verdict::FalsePositive,
            _ => Verdict::Unclear,
        })
    }

    /// Whether the explanation was right by it.
    fn is_right(self) -> Option<bool> {
        match self {
            Verdict::Correct => Some(true),
            Verdict::WrongCategory(_) | Verdict::FalsePositive => Some(false),
            Verdict::Unclear => None,
        }
    }

    /// What the client is by it. A monitor may be wanted, and of what is unclear nothing is known.
    pub fn label(self, told: Category) -> Option<Class> {
        let category = match self {
            Verdict::FalsePositive => return Some(Class::Human),
            Verdict::Unclear => return None,
            Verdict::Correct => told,
            Verdict::WrongCategory(category) => category,
        };
        (!matches!(category, Category::Monitoring | Category::Unclear)).then_some(Class::Crawler)
    }
}

/// Takes feedback that `actor` brings at Unix second `now`, with the label and the judgement that follow from it.
///
/// # Errors
/// There is no such explanation or claim, a text is refused, or the store refuses.
pub fn give(store: &Store, feedback: &Feedback, (actor, now): (&str, u32)) -> Result<Outcome, FeedbackError> {
    check("the author", &feedback.author, 1, MAX_AUTHOR)?;
    check("the note", &feedback.note, 0, MAX_NOTE)?;
    let explained = store
        .explained(&feedback.snapshot)?
        .ok_or(FeedbackError::Unknown)?;
    let told = explained.told.as_deref().and_then(Category::from_word);
    let told = told.ok_or(FeedbackError::Unknown)?;
    let said = match feedback.verdict {
        Verdict::WrongCategory(said) if said == told => return Err(FeedbackError::SameCategory(told)),
        Verdict::WrongCategory(said) => Some(said.as_str()),
        _ => None,
    };
    let document: Value = serde_json::from_str(&explained.explanation).unwrap_or_default();
    let raw = document
        .pointer("/confidence/raw")
        .and_then(Value::as_f64)
        .unwrap_or(UNKNOWN);
    let votes = votes(&claims(&document), &feedback.votes)?;
    let verdict = feedback.verdict.as_str();
    let label = feedback.verdict.label(told);
    let note = format!("feedback: {verdict}, told as {}", told.as_str());
    let new = NewFeedback {
        snapshot: &feedback.snapshot,
        verdict,
        told: told.as_str(),
        said,
        votes: &votes,
        author: &feedback.author,
        actor,
        note: &feedback.note,
        judgement: feedback.verdict.is_right().map(|right| (raw, right)),
        label: label.map(|class| (class, note.as_str())),
    };
    let (id, added) = store.add_feedback(&new, now)?;
    Ok(Outcome { id, added, label })
}

/// All feedback on a snapshot, oldest first, at most `limit`; without a snapshot, on all.
///
/// # Errors
/// The store refuses.
pub fn given(store: &Store, snapshot: Option<&str>, limit: u32) -> Result<Vec<Given>, StoreError> {
    let rows = store.feedback(snapshot, limit)?;
    let read = |row: FeedbackRow| {
        Some(Given {
            verdict: Verdict::of(&row)?,
            told: Category::from_word(&row.told)?,
            votes: row.votes.iter().map(way).collect(),
            id: row.id,
            snapshot: row.snapshot,
            at: row.at,
            author: row.author,
            note: row.note,
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Whether a text is a snapshot's id.
pub fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn way((claim, up): &(String, bool)) -> (Value, Way) {
    let way = if *up { Way::Up } else { Way::Down };
    (serde_json::from_str(claim).unwrap_or_default(), way)
}

/// Claims of an explanation in the order in which they are shown.
fn claims(document: &Value) -> Vec<Claim> {
    let kept = document.pointer("/verified/kept").and_then(Value::as_array);
    let claim = |each: &Value| serde_json::from_value(each.get("claim")?.clone()).ok();
    kept.into_iter().flatten().filter_map(claim).collect()
}

/// Votes with what they are about; of two on one claim the last counts.
fn votes(claims: &[Claim], votes: &[Vote]) -> Result<Vec<(String, bool)>, FeedbackError> {
    let mut found: Vec<(String, bool)> = Vec::new();
    for vote in votes {
        let claim = vote.claim.checked_sub(1).and_then(|place| claims.get(place));
        let claim = claim.ok_or(FeedbackError::NoClaim {
            number: vote.claim,
            shown: claims.len(),
        })?;
        let claim = canonical(&json!(claim));
        found.retain(|(known, _)| *known != claim);
        found.push((claim, vote.vote == Way::Up));
    }
    Ok(found)
}

fn check(what: &'static str, text: &str, least: usize, most: usize) -> Result<(), FeedbackError> {
    if !(least..=most).contains(&text.len()) {
        return Err(FeedbackError::Length { what, least, most });
    }
    if text.chars().any(is_hidden) {
        return Err(FeedbackError::Hidden(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_become_labels_where_they_say_what_the_client_is() {
        #[track_caller]
        fn check(verdict: Verdict, told: Category, expected: (Option<Class>, Option<bool>)) {
            assert_eq!((verdict.label(told), verdict.is_right()), expected);
        }
        use {Category::*, Verdict::*};
        let (human, crawler) = (Some(Class::Human), Some(Class::Crawler));
        check(Correct, CatalogueScrape, (crawler, Some(true)));
        check(Correct, CredentialStuffing, (crawler, Some(true)));
        check(Correct, Monitoring, (None, Some(true)));
        check(Correct, Category::Unclear, (None, Some(true)));
        check(FalsePositive, CatalogueScrape, (human, Some(false)));
        check(FalsePositive, Monitoring, (human, Some(false)));
        check(WrongCategory(PriceWatch), CatalogueScrape, (crawler, Some(false)));
        check(WrongCategory(Monitoring), CatalogueScrape, (None, Some(false)));
        check(Verdict::Unclear, CatalogueScrape, (None, None));
    }

    #[test]
    fn votes_are_about_claims_that_are_shown() {
        let claims = [Claim::Periodic {}, Claim::DrivesScore { e: "e1".into() }];
        let vote = |claim, vote| Vote { claim, vote };
        let found = votes(&claims, &[vote(2, Way::Up), vote(1, Way::Up), vote(2, Way::Down)]).unwrap();
        let (periodic, drives) = (
            r#"{"predicate":"periodic"}"#,
            r#"{"e":"e1","predicate":"drives_score"}"#,
        );
        assert_eq!(found, [(periodic.to_owned(), true), (drives.to_owned(), false)]);
        for number in [0, 3] {
            let error = votes(&claims, &[vote(number, Way::Up)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("there is no claim {number}: this explanation shows 2")
            );
        }
    }
}
