//! `sekisho export`: samples for any other program.

mod cell;
mod columns;
mod parquet;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use thiserror::Error;

use crate::config::{AccessError, StoreAccess, author, now};
use crate::figures::counted;
use crate::store::{ExportRow, Selection, Store, StoreError};
use crate::visible::{escaped, masked};
pub use cell::{guarded, unguarded};
use columns::{Cell, Column, columns};

/// Characters of a zone's name that are shown.
const SHOWN_ZONE: usize = 256;

const EXAMPLES: &str = "\
Examples:
  sekisho export --format parquet --out samples.parquet
      all samples, for DuckDB, pandas, Spark
  sekisho export --format csv --labelled --since 2026-11-01 --out november.csv
      samples of clients of which something is believed, with what and because of what
  sekisho export --format jsonl | jq .score
      one object a line, on standard output

Each sample has the label that is believed of its client now, and a column for each feature.

Exit status: 0 done, 1 the store or the file refused, 2 wrong usage.";

/// Write samples as CSV, JSON lines or Parquet
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How
    #[arg(long, value_enum)]
    format: Format,

    /// Where to [default: standard output; Parquet needs a file]
    #[arg(short, long, value_name = "FILE", required_if_eq("format", "parquet"))]
    out: Option<PathBuf>,

    /// Only this zone
    #[arg(long)]
    zone: Option<String>,

    /// From this day or time on, such as 2026-11-01 or 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u32>,

    /// Before this day or time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u32>,

    /// Only samples of clients of which something is believed
    #[arg(long)]
    labelled: bool,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Apache Parquet, compressed with Snappy
    Parquet,
}

/// Why nothing was written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No time lies between these.
    #[error("--since is before --until: nothing happened between them")]
    Time,
    /// The zone is not in the store.
    #[error("no samples of the zone \"{zone}\"; there are samples of {}", masked(&known.join(", ")))]
    Zone {
        /// Asked for.
        zone: String,
        /// Zones that there are.
        known: Vec<String>,
    },
    /// The file cannot be made.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody reads, or the disk is full.
    #[error("cannot write")]
    Output(#[from] io::Error),
    /// The same.
    #[error("cannot write")]
    Csv(#[from] csv::Error),
    /// The same.
    #[error("cannot write Parquet")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

impl ExportError {
    /// Whether the arguments contradict each other.
    pub fn is_usage(&self) -> bool {
        matches!(self, ExportError::Time)
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), ExportError> {
    if args
        .since
        .zip(args.until)
        .is_some_and(|(since, until)| since >= until)
    {
        return Err(ExportError::Time);
    }
    let (store, _) = args.access.open()?;
    if let Some(zone) = &args.zone {
        let known = store.zones()?;
        if !known.contains(zone) {
            let zone = escaped(zone.as_bytes(), SHOWN_ZONE);
            return Err(ExportError::Zone { zone, known });
        }
    }
    let selection = Selection {
        zone: args.zone.clone(),
        from: args.since,
        until: args.until,
        labelled: args.labelled,
    };
    // Who took the clients' data away is worth a line, before the first of them leaves.
    let detail = json!({"format": format!("{:?}", args.format), "zone": args.zone});
    store.audit(now(), &author(), "export", "samples", &detail)?;
    let Some(path) = &args.out else {
        write(&store, &selection, args.format, io::stdout().lock())?;
        return Ok(());
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let rows = to_file(&store, &selection, args.format, &beside).inspect_err(|_| {
        // Half a file is of no use to anybody.
        let _ = fs::remove_file(&beside);
    })?;
    fs::rename(&beside, path).map_err(|source| ExportError::File {
        path: path.clone(),
        source,
    })?;
    eprintln!("{} written to {}", counted(rows, "sample"), path.display());
    Ok(())
}

fn to_file(store: &Store, selection: &Selection, format: Format, path: &Path) -> Result<u64, ExportError> {
    // It holds what clients did: nobody else's to read until its owner says so.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path).map_err(|source| ExportError::File {
        path: path.to_owned(),
        source,
    })?;
    match format {
        Format::Parquet => parquet::write(store, selection, file),
        _ => write(store, selection, format, BufWriter::new(file)),
    }
}

/// Writes CSV or JSON lines; tells how many samples.
fn write(
    store: &Store,
    selection: &Selection,
    format: Format,
    mut output: impl Write,
) -> Result<u64, ExportError> {
    let columns = columns();
    let mut rows = 0;
    if format == Format::Csv {
        let mut csv = csv::Writer::from_writer(&mut output);
        csv.write_record(columns.iter().map(|column| &column.name))?;
        rows = for_each(store, selection, |row| {
            Ok(csv.write_record(columns.iter().map(|column| text(&(column.get)(row))))?)
        })?;
        csv.flush()?;
    } else {
        rows += for_each(store, selection, |row| {
            serde_json::to_writer(&mut output, &object(&columns, row)).map_err(io::Error::from)?;
            Ok(output.write_all(b"\n")?)
        })?;
    }
    output.flush()?;
    Ok(rows)
}

/// Goes through the samples of a selection, in the order in which they were stored.
fn for_each(
    store: &Store,
    selection: &Selection,
    mut take: impl FnMut(&ExportRow) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let rows = store.export(selection, after)?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.seq;
        count += rows.len() as u64;
        rows.iter().try_for_each(&mut take)?;
    }
}

fn object(columns: &[Column], row: &ExportRow) -> serde_json::Map<String, serde_json::Value> {
    let value = |cell: Cell| match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Text(text) => text.into(),
        Cell::Integer(number) => number.into(),
        Cell::Real(number) => number.into(),
        Cell::Single(number) => number.into(),
    };
    let pairs = columns
        .iter()
        .map(|column| (column.name.clone(), value((column.get)(row))));
    pairs.collect()
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => guarded(text.clone()),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Single(number) => number.to_string(),
    }
}

/// A day or a time as Unix seconds; both are UTC unless the time says otherwise.
fn moment(text: &str) -> Result<u32, String> {
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    time.and_then(|time| u32::try_from(time.as_second()).ok())
        .ok_or_else(|| {
            "a time is a day, such as 2026-11-01, or a moment, such as 2026-11-01T12:00:00Z".to_owned()
        })
}
