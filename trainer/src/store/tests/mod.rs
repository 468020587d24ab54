//! The store as its users see it: lines in, rows out.

mod bounds;
mod intake;
mod listing;
mod reading;

use std::fs;
use std::path::Path;

use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{self, Kind, Sample, VERSION};
use serde_json::json;
use tempfile::TempDir;

use super::retention::Pruned;
use super::*;

const NOW: u32 = 1_800_000_000;

fn sample(client: &str, id: u64, at: u32) -> Sample {
    Sample {
        version: VERSION,
        kind: Kind::Flagged,
        id: format!("{id:016x}"),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests: 10 + (id % 1000) as u32,
        score: Some(0.75),
        challenger: None,
        label: None,
        verdict: "SUSPECT".into(),
        reasons: vec!["pace".into()],
        schema: schema_hash().into(),
        features: vec![0.5; COUNT],
        model: "ab".repeat(32),
        method: "GET".into(),
        target: format!("/page/{id}"),
    }
}

fn told(client: &str, id: u64, label: sample::Class, origin: sample::Origin) -> Sample {
    Sample {
        kind: Kind::Label,
        label: Some(sample::Label { label, origin }),
        ..sample(client, id, NOW)
    }
}

fn position() -> Position {
    Position {
        row: None,
        path: "s".into(),
        id: FileId {
            device: u64::MAX,
            inode: 7,
        },
        head: Vec::new(),
        head_length: 0,
        offset: 0,
        skipping: false,
    }
}

struct Bench {
    dir: TempDir,
    store: Store,
    names: Names,
    position: Position,
}

impl Bench {
    fn new(names: Names) -> Bench {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let position = position();
        Bench {
            dir,
            store,
            names,
            position,
        }
    }

    fn take(&mut self, lines: &[Vec<u8>]) -> Result<Counts, StoreError> {
        let intake = Intake {
            source: "nginx",
            names: &self.names,
            now: NOW,
        };
        let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::Whole(line)).collect();
        self.position.offset += 1;
        self.store.take(intake, &lines, &mut self.position)
    }

    fn put(&mut self, samples: &[Sample]) -> Counts {
        let lines: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_line().unwrap()).collect();
        self.take(&lines).unwrap()
    }

    fn count(&self, sql: &str) -> i64 {
        self.store
            .connection()
            .query_row(&format!("SELECT COUNT(*) FROM {sql}"), [], |row| row.get(0))
            .unwrap()
    }

    fn named(&self, name: &str) -> ClientRow {
        self.store.clients_named(name).unwrap().remove(0)
    }

    /// Whether any file of the store holds these bytes.
    fn holds(&self, text: &str) -> bool {
        let files = fs::read_dir(self.dir.path()).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
    }
}
