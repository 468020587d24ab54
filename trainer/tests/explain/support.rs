//! A directory with a store, filled with the samples that the module would write for a log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicU16;

use assert_cmd::Command;
use sekisho_core::checkpoint::{self, Arrival, Policy, Verdict};
use sekisho_core::feature::{FEATURES, schema_hash};
use sekisho_core::key::{Seed, client_key, key_hash, shown_client};
use sekisho_core::logline::{Entry, Format};
use sekisho_core::model::{Limits, Model, contributions};
use sekisho_core::sample::{Kind, Sample, VERSION};
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::{Geometry, Set, set_index};
use sekisho_core::url::{Method, Visit};
use serde_json::Value;
use tempfile::TempDir;

/// Monday, 3 June 2024, 06:00 UTC: in the past of every clock.
pub const START: u32 = 1_717_394_400;

pub struct Bench {
    dir: TempDir,
}

/// What a run left.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Bench {
    /// An empty store, with these lines more in the section of the store.
    pub fn new(more: &str) -> Bench {
        let bench = Bench {
            dir: TempDir::new().expect("a directory"),
        };
        let text = format!(
            "[[samples]]\npath = \"{}\"\nname = \"nginx\"\n[store]\npath = \"{}\"\nretention_days = 3650\n{more}\n\
             [models]\ndirectory = \"{}\"\n",
            bench.path("samples").display(),
            bench.path("store.db").display(),
            bench.path("models").display(),
        );
        fs::write(bench.path("sekisho.toml"), text).expect("written");
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Stores samples.
    pub fn store(&self, samples: &[Sample]) {
        let lines = samples.iter().map(|sample| sample.to_line().expect("a line"));
        let text: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
        fs::write(self.path("samples"), text).expect("written");
        let ran = self.run(&["serve", "--once"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::cargo_bin("sekisho").expect("the binary");
        command.args(arguments);
        if arguments.first() != Some(&"simulate") {
            command.arg("--config").arg(self.path("sekisho.toml"));
        }
        let output: Output = command
            .env("USER", "ana")
            .env_remove("SUDO_USER")
            .output()
            .expect("it runs");
        Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output of `sekisho explain` that succeeds.
    #[track_caller]
    pub fn explain(&self, arguments: &[&str]) -> String {
        let ran = self.run(&[&["explain"], arguments].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        ran.out
    }

    /// The JSON document of an explanation.
    #[track_caller]
    pub fn document(&self, arguments: &[&str]) -> Value {
        let text = self.explain(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    /// A simulated log of this mix.
    pub fn simulate(&self, mix: &[&str]) -> Vec<u8> {
        let (log, start) = (self.path("shop.log"), "2024-06-03T06:00:00Z");
        let out = log.display().to_string();
        let arguments = [&["simulate", "--quiet", "--start", start, "--out", &out], mix].concat();
        let ran = self.run(&arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        fs::read(log).expect("the log")
    }
}

/// The model that is built in.
pub fn model() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/default.onnx");
    let bytes = fs::read(path).expect("the default model");
    Model::load(&bytes, &Limits::DEFAULT).expect("it loads")
}

/// What the module would write for this log in dry run, with every passed client's scores as the contrast.
pub fn samples(log: &[u8]) -> Vec<Sample> {
    let model = model();
    let thresholds = model.thresholds();
    let policy = Policy::new(thresholds.suspect, thresholds.reject);
    let geometry = Geometry::for_clients(4000);
    let (state, mut sets) = (
        PopularityState::default(),
        vec![Set::default(); geometry.sets as usize],
    );
    let cells: Vec<AtomicU16> = std::iter::repeat_with(AtomicU16::default)
        .take(geometry.cells())
        .collect();
    let popularity = Popularity::new(&state, &cells);
    let mut samples = Vec::new();
    for line in log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(entry) = Format::Auto.read(line) else {
            continue;
        };
        let client = std::str::from_utf8(entry.client).expect("an address");
        let hash = key_hash(Seed::FIXED, client_key(client).as_bytes());
        let visit = Visit::new(Seed::FIXED, entry.method, &entry.target, entry.referer.as_deref());
        let rating = popularity.visit(visit.url());
        let set = &mut sets[set_index(hash, geometry.sets) as usize];
        let (way, _) = set.admit(hash, entry.at);
        let record = set.record_mut(way);
        if matches!(
            checkpoint::arrive(record, entry.at, &visit, rating, &policy),
            Arrival::Score
        ) {
            let features = record.features();
            let score = model.score(&features);
            let standing = checkpoint::settle(record, entry.at, score, &policy);
            let id = samples.len();
            samples.push(sample(
                &model,
                &entry,
                (id, record.requests(), score),
                &features,
                standing.verdict,
            ));
        }
        checkpoint::depart(record, entry.status, entry.bytes);
    }
    samples
}

fn sample(
    model: &Model,
    entry: &Entry<'_>,
    (id, requests, score): (usize, u32, f32),
    features: &sekisho_core::feature::Features,
    verdict: Verdict,
) -> Sample {
    let passed = verdict == Verdict::Passed;
    let client = std::str::from_utf8(entry.client).expect("an address");
    let reasons = contributions(model, features);
    Sample {
        version: VERSION,
        kind: if passed { Kind::Contrast } else { Kind::Flagged },
        id: format!("{:016x}", 0x5e00_0000_0000_0000_u64 + id as u64),
        at: entry.at,
        zone: "clients".into(),
        client: shown_client(client),
        requests,
        score: Some(score),
        challenger: None,
        label: None,
        verdict: match verdict {
            Verdict::Rejected => "REJECTED_DRY_RUN".into(),
            other => other.as_str().to_owned(),
        },
        reasons: reasons
            .iter()
            .take(3)
            .map(|each| FEATURES[each.feature].name.to_owned())
            .collect(),
        schema: schema_hash().into(),
        features: features.to_vec(),
        model: model.digest().to_owned(),
        method: match entry.method {
            Method::Post => "POST",
            Method::Head => "HEAD",
            _ => "GET",
        }
        .into(),
        target: String::from_utf8_lossy(&entry.target[..entry.target.len().min(512)]).into_owned(),
    }
}
