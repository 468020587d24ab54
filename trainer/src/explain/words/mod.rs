//! Explanations as people read them. Every word and number is ours; what a client sent is never part of a sentence.

mod confidence;
mod en;
mod figure;
mod ja;
mod listed;
mod noun;
mod source;

use serde::Serialize;

use super::category::{Category, is_held_against};
use super::claim::Claim;
use super::confidence::Confidence;
use super::explanation::Explanation;
use super::measure::Measure;
use super::snapshot::{Counterfactual, Evidence, Snapshot};
use crate::scan::subject;

/// Evidence that a sentence names.
const NAMED: usize = 3;
/// Others that behave alike from which on they are told of.
const SOME: u64 = 3;

/// Languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// English
    #[default]
    En,
    /// Japanese
    Ja,
}

/// One language's sentences.
trait Voice {
    fn category(&self, category: Category) -> &'static str;
    fn verdict(&self, verdict: &str) -> &'static str;
    fn headline(&self, told: &Told<'_>) -> String;
    fn deed(&self, told: &Told<'_>) -> String;
    fn telling(&self, told: &Told<'_>, items: &[&Evidence]) -> String;
    fn mark(&self, mark: &str) -> Option<&'static str>;
    fn alike(&self, clients: u64) -> String;
    fn counterfactual(&self, told: &Told<'_>) -> Option<String>;
    fn action(&self, explanation: &Explanation) -> &'static str;
    fn grounds(&self, told: &Told<'_>, explanation: &Explanation) -> String;
    fn claim(&self, told: &Told<'_>, claim: &Claim) -> Option<String>;
    fn labels(&self) -> &'static Labels;
}

/// Words around an explanation.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// Before the suggestion.
    pub action: &'static str,
    /// Before how likely it is right.
    pub confidence: &'static str,
    /// Above the evidence.
    pub evidence: &'static str,
    /// Columns of the evidence: what, this client, median, usual range, passes from, weight.
    pub columns: [&'static str; 7],
    /// Above the timeline.
    pub timeline: &'static str,
    /// Above the path templates.
    pub paths: &'static str,
    /// Above the claims of a model that hold.
    pub claims: &'static str,
    /// Above a model's own words.
    pub notes: &'static str,
    /// Before a person's word on it.
    pub feedback: &'static str,
    /// Above the sources.
    pub sources: &'static str,
    /// Before the snapshot's id.
    pub snapshot: &'static str,
}

/// What is told of: a snapshot, and the category it is told as.
pub struct Told<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// The category.
    pub category: Category,
}

/// A whole explanation in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Category, score and verdict.
    pub headline: String,
    /// Two to five sentences.
    pub sentences: Vec<String>,
    /// What somebody may do.
    pub action: String,
    /// How likely it is right, and what that is computed from.
    pub confidence: String,
}

fn voice(lang: Lang) -> &'static dyn Voice {
    match lang {
        Lang::En => &en::English,
        Lang::Ja => &ja::Japanese,
    }
}

pub use listed::{case, feedback, runbook};
pub use source::source;

/// Words around explanations in a language.
pub fn labels(lang: Lang) -> &'static Labels {
    voice(lang).labels()
}

/// Tells a snapshot as a category.
pub fn text(
    lang: Lang,
    snapshot: &Snapshot,
    category: Category,
    explanation: &Explanation,
    confidence: &Confidence,
) -> Text {
    let (voice, told) = (voice(lang), Told { snapshot, category });
    let mut sentences = vec![voice.deed(&told)];
    let telling = told.telling();
    if !telling.is_empty() {
        sentences.push(voice.telling(&told, &telling));
    }
    sentences.extend(
        snapshot
            .marks
            .iter()
            .find_map(|mark| voice.mark(mark))
            .map(str::to_owned),
    );
    let alike = snapshot.alike.clients.total;
    if alike >= SOME && category != Category::SwarmMember && told.is_held_against() {
        sentences.push(voice.alike(alike));
    }
    sentences.extend(voice.counterfactual(&told));
    Text {
        headline: voice.headline(&told),
        sentences,
        action: voice.action(explanation).to_owned(),
        confidence: confidence::told(lang, confidence, &voice.grounds(&told, explanation)),
    }
}

/// A claim that holds, as a sentence with the numbers of the evidence; `None` when it cites what is not there.
pub fn claim(lang: Lang, snapshot: &Snapshot, category: Category, claim: &Claim) -> Option<String> {
    voice(lang).claim(&Told { snapshot, category }, claim)
}

/// A length of time.
pub fn time(lang: Lang, seconds: u32) -> String {
    figure::seconds(lang, f64::from(seconds), f64::round)
}

/// A feature's name in a language.
pub fn feature_noun(lang: Lang, feature: &str) -> &'static str {
    noun::of(lang, feature)
}

/// A feature's value as the model sees it, in the unit that people count in.
pub fn feature_figure(lang: Lang, feature: &str, raw: f64) -> String {
    figure::of(lang, feature, Measure::named(feature).tidy(raw))
}

/// A category's name.
pub fn category(lang: Lang, category: Category) -> &'static str {
    voice(lang).category(category)
}

/// A feature's name and a value of it.
pub fn noun_and_figure(lang: Lang, item: &Evidence, value: f64) -> (&'static str, String) {
    (
        noun::of(lang, &item.feature),
        figure::of(lang, &item.feature, value),
    )
}

/// A threshold, rounded so that it still passes.
pub fn bound(lang: Lang, item: &Evidence) -> Option<String> {
    let bound = item.threshold?;
    let sign = if bound < item.value { "<" } else { ">" };
    Some(format!(
        "{sign} {}",
        figure::bound(lang, &item.feature, bound, bound < item.value)
    ))
}

impl<'a> Told<'a> {
    fn is_held_against(&self) -> bool {
        is_held_against(self.snapshot)
    }

    /// Whether the score alone speaks against it.
    fn is_suspect(&self) -> bool {
        self.snapshot.score >= self.snapshot.policy.suspect
    }

    /// A feature's value, whether it is among the evidence or not.
    fn figure(&self, lang: Lang, feature: &str) -> String {
        figure::of(lang, feature, self.value(feature))
    }

    fn value(&self, feature: &str) -> f64 {
        let raw = self.snapshot.features.get(feature).copied().unwrap_or_default();
        Measure::named(feature).shown(raw)
    }

    /// The visitors' median of a feature that is among the evidence.
    fn usual(&self, lang: Lang, feature: &str) -> Option<String> {
        let item = self
            .snapshot
            .evidence
            .iter()
            .find(|item| item.feature == feature)?;
        Some(figure::of(lang, feature, item.baseline.median))
    }

    /// The strongest evidence that the first sentence does not tell, each on another subject.
    fn telling(&self) -> Vec<&'a Evidence> {
        let mut subjects: Vec<&str> = self.category.features().into_iter().map(subject).collect();
        let mut items = Vec::new();
        for item in self
            .snapshot
            .evidence
            .iter()
            .filter(|item| item.attribution > 0.0)
        {
            let about = subject(&item.feature);
            if items.len() < NAMED && !subjects.contains(&about) && item.feature != "requests" {
                subjects.push(about);
                items.push(item);
            }
        }
        items
    }

    /// Evidence that would have let the client pass together.
    fn joint(&self) -> Vec<&'a Evidence> {
        match &self.snapshot.counterfactual {
            Counterfactual::Joint { evidence } => {
                evidence.iter().filter_map(|id| self.snapshot.item(id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The one evidence item that would have let it pass.
    fn single(&self) -> Option<&'a Evidence> {
        match &self.snapshot.counterfactual {
            Counterfactual::Single { evidence } => self.snapshot.item(evidence),
            _ => None,
        }
    }
}
