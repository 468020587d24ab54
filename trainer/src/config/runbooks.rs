//! `[runbooks]`: the operator's own pages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Findings;
use super::{Fault, fault};

/// Days after which a page may be called old at most: ten years.
const MOST_DAYS: u32 = 3650;

/// `[runbooks]`: Markdown files that are shown with explanations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunbooksSection {
    /// The folder; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// What is older than so many days is shown with a warning.
    pub stale_days: u32,
    /// Whether language models on other machines may see them.
    pub share: bool,
}

impl Default for RunbooksSection {
    fn default() -> RunbooksSection {
        RunbooksSection {
            directory: None,
            stale_days: 180,
            share: false,
        }
    }
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(runbooks: &RunbooksSection) -> Result<(), Fault> {
    if !(1..=MOST_DAYS).contains(&runbooks.stale_days) {
        let reason = format!("stale_days is 1 to {MOST_DAYS}");
        return Err(fault("runbooks", "stale_days", reason));
    }
    Ok(())
}

/// Whether the folder is there.
pub(super) fn look(runbooks: &RunbooksSection, findings: &mut Findings) {
    if let Some(directory) = runbooks.directory.as_deref().filter(|path| !path.is_dir()) {
        let text = format!(
            ": there is no directory {}: explanations come without runbooks",
            directory.display()
        );
        findings.warnings.push(fault("runbooks", "directory", text));
    }
}
