//! `sekisho runbooks`: the operator's own pages, found by their words in any language.

mod fold;
mod folder;
mod index;
mod sections;
#[cfg(test)]
mod tests;
mod words;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use serde_json::json;
use thiserror::Error;

use crate::config::{AccessError, Config, ConfigError, RunbooksSection, StoreAccess, now};
use crate::figures::counted;
use crate::shape::OutputFormat;
use crate::store::{Store, StoreError};
use crate::visible::{escaped, masked};
pub use index::{Hit, IndexedFile, files, refresh, search};
pub use sections::second;
pub use words::query;

/// Characters of a section that are shown.
pub const EXCERPT: usize = 240;
/// Seconds of a day.
const DAY: u32 = 86_400;

const EXAMPLES: &str = "\
Examples:
  sekisho runbooks index
      read the Markdown files of [runbooks] directory that changed; says which are refused, and why
  sekisho runbooks search 在庫 価格
      sections that have any of these words, the best first; words of two letters are found
  sekisho runbooks list
      which files are indexed, of when they are, and which are old

`sekisho explain` shows the three sections that fit a client best, as quoted text with its date.

Exit status: 0 done, 1 no directory is configured or something refused, 2 wrong usage.";

/// Search the operator's own runbooks
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Read what changed in the directory
    Index {
        /// Read all files, changed or not
        #[arg(long)]
        anew: bool,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Find sections by words
    Search {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
        /// Sections at most
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// How they are shown
        #[arg(long, value_enum, default_value = "table")]
        format: OutputFormat,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// List the files
    List {
        /// How they are shown
        #[arg(long, value_enum, default_value = "table")]
        format: OutputFormat,
        #[command(flatten)]
        access: StoreAccess,
    },
}

/// Why runbooks are not read or found.
#[derive(Debug, Error)]
pub enum RunbookError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// None is configured.
    #[error("no runbooks are configured: set [runbooks] directory to a folder of Markdown files")]
    NotConfigured,
    /// It cannot be read.
    #[error("cannot read the runbooks in {}: check [runbooks] directory and its permissions", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to look for.
    #[error("there is no word to look for: give a word of letters or digits")]
    NoWords,
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

impl From<rusqlite::Error> for RunbookError {
    fn from(error: rusqlite::Error) -> RunbookError {
        RunbookError::Store(error.into())
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), RunbookError> {
    let (Action::Index { access, .. } | Action::Search { access, .. } | Action::List { access, .. }) =
        &args.action;
    let section = Config::load(access.config.as_deref(), env::vars())?
        .config
        .runbooks;
    let directory = section.directory.clone().ok_or(RunbookError::NotConfigured)?;
    let (store, _) = access.open()?;
    let anew = matches!(args.action, Action::Index { anew: true, .. });
    let refreshed = refresh(&store, &directory, anew)?;
    for line in &refreshed.refused {
        eprintln!("not read: {line}");
    }
    let mut output = io::stdout().lock();
    match &args.action {
        Action::Index { .. } => eprintln!(
            "{} with {}, {} read just now",
            counted(refreshed.files, "file"),
            counted(refreshed.sections, "section"),
            refreshed.read
        ),
        Action::Search {
            words, limit, format, ..
        } => {
            let words = query(&words.join(" ")).ok_or(RunbookError::NoWords)?;
            let hits = search(&store, &words, None, *limit)?;
            write!(output, "{}", shown(&hits, *format, &section, now()))?;
        }
        Action::List { format, .. } => {
            write!(output, "{}", listed(&files(&store)?, *format, &section, now()))?;
        }
    }
    Ok(())
}

/// Brings the index up to date where runbooks are configured; what keeps it from that is told and no more: an
/// explanation does not wait for a directory.
///
/// # Errors
/// The store refuses.
pub fn kept_up(store: &Store, directory: &Path) -> Result<Option<String>, StoreError> {
    match refresh(store, directory, false) {
        Ok(_) => Ok(None),
        Err(RunbookError::Store(error)) => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Whether a page is older than the operator wants.
pub fn is_stale(date: u32, section: &RunbooksSection, now: u32) -> bool {
    now.saturating_sub(date) > section.stale_days.saturating_mul(DAY)
}

/// The day of a Unix second.
pub fn day(at: u32) -> String {
    Timestamp::from_second(i64::from(at))
        .map_or_else(|_| at.to_string(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// The beginning of a section: one line in which nothing is hidden.
pub fn excerpt(text: &str) -> String {
    escaped(text.as_bytes(), EXCERPT)
}

fn shown(hits: &[Hit], format: OutputFormat, section: &RunbooksSection, now: u32) -> String {
    if format == OutputFormat::Json {
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| {
                json!({"path": hit.path, "title": masked(&hit.title), "heading": masked(&hit.heading),
                    "date": day(hit.date), "dated": hit.dated, "stale": is_stale(hit.date, section, now),
                    "excerpt": excerpt(&hit.text)})
            })
            .collect();
        return format!("{:#}\n", json!({ "sections": hits }));
    }
    let mut text = String::new();
    for hit in hits {
        let old = if is_stale(hit.date, section, now) {
            ", old"
        } else {
            ""
        };
        text.push_str(&format!(
            "{} · {} ({}{old})\n  {}\n",
            hit.path,
            masked(&hit.heading),
            day(hit.date),
            excerpt(&hit.text)
        ));
    }
    if text.is_empty() {
        text.push_str("no section has any of these words\n");
    }
    text
}

fn listed(files: &[IndexedFile], format: OutputFormat, section: &RunbooksSection, now: u32) -> String {
    if format == OutputFormat::Json {
        return format!("{:#}\n", json!({ "files": files }));
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(["file", "title", "date", "", "sections"]);
    for file in files.iter().filter(|file| file.refused.is_none()) {
        let old = is_stale(file.date, section, now);
        table.add_row([
            file.path.clone(),
            masked(&file.title),
            day(file.date),
            if old { "old" } else { "" }.to_owned(),
            file.sections.to_string(),
        ]);
    }
    let lines: Vec<String> = table
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    format!("{}\n", lines.join("\n"))
}
