//! `sekisho retrain`: a model learnt from the store, compared, tried beside the champion, and put before a person.
//!
//! A run is a row of the store that goes from state to state ([`runs::State`]); a crash loses no more than the step
//! that was under way.

mod account;
mod decide;
mod desk;
mod drifting;
mod error;
mod evidence;
mod forecast;
mod live;
mod report;
mod runs;
mod schedule;
mod shadow;
mod steps;
#[cfg(test)]
mod tests;
mod thresholds;
mod view;
mod watch;

use std::fs::{self, File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Subcommand;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, now};
use crate::registry::promote::{Approver, POLICY};
use crate::shape::OutputFormat as Format;
use crate::store::{Store, StoreError};
pub use account::{Account, Gate, ZoneDrift};
pub use desk::{Seen, approve, one, reject, seen};
pub use error::RetrainError;
pub use forecast::Forecast;
pub use runs::{Run, State};
pub use schedule::run as scheduled;
use steps::{Progress, Retrain};
pub use view::{Glance, glance, overview, status};

/// Who did it in the audit log where no person did.
const ACTOR: &str = POLICY;
/// How long another one is waited for: `sekisho serve` looks for a moment each minute, and trains for minutes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const BETWEEN: Duration = Duration::from_millis(50);
/// Steps of one call at most: a run has seven, and one more begins.
const MOST_STEPS: usize = 16;

const EXAMPLES: &str = "\
Examples:
  sekisho retrain --once --report /var/lib/sekisho/report.md
      for cron or a systemd timer: go on as far as it goes now
  sekisho retrain --once --every 168
      the same every hour: a new run a week, and one that is open goes on
  sekisho retrain status
      the runs, the watch over the champion, drift
  sekisho retrain report 3
      all that was found in run 3
  sekisho retrain approve 3 --by 'Night shift'
      its model becomes the champion, if every gate is open
  sekisho retrain reject 3 --by 'Night shift' --why 'the sale distorts it'

A run learns from the store, sets thresholds, compares the model with the champion, lets it score beside the champion
for [retrain] shadow_hours, reports, and waits for a person. --once does what can be done now and says what it waits for.

Exit status: 0 done or waiting, 1 failed or refused, 2 wrong usage.";

/// Learn a new model from the store, try it beside the champion, and ask a person
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// Go on as far as it goes now, and end
    #[arg(long, required = true)]
    once: bool,

    /// Begin no run sooner than so many hours after the last one began; one that is open goes on
    #[arg(long, value_name = "HOURS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=8760))]
    every: u32,

    /// Also write the newest run's report here (Markdown), and beside it as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    command: Option<Command>,
}

/// Where and when.
#[derive(Debug, clap::Args)]
struct Place {
    /// The configuration [default: /etc/sekisho/sekisho.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// The time that it is taken to be, in Unix seconds: for tests
    #[arg(long, value_name = "UNIXSECONDS", global = true, hide = true)]
    now: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the runs, newest first, the watch over the champion, and drift
    Status {
        /// What to print
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show what was found in a run
    Report {
        /// Its number
        #[arg(value_name = "RUN")]
        run: i64,

        /// What to print: Markdown, or one document
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Make the model of a run that waits the champion, by all rules of `sekisho model promote`
    Approve {
        /// Its number
        #[arg(value_name = "RUN")]
        run: i64,

        /// Who approves
        #[arg(long, value_name = "NAME")]
        by: String,

        /// A few words
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// End a run; the champion stays
    Reject {
        /// Its number
        #[arg(value_name = "RUN")]
        run: i64,

        /// Who says so
        #[arg(long, value_name = "NAME")]
        by: String,

        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), RetrainError> {
    let filter = EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Whoever runs this in a program of his own has a log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    let config = Config::load(args.place.config.as_deref(), std::env::vars())?.config;
    let now = args.place.now.unwrap_or_else(now);
    let (names, warning) = config.names()?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let store = Store::open_existing(&config.store.path).map_err(|error| match error {
        StoreError::Missing(path) => RetrainError::NoStore(path),
        error => error.into(),
    })?;
    store.bind_names(&names)?;
    let retrain = Retrain {
        store: &store,
        config: &config,
    };
    match &args.command {
        None => once(&retrain, args, now),
        Some(command) => answer(&retrain, command, now),
    }
}

fn once(retrain: &Retrain<'_>, args: &Args, now: u32) -> Result<(), RetrainError> {
    let _lock = lock(&retrain.config.store.path)?;
    if retrain.config.retrain.rollback_hours > 0 {
        let watched = watch::look(retrain, now)?;
        tracing::info!("champion: {}", watched.said);
    }
    let last = runs::latest(retrain.store)?.map(|run| (run.started, run.state.is_open()));
    let waits = if schedule::is_due(args.every, last, now) {
        on(retrain, now, || false)?
    } else {
        format!(
            "no run is open, and the last one began less than {} hours ago",
            args.every
        )
    };
    writeln!(io::stdout().lock(), "{waits}")?;
    let (Some(path), Some(run)) = (&args.report, runs::latest(retrain.store)?) else {
        return Ok(());
    };
    let json = serde_json::to_string_pretty(&view::document(&run))? + "\n";
    for (path, text) in [
        (path.to_owned(), report::markdown(&run)),
        (path.with_extension("json"), json),
    ] {
        fs::write(&path, text).map_err(|source| RetrainError::File { path, source })?;
    }
    Ok(())
}

fn answer(retrain: &Retrain<'_>, command: &Command, now: u32) -> Result<(), RetrainError> {
    let store = retrain.store;
    match command {
        Command::Status { format: Format::Json } => view::print(&view::status(store)?),
        Command::Status {
            format: Format::Table,
        } => Ok(io::stdout().lock().write_all(view::table(store)?.as_bytes())?),
        Command::Report { run, format } => {
            let run = view::standing(store, runs::find(store, *run)?)?;
            match format {
                Format::Json => view::print(&view::document(&run)),
                Format::Table => Ok(io::stdout().lock().write_all(report::markdown(&run).as_bytes())?),
            }
        }
        Command::Approve { run, by, note } => {
            let mut run = runs::find(store, *run)?;
            let approver = Approver::Person(by.clone());
            decide::approve(retrain, &mut run, &approver, note, now)?;
            let text = "nginx takes the new champion up within seconds";
            Ok(writeln!(
                io::stdout().lock(),
                "run {} is promoted: {text}",
                run.id
            )?)
        }
        Command::Reject { run, by, why } => {
            let mut run = runs::find(store, *run)?;
            decide::reject(retrain, &mut run, by, why, now)?;
            Ok(writeln!(
                io::stdout().lock(),
                "run {} is rejected; the champion stays",
                run.id
            )?)
        }
    }
}

/// Goes on until something is waited for, or it is stopped; what is waited for.
fn on(retrain: &Retrain<'_>, now: u32, stopped: impl Fn() -> bool) -> Result<String, RetrainError> {
    for _ in 0..MOST_STEPS {
        if stopped() {
            break;
        }
        match retrain.step(now)? {
            Progress::Waits(text) => return Ok(text),
            // The next run begins another time.
            Progress::Went(state) if !state.is_open() => {
                let run = runs::latest(retrain.store)?;
                let why = run.map(|run| format!("run {} is {}: {}", run.id, state.as_str(), run.why));
                return Ok(why.unwrap_or_default());
            }
            Progress::Went(_) => {}
        }
    }
    Ok("stopped on the way; the next call goes on".to_owned())
}

/// One at a time on a store; a short look of another one is waited for. The system lets go of the lock when the process ends, however it does.
fn lock(store: &Path) -> Result<File, RetrainError> {
    let mut path = store.as_os_str().to_owned();
    path.push(".retrain");
    let path = PathBuf::from(path);
    let failed = |source| RetrainError::File {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(RetrainError::Running(path));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
        }
    }
}
