//! A small model with known weights, and `sekisho scan` run on it.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use sekisho_core::feature::{COUNT, FEATURES, index, schema_hash};
use sekisho_core::model::{Card, Thresholds, Tree, TreeNode, encode, seal};
use serde_json::Value;
use tempfile::TempDir;

/// Features, where they are split, and the log-odds below and from there on. Together they say "automated" of
/// a client that loads no assets, sends no referers and asks for ever new URLs.
const STUMPS: [(&str, f32, f32, f32); 4] = [
    ("asset_share", 0.05, 1.2, -1.2),
    ("missing_referer_share", 0.8, -1.0, 1.0),
    ("distinct_url_ratio", 0.6, -0.8, 0.8),
    ("trail_referer_share", 0.1, 0.6, -0.9),
];

/// A directory with a model, and whatever a test puts beside it.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench {
            dir: TempDir::new().expect("a directory"),
        };
        bench.write("model.onnx", &model());
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// `sekisho scan` with the model; paths are relative to the directory.
    pub fn scan(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("sekisho").expect("the binary");
        command
            .current_dir(self.dir.path())
            .env_remove("NO_COLOR")
            .env("RAYON_NUM_THREADS", "2");
        command.args(["scan", "--model", "model.onnx"]).args(arguments);
        command
    }

    /// Runs a scan that succeeds.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let output = self.scan(arguments).output().expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// The document of `--format json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--format", "json"], arguments].concat();
        serde_json::from_slice(&self.output(&arguments).stdout).expect("JSON")
    }
}

/// 3,000 lines of a real log; see NOTICE.
pub fn airis() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/airis-3000.log")
}

/// A combined line at a time of 20 February 2016, in seconds after midnight.
pub fn line(client: &str, second: u32, target: &str) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{client} - - [20/Feb/2016:{hour:02}:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" 200 512 \"-\" \"-\"\n"
    )
}

fn model() -> Vec<u8> {
    let trees = STUMPS.map(|(name, threshold, below, above)| {
        let feature = index(name).expect("a feature");
        let split = TreeNode::Split {
            feature,
            threshold,
            yes: 1,
            no: 2,
        };
        Tree {
            nodes: vec![
                split,
                TreeNode::Leaf { value: below },
                TreeNode::Leaf { value: above },
            ],
        }
    });
    let mut baseline = vec![0.0; COUNT];
    for (name, value) in [
        ("asset_share", 0.7),
        ("missing_referer_share", 0.1),
        ("trail_referer_share", 0.6),
    ] {
        baseline[index(name).expect("a feature")] = value;
    }
    let card = Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: Thresholds {
            suspect: 0.8,
            reject: 0.95,
            suspect_fpr: 0.05,
            reject_fpr: 0.01,
        },
        baseline,
        data: "{}".to_owned(),
        score_stats: "{}".to_owned(),
    };
    seal(encode(&trees, &card))
}
