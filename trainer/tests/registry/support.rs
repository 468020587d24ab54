//! A server's configuration, its models, and `sekisho model` on them.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use sekisho_core::feature::{COUNT, FEATURES, index, schema_hash};
use sekisho_core::model::{Card, Limits, Model, Thresholds, Tree, TreeNode, encode, seal};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A model that splits on one feature, and its digest.
pub fn model(leaf: f32) -> (Vec<u8>, String) {
    let split = TreeNode::Split {
        feature: index("missing_referer_share").expect("a feature"),
        threshold: 0.5,
        yes: 1,
        no: 2,
    };
    let nodes = vec![
        split,
        TreeNode::Leaf { value: -leaf },
        TreeNode::Leaf { value: leaf },
    ];
    let card = Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: Thresholds {
            suspect: 0.6,
            reject: 0.9,
            suspect_fpr: 0.01,
            reject_fpr: 0.001,
        },
        baseline: vec![0.0; COUNT],
        data: "made for tests".to_owned(),
        score_stats: "{}".to_owned(),
    };
    let bytes = seal(encode(&[Tree { nodes }], &card));
    let digest = Model::load(&bytes, &Limits::DEFAULT)
        .expect("a model")
        .digest()
        .to_owned();
    (bytes, digest)
}

/// A server's directory: configuration, models, champion.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new(more: &str) -> Place {
        let place = Place {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let config = format!(
            "[store]\npath = {:?}\n{more}\n[models]\ndirectory = {:?}\nchampion = {:?}\nsigning_key_file = {:?}\n",
            place.path("store.db"),
            place.path("models"),
            place.path("champion.onnx"),
            place.path("key"),
        );
        place.write("sekisho.toml", config.as_bytes());
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("own directory");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("sekisho").expect("it is built");
        command
            .arg("model")
            .arg("--config")
            .arg(self.path("sekisho.toml"))
            .args(args);
        command.current_dir(self.directory.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Assert {
        self.command(args).assert()
    }

    /// What it prints.
    #[track_caller]
    pub fn good(&self, args: &[&str]) -> String {
        let assert = self.run(args).success();
        String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
    }

    /// Its complaint; nothing about the champion changes.
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> String {
        let before = fs::read(self.path("champion.onnx")).ok();
        let history = self.changes();
        let assert = self.run(args).failure().code(1);
        assert_eq!(fs::read(self.path("champion.onnx")).ok(), before, "{args:?}");
        assert_eq!(self.changes(), history, "{args:?}");
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    }

    /// Keeps a model.
    pub fn add(&self, leaf: f32) -> String {
        let (bytes, digest) = model(leaf);
        self.write("new.onnx", &bytes);
        let said = self.good(&["add", "new.onnx"]);
        assert_eq!(said.trim(), digest);
        digest
    }

    pub fn champion(&self) -> Vec<u8> {
        fs::read(self.path("champion.onnx")).expect("there is one")
    }

    pub fn log(&self) -> Vec<Value> {
        serde_json::from_str(&self.good(&["log", "--format", "json"])).expect("JSON")
    }

    pub fn changes(&self) -> usize {
        self.log()
            .iter()
            .filter(|row| row["action"] != "model sign")
            .count()
    }

    pub fn list(&self) -> Value {
        serde_json::from_str(&self.good(&["list", "--format", "json"])).expect("JSON")
    }

    /// An evaluation that passes, of two models.
    pub fn evaluation(&self, champion: Option<&str>, challenger: &str) -> Value {
        let measured = |digest: &str| {
            let figure = |value: f64| json!({"value": value, "low": value - 0.01, "high": value + 0.01});
            json!({"digest": digest, "auc": figure(0.97), "recall_at_budget": figure(0.8),
                   "false_positive_rate": figure(0.001), "rejected_crawlers": figure(0.7), "more": [1, 2]})
        };
        let document = json!({"champion": champion.map(measured), "challenger": measured(challenger),
            "newly_stopped": 31, "released": 4, "completed_among_newly_stopped": 0, "canaries_flipped": 0,
            "sites": {"shop": "whatever else evaluate writes"}});
        self.write("evaluation.json", document.to_string().as_bytes());
        document
    }

    pub fn promote(&self, champion: Option<&str>, digest: &str) {
        self.evaluation(champion, digest);
        self.good(&[
            "promote",
            &digest[..8],
            "--evaluation",
            "evaluation.json",
            "--by",
            "Night shift",
        ]);
    }
}

pub fn promote<'a>(digest: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["promote", digest, "--evaluation", "evaluation.json"], more].concat()
}
