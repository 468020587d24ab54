//! Sample lines become rows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use sekisho_core::sample::{self, Sample, SampleError};
use serde::Deserialize;
use serde_json::error::Category;

use super::labels::{self, Class, Origin};
use super::newest::{Newest, newer};
use super::{Names, StoreError};
use crate::visible::escaped;

/// A sample may be stamped so many seconds after its arrival: two machines' clocks differ by less.
const AHEAD: u32 = 3600;
/// No sample is older than the format of its line: 2024-01-01. A clock before that was not set yet.
const EARLIEST: u32 = 1_704_067_200;
/// Lines of newer versions that are kept for a program that knows them: some 100 MB.
pub(super) const MAX_ASIDE: i64 = 50_000;
/// Characters of a broken line that are shown.
const SHOWN: usize = 120;
/// Characters of a schema's hash that are shown.
const SHOWN_SCHEMA: usize = 32;
/// Author of labels that came with a sample.
const MODULE: &str = "nginx";

/// Whose lines these are, and when they arrived.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a> {
    /// Name of the source in the configuration.
    pub source: &'a str,
    /// How names are kept.
    pub names: &'a Names,
    /// Unix seconds.
    pub now: u32,
}

/// What became of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, empty ones left out.
    pub lines: u64,
    /// Lines that became samples.
    pub samples: u64,
    /// Lines that were there already.
    pub duplicates: u64,
    /// Lines that are no sample.
    pub broken: u64,
    /// What was wrong with the first broken one, and its beginning.
    pub first_broken: Option<String>,
    /// Lines of a version or a schema that is not known here.
    pub newer: u64,
    /// Which version or schema the last of them has.
    pub newest: Option<String>,
    /// Such lines for which there was no room, or whose client could not be made a pseudonym.
    pub dropped: u64,
    /// Samples whose clock cannot be right.
    pub clocks: u64,
}

impl Counts {
    /// Adds others; of first and newest things the earlier stay.
    pub fn add(&mut self, other: Counts) {
        self.lines += other.lines;
        self.samples += other.samples;
        self.duplicates += other.duplicates;
        self.broken += other.broken;
        self.newer += other.newer;
        self.dropped += other.dropped;
        self.clocks += other.clocks;
        self.first_broken = self.first_broken.take().or(other.first_broken);
        self.newest = self.newest.take().or(other.newest);
    }
}

/// What is known of a client before and after a batch.
struct Client {
    id: i64,
    samples: i64,
    first: u32,
    last: u32,
    requests: u32,
    score: Option<f32>,
    worst: (i64, String),
    newest: Option<Newest>,
}

/// One run over lines, inside a transaction of the caller's.
pub(super) struct Run<'a> {
    connection: &'a Connection,
    intake: Intake<'a>,
    clients: HashMap<(String, String), Client>,
    counts: Counts,
    aside: Option<i64>,
}

#[derive(Deserialize)]
struct Newer {
    client: Option<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(connection: &'a Connection, intake: Intake<'a>) -> Run<'a> {
        Run {
            connection,
            intake,
            clients: HashMap::new(),
            counts: Counts::default(),
            aside: None,
        }
    }

    /// Takes one line.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), StoreError> {
        if line.is_empty() {
            return Ok(());
        }
        self.counts.lines += 1;
        match Sample::parse(line) {
            Ok(sample) => {
                let digest = self.intake.names.digest(line);
                let network = self.intake.names.network(&sample.client);
                self.store(&sample, digest, &network)
            }
            Err(SampleError::Version(version)) if version > sample::VERSION => {
                self.set_aside(line, version, None)
            }
            Err(SampleError::Schema { found }) => self.set_aside(line, sample::VERSION, Some(&found)),
            Err(error) => {
                self.refuse(line, &error);
                Ok(())
            }
        }
    }

    /// Counts a line that is too long to be looked at.
    pub(super) fn take_overlong(&mut self, bytes: usize) {
        self.counts.lines += 1;
        self.refuse(b"", &SampleError::TooLong(bytes));
    }

    /// Writes what became of the clients, and tells what became of the lines.
    pub(super) fn finish(self) -> Result<Counts, StoreError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE client SET samples = samples + ?2, first = MIN(first, ?3), last = MAX(last, ?4),
                requests = MAX(requests, ?5), score = COALESCE(?6, score),
                worst = CASE WHEN ?7 > severity OR samples = 0 THEN ?8 ELSE worst END, severity = MAX(severity, ?7)
             WHERE id = ?1",
        )?;
        for client in self.clients.values().filter(|client| client.samples > 0) {
            let (severity, worst) = &client.worst;
            update.execute((
                client.id,
                client.samples,
                client.first,
                client.last,
                client.requests,
                client.score,
                severity,
                worst,
            ))?;
            if let Some(newest) = &client.newest {
                newest.keep(self.connection, client.id)?;
            }
        }
        Ok(self.counts)
    }

    /// Inserts a sample whose line has this digest; `network` is that of its client's plain name.
    pub(super) fn store(
        &mut self,
        sample: &Sample,
        digest: [u8; 16],
        network: &str,
    ) -> Result<(), StoreError> {
        let name = self.intake.names.client(&sample.client);
        let aged = self.aged(sample.at);
        let id = self.client(&sample.zone, &name, network, aged)?;
        let Some(inserted) = self.insert(sample, digest, id, aged)? else {
            self.counts.duplicates += 1;
            return Ok(());
        };
        self.counts.samples += 1;
        self.counts.clocks += u64::from(aged != sample.at);
        let key = (sample.zone.clone(), name);
        if let Some(client) = self.clients.get_mut(&key) {
            client.samples += 1;
            client.first = client.first.min(aged);
            if aged >= client.last {
                client.last = aged;
                client.score = sample.score.or(client.score);
            }
            client.requests = client.requests.max(sample.requests);
            let severity = severity(&sample.verdict);
            if severity > client.worst.0 {
                client.worst = (severity, sample.verdict.clone());
            }
            let scored = sample.score.map(|_| inserted);
            client.newest = newer(client.newest.take(), scored);
        }
        if let Some(label) = sample.label {
            let (class, origin) = (Class::from(label.label), Origin::from(label.origin));
            let at = aged;
            labels::add_automatic(self.connection, id, (class, origin), MODULE, at, &sample.id)?;
        }
        Ok(())
    }

    /// The second from which a sample's age counts.
    fn aged(&self, at: u32) -> u32 {
        if (EARLIEST..=self.intake.now.saturating_add(AHEAD)).contains(&at) {
            at
        } else {
            self.intake.now
        }
    }

    fn client(&mut self, zone: &str, name: &str, network: &str, at: u32) -> Result<i64, StoreError> {
        let key = (zone.to_owned(), name.to_owned());
        if let Some(client) = self.clients.get(&key) {
            return Ok(client.id);
        }
        let id = client_id(self.connection, zone, name)?;
        let id = match id {
            Some(id) => id,
            None => add_client(self.connection, zone, name, network, at)?,
        };
        let client = Client {
            id,
            samples: 0,
            first: at,
            last: 0,
            requests: 0,
            score: None,
            worst: (-1, String::new()),
            newest: None,
        };
        self.clients.insert(key, client);
        Ok(id)
    }

    /// Nothing when a sample with this digest is there.
    fn insert(
        &self,
        sample: &Sample,
        digest: [u8; 16],
        client: i64,
        aged: u32,
    ) -> Result<Option<Newest>, StoreError> {
        let features: Vec<u8> = sample
            .features
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let reasons = serde_json::Value::from(sample.reasons.clone()).to_string();
        let challenger = sample.challenger.as_ref();
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT INTO sample (digest, client, id, at, aged, kind, requests, score, verdict, reasons, schema,
                    features, model, challenger, challenger_score, method, target)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            )?
            .execute(rusqlite::params![
                digest,
                client,
                sample.id,
                sample.at,
                aged,
                kind(sample.kind),
                sample.requests,
                sample.score,
                sample.verdict,
                reasons,
                sample.schema,
                features,
                sample.model,
                challenger.map(|challenger| &challenger.model),
                challenger.map(|challenger| challenger.score),
                sample.method,
                sample.target,
            ])?;
        Ok((inserted == 1).then(|| Newest {
            sample: self.connection.last_insert_rowid(),
            aged,
            schema: sample.schema.clone(),
            digest,
            features,
        }))
    }

    /// Keeps a line that a later program will understand.
    fn set_aside(&mut self, line: &[u8], version: u32, schema: Option<&str>) -> Result<(), StoreError> {
        self.counts.newer += 1;
        self.counts.newest = Some(match schema {
            None => format!("version {version}"),
            Some(schema) => format!("schema {}", escaped(schema.as_bytes(), SHOWN_SCHEMA)),
        });
        let digest = self.intake.names.digest(line);
        let named = serde_json::from_slice::<Newer>(line)
            .ok()
            .and_then(|newer| newer.client);
        let kept = kept_line(line, named.as_deref(), self.intake.names);
        let full = self.aside()? >= MAX_ASIDE;
        let (Some(line), false) = (kept, full) else {
            self.counts.dropped += 1;
            return Ok(());
        };
        let name = named.as_deref().map(|name| self.intake.names.client(name));
        let network = named.as_deref().map(|name| self.intake.names.network(name));
        self.connection
            .prepare_cached(
                "INSERT INTO aside (digest, source, version, schema, arrived, client, network, line)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute((
                digest,
                self.intake.source,
                version,
                schema,
                self.intake.now,
                name,
                network.unwrap_or_default(),
                line,
            ))?;
        self.aside = self.aside.map(|aside| aside + 1);
        Ok(())
    }

    /// How many lines are kept aside; counted once a run.
    fn aside(&mut self) -> Result<i64, StoreError> {
        if let Some(aside) = self.aside {
            return Ok(aside);
        }
        let count = "SELECT COUNT(*) FROM aside";
        let aside = self.connection.query_row(count, [], |row| row.get(0))?;
        self.aside = Some(aside);
        Ok(aside)
    }

    fn refuse(&mut self, line: &[u8], error: &SampleError) {
        self.counts.broken += 1;
        let names = self.intake.names;
        self.counts.first_broken.get_or_insert_with(|| match names {
            Names::Plain if !line.is_empty() => format!("{error}: {}", escaped(line, SHOWN)),
            // A line that nobody understands may hold an address, and so may what is said of it.
            Names::Plain => error.to_string(),
            Names::Keyed(_) => unquoted(error),
        });
    }
}

/// What is wrong with a line without any word of it: the parser's own text quotes values.
pub(super) fn unquoted(error: &SampleError) -> String {
    let syntax = match error {
        SampleError::Syntax(syntax) => syntax,
        SampleError::Schema { .. } => return "the sample has another schema".to_owned(),
        // Of the others only numbers are told.
        _ => return error.to_string(),
    };
    let kind = match syntax.classify() {
        Category::Syntax => "no JSON",
        Category::Eof => "it ends too early",
        Category::Data => "a field is missing, or not what it should be",
        Category::Io => "it cannot be read",
    };
    format!("not a sample: {kind}, column {}", syntax.column())
}

/// A line of a newer version as it may be kept; nothing when it would keep an address that must be a pseudonym.
fn kept_line(line: &[u8], client: Option<&str>, names: &Names) -> Option<Vec<u8>> {
    let Names::Keyed(_) = names else {
        return Some(line.to_vec());
    };
    let mut value: serde_json::Value = serde_json::from_slice(line).ok()?;
    value["client"] = names.client(client?).into();
    serde_json::to_vec(&value).ok()
}

/// The number of a client.
pub(super) fn client_id(connection: &Connection, zone: &str, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM client WHERE zone = ? AND name = ?")?
        .query_row([zone, name], |row| row.get(0))
        .optional()?)
}

/// Adds a client of which no sample is stored yet.
pub(super) fn add_client(
    connection: &Connection,
    zone: &str,
    name: &str,
    network: &str,
    at: u32,
) -> Result<i64, StoreError> {
    connection
        .prepare_cached("INSERT INTO client (zone, name, network, first, last) VALUES (?, ?, ?, ?, ?)")?
        .execute((zone, name, network, at, at))?;
    Ok(connection.last_insert_rowid())
}

fn kind(kind: sample::Kind) -> &'static str {
    match kind {
        sample::Kind::Flagged => "flagged",
        sample::Kind::Contrast => "contrast",
        sample::Kind::Label => "label",
    }
}

/// How much a verdict says against a client; what is unknown says nothing.
pub fn severity(verdict: &str) -> i64 {
    let order = [
        "ALLOWED",
        "PASSED",
        "SUSPECT",
        "REJECTED_DRY_RUN",
        "REJECTED",
        "TRAPPED",
    ];
    order
        .iter()
        .position(|known| *known == verdict)
        .and_then(|place| i64::try_from(place).ok())
        .unwrap_or_default()
}
