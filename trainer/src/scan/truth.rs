//! A scan of a simulated log held against its ground truth: figures for each kind of client.
//!
//! They say what a model makes of behaviour that somebody made up, and stand apart from figures on real logs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, Table, presets};
use sekisho_core::key::shown_client;
use serde::Serialize;

use super::report::{Client, Fate, Report};
use crate::figures::grouped;
use crate::simulate::truth::{Class, Row, TruthError, YesNo, read};
use crate::visible::escaped;

/// Longest name of an actor that is shown, in characters.
const SHOWN: usize = 32;
const HEADER: [&str; 8] = [
    "ACTOR",
    "IS",
    "CLIENTS",
    "REQUESTS",
    "FLAGGED",
    "REJECTED",
    "STOPPED",
    "FIRST FLAG",
];

/// Why there is no truth to hold a scan against.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// Its file cannot be read.
    #[error("cannot read the ground truth {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is none.
    #[error(transparent)]
    Truth(#[from] TruthError),
}

/// What became of one kind of client. Shares are of its clients, or of its requests where it says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActorScore {
    /// Its name.
    pub actor: String,
    /// Person or program.
    pub class: Class,
    /// Whether it makes itself look like a person.
    pub disguised: YesNo,
    /// Clients in the truth.
    pub clients: u64,
    /// Those of them that the scan remembers.
    pub found: u64,
    /// Requests in the truth.
    pub requests: u64,
    /// Share that was suspect or rejected.
    pub flagged: f64,
    /// Share that was rejected.
    pub rejected: f64,
    /// Share of requests that would have been stopped.
    pub stopped: f64,
    /// Median over flagged clients of the number of the request at which they were.
    pub first_flag: Option<u64>,
}

/// Reads ground truth from a file.
pub fn load(path: &Path) -> Result<Vec<Row>, ScoreError> {
    let file = File::open(path).map_err(|source| ScoreError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(read(&path.display().to_string(), io::BufReader::new(file))?)
}

/// Joins truth and scan by address. Kinds are in the order of people before programs, then by name.
pub fn score(truth: &[Row], report: &Report) -> Vec<ActorScore> {
    let clients: HashMap<&str, &Client> = report
        .clients
        .iter()
        .map(|client| (client.name.as_str(), client))
        .collect();
    let mut kinds: BTreeMap<(Class, YesNo, &str), Vec<&Row>> = BTreeMap::new();
    for row in truth {
        let kind = (row.class, row.disguised, row.actor.as_str());
        kinds.entry(kind).or_default().push(row);
    }
    let score = |((class, disguised, actor), rows): (_, Vec<&Row>)| {
        let found: Vec<&Client> = rows
            .iter()
            .filter_map(|row| clients.get(shown_client(&row.client).as_str()).copied())
            .collect();
        let requests: u64 = rows.iter().map(|row| row.requests).sum();
        let count =
            |fates: &[Fate]| found.iter().filter(|client| fates.contains(&client.fate)).count() as u64;
        let part = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let many = rows.len() as u64;
        let mut flags: Vec<u64> = found
            .iter()
            .filter_map(|client| client.flag.map(|flag| flag.request))
            .collect();
        flags.sort_unstable();
        ActorScore {
            actor: escaped(str::as_bytes(actor), SHOWN),
            class,
            disguised,
            clients: many,
            found: found.len() as u64,
            requests,
            flagged: part(count(&[Fate::Suspect, Fate::Rejected]), many),
            rejected: part(count(&[Fate::Rejected]), many),
            stopped: part(found.iter().map(|client| client.stopped).sum(), requests),
            first_flag: flags.get(flags.len() / 2).copied(),
        }
    };
    kinds.into_iter().map(score).collect()
}

/// Draws the figures for people; nothing when there are none.
pub fn write(scores: &[ActorScore], out: &mut impl Write) -> io::Result<()> {
    if scores.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    table.force_no_tty();
    for score in scores {
        table.add_row(row(score));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(
        out,
        "\nSimulated clients by what they are; figures on real logs stand apart from these."
    )?;
    writeln!(out, "{}", table.trim_fmt())?;
    let lost: u64 = scores.iter().map(|score| score.clients - score.found).sum();
    if lost > 0 {
        writeln!(
            out,
            "{} clients of the truth are not in the scan (forgotten, or another log): they count as not flagged",
            grouped(lost)
        )?;
    }
    Ok(())
}

fn row(score: &ActorScore) -> [Cell; 8] {
    let percent = |share: f64| Cell::new(format!("{:.1} %", share * 100.0));
    let is = match (score.class, score.disguised) {
        (Class::Human, _) => "human",
        (Class::Crawler, YesNo::No) => "crawler",
        (Class::Crawler, YesNo::Yes) => "crawler, disguised",
    };
    [
        Cell::new(&score.actor),
        Cell::new(is),
        Cell::new(grouped(score.clients)),
        Cell::new(grouped(score.requests)),
        percent(score.flagged),
        percent(score.rejected),
        percent(score.stopped),
        Cell::new(
            score
                .first_flag
                .map_or(String::new(), |request| format!("request {}", grouped(request))),
        ),
    ]
}
