//! The document that an explanation stands on, and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical::{canonical, digest};

/// Version of the document's layout.
pub const VERSION: u32 = 1;
/// Evidence items at most: more than anybody reads, and as many as a small language model keeps apart.
pub const MAX_EVIDENCE: usize = 12;
/// Bins of the timeline at most: what fits into a line of a terminal.
pub const MAX_BINS: usize = 48;
/// Entries of a long list that stand in the document itself.
pub const HEAD: usize = 5;
/// Path templates that stand in the document itself.
pub const MAX_TEMPLATES: usize = 8;

/// Everything that is known of a client, or of clients that behave alike, at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// Zone.
    pub zone: String,
    /// Of whom.
    pub subject: Subject,
    /// What verdicts came from.
    pub policy: Policy,
    /// From the first sample to the last.
    pub window: Window,
    /// Requests since the records began, those of all members together.
    pub requests: u64,
    /// Score, 0 to 1.
    pub score: f64,
    /// Verdict at that score.
    pub verdict: String,
    /// What was found besides a score: `trap`, `operator`, `false_bot_claim`.
    pub marks: Vec<String>,
    /// What is believed of the client, and who says so, such as `crawler` and `verified_bot`.
    pub label: Option<(String, String)>,
    /// Features as the model sees them, by name.
    pub features: BTreeMap<String, f64>,
    /// What evidence is compared with.
    pub site: Site,
    /// At most [`MAX_EVIDENCE`].
    pub evidence: Vec<Evidence>,
    /// What would have let it pass.
    pub counterfactual: Counterfactual,
    /// Others that behave alike at the same time.
    pub alike: Alike,
    /// When requests came.
    pub timeline: Timeline,
    /// What was asked for, by the targets of samples.
    pub paths: Paths,
    /// Reference ids of the samples, newest first.
    pub samples: List,
    /// How many of the samples a score spoke against.
    pub flagged: u64,
}

/// Of whom a snapshot is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// `client` or `cluster`.
    pub kind: String,
    /// Its pseudonym; of a cluster, that of the client it was found by.
    pub client: String,
    /// Clients in it.
    pub members: u64,
}

/// Where verdicts came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// A score from here on makes a client suspect.
    pub suspect: f64,
    /// A score from here on gets it rejected.
    pub reject: f64,
    /// SHA-256 of the model that explains.
    pub model: String,
    /// Whether it is the model that scored. When not, attributions are those of another model.
    pub exact: bool,
}

/// Unix seconds, both ends inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First.
    pub from: u32,
    /// Last.
    pub to: u32,
}

/// What evidence is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// `site`: clients of the same zone that were people or passed. `model`: the typical human of the model, when the
    /// store knows too few of them.
    pub baseline: String,
    /// How many clients.
    pub clients: u64,
}

/// One feature of the client beside those of the site's visitors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `e1` and so on.
    pub id: String,
    /// Name of the feature.
    pub feature: String,
    /// The client's value, in `unit`.
    pub value: f64,
    /// What values, baselines and thresholds count.
    pub unit: String,
    /// The site's visitors.
    pub baseline: Baseline,
    /// From this value on, towards the baseline, the client would have passed if only this feature were different.
    pub threshold: Option<f64>,
    /// Log-odds that the feature adds to the score against the model's typical human; below 0 it speaks for a person.
    pub attribution: f64,
    /// SHA-256 over the digests of the samples that the value comes from.
    pub source: String,
}

/// Visitors' values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Median.
    pub median: f64,
    /// Fifth and ninety-fifth percentile; none for the model's typical human.
    pub tails: Option<(f64, f64)>,
}

/// What would have let the client pass, as the model has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Counterfactual {
    /// It did pass.
    Passed,
    /// The threshold of this one evidence item.
    Single {
        /// Its id.
        evidence: String,
    },
    /// These together, each as the site's visitors have it in the middle.
    Joint {
        /// Their ids.
        evidence: Vec<String>,
    },
    /// Not even all evidence items together.
    Nothing,
}

/// Clients of the zone that were flagged in the same window with nearly the same features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alike {
    /// Their networks.
    pub networks: u64,
    /// Requests of them all.
    pub requests: u64,
    /// Their pseudonyms.
    pub clients: List,
    /// SHA-256 over the digests of the samples by which they were compared.
    pub source: String,
}

/// When requests came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Unix second at which the first bin begins.
    pub from: u32,
    /// Seconds of a bin.
    pub step: u32,
    /// Requests in each, at most [`MAX_BINS`]. Between two samples they are spread evenly.
    pub counts: Vec<u64>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// Samples that the counts are of.
    pub samples: u64,
    /// The most frequent ones, at most [`MAX_TEMPLATES`].
    pub top: Vec<Template>,
    /// All of them, as texts with their counts.
    pub all: List,
}

/// A path with its variable parts taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// `p1` and so on.
    pub id: String,
    /// Such as `/shop/{slug}?page`.
    pub template: String,
    /// Samples whose target fits.
    pub count: u64,
}

/// A long list: its beginning, and how the rest is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// At most [`HEAD`] entries.
    pub head: Vec<String>,
    /// How many there are.
    pub total: u64,
    /// SHA-256 of the canonical JSON array of all; `sekisho explain --expand` prints it.
    pub digest: String,
}

impl List {
    /// A list, and its whole as canonical JSON.
    pub fn new(entries: &[String]) -> (List, String) {
        let whole = canonical(&Value::from(entries.to_vec()));
        let list = List {
            head: entries.iter().take(HEAD).cloned().collect(),
            total: entries.len() as u64,
            digest: digest(whole.as_bytes()),
        };
        (list, whole)
    }
}

impl Snapshot {
    /// Its id, and the canonical document.
    ///
    /// # Panics
    /// Never: there is no map here whose keys are not texts.
    pub fn document(&self) -> (String, String) {
        let value = serde_json::to_value(self).expect("a snapshot is a JSON document");
        let document = canonical(&value);
        (digest(document.as_bytes()), document)
    }

    /// An evidence item by its id.
    pub fn item(&self, id: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|item| item.id == id)
    }

    /// A path template by its id.
    pub fn template(&self, id: &str) -> Option<&Template> {
        self.paths.top.iter().find(|template| template.id == id)
    }

    /// Seconds from the first sample to the last.
    pub fn span(&self) -> u32 {
        self.window.to.saturating_sub(self.window.from)
    }
}
