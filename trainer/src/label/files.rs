//! Labels in files: CSV with a header, or a JSON object a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use thiserror::Error;

use super::{TextError, check_texts};
use crate::export::{guarded, unguarded};
use crate::store::{MAX_PAGE, Store, StoreError, StoredLabel};

/// Labels of one file at most: one transaction adds them.
const MAX_LABELS: usize = 1_000_000;
/// Bytes of a line at most.
const MAX_LINE: u64 = 16 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Why a file of labels is refused. Nothing of it was added.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of it is no label.
    #[error("{}:{line}: {reason}; nothing was added", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// It has too many.
    #[error("{} has more than {MAX_LABELS} labels: split it", .0.display())]
    TooMany(PathBuf),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Csv(#[from] csv::Error),
}

/// Writes all labels, in the order in which they were added.
pub(super) fn export(store: &Store, format: Format, output: &mut dyn Write) -> Result<(), FileError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut after = 0;
    loop {
        let labels = store.labels(None, after, MAX_PAGE)?;
        let Some((last, _)) = labels.last() else { break };
        after = *last;
        for (_, label) in labels {
            match format {
                Format::Csv => csv.serialize(changed(label, guarded))?,
                Format::Jsonl => {
                    serde_json::to_writer(&mut *output, &label).map_err(io::Error::from)?;
                    output.write_all(b"\n")?;
                }
            }
        }
        csv.flush()?;
        output.write_all(csv.get_ref())?;
        // A new writer would write the header again.
        csv = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
    }
    Ok(())
}

/// Reads a file of labels, all or none.
pub(super) fn read(path: &Path, format: Option<Format>) -> Result<Vec<StoredLabel>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let by_name = match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "json" | "ndjson") => Format::Jsonl,
        _ => Format::Csv,
    };
    read_from(BufReader::new(input), path, format.unwrap_or(by_name))
}

pub(super) fn read_from(
    input: impl BufRead,
    path: &Path,
    format: Format,
) -> Result<Vec<StoredLabel>, FileError> {
    match format {
        Format::Csv => read_csv(input, path),
        Format::Jsonl => read_jsonl(input, path),
    }
}

fn read_csv(input: impl Read, path: &Path) -> Result<Vec<StoredLabel>, FileError> {
    let mut labels = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    // Before the first row, so that rows are counted from behind the header.
    reader.headers().map_err(|error| refused(path, 1, &error))?;
    let mut rows = reader.deserialize::<StoredLabel>();
    loop {
        let line = rows.reader().position().line();
        let Some(row) = rows.next() else { break };
        let label = row.map_err(|error| {
            let line = error.position().map_or(line, csv::Position::line);
            refused(path, line, &error)
        })?;
        add(&mut labels, changed(label, unguarded), path, line)?;
    }
    Ok(labels)
}

fn read_jsonl(mut input: impl BufRead, path: &Path) -> Result<Vec<StoredLabel>, FileError> {
    let mut labels = Vec::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        let read = read.map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
        if read == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let label = serde_json::from_slice(&text).map_err(|error| refused(path, line, &error))?;
        add(&mut labels, label, path, line)?;
    }
    Ok(labels)
}

fn add(labels: &mut Vec<StoredLabel>, label: StoredLabel, path: &Path, line: u64) -> Result<(), FileError> {
    check_texts(&label).map_err(|error: TextError| refused(path, line, &error))?;
    if labels.len() == MAX_LABELS {
        return Err(FileError::TooMany(path.to_owned()));
    }
    labels.push(label);
    Ok(())
}

fn refused(path: &Path, line: u64, error: &dyn std::error::Error) -> FileError {
    FileError::Line {
        path: path.to_owned(),
        line,
        reason: error.to_string(),
    }
}

/// The same label with its texts as CSV has them, or back.
fn changed(label: StoredLabel, change: fn(String) -> String) -> StoredLabel {
    StoredLabel {
        zone: change(label.zone),
        client: change(label.client),
        author: change(label.author),
        note: change(label.note),
        ..label
    }
}
