//! `[llm]`: which models are asked, in which order, and what they may cost. Without targets nothing is asked.

mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use check::Problem;

/// Seconds that a target may take unless it says otherwise: a long answer of a hosted model.
const TIMEOUT: f64 = 30.0;

/// `[llm]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What prices and budgets are in; only shown.
    pub currency: String,
    /// Questions under way at once; the others wait within their deadlines.
    pub at_once: u32,
    /// `[[llm.targets]]`, in the order in which they are asked.
    pub targets: Vec<Target>,
    /// `[[llm.prices]]`
    pub prices: Vec<Price>,
    /// `[llm.budget]`
    pub budget: Budgets,
    /// `[llm.breaker]`
    pub breaker: BreakerSettings,
    /// `[llm.otlp]`
    pub otlp: Option<Otlp>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            currency: "USD".to_owned(),
            at_once: 2,
            targets: Vec::new(),
            prices: Vec::new(),
            budget: Budgets::default(),
            breaker: BreakerSettings::default(),
            otlp: None,
        }
    }
}

/// Which API a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Chat completions as OpenAI made them: hosted ones, gateways, Ollama, vLLM, llama.cpp.
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

impl Kind {
    /// As in the configuration, and as the semantic conventions name the provider.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Openai => "openai",
            Kind::Anthropic => "anthropic",
        }
    }
}

/// `[[llm.targets]]`: one model at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in counts, statuses and spans.
    pub name: String,
    /// The API it speaks.
    pub kind: Kind,
    /// What the API's path is appended to: `http://127.0.0.1:11434/v1`, `https://api.anthropic.com`.
    pub base_url: String,
    /// The model, in the provider's word.
    pub model: String,
    /// File with the key; without one, none is sent.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Whether it may see unredacted texts: it is the operator's own.
    #[serde(default)]
    pub local_only: bool,
    /// How long one request may take.
    #[serde(default = "timeout")]
    pub timeout_seconds: f64,
    /// Tokens an answer may have at most, whatever the question says.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Field that says so in a chat completion: some want `max_completion_tokens`.
    #[serde(default = "max_tokens_field")]
    pub max_tokens_field: String,
    /// Whether the schema is written below the instructions, too: for endpoints that do not enforce one.
    #[serde(default)]
    pub schema_in_prompt: bool,
    /// More fields of the request's body. They replace ours.
    #[serde(default)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Target {
    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_seconds).unwrap_or(Duration::from_secs_f64(TIMEOUT))
    }
}

fn timeout() -> f64 {
    TIMEOUT
}

fn max_tokens_field() -> String {
    "max_tokens".to_owned()
}

/// `[[llm.prices]]`: what a model costs from a day on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The model as it names itself in answers, which may differ from the name it is asked by.
    pub model: String,
    /// The day, such as `"2026-04-01"`, in UTC.
    #[serde(default)]
    pub since: Option<String>,
    /// For a million tokens of the prompt, in the currency's unit.
    #[serde(default)]
    pub input: Option<f64>,
    /// For a million tokens of the answer.
    #[serde(default)]
    pub output: Option<f64>,
}

/// `[llm.budget]`: when one is used up, nothing more is asked in its period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Of one run of the program.
    pub run: Limit,
    /// Of a day, UTC.
    pub day: Limit,
    /// Of a month, UTC.
    pub month: Limit,
}

/// Limits of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// In the currency's unit. What is unpriced does not count here.
    pub cost: Option<f64>,
    /// Tokens in both directions.
    pub tokens: Option<u64>,
}

/// `[llm.breaker]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Failures one after the other that open it.
    pub failures: u32,
    /// The first pause; each further one is twice as long.
    pub pause_seconds: u64,
    /// The longest pause.
    pub longest_seconds: u64,
}

impl Default for BreakerSettings {
    fn default() -> BreakerSettings {
        BreakerSettings {
            failures: 3,
            pause_seconds: 30,
            longest_seconds: 900,
        }
    }
}

/// `[llm.otlp]`: where spans and metrics are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Of a collector that speaks OTLP over HTTP, without the path: `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// How often metrics are sent.
    #[serde(default = "every")]
    pub every_seconds: u64,
    /// `service.name` of the resource.
    #[serde(default = "service_name")]
    pub service_name: String,
}

fn every() -> u64 {
    60
}

fn service_name() -> String {
    "sekisho".to_owned()
}
