//! Sending a log, line by line.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sekisho_core::logline::{Entry, Format};
use serde::Serialize;

use super::client::Client;
use super::loopback::Loopback;
use super::pace::Speed;
use super::request::{Skip, write_request};
use crate::logs::{Batch, LogError, Logs, Parsed, Trouble};

/// Lines between two looks at the progress bar.
const GLANCE: u64 = 64;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The logs cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There is nothing to send.
    #[error("no request to send: the log has {lines} lines, {unparsable} of them unreadable")]
    NoRequest {
        /// Lines that were read.
        lines: u64,
        /// Lines that no format fits.
        unparsable: u64,
    },
    /// Standard input is read once.
    #[error("--end-now reads the log twice, first for its last time: give a file instead of standard input")]
    Twice,
    /// nginx does not answer.
    #[error("nginx at {address} did not answer request {number}")]
    Exchange {
        /// Where it should be.
        address: std::net::SocketAddr,
        /// Which request, from 1.
        number: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// What a replay did.
#[derive(Debug, Default, Serialize)]
pub struct Sent {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers by class: `2xx`, `3xx` ...
    pub by_status: BTreeMap<String, u64>,
    /// Lines that could not be sent.
    pub skipped: Skipped,
    /// Logs that could not be read to their end.
    pub troubles: Vec<String>,
    /// Connections that nginx let us have.
    pub connections: u64,
    /// Virtual seconds between the first request and the last.
    pub span_seconds: u32,
    /// Seconds that the replay took.
    pub seconds: f64,
    /// Requests a second.
    pub requests_per_second: f64,
}

/// Log lines that could not be sent, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Not a log line.
    pub unparsable: u64,
    /// A log line without a request that nginx would let in.
    pub no_request: u64,
    /// The client is no address.
    pub no_address: u64,
    /// The target or the line is too long.
    pub too_long: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.unparsable + self.no_request + self.no_address + self.too_long
    }
}

/// What is sent, and how.
pub struct Sending<'a> {
    /// The logs, plain or `.gz`; `-` is standard input.
    pub logs: &'a [PathBuf],
    /// How they are written.
    pub format: &'a Format,
    /// No more than so many lines.
    pub limit: Option<u64>,
    /// How fast.
    pub speed: Speed,
    /// All times are moved by as much as brings the last to this one, unix seconds.
    pub end: Option<u32>,
}

/// Sends lines of logs to the nginx at `to`, strictly one after the other.
pub fn send(sending: &Sending<'_>, to: &Loopback) -> Result<Sent, SendError> {
    let Sending {
        format, limit, speed, ..
    } = *sending;
    let shift = match sending.end {
        Some(end) => i64::from(end) - i64::from(last(sending)?),
        None => 0,
    };
    let logs = Logs::open(sending.logs, format)?;
    let done = AtomicU64::new(0);
    let bar = progress(limit, logs.bytes());
    let mut replay = Replay {
        client: Client::new(to.address()),
        host: to.address().to_string(),
        format,
        speed,
        limit: limit.unwrap_or(u64::MAX),
        shift,
        lines: 0,
        begun: Instant::now(),
        first_at: None,
        last_at: 0,
        buffer: Vec::new(),
        sent: Sent::default(),
    };
    let result = logs.for_each(&done, |batch| {
        replay.batch(batch, |lines| show(&bar, limit, lines, &done))
    });
    bar.finish_and_clear();
    match result {
        Ok(troubles) => replay.finish(&troubles),
        Err(ControlFlow::Break(())) => replay.finish(&[]),
        Err(ControlFlow::Continue(error)) => Err(error),
    }
}

/// The latest time of the lines that will be sent.
fn last(sending: &Sending<'_>) -> Result<u32, SendError> {
    if sending.logs.iter().any(|path| path.as_os_str() == "-") {
        return Err(SendError::Twice);
    }
    let mut left = sending.limit.unwrap_or(u64::MAX);
    let mut last = 0;
    let read = Logs::open(sending.logs, sending.format)?.for_each(&AtomicU64::new(0), |batch| {
        for line in batch.parse(sending.format, |_, entry| entry.at) {
            if left == 0 {
                return Err(ControlFlow::Break(()));
            }
            left -= 1;
            if let Parsed::Entry(at) = line {
                last = last.max(at);
            }
        }
        Ok(())
    });
    match read {
        Ok(_) | Err(ControlFlow::Break(())) => Ok(last),
        Err(ControlFlow::Continue(error)) => Err(error),
    }
}

/// A replay under way.
struct Replay<'a> {
    client: Client,
    host: String,
    format: &'a Format,
    speed: Speed,
    limit: u64,
    /// Seconds that every time is moved by.
    shift: i64,
    lines: u64,
    begun: Instant,
    first_at: Option<u32>,
    last_at: u32,
    buffer: Vec<u8>,
    sent: Sent,
}

impl Replay<'_> {
    /// Breaks with nothing when the limit is reached, with an error when nginx fails.
    fn batch(&mut self, batch: &Batch, show: impl Fn(u64)) -> Result<(), ControlFlow<(), SendError>> {
        let parsed = batch.parse(self.format, |_, entry| entry);
        for line in parsed {
            if self.lines == self.limit {
                return Err(ControlFlow::Break(()));
            }
            self.lines += 1;
            if self.lines.is_multiple_of(GLANCE) {
                show(self.lines);
            }
            self.line(line).map_err(ControlFlow::Continue)?;
        }
        Ok(())
    }

    fn line(&mut self, line: Parsed<Entry<'_>>) -> Result<(), SendError> {
        match line {
            Parsed::Entry(mut entry) => {
                entry.at = u32::try_from(i64::from(entry.at) + self.shift).unwrap_or(entry.at);
                match write_request(&entry, &self.host, &mut self.buffer) {
                    Ok(()) => self.request(entry.at)?,
                    Err(Skip::NoRequest) => self.sent.skipped.no_request += 1,
                    Err(Skip::NoAddress) => self.sent.skipped.no_address += 1,
                    Err(Skip::TooLong) => self.sent.skipped.too_long += 1,
                }
            }
            Parsed::Unparsable(_) => self.sent.skipped.unparsable += 1,
            Parsed::Overlong => self.sent.skipped.too_long += 1,
            Parsed::Blank => {}
        }
        Ok(())
    }

    /// Sends what is in the buffer, when its time has come.
    fn request(&mut self, at: u32) -> Result<(), SendError> {
        let first = *self.first_at.get_or_insert(at);
        self.last_at = self.last_at.max(at);
        let wait = self.speed.wait(first, at, self.begun.elapsed());
        if wait > Duration::ZERO {
            std::thread::sleep(wait);
        }
        let status = self
            .client
            .exchange(&self.buffer)
            .map_err(|source| self.failed(source))?;
        self.sent.requests += 1;
        *self
            .sent
            .by_status
            .entry(format!("{}xx", status / 100))
            .or_default() += 1;
        Ok(())
    }

    fn finish(mut self, troubles: &[Trouble]) -> Result<Sent, SendError> {
        if self.sent.requests == 0 {
            return Err(SendError::NoRequest {
                lines: self.lines,
                unparsable: self.sent.skipped.unparsable,
            });
        }
        self.client.finish().map_err(|source| self.failed(source))?;
        let mut sent = self.sent;
        sent.troubles = troubles
            .iter()
            .map(|trouble| {
                format!(
                    "{}: {} after line {}",
                    trouble.name, trouble.reason, trouble.lines
                )
            })
            .collect();
        sent.connections = self.client.connections();
        sent.span_seconds = self
            .first_at
            .map_or(0, |first| self.last_at.saturating_sub(first));
        sent.seconds = self.begun.elapsed().as_secs_f64();
        sent.requests_per_second = sent.requests as f64 / sent.seconds.max(1e-9);
        Ok(sent)
    }

    fn failed(&self, source: io::Error) -> SendError {
        let address = self.client.address();
        SendError::Exchange {
            address,
            number: self.sent.requests + 1,
            source,
        }
    }
}

/// A bar on standard error; indicatif hides it where that is no terminal.
fn progress(limit: Option<u64>, bytes: Option<u64>) -> ProgressBar {
    let (length, template) = match (limit, bytes) {
        (Some(limit), _) => (
            limit,
            "{msg} [{wide_bar}] {human_pos}/{human_len} lines, {eta} left",
        ),
        (None, Some(bytes)) => (bytes, "{msg} [{wide_bar}] {bytes}/{total_bytes}, {eta} left"),
        (None, None) => return ProgressBar::new_spinner().with_message("replaying"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length)
        .with_style(style.progress_chars("=> "))
        .with_message("replaying")
}

fn show(bar: &ProgressBar, limit: Option<u64>, lines: u64, done: &AtomicU64) {
    bar.set_position(if limit.is_some() {
        lines
    } else {
        done.load(Relaxed)
    });
}
