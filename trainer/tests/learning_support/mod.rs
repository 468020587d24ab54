//! `sekisho` on the logs that the default model is made from, and on samples written here.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use sekisho_core::feature::{COUNT, index, schema_hash};
use sekisho_core::sample::{Class, Kind, Label, Origin, Sample, VERSION};
use serde_json::Value;
use tempfile::TempDir;

pub const START: u32 = 1_455_944_445;

/// A directory for what a test writes.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            dir: TempDir::new().expect("a directory"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    pub fn samples(&self, name: &str, samples: &[Sample]) -> PathBuf {
        let lines = samples.iter().map(|sample| sample.to_line().expect("a line"));
        let text = lines
            .flat_map(|line| [line, b"\n".to_vec()].concat())
            .collect::<Vec<u8>>();
        self.write(name, &text)
    }

    /// Runs the binary here.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::cargo_bin("sekisho").expect("the binary");
        command.current_dir(self.dir.path()).env("RAYON_NUM_THREADS", "2");
        let output = command.args(arguments).output().expect("it runs");
        Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// What a run left.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// The run failed with this exit code and said this.
    #[track_caller]
    pub fn failed(&self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert!(self.err.contains(message), "{}", self.err);
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok().out).expect("JSON")
    }
}

pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// A log that the default model is made from.
pub fn log(name: &str) -> String {
    models()
        .join("data")
        .join(format!("{name}.log.gz"))
        .display()
        .to_string()
}

/// A client as it was scored once: a person, who loads pages whole, or a crawler, which does not.
pub fn sample(client: &str, number: u32, person: bool) -> Sample {
    let mut features = vec![0.0; COUNT];
    let mut set = |name: &str, value: f32| features[index(name).expect("a feature")] = value;
    let shade = (number % 17) as f32 / 100.0;
    set("requests", 4.0 + shade);
    if person {
        set("asset_share", 0.6 + shade);
        set("assets_per_page", 3.0 + shade);
        set("trail_referer_share", 0.5 + shade);
        set("missing_referer_share", 0.1 + shade);
    } else {
        set("missing_referer_share", 0.8 + shade);
        set("distinct_url_ratio", 0.8 + shade);
        set("long_tail_share", 0.7 + shade);
    }
    Sample {
        version: VERSION,
        kind: Kind::Contrast,
        id: format!("{number:016x}"),
        at: START + number * 600,
        zone: "clients".into(),
        client: client.into(),
        requests: 16,
        score: Some(0.5),
        challenger: None,
        label: None,
        verdict: "PASSED".into(),
        reasons: Vec::new(),
        schema: schema_hash().into(),
        features,
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/".into(),
    }
}

/// The same with a label.
pub fn told(client: &str, number: u32, person: bool, class: Class, origin: Origin) -> Sample {
    Sample {
        kind: Kind::Label,
        label: Some(Label { label: class, origin }),
        ..sample(client, number, person)
    }
}

/// People who ordered, and crawlers that were trapped, one of each in turn.
pub fn labelled(count: u32) -> Vec<Sample> {
    let pair = |number: u32| {
        let (high, low) = (number / 250, number % 250);
        [
            told(
                &format!("10.{high}.{low}.1"),
                2 * number,
                true,
                Class::Human,
                Origin::Conversion,
            ),
            told(
                &format!("172.{}.{low}.1", 16 + high),
                2 * number + 1,
                false,
                Class::Crawler,
                Origin::Trap,
            ),
        ]
    };
    (0..count).flat_map(pair).collect()
}
