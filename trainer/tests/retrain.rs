//! `sekisho retrain` as cron and an operator call it.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use rusqlite::Connection;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    /// A configuration and the store that `sekisho serve --once` makes.
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        let config = format!(
            "[[samples]]\npath = {:?}\n[store]\npath = {:?}\n[models]\ndirectory = {:?}\nchampion = {:?}\n",
            place.path("samples"),
            place.path("store.db"),
            place.path("models"),
            place.path("champion.onnx"),
        );
        fs::write(place.path("sekisho.toml"), config).expect("written");
        fs::write(place.path("samples"), "").expect("written");
        place.command(&["serve", "--once"]).assert().success();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("sekisho").expect("it is built");
        command.args(args).arg("--config").arg(self.path("sekisho.toml"));
        command
    }

    /// What it prints, and complains of, with this exit code.
    #[track_caller]
    fn said(&self, args: &[&str], code: i32) -> String {
        let assert = self.command(args).assert().code(code);
        let output = assert.get_output();
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
    }
}

#[test]
fn an_empty_store_says_what_is_missing_and_is_no_failure() {
    let place = Place::new();
    let said = place.said(&["retrain", "--once", "--now", "1800000000"], 0);
    assert!(
        said.contains("too little evidence to learn from: 0 of 50 labelled people"),
        "{said}"
    );
    let said = place.said(&["retrain", "status"], 0);
    assert!(
        said.contains("no run yet") && said.contains("no model was promoted yet"),
        "{said}"
    );
    let said = place.said(&["retrain", "status", "--format", "json"], 0);
    let status: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(status["runs"], serde_json::json!([]));
}

#[test]
fn wrong_calls_are_told_apart() {
    let place = Place::new();
    let said = place.said(&["retrain", "approve", "7", "--by", "Night shift"], 1);
    assert!(said.contains("there is no run 7"), "{said}");
    place.said(&["retrain"], 2);
    place.said(&["retrain", "--once", "--every", "9000"], 2);
    place.said(&["retrain", "approve", "7"], 2);
    place.said(&["retrain", "reject", "7", "--by", "Night shift"], 2);
}

#[test]
fn a_store_that_is_missing_is_told_by_what_can_be_set() {
    let place = Place::new();
    fs::remove_file(place.path("store.db")).expect("removed");
    let said = place.said(&["retrain", "--once"], 1);
    assert!(
        said.contains("start `sekisho serve`, or set [store] path") && !said.contains("--store"),
        "{said}"
    );
}

#[test]
fn a_newer_store_is_refused() {
    let place = Place::new();
    let store = Connection::open(place.path("store.db")).expect("opened");
    store.pragma_update(None, "user_version", 99).expect("set");
    drop(store);
    let said = place.said(&["retrain", "--once"], 1);
    assert!(said.contains("install the newer sekisho"), "{said}");
}
