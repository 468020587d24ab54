//! Tells people what happens, by webhook and Slack: new crawlers, guards that trip, models that change.
//!
//! What is told is found by rule, kept in the store until it was told, and says where to look. Nothing can be done by a
//! message: its links lead to pages that ask.

mod backoff;
mod bucket;
mod deliver;
mod event;
mod guards;
mod look;
mod message;
mod outbox;
mod post;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fmt};

use clap::Subcommand;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use thiserror::Error;

use crate::config::{AccessError, Config, ConfigError, NotifySection, StoreAccess, Topic, now};
use crate::shape::OutputFormat;
use crate::store::{Store, StoreError};
use crate::visible::masked;
use backoff::Attempt;
use deliver::Courier;
pub use deliver::work;
use event::{Event, Fact, Page};
pub use guards::GuardState;
pub use outbox::Tally;
use outbox::{Notice, Outbox};
pub use post::Address;
use post::{PATIENCE, TargetError};

const EXAMPLES: &str = "\
Examples:
  sekisho notify test
      send a message to every target of the configuration, at once
  sekisho notify test --target chat
      to one of them
  sekisho notify status
      what was sent, what waits, and what went wrong last

`sekisho serve` sends what happens. A message does nothing: its links lead to pages of the dashboard that ask.

Exit status: 0 every target took it, 1 one did not, 2 wrong usage.";

/// Try the targets of notices, or show how they are doing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Send a message that says that it is a test
    Test {
        /// Only to this target
        #[arg(long, value_name = "NAME")]
        target: Option<String>,

        /// The configuration [default: /etc/sekisho/sekisho.toml, if it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show what was sent to each target, what waits, and what went wrong last
    Status {
        /// How it is shown
        #[arg(long, value_enum, default_value = "table")]
        format: OutputFormat,

        #[command(flatten)]
        access: StoreAccess,
    },
}

/// Why nobody can be told anything.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A target cannot be told anything.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There are none.
    #[error(
        "nobody is to be told anything: add [[notify]] with name, kind and url_file to the configuration"
    )]
    NoTargets,
    /// There is none of this name.
    #[error("there is no target {given}: the configuration has {known}")]
    Unknown {
        /// Its name.
        given: String,
        /// Those that there are.
        known: String,
    },
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// [`NotifyError`]
pub fn run(args: &Args) -> Result<ExitCode, NotifyError> {
    match &args.action {
        Action::Test { target, config } => {
            let config = Config::load(config.as_deref(), env::vars())?.config;
            test(&config, target.as_deref())
        }
        Action::Status { format, access } => {
            let config = Config::load(access.config.as_deref(), env::vars())?.config;
            let (store, _) = access.open()?;
            status(&tallies(&store, &config.notify)?, *format)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// How targets are doing.
///
/// # Errors
/// The store's.
pub fn tallies(store: &Store, targets: &[NotifySection]) -> Result<Vec<Tally>, StoreError> {
    Outbox(store).tallies(targets.iter().map(|target| target.name.clone()))
}

fn test(config: &Config, only: Option<&str>) -> Result<ExitCode, NotifyError> {
    if config.notify.is_empty() {
        return Err(NotifyError::NoTargets);
    }
    let chosen: Vec<&NotifySection> = (config.notify.iter())
        .filter(|target| only.is_none_or(|only| target.name == only))
        .collect();
    if chosen.is_empty() {
        let known: Vec<&str> = config.notify.iter().map(|target| target.name.as_str()).collect();
        return Err(NotifyError::Unknown {
            given: masked(only.unwrap_or_default()),
            known: known.join(", "),
        });
    }
    let courier = Courier::new(config.dashboard.url.clone(), PATIENCE)?;
    let (notice, mut output) = (trial(now()), io::stdout().lock());
    let mut code = ExitCode::SUCCESS;
    for target in chosen {
        let said = match courier.send(target, &notice, now()) {
            Attempt::Sent => "took it".to_owned(),
            Attempt::Later(why, _) | Attempt::Refused(why) => {
                code = ExitCode::FAILURE;
                format!("did not take it: {why}")
            }
        };
        writeln!(output, "{} {said}", target.name)?;
    }
    Ok(code)
}

/// A message of no event.
fn trial(now: u32) -> Notice {
    Notice {
        id: 0,
        made: now,
        attempts: 0,
        suppressed: BTreeMap::new(),
        events: vec![Event {
            kind: Topic::Guard,
            at: now,
            title: "This is a test".to_owned(),
            facts: vec![Fact::new("Somebody ran `sekisho notify test`: nothing happened")],
            pages: vec![Page::Now],
        }],
    }
}

fn status(tallies: &[Tally], format: OutputFormat) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match format {
        OutputFormat::Json => writeln!(output, "{:#}", serde_json::json!(tallies)),
        OutputFormat::Table if tallies.is_empty() => writeln!(output, "nobody is to be told anything"),
        OutputFormat::Table => writeln!(output, "{}", Shown(tallies)),
    }
}

struct Shown<'a>(&'a [Tally]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "TARGET",
            "SENT",
            "FAILED",
            "NOT TOLD",
            "WAITING",
            "NEXT",
            "LAST ERROR",
        ]);
        table.force_no_tty();
        for tally in self.0 {
            let next = tally.due.and_then(|due| Timestamp::from_second(due.into()).ok());
            table.add_row([
                tally.target.clone(),
                tally.sent.to_string(),
                tally.failed.to_string(),
                tally.suppressed.to_string(),
                tally.waiting.to_string(),
                next.map_or("-".to_owned(), |next| next.to_string()),
                masked(tally.error.as_deref().unwrap_or("-")),
            ]);
        }
        formatter.write_str(&table.trim_fmt())
    }
}
