//! Asking language models about a snapshot: what is asked, what an answer is found by when it is wanted again, and what
//! is kept of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use sekisho_llm::{Chain, Ended, Question, Target};
use serde::Serialize;
use serde_json::{Value, json};

use super::background::{Background, What};
use super::canonical::{canonical, digest, tidy};
use super::category::{Fact, RULES, by_rule};
use super::gather::Gathered;
use super::prompt::{Prompt, Sight, prompt};
use super::report::Report;
use super::snapshot::{Evidence, Snapshot};
use super::verify::{Verified, is_unlike, verify};
use crate::llm::{KEPT, Keys};
use crate::store::{Store, StoreError};

/// Version of what an answer is found by: another one finds no older answer.
const VERSION: u32 = 2;
/// Tokens of an answer: a category, six claims and a note take half of them.
const MAX_TOKENS: u32 = 800;
/// Answers that are compared with each other at most.
pub const MOST_ANSWERS: u32 = 8;
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
    /// Other answers to the same question, or about clients that are nearly the same: how they agree.
    pub others: Vec<Other>,
}

/// Another answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Target that gave it.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// The answer, which nobody has checked yet.
    pub answer: Value,
    /// Whether it was given just now.
    pub is_new: bool,
}

/// One question about one snapshot.
#[derive(Clone, Debug)]
pub struct Inquiry {
    prompt: Prompt,
    sight: Sight,
    keys: Keys,
}

impl Inquiry {
    /// About what was gathered, to the targets of a chain. Path templates and runbooks go in when all of them run on
    /// machines of the operator's own.
    pub fn new(gathered: &Gathered, targets: &[Target]) -> Inquiry {
        let (snapshot, background) = (&gathered.snapshot, &gathered.background);
        let sight = match targets.iter().all(|target| target.local_only) {
            true => Sight::Unredacted,
            false => Sight::Redacted,
        };
        let prompt = prompt(snapshot, background, sight);
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
                likeness: key(&json!([outline(snapshot, sight), known(background)])),
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
        if !says_something {
            return Ok(None);
        }
        let others = store.answers_alike(&self.keys.likeness, &kept.key, now, MOST_ANSWERS - 1)?;
        let others = others.into_iter().filter_map(|other| {
            Some(Other {
                answer: serde_json::from_str(&other.value).ok()?,
                provider: other.provider,
                model: other.model,
                is_new: false,
            })
        });
        Ok(Some(Consulted {
            others: others.collect(),
            answer: Some(answer),
            source: Source::Kept {
                provider: kept.provider,
                model: kept.model,
                exact: kept.exact,
            },
        }))
    }

    /// Asks again until there are so many answers, for at most `deadline`: how they agree is part of confidence. Ends
    /// with the first question that nobody answers.
    pub async fn repeat(&self, chain: &Chain, consulted: &mut Consulted, times: u32, deadline: Duration) {
        let begun = Instant::now();
        while consulted.answer.is_some() && consulted.others.len() + 1 < times as usize {
            let left = deadline.saturating_sub(begun.elapsed());
            let again = self.ask(chain, left).await;
            let (Source::Asked { provider, model, .. }, Some(answer)) = (again.source, again.answer) else {
                return;
            };
            consulted.others.push(Other {
                provider,
                model,
                answer,
                is_new: true,
            });
        }
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
                others: Vec::new(),
            },
            Ended::Unanswered(reason) => Consulted {
                answer: None,
                source: Source::Unanswered {
                    reason: reason.to_string(),
                },
                others: Vec::new(),
            },
        }
    }

    /// Keeps new answers beside their snapshot, which must be kept already, and counts what became of their claims.
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
        let booked = |who: (&str, &str), verified: &Verified| {
            let (kept, dropped) = (verified.kept.len() as u64, verified.dropped.len() as u64);
            chain.claims(who.0, who.1, kept, dropped);
            store.count_claims(who.0, who.1, &outcomes(verified))
        };
        let keep = |keys: &Keys, who: (&str, &str), answer: &Value| {
            store.keep_answer(keys, &report.id, (who.0, who.1, &answer.to_string()), now)
        };
        if let (Source::Asked { provider, model, .. }, Some(answer), Some(verified)) =
            (&consulted.source, &consulted.answer, &report.verified)
        {
            booked((provider, model), verified)?;
            keep(&self.keys, (provider, model), answer)?;
        }
        for (other, number) in consulted.others.iter().zip(2..).filter(|(other, _)| other.is_new) {
            let number: u32 = number;
            let who = (other.provider.as_str(), other.model.as_str());
            booked(who, &verify(&report.snapshot, &other.answer))?;
            let keys = Keys {
                exact: digest(format!("{} {number}", self.keys.exact).as_bytes()),
                likeness: self.keys.likeness.clone(),
            };
            keep(&keys, who, &other.answer)?;
        }
        Ok(())
    }
}

/// How many claims were kept, and how many dropped for which reason.
fn outcomes(verified: &Verified) -> BTreeMap<String, u64> {
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    outcomes.insert(KEPT.to_owned(), verified.kept.len() as u64);
    for dropped in &verified.dropped {
        let reason = json!(dropped.reason);
        let reason = reason.as_str().unwrap_or_default().to_owned();
        *outcomes.entry(reason).or_default() += 1;
    }
    outcomes
}

/// Which sources there are, without how near they are: clients that are nearly the same have the same ones.
fn known(background: &Background) -> Value {
    let each = background.sources.iter().map(|source| match &source.what {
        What::Case(case) => json!(["case", case.snapshot, case.said]),
        What::Runbook(page) => json!([
            "runbook",
            page.path,
            page.heading,
            page.date,
            page.stale,
            page.excerpt
        ]),
    });
    each.collect()
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
