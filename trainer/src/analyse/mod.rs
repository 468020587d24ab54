//! `sekisho analyse`: what may have caused an event, from logs, metrics and decisions around it.

mod access;
mod change;
mod cite;
mod decisions;
mod document;
mod errors;
mod event;
mod evidence;
mod hypotheses;
mod metrics;
pub mod prometheus;
mod range;
mod render;
mod template;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::tz::Offset;
use sekisho_core::logline::Format as LogFormat;
use thiserror::Error;

use crate::config::{AccessError, StoreAccess, now};
use crate::dataset::Moment;
use crate::logs::LogError;
use crate::report::{Span, SpanError};
use crate::store::{Names, Store, StoreError};
use crate::visible::escaped;
use document::Analysis;
use event::Event;
use evidence::{Evidence, Split, shifts};
use metrics::Metrics;
pub use metrics::MetricsError;
use render::{Style, render};

/// Characters of the event that are shown.
const SHOWN: usize = 200;

const EXAMPLES: &str = "\
Examples:
  sekisho analyse --event 'checkout slow since 14:00' --from 6h --access-log /var/log/nginx/access.log
      what changed at 14:00 UTC in the last six hours, and what may have caused it
  sekisho analyse --event 'many 502 since 03:10' --from 12h --access-log access.log access.log.1 --error-log error.log
      with the messages of nginx, as templates with counts
  sekisho analyse --event 'site slow' --from 2026-11-20T12:00:00Z --to 2026-11-20T16:00:00Z --metrics metrics/ \\
      --access-log access.log --format markdown --out incident.md
      a time that is over; when it began is found in what changed
  curl -s 'http://prometheus:9090/api/v1/query_range?query={__name__=~\"sekisho_.*\"}&start=...&end=...&step=30' > range.json
  sekisho analyse --event 'breaker open' --from 2h --metrics range.json
      metrics from Prometheus, through a file

Nothing is asked of any server. A hypothesis is none that was proven: it says what speaks for and against it.

Exit status: 0 done, also when nothing fits, 1 a file or the store refused, 2 wrong usage.";

/// Collect what changed around an event, and rank what may have caused it
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What was noticed, in your words; a time in it, such as 14:00, tells when it began
    #[arg(long, value_name = "TEXT")]
    event: String,

    /// From then on: 6h or 1d ago, a day, or a moment such as 2026-11-20T12:00:00Z; begin well before the event
    #[arg(long, value_name = "TIME", default_value = "24h")]
    from: Moment,

    /// Before then [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,

    /// Access logs, plain or gzip
    #[arg(long, value_name = "FILE", num_args = 1..)]
    access_log: Vec<PathBuf>,

    /// How they are written: auto, combined, json, or an nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = log_format)]
    log_format: LogFormat,

    /// nginx's error logs, plain or gzip
    #[arg(long, value_name = "FILE", num_args = 1..)]
    error_log: Vec<PathBuf>,

    /// What the error logs' clock and times of day in --event are ahead of UTC
    #[arg(long, value_name = "OFFSET", default_value = "+00:00", value_parser = utc_offset, allow_hyphen_values = true)]
    utc_offset: i32,

    /// Metrics: Prometheus text with times, a directory of it with times in its names, or an answer of query_range
    #[arg(long, value_name = "FILE", num_args = 1..)]
    metrics: Vec<PathBuf>,

    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Where to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For tickets and mail
    Markdown,
    /// One document
    Json,
}

/// Why there is no analysis.
#[derive(Debug, Error)]
pub enum AnalyseError {
    /// No such time.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// A log.
    #[error(transparent)]
    Logs(#[from] LogError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The store was named, and is not there.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Logs are read twice.
    #[error("standard input (-) can be read once, and logs are read twice: give a file")]
    Stdin,
    /// Nothing to read.
    #[error("there is nothing to read: name --access-log, --error-log, --metrics, or a --store")]
    Nothing,
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

impl AnalyseError {
    /// Whether the arguments are wrong, whatever the files hold.
    pub fn is_usage(&self) -> bool {
        match self {
            AnalyseError::Stdin | AnalyseError::Nothing | AnalyseError::Span(_) => true,
            AnalyseError::Logs(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`AnalyseError`].
pub fn run(args: &Args) -> Result<(), AnalyseError> {
    let span = Span::new(args.from, args.to, now())?;
    let logs = args.access_log.iter().chain(&args.error_log);
    if logs.into_iter().any(|path| path == Path::new("-")) {
        return Err(AnalyseError::Stdin);
    }
    let store = store(args)?;
    let analysis = analyse(args, span, store.as_ref())?;
    let text = match args.format {
        Format::Text => render(&analysis, Style::Text),
        Format::Markdown => render(&analysis, Style::Markdown),
        Format::Json => serde_json::to_string_pretty(&analysis).map_err(io::Error::from)? + "\n",
    };
    match &args.out {
        Some(path) => std::fs::write(path, text).map_err(|source| AnalyseError::File {
            path: path.clone(),
            source,
        }),
        None => Ok(io::stdout().lock().write_all(text.as_bytes())?),
    }
}

/// How much each counter of the module grew in a time, by its name with labels; counters that did not are left out.
///
/// # Errors
/// [`MetricsError`].
pub fn growth(paths: &[PathBuf], span: Span) -> Result<Vec<(String, f64)>, MetricsError> {
    let growth = Metrics::read(paths, span)?.growth();
    Ok(growth.into_iter().filter(|(_, grew)| *grew > 0.0).collect())
}

/// The store, when one was named or the usual one is there.
fn store(args: &Args) -> Result<Option<(Store, Names)>, AnalyseError> {
    match args.access.open() {
        Ok(opened) => Ok(Some(opened)),
        Err(AccessError::Store(StoreError::Missing(_))) if !args.access.is_given() => {
            if args.access_log.is_empty() && args.error_log.is_empty() && args.metrics.is_empty() {
                Err(AnalyseError::Nothing)
            } else {
                Ok(None)
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn analyse(args: &Args, span: Span, store: Option<&(Store, Names)>) -> Result<Analysis, AnalyseError> {
    let event = Event::read(&args.event, span, args.utc_offset);
    let metrics = Metrics::read(&args.metrics, span)?;
    let changed = metrics.changed();
    let course = match args.access_log.as_slice() {
        [] => None,
        paths => Some(access::course(paths, &args.log_format, span)?),
    };
    let bins = match args.error_log.as_slice() {
        [] => None,
        paths => Some(errors::course(paths, span, args.utc_offset)?),
    };
    let shifts = shifts(span, course.as_ref(), bins.as_deref());
    let split = Split::of(span, &event, &shifts, &changed);
    let names = store.map_or(&Names::Plain, |(_, names)| names);
    let covered = course.as_ref().and_then(|course| course.covered);
    let mut evidence = Evidence {
        span,
        event,
        split,
        shifts,
        metrics: changed,
        access: None,
        errors: None,
        decisions: None,
    };
    if let Some(covered) = covered {
        let parts = (covered, split.at);
        evidence.access = Some(access::compare(&args.access_log, &args.log_format, parts, names)?);
    }
    if !args.error_log.is_empty() {
        let errors = errors::compare(&args.error_log, span, split.at, args.utc_offset)?;
        evidence.errors = Some(errors);
    }
    if let Some((store, _)) = store {
        evidence.decisions = Some(decisions::read(store, span, split.at)?);
    }
    let notes = notes(&evidence, course.as_ref(), &metrics);
    let event = escaped(args.event.as_bytes(), SHOWN);
    let series = (!args.metrics.is_empty()).then(|| metrics.count());
    Ok(Analysis::of(event, &evidence, series, notes))
}

/// What was not read, and why.
fn notes(evidence: &Evidence, course: Option<&access::Course>, metrics: &Metrics) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(course) = course {
        match course.covered {
            None => notes.push("The access logs have no line of this time.".to_owned()),
            Some((first, last)) if !(first..=last).contains(&evidence.split.at) => notes.push(
                "The access logs have lines of one part only, before or since: nothing of them can be compared."
                    .to_owned(),
            ),
            Some(_) => {}
        }
        if course.unparsable > 0 {
            notes.push(format!(
                "{} lines of the access logs are no log lines; --log-format says how they are written.",
                course.unparsable
            ));
        }
        notes.extend(course.troubles.iter().map(|trouble| format!("{trouble}.")));
    }
    if let Some(errors) = &evidence.errors {
        if errors.lines == 0 {
            notes.push(
                "The error logs have no message of this time; nginx writes them in local time, which --utc-offset tells."
                    .to_owned(),
            );
        }
        if errors.unparsable > 0 {
            notes.push(format!(
                "{} lines of the error logs are no messages of nginx.",
                errors.unparsable
            ));
        }
        notes.extend(errors.troubles.iter().map(|trouble| format!("{trouble}.")));
    }
    if metrics.timeless > 0 {
        notes.push(format!(
            "{} values of metrics have no time: write it behind them, or into the file's name.",
            metrics.timeless
        ));
    }
    if metrics.left_out > 0 {
        notes.push(format!(
            "{} values or files of metrics were left out: there are too many; choose a shorter time.",
            metrics.left_out
        ));
    }
    notes
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::parse(text).map_err(|error| error.to_string())
}

/// `+09:00` as seconds.
fn utc_offset(text: &str) -> Result<i32, String> {
    let parsed = || {
        let (sign, rest) = match text.as_bytes().first()? {
            b'+' => (1, &text[1..]),
            b'-' => (-1, &text[1..]),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let number = |text: &str, below: i32| {
            text.parse::<i32>()
                .ok()
                .filter(|number| (0..below).contains(number))
        };
        let seconds = sign * (number(hours, 24)? * 3_600 + number(minutes, 60)? * 60);
        Offset::from_seconds(seconds).ok().map(|_| seconds)
    };
    parsed().ok_or_else(|| "an offset is such as +09:00 or -05:30".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<i32>) {
            assert_eq!(utc_offset(text).ok(), expected, "{text}");
        }
        check("+09:00", Some(32_400));
        check("-05:30", Some(-19_800));
        check("+00:00", Some(0));
        check("09:00", None);
        check("+24:00", None);
        check("+9", None);
        check("+-9:00", None);
        check("", None);
    }
}
