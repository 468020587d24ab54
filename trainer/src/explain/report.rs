//! A snapshot with what was made of it.

use serde_json::{Value, json};

use super::background::Labelled;
use super::canonical::canonical;
use super::category::Category;
use super::confidence::{Confidence, Parts, Tally, margin};
use super::consult::{Consulted, Source};
use super::explanation::{Explanation, explain};
use super::feedback::Given;
use super::gather::Gathered;
use super::snapshot::Snapshot;
use super::verify::{Verified, verify};
use super::words::{self, Lang, Text};
use crate::store::{ClientRow, Kept, Store, StoreError};
use crate::visible::masked;

/// Everything that is shown of a client.
#[derive(Clone, Debug)]
pub struct Report {
    /// The client as the store names it, made visible. The snapshot has a pseudonym.
    pub client: String,
    /// Its zone, made visible.
    pub zone: String,
    /// SHA-256 of the document.
    pub id: String,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What the rules make of it.
    pub explanation: Explanation,
    /// What of a language model's answer is true.
    pub verified: Option<Verified>,
    /// Where the answer comes from, or why there is none; `None` where nobody was asked.
    pub source: Option<Source>,
    /// How likely it is right.
    pub confidence: Confidence,
    /// Past cases and runbooks.
    pub sources: Vec<Labelled>,
    /// The last word of a person on it.
    pub feedback: Option<Given>,
    document: String,
    lists: Vec<(String, String)>,
    clients: Vec<i64>,
}

impl Report {
    /// Explains what was gathered of a client; an answer is checked.
    pub fn new(client: &ClientRow, gathered: Gathered, consulted: Option<&Consulted>) -> Report {
        let (id, document) = gathered.snapshot.document();
        let explanation = explain(&gathered.snapshot);
        let answer = consulted.and_then(|consulted| consulted.answer.as_ref());
        let verified = answer.map(|answer| verify(&gathered.snapshot, answer));
        let category = verified
            .as_ref()
            .map_or(explanation.category, |verified| verified.category);
        let background = gathered.background;
        let confidence = background.history.confidence(Parts {
            margin: margin(&gathered.snapshot),
            claims: verified.as_ref().and_then(claims),
            agreement: consulted.and_then(|consulted| agreement(consulted, category)),
            record: background.history.record(category),
        });
        Report {
            client: masked(&client.name),
            zone: masked(&client.zone),
            id,
            explanation,
            verified,
            source: consulted.map(|consulted| consulted.source.clone()),
            confidence,
            sources: background.sources,
            feedback: background.feedback,
            document,
            snapshot: gathered.snapshot,
            lists: gathered.lists,
            clients: gathered.clients,
        }
    }

    /// Keeps it in the store, at Unix second `now`. The same snapshot is kept once.
    ///
    /// # Errors
    /// The store refuses.
    pub fn keep(&self, store: &Store, now: u32) -> Result<(), StoreError> {
        let source = match (&self.verified, &self.source) {
            (None, _) => "rules".to_owned(),
            (_, Some(Source::Asked { provider, model, .. } | Source::Kept { provider, model, .. })) => {
                format!("{provider}/{model}")
            }
            _ => "answer".to_owned(),
        };
        let made = canonical(&json!({
            "explanation": self.explanation, "verified": self.verified, "confidence": self.confidence,
            "sources": self.sources.iter().map(Labelled::kept).collect::<Vec<_>>(),
        }));
        let kept = Kept {
            id: &self.id,
            clients: &self.clients,
            document: &self.document,
            lists: &self.lists,
            explanation: (&source, &made),
        };
        store.keep_snapshot(kept, now)
    }

    /// The category that it is told as.
    pub fn category(&self) -> Category {
        let verified = self.verified.as_ref();
        verified.map_or(self.explanation.category, |verified| verified.category)
    }

    /// It in words.
    pub fn text(&self, lang: Lang) -> Text {
        words::text(
            lang,
            &self.snapshot,
            self.category(),
            &self.explanation,
            &self.confidence,
        )
    }

    /// The whole of it. Notes that nobody checked are left out unless `notes`.
    pub fn json(&self, lang: Lang, notes: bool) -> Value {
        let mut verified = json!(self.verified);
        if !notes && let Some(fields) = verified.as_object_mut() {
            fields.remove("unverified_notes");
        }
        json!({
            "client": self.client,
            "zone": self.zone,
            "snapshot_id": self.id,
            "snapshot": serde_json::from_str::<Value>(&self.document).unwrap_or_default(),
            "explanation": self.explanation,
            "verified": verified,
            "language_model": self.source,
            "confidence": self.confidence,
            "sources": self.sources,
            "feedback": self.feedback,
            "lang": lang,
            "category": {"name": self.category(), "title": words::category(lang, self.category())},
            "text": self.text(lang),
        })
    }
}

/// Claims that hold, of all that were made; an answer without any says nothing.
fn claims(verified: &Verified) -> Option<Tally> {
    // One of what was dropped is the category, when it is.
    let dropped = verified.dropped.len() - usize::from(!verified.category_is_answered);
    let good = verified.kept.len() as u64;
    let all = good + dropped as u64;
    (all > 0).then_some(Tally { good, all })
}

/// Answers that name the category that is told, of all there are.
fn agreement(consulted: &Consulted, category: Category) -> Option<Tally> {
    let others = consulted.others.iter().map(|other| &other.answer);
    let answers: Vec<&Value> = consulted.answer.iter().chain(others).collect();
    let names_it =
        |answer: &&&Value| answer.get("category").and_then(Value::as_str) == Some(category.as_str());
    let good = answers.iter().filter(names_it).count() as u64;
    (answers.len() > 1).then_some(Tally {
        good,
        all: answers.len() as u64,
    })
}
