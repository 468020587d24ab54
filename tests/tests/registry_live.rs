//! Promotion and rollback under a running nginx: the workers take the champion up without a reload.

use std::fs;

use assert_cmd::Command;
use sekisho_core::model::{Limits, Model};
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::simple_model::{card, file, file_of};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{WORKERS, checked, crawl, site, workers};

fn digest(bytes: &[u8]) -> String {
    Model::load(bytes, &Limits::DEFAULT)
        .expect("a model")
        .digest()
        .to_owned()
}

fn sekisho(nginx: &Nginx, args: &[&str]) -> String {
    let path = |name: &str| nginx.path().join(name);
    let mut command = Command::new(root().join("target/release/sekisho"));
    command
        .arg("model")
        .arg("--models")
        .arg(path("models"))
        .arg("--store")
        .arg(path("store.db"));
    command.arg("--champion").arg(path("model.onnx")).args(args);
    let assert = command.assert().success();
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn all_run(nginx: &Nginx, digest: &str) {
    let text = format!("champion: Some({})", &digest[..12]);
    let shown = || {
        let rows = workers(nginx);
        (rows.len() == 2 && rows.iter().all(|row| row.contains(&text))).then_some(())
    };
    wait_for(shown).unwrap_or_else(|| panic!("{text}: {:#?}\n{}", workers(nginx), nginx.error_log()));
}

#[test]
fn workers_run_what_was_promoted_and_what_was_rolled_back() {
    let site = site(Module::TestClock);
    let nginx = site.start(&checked("sekisho_dry_run off;", WORKERS));
    let (first, meek) = (file(&card()), file_of(&card(), 1.0));
    let (before, after) = (digest(&first), digest(&meek));
    all_run(&nginx, &before);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 10)[9], 429);

    let figure = r#"{"value":0.97,"low":0.96,"high":0.98}"#;
    let measured = |digest: &str| {
        format!(
            r#"{{"digest":"{digest}","auc":{figure},"recall_at_budget":{figure},"false_positive_rate":{{"value":0,"low":0,"high":0.001}},"rejected_crawlers":{figure}}}"#
        )
    };
    let evaluation = format!(
        r#"{{"champion":{},"challenger":{},"newly_stopped":0,"released":1,"completed_among_newly_stopped":0,"canaries_flipped":0}}"#,
        measured(&before),
        measured(&after)
    );
    let path = |name: &str| nginx.path().join(name).display().to_string();
    fs::write(path("new.onnx"), &meek).expect("own directory");
    fs::write(path("evaluation.json"), evaluation).expect("own directory");
    sekisho(
        &nginx,
        &["add", &path("new.onnx"), "--evaluation", &path("evaluation.json")],
    );
    sekisho(&nginx, &["promote", &after[..8], "--by", "Night shift"]);
    all_run(&nginx, &after);
    assert_eq!(crawl(&nginx, "192.0.2.2", 0, 10)[9], 200);

    let said = sekisho(&nginx, &["rollback", "--by", "Night shift"]);
    assert!(said.contains(&before[..12]), "{said}");
    all_run(&nginx, &before);
    assert_eq!(crawl(&nginx, "192.0.2.3", 0, 10)[9], 429);
    assert!(sekisho(&nginx, &["list"]).contains("champion"));
    let log = nginx.error_log();
    assert!(
        !log.contains("[crit]") && !log.contains("signal 1 (SIGHUP)"),
        "{log}"
    );
}
