//! What is asked.

use std::time::Duration;

use serde_json::Value;

/// One question to whichever model answers.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it is asked for, such as `explain`: letters, digits, `_` and `-`. It names the schema to the model and is
    /// a label of the metrics, hence static.
    pub operation: &'static str,
    /// Instructions.
    pub system: String,
    /// The matter itself.
    pub user: String,
    /// JSON schema of the answer, within what [`crate::Schema`] knows; its root is an object.
    pub schema: Value,
    /// Tokens the answer may have; a target may set less.
    pub max_tokens: u32,
    /// Whether the texts hold what only targets with `local_only` may see.
    pub unredacted: bool,
    /// For everything: all targets, all waits and retries.
    pub deadline: Duration,
}
