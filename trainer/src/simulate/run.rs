//! From arguments to a log, or from a log to a profile.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sekisho_core::logline::Format;

use super::actor::Stage;
use super::args::Args;
use super::cast::{Cast, CastError, Crawlers};
use super::engine::{Simulation, Sink};
use super::line::{Line, LineWriter};
use super::measure::{Measure, MeasureError};
use super::profile::{Profile, ProfileError};
use super::shop::Shop;
use super::truth::Row;
use crate::dataset::{ListError, UserAgents};
use crate::figures::counted;
use crate::logs::{LogError, Logs, Parsed};

/// Lines between two looks of the progress bar.
const PROGRESS_EVERY: u64 = 8192;
/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Why there is no log, or no profile.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The profile is none.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There is no room for the clients.
    #[error(transparent)]
    Cast(#[from] CastError),
    /// The log to measure cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log to measure broke off.
    #[error("{name} broke off after line {line}: {reason}; mend it or measure another")]
    Broken {
        /// The log.
        name: String,
        /// Lines before.
        line: u64,
        /// What happened.
        reason: String,
    },
    /// It has too few people.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The lists are broken.
    #[error(transparent)]
    Lists(#[from] ListError),
    /// The profile cannot be written as TOML.
    #[error("cannot write the profile as TOML")]
    Toml(#[from] toml::ser::Error),
    /// Log and truth are one file.
    #[error("--out and --truth are both {}; name two files", .0.display())]
    SameFile(PathBuf),
    /// A file cannot be made.
    #[error("cannot write {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing stopped.
    #[error("cannot write the log or its truth")]
    Write(#[from] io::Error),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), SimulateError> {
    match &args.measure {
        Some(log) => print_profile(log, args),
        None => simulate(args),
    }
}

fn print_profile(log: &Path, args: &Args) -> Result<(), SimulateError> {
    let profile = measured(log)?;
    let mut out = create(&args.out)?;
    out.write_all(profile.text()?.as_bytes())?;
    Ok(out.flush()?)
}

/// Measures one log.
pub(super) fn measured(log: &Path) -> Result<Profile, SimulateError> {
    let mut measure = Measure::new(UserAgents::bundled()?);
    let format = Format::Auto;
    let logs = Logs::open(&[log.to_owned()], &format)?;
    let Ok(troubles) = logs.for_each(&AtomicU64::new(0), |batch| {
        for parsed in batch.parse(&format, |_, entry| entry) {
            if let Parsed::Entry(entry) = parsed {
                measure.push(&entry);
            }
        }
        Ok::<(), Infallible>(())
    });
    if let Some(trouble) = troubles.into_iter().next() {
        return Err(SimulateError::Broken {
            name: trouble.name,
            line: trouble.lines,
            reason: trouble.reason,
        });
    }
    Ok(measure.finish(format!("sekisho simulate --measure {}", log.display()))?)
}

fn simulate(args: &Args) -> Result<(), SimulateError> {
    if args.truth.as_ref().is_some_and(|truth| *truth == args.out) {
        return Err(SimulateError::SameFile(args.out.clone()));
    }
    let profile = Profile::load(&args.profile)?;
    let crawlers: Vec<Crawlers> = args.crawlers.clone().unwrap_or_else(|| args.preset.crawlers());
    let people = args.people.unwrap_or_else(|| args.preset.people());
    let cast = Cast::new(people, args.preset.sale(), &crawlers)?;
    let seconds = args.duration.unwrap_or_else(|| args.preset.seconds());
    let stage = stage(profile, args.start, seconds);
    let mut output = Output {
        lines: LineWriter::new(args.format),
        line: Vec::new(),
        log: create(&args.out)?,
        truth: match &args.truth {
            Some(path) => Some(csv::Writer::from_writer(create(path)?)),
            None => None,
        },
        bar: bar(seconds, args.quiet),
        begin: args.start,
        most: args.lines.unwrap_or(u64::MAX),
        written: 0,
        clients: 0,
    };
    Simulation::new(stage, &cast, args.seed)
        .skipping(args.skip)
        .play(&mut output)?;
    output.log.flush()?;
    if let Some(truth) = &mut output.truth {
        truth.flush()?;
    }
    output.bar.finish_and_clear();
    if !args.quiet {
        eprintln!(
            "wrote {} of {}",
            counted(output.written, "line"),
            counted(output.clients, "client")
        );
    }
    Ok(())
}

/// The shop of a profile, open for so many seconds.
pub(super) fn stage(profile: Profile, start: u32, seconds: u32) -> Stage {
    let begin = u64::from(start) * 1000;
    Stage {
        shop: Shop::new(&profile),
        profile,
        begin,
        end: begin + u64::from(seconds) * 1000,
    }
}

fn create(path: &Path) -> Result<BufWriter<Box<dyn Write>>, SimulateError> {
    let out: Box<dyn Write> = if path == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        let file = File::create(path).map_err(|source| SimulateError::Create {
            path: path.to_owned(),
            source,
        })?;
        Box::new(file)
    };
    Ok(BufWriter::with_capacity(BUFFER, out))
}

/// A bar over the simulated time; invisible when standard error is no terminal.
fn bar(seconds: u32, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::new(seconds.into());
    bar.set_draw_target(target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The log, and the truth beside it.
struct Output {
    lines: LineWriter,
    line: Vec<u8>,
    log: BufWriter<Box<dyn Write>>,
    truth: Option<csv::Writer<BufWriter<Box<dyn Write>>>>,
    bar: ProgressBar,
    begin: u32,
    most: u64,
    written: u64,
    clients: u64,
}

impl Sink for Output {
    fn line(&mut self, line: &Line<'_>) -> io::Result<bool> {
        self.line.clear();
        self.lines.write(line, &mut self.line);
        self.log.write_all(&self.line)?;
        self.written += 1;
        if self.written.is_multiple_of(PROGRESS_EVERY) {
            self.bar.set_position(u64::from(line.at - self.begin));
        }
        Ok(self.written < self.most)
    }

    fn left(&mut self, row: &Row) -> io::Result<()> {
        self.clients += 1;
        match &mut self.truth {
            Some(truth) => truth.serialize(row).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}
