//! Reading access logs: plain or gzip, files or standard input, in the order of their times, in batches of
//! bounded size.
//!
//! A thread of its own reads, unpacks and cuts lines while the caller works on the batch before. What cannot
//! be read to its end (a truncated archive) gives what it has and a [`Trouble`].

mod batch;
mod cutter;
mod source;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use sekisho_core::logline::Format;

pub use batch::{Batch, Parsed};
use cutter::{BatchLimits, Cutter};
use source::Source;

/// Longest line that is read, in bytes; longer ones count as unparsable and take no memory.
pub const MAX_LINE: usize = 64 * 1024;
/// About how much text one batch holds, in bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Most lines of one batch; in a log of ordinary lines the bytes end it first.
const BATCH_LINES: usize = 64 * 1024;
/// Batches that may wait for the caller.
const QUEUE: usize = 2;

/// Why logs cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file is not there, is not readable, is a directory.
    #[error("cannot read {name}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input was named twice.
    #[error("standard input (-) can be given only once")]
    StdinTwice,
    /// One file under two names, or twice under one.
    #[error("{first} and {second} are the same file: each of its lines would count twice")]
    SameFile {
        /// Its name.
        first: String,
        /// Its other name.
        second: String,
    },
}

impl LogError {
    /// Whether the logs were named wrongly, whatever they hold.
    pub fn is_usage(&self) -> bool {
        !matches!(self, LogError::Open { .. })
    }
}

/// A log that could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The file's name.
    pub name: String,
    /// Lines that were read before.
    pub lines: u64,
    /// What happened.
    pub reason: String,
}

/// Opened logs, ordered by the first time in each.
pub struct Logs {
    sources: Vec<Source>,
}

impl Logs {
    /// Opens files (`-` is standard input) and orders them by the first time that `format` reads in each, so
    /// that rotated files may be named in any order. Files without any time come last, as given.
    pub fn open(paths: &[PathBuf], format: &Format) -> Result<Logs, LogError> {
        if paths.iter().filter(|path| *path == Path::new("-")).count() > 1 {
            return Err(LogError::StdinTwice);
        }
        refuse_doubles(paths)?;
        let mut sources = paths
            .iter()
            .map(|path| Source::open(path, format))
            .collect::<Result<Vec<_>, _>>()?;
        sources.sort_by_key(|source| source.first_time().map_or((1, 0), |at| (0, at)));
        Ok(Logs { sources })
    }

    /// Names of the logs, in reading order; [`Batch::source`] counts in them.
    pub fn names(&self) -> Vec<String> {
        self.sources
            .iter()
            .map(|source| source.name().to_owned())
            .collect()
    }

    /// Bytes on disk of all of them; `None` when one is a pipe.
    pub fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(Source::bytes).sum()
    }

    /// Hands over every batch in order. `done` counts the bytes read, as they are on disk.
    pub fn for_each<E>(
        self,
        done: &AtomicU64,
        mut consume: impl FnMut(&Batch) -> Result<(), E>,
    ) -> Result<Vec<Trouble>, E> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(QUEUE);
            let reader = scope.spawn(move || read_all(self.sources, done, &sender));
            for batch in receiver {
                consume(&batch)?;
            }
            Ok(reader
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// Refuses a file that is named twice, also through a link.
fn refuse_doubles(paths: &[PathBuf]) -> Result<(), LogError> {
    let mut seen = HashMap::new();
    for path in paths.iter().filter(|path| *path != Path::new("-")) {
        // What cannot be opened is told when it is opened; a pipe may be read by turns.
        let Some(file) = fs::metadata(path).ok().filter(|file| file.is_file()) else {
            continue;
        };
        if let Some(first) = seen.insert((file.dev(), file.ino()), path) {
            return Err(LogError::SameFile {
                first: first.display().to_string(),
                second: path.display().to_string(),
            });
        }
    }
    Ok(())
}

/// Stops early when nobody takes batches any more.
fn read_all(sources: Vec<Source>, done: &AtomicU64, sender: &SyncSender<Batch>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for (index, source) in sources.into_iter().enumerate() {
        let name = source.name().to_owned();
        let mut lines = 0;
        let result = source.reader(done).and_then(|reader| {
            let limits = BatchLimits {
                bytes: BATCH_BYTES,
                lines: BATCH_LINES,
            };
            let mut cutter = Cutter::new(reader, index, limits);
            while let Some(batch) = cutter.next_batch()? {
                lines = batch.last_line();
                if sender.send(batch).is_err() {
                    break;
                }
            }
            Ok(())
        });
        if let Err(error) = result {
            let reason = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the gzip archive ends early".to_owned(),
                _ => error.to_string(),
            };
            troubles.push(Trouble { name, lines, reason });
        }
    }
    troubles
}

#[cfg(test)]
mod tests;
