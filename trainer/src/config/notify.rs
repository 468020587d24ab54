//! `[[notify]]`: who is told what happens.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Fault, fault};

/// Targets at most: they are told one after the other.
const MAX_TARGETS: usize = 16;
/// Bytes of a name at most: it is a label of metrics.
const MAX_NAME: usize = 64;
/// Seconds of `min_interval` and `group_window` at most: what is told a day later is no notice.
const MAX_SECONDS: u32 = 86_400;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A guard holds enforcement back.
    Guard,
    /// A model was promoted, taken back, or waits for somebody.
    Promotion,
    /// Crawlers came that behave like none before.
    Cluster,
}

impl Topic {
    /// All of them, what cannot wait first.
    pub const ALL: [Topic; 3] = [Topic::Guard, Topic::Promotion, Topic::Cluster];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Guard => "guard",
            Topic::Promotion => "promotion",
            Topic::Cluster => "cluster",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.as_str() == word)
    }
}

/// What a target understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// A JSON document of ours, signed.
    Webhook,
    /// Slack's incoming webhooks, and what takes the same.
    Slack,
}

/// `[[notify]]`: one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySection {
    /// What it is called in metrics and logs.
    pub name: String,
    /// What it understands.
    pub kind: NotifyKind,
    /// File with its address, which is a secret.
    pub url_file: PathBuf,
    /// File with the key that signs what a webhook gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// What it is told.
    #[serde(default = "everything")]
    pub events: Vec<Topic>,
    /// Seconds between two messages, on average; three may come at once.
    #[serde(default = "min_interval")]
    pub min_interval: u32,
    /// Seconds that are waited for more to tell in one message.
    #[serde(default = "group_window")]
    pub group_window: u32,
}

fn everything() -> Vec<Topic> {
    Topic::ALL.to_vec()
}

fn min_interval() -> u32 {
    300
}

fn group_window() -> u32 {
    30
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(all: &[NotifySection]) -> Result<(), Fault> {
    let at = |index: usize, key: &'static str, reason: &str| Fault {
        index,
        ..fault("notify", key, reason)
    };
    if all.len() > MAX_TARGETS {
        let reason = format!("at most {MAX_TARGETS} targets are told");
        return Err(at(MAX_TARGETS, "name", &reason));
    }
    for (index, target) in all.iter().enumerate() {
        let refused = |key, reason: &str| Err(at(index, key, reason));
        if !is_name(&target.name) {
            let reason = format!("name is 1 to {MAX_NAME} of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"");
            return refused("name", &reason);
        }
        if all[..index].iter().any(|earlier| earlier.name == target.name) {
            return refused("name", "name is that of another target");
        }
        if target.url_file.as_os_str().is_empty() {
            return refused("url_file", "url_file names a file with the target's address");
        }
        if target.events.is_empty() {
            return refused(
                "events",
                "events is a list of \"guard\", \"promotion\" and \"cluster\"",
            );
        }
        if target.kind == NotifyKind::Slack && target.key_file.is_some() {
            return refused(
                "key_file",
                "key_file is of no use with kind = \"slack\": nobody there checks a signature",
            );
        }
        for (key, seconds) in [
            ("min_interval", target.min_interval),
            ("group_window", target.group_window),
        ] {
            if seconds > MAX_SECONDS {
                return refused(key, &format!("{key} is 0 to {MAX_SECONDS} seconds"));
            }
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(good)
}
