//! Asking language models about a snapshot: what is asked, what an answer is found by when it is wanted again, and what
//! is kept of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use sekisho_llm::{Chain, Ended, Question, Target};
use serde::Serialize;
use serde_json::{Value, json};

use super::canonical::{canonical, digest, tidy};
use super::category::{Fact, RULES, by_rule};
use super::prompt::{Prompt, Sight, prompt};
use super::report::Report;
use super::snapshot::{Evidence, Snapshot};
use super::verify::{is_unlike, verify};
use crate::llm::{KEPT, Keys};
use crate::store::{Store, StoreError};

/// Version of what an answer is found by: another one finds no older answer.
const VERSION: u32 = 1;
/// Tokens of an answer: a category, six claims and a note take half of them.
const MAX_TOKENS: u32 = 800;
/// Parts that shares are cut into where clients that are nearly the same are to look the same.
const PARTS: f64 = 5.0;

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Source {
    /// Somebody brought it.
    Given,
    /// A model answered just now.
    Asked {
        /// Target.
        provider: String,
        /// Model that was asked.
        model: String,
        /// Of the whole operation, fallbacks included.
        duration_ms: u64,
    },
    /// The same was asked before.
    Kept {
        /// Target.
        provider: String,
        /// Model that was asked.
        model: String,
        /// Whether exactly the same; else it was of a client that is nearly the same.
        exact: bool,
    },
    /// Nobody answered.
    Unanswered {
        /// Why.
        reason: String,
    },
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub struct Consulted {
    /// The answer, which nobody has checked yet.
    pub answer: Option<Value>,
    /// Where it comes from.
    pub source: Source,
}

/// One question about one snapshot.
#[derive(Clone, Debug)]
pub struct Inquiry {
    prompt: Prompt,
    sight: Sight,
    keys: Keys,
}

impl Inquiry {
    /// About a snapshot, to the targets of a chain. Path templates go in when all of them run on machines of the
    /// operator's own.
    pub fn new(snapshot: &Snapshot, targets: &[Target]) -> Inquiry {
        let sight = match targets.iter().all(|target| target.local_only) {
            true => Sight::Unredacted,
            false => Sight::Redacted,
        };
        let prompt = prompt(snapshot, sight);
        let asked: Vec<Value> = (targets.iter())
            .map(|target| {
                json!([
                    target.name,
                    target.kind,
                    target.base_url,
                    target.model,
                    target.extra
                ])
            })
            .collect();
        let key = |matter: &Value| {
            let all = json!([VERSION, prompt.system, prompt.schema, asked, matter]);
            digest(canonical(&all).as_bytes())
        };
        Inquiry {
            keys: Keys {
                exact: key(&json!(prompt.user)),
                likeness: key(&outline(snapshot, sight)),
            },
            prompt,
            sight,
        }
    }

    /// What was answered before, if it still says something of this snapshot.
    ///
    /// # Errors
    /// The store refuses.
    pub fn before(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        now: u32,
    ) -> Result<Option<Consulted>, StoreError> {
        let Some(kept) = store.kept_answer(&self.keys, now)? else {
            return Ok(None);
        };
        let Ok(answer) = serde_json::from_str(&kept.value) else {
            return Ok(None);
        };
        let says_something = kept.exact || !verify(snapshot, &answer).kept.is_empty();
        Ok(says_something.then_some(Consulted {
            answer: Some(answer),
            source: Source::Kept {
                provider: kept.provider,
                model: kept.model,
                exact: kept.exact,
            },
        }))
    }

    /// Asks, for at most `deadline`.
    pub async fn ask(&self, chain: &Chain, deadline: Duration) -> Consulted {
        let question = Question {
            operation: "explain",
            system: self.prompt.system.clone(),
            user: self.prompt.user.clone(),
            schema: self.prompt.schema.clone(),
            max_tokens: MAX_TOKENS,
            unredacted: self.sight == Sight::Unredacted,
            deadline,
        };
        let outcome = chain.ask(question, SystemTime::now()).await;
        let duration_ms = u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX);
        match outcome.ended {
            Ended::Answered(answer) => Consulted {
                answer: Some(answer.value),
                source: Source::Asked {
                    provider: answer.provider,
                    model: answer.model,
                    duration_ms,
                },
            },
            Ended::Unanswered(reason) => Consulted {
                answer: None,
                source: Source::Unanswered {
                    reason: reason.to_string(),
                },
            },
        }
    }

    /// Keeps a new answer beside its snapshot, which must be kept already, and counts what became of its claims.
    ///
    /// # Errors
    /// The store refuses.
    pub fn keep(
        &self,
        store: &Store,
        chain: &Chain,
        report: &Report,
        consulted: &Consulted,
        now: u32,
    ) -> Result<(), StoreError> {
        let (Source::Asked { provider, model, .. }, Some(answer), Some(verified)) =
            (&consulted.source, &consulted.answer, &report.verified)
        else {
            return Ok(());
        };
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        outcomes.insert(KEPT.to_owned(), verified.kept.len() as u64);
        for dropped in &verified.dropped {
            let reason = json!(dropped.reason);
            *outcomes
                .entry(reason.as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        let (kept, dropped) = (verified.kept.len() as u64, verified.dropped.len() as u64);
        chain.claims(provider, model, kept, dropped);
        store.count_claims(provider, model, &outcomes)?;
        store.keep_answer(
            &self.keys,
            &report.id,
            (provider, model, &answer.to_string()),
            now,
        )
    }
}

/// A snapshot in few strokes: those of clients that are nearly the same are equal. An answer about one is checked on the
/// other, so that it matters little where a stroke ends.
fn outline(snapshot: &Snapshot, sight: Sight) -> Value {
    let against: f64 = snapshot
        .evidence
        .iter()
        .map(|item| item.attribution.max(0.0))
        .sum();
    let stroke = |item: &Evidence| {
        let side = match (is_unlike(item), item.value > item.baseline.median) {
            (false, _) => 0,
            (true, above) => 1 + i32::from(above),
        };
        let weight = (item.attribution.max(0.0) / against.max(f64::MIN_POSITIVE) * PARTS).round();
        json!([
            item.id,
            item.feature,
            side,
            item.threshold.is_some(),
            tidy(weight)
        ])
    };
    let evidence: Vec<Value> = snapshot.evidence.iter().map(stroke).collect();
    let holding: Vec<&str> = (RULES.iter())
        .filter(|(category, _)| category.holds(snapshot))
        .map(|(category, _)| category.as_str())
        .collect();
    let samples = snapshot.paths.samples.max(1) as f64;
    let paths: Vec<Value> = match sight {
        Sight::Redacted => Vec::new(),
        Sight::Unredacted => (snapshot.paths.top.iter())
            .map(|path| json!([path.id, tidy((path.count as f64 / samples * PARTS).round())]))
            .collect(),
    };
    let alike = Fact::Alike.of(snapshot);
    json!([
        by_rule(snapshot).as_str(),
        holding,
        evidence,
        alike.max(1.0).log2().floor(),
        paths
    ])
}
