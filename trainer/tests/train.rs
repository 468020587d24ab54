//! The default model can be made again, byte for byte, from what is in the repository.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn train(logs: &[&str], more: &[&str], out: &std::path::Path) -> assert_cmd::assert::Assert {
    let data = models().join("data");
    let mut command = Command::cargo_bin("sekisho").expect("it is built");
    command.arg("train").args(logs.iter().map(|log| data.join(log)));
    command.args(more).arg("--out").arg(out).assert()
}

#[test]
fn the_default_model_is_made_from_the_logs_beside_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (out, attackers) = (
        scratch.path().join("default.onnx"),
        models().join("data/hackers.log.gz"),
    );
    let logs = ["airis.log.gz", "srhegde.log.gz", "semicomplete.log.gz"];
    train(
        &logs,
        &["--whole", "--automated", attackers.to_str().unwrap()],
        &out,
    )
    .success();
    for name in ["default.onnx", "default.md"] {
        let (made, kept) = (scratch.path().join(name), models().join(name));
        let same = fs::read(made).unwrap() == fs::read(kept).unwrap();
        assert!(
            same,
            "models/{name} is not what `make model` makes: run it and commit the result"
        );
    }
}

#[test]
fn one_site_is_enough() {
    let scratch = tempfile::tempdir().unwrap();
    let attackers = models().join("data/hackers.log.gz");
    for more in [&[][..], &["--automated", attackers.to_str().unwrap()]] {
        let out = scratch.path().join("site.onnx");
        train(&["semicomplete.log.gz"], more, &out).success();
        let scan = Command::cargo_bin("sekisho")
            .expect("it is built")
            .arg("scan")
            .arg("--model")
            .arg(&out)
            .arg(models().join("data/semicomplete.log.gz"))
            .assert()
            .success();
        assert!(String::from_utf8_lossy(&scan.get_output().stdout).contains("rejected"));
    }
}

#[test]
fn what_cannot_be_learnt_from_is_said_and_nothing_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("model.onnx");
    let check = |logs: &[&str], more: &[&str], message: &str| {
        let assert = train(logs, more, &out).failure().code(1);
        let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(text.contains(message), "{text}");
        assert!(!out.exists(), "{message}");
    };
    check(&["missing.log.gz"], &[], "cannot read");
    check(&["hackers.log.gz"], &[], "a model needs both");
}
