//! The commands that work on the store, as an operator uses them.

use std::fs;

use serde_json::Value;

use crate::support::Bench;

#[test]
fn labels_go_out_and_come_back() {
    let mut bench = Bench::new("");
    bench.write(20);
    bench.output(&["serve", "--once"]);
    bench.output(&[
        "label",
        "add",
        "192.0.2.7",
        "--class",
        "human",
        "--note",
        "our office",
    ]);
    bench.output(&[
        "label",
        "add",
        "2001:db8::7",
        "--class",
        "crawler",
        "--unseen",
        "--zone",
        "clients",
    ]);
    let refused = bench.refusal(&["label", "add", "198.51.100.1", "--class", "human"], 1);
    assert!(
        refused.contains("knows no client 198.51.100.1; --unseen"),
        "{refused}"
    );
    let refused = bench.refusal(&["label", "resolve", "198.51.100.1"], 1);
    assert!(
        refused.contains("knows no client 198.51.100.1") && !refused.contains("--unseen"),
        "resolve has no such flag: {refused}"
    );
    let csv = bench.output(&["label", "export"]);
    assert!(csv.contains("clients,192.0.2.7,human,operator,ana,"), "{csv}");
    let jsonl = bench.output(&["label", "export", "--format", "jsonl"]);
    assert_eq!(jsonl.lines().count(), 2);

    let file = bench.path("labels.csv");
    fs::write(&file, csv.replace("operator", "declared")).unwrap();
    let path = file.display().to_string();
    bench.output(&["label", "import", &path]);
    let again = bench.run(&["label", "import", &path]);
    assert!(String::from_utf8_lossy(&again.stderr).starts_with("0 labels added, 2 there already"));
    fs::write(&file, csv.replace("192.0.2.7,human", "198.51.100.1,crawler")).unwrap();
    let refused = bench.refusal(&["label", "import", &path], 1);
    assert!(
        refused.contains("not known: 198.51.100.1 in zone clients"),
        "{refused}"
    );

    fs::write(&file, csv.replace("human,operator", "crawler,declared")).unwrap();
    bench.output(&["label", "import", &path]);
    let shown: Value =
        serde_json::from_str(&bench.output(&["label", "resolve", "192.0.2.7", "--format", "json"])).unwrap();
    assert_eq!(shown[0]["client"]["class"], "human");
    assert_eq!(shown[0]["client"]["conflict"], true);
    assert_eq!(
        shown[0]["labels"][0]["origin"], "operator",
        "the most trusted first"
    );
    let conflicts: Value =
        serde_json::from_str(&bench.output(&["label", "list", "--conflicts", "--format", "json"])).unwrap();
    assert_eq!(conflicts.as_array().unwrap().len(), 1);
    let counts = bench.output(&["label", "count"]);
    let row: Vec<&str> = counts
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(row, ["clients", "20", "20", "0", "1"], "{counts}");
    let table = bench.output(&["label", "resolve", "2001:db8::7"]);
    assert!(
        table.contains("2001:db8::/64 in zone clients is believed to be: crawler (operator)"),
        "{table}"
    );
}

#[test]
fn a_client_is_forgotten_everywhere_in_the_store() {
    let mut bench = Bench::new("");
    bench.write(600);
    bench.output(&["serve", "--once"]);
    bench.output(&["label", "add", "192.0.2.123", "--class", "crawler"]);
    let holds = |bench: &Bench| {
        let files = ["store.db", "store.db-wal", "store.db-shm"]
            .map(|name| fs::read(bench.path(name)).unwrap_or_default());
        files
            .iter()
            .any(|bytes| bytes.windows(11).any(|window| window == b"192.0.2.123"))
    };
    assert!(holds(&bench));
    let output = bench.run(&["forget", "192.0.2.123"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "forgotten: 1 client, 2 samples, 1 label\n");
    assert!(!holds(&bench), "it is still in the file");
    assert_eq!(bench.stored(), 598);
    let refused = bench.refusal(&["forget", "192.0.2.123"], 1);
    assert!(refused.contains("knows no client 192.0.2.123"), "{refused}");
    bench.output(&["serve", "--once"]);
    assert_eq!(bench.stored(), 598, "it does not come back from the sample file");
}

#[test]
fn pseudonyms_work_with_plain_names() {
    let bench = Bench::new("");
    let key = bench.path("key");
    fs::write(&key, "a key of at least sixteen bytes").unwrap();
    let config = bench.path("sekisho.toml");
    let text = fs::read_to_string(&config).unwrap();
    let pseudonym = format!(
        "{text}addresses = \"pseudonym\"\npseudonym_key_file = \"{}\"\n",
        key.display()
    );
    fs::write(&config, pseudonym).unwrap();
    let mut bench = bench;
    bench.write(10);
    bench.output(&["serve", "--once"]);
    let export = bench.output(&["export", "--format", "jsonl"]);
    assert!(
        !export.contains("192.0.2.") && export.contains("\"client\":\"p:"),
        "{export}"
    );
    bench.output(&["label", "add", "192.0.2.7", "--class", "human"]);
    let forgotten = bench.run(&["forget", "192.0.2.7"]);
    assert!(forgotten.status.success());
    fs::write(&config, text).unwrap();
    let refused = bench.refusal(&["serve", "--once"], 1);
    assert!(
        refused.contains("the store holds addresses as pseudonym"),
        "{refused}"
    );
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let mut bench = Bench::new("");
    bench.write(1);
    bench.output(&["serve", "--once"]);
    let export = |more: &[&str], code| bench.refusal(&[&["export", "--format", "csv"], more].concat(), code);
    let refused = export(&["--zone", "client"], 1);
    assert!(
        refused.contains("no samples of the zone \"client\"; there are samples of clients"),
        "{refused}"
    );
    let refused = export(&["--since", "2026-11-02", "--until", "2026-11-02"], 2);
    assert!(refused.contains("--since is before --until"), "{refused}");
    let written = bench.run(&[
        "export",
        "--format",
        "csv",
        "--out",
        &bench.path("s.csv").display().to_string(),
    ]);
    let written = String::from_utf8_lossy(&written.stderr).into_owned();
    assert!(written.starts_with("1 sample written to "), "{written}");
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let mut bench = Bench::new("");
    bench.write(1);
    bench.output(&["serve", "--once"]);
    bench.database().pragma_update(None, "user_version", 999).unwrap();
    let refused = bench.refusal(&["serve", "--once"], 1);
    assert!(
        refused.contains("has version 999") && refused.contains("install the newer sekisho"),
        "{refused}"
    );
}

#[test]
fn what_a_configuration_cannot_mean_is_told_with_its_line() {
    #[track_caller]
    fn check(more: &str, code: i32, expected: &str) {
        let bench = Bench::new(more);
        let output = bench.run(&["config", "check"]);
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(&bench.path("").display().to_string(), "");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    check("[gates]\nmin_auc = 7.0\n", 1, "sekisho.toml:7: min_auc is 0 to 1");
    check(
        "[models]\n\ntrusted_keys = [\"beef\"]\n",
        1,
        "sekisho.toml:8: trusted_keys are 64 hex digits each, as `sekisho model key` prints them: \"beef\"",
    );
    check(
        "[models]\ndirectory = \"/no/such/place\"\n",
        0,
        "warning: sekisho.toml:7: [models] directory /no/such/place is not there yet",
    );
    check(
        "[models]\nchampion = \"/no/such/place/champion.onnx\"\n",
        0,
        "warning: sekisho.toml:7: [models] champion: there is no directory /no/such/place",
    );
    check(
        "[[samples]]\npath = \"/no/such/place/samples\"\n",
        0,
        "warning: sekisho.toml:7: [[samples]] path: there is no directory /no/such/place",
    );
    check(
        "[models]\nsigning_key_file = \"/no/such/key\"\n",
        1,
        "error: sekisho.toml:7: [models] signing_key_file: /no/such/key is not there: make it with `sekisho model key /no/such/key`",
    );
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let bench = Bench::new("");
    let checked = bench.output(&["config", "check"]);
    assert!(
        checked.contains("is not there yet") && checked.ends_with("sekisho.toml is right\n"),
        "{checked}"
    );
    let shown = bench
        .command(&["config", "show"])
        .env("SEKISHO_STORE_RETENTION_DAYS", "7")
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.starts_with("# SEKISHO_STORE_RETENTION_DAYS overrides the file\n"),
        "{shown}"
    );
    assert!(shown.contains("retention_days = 7\n"), "{shown}");
    let config = bench.path("sekisho.toml");
    fs::write(&config, "[store]\npth = \"x\"\n").unwrap();
    let refused = bench.refusal(&["config", "check"], 1);
    assert!(
        refused.contains("sekisho.toml:2:1: unknown field `pth`"),
        "{refused}"
    );
    fs::write(&config, "[store]\npath = \"/no/such/place/s.db\"\n").unwrap();
    let output = bench.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("sekisho.toml:2: [store] path: there is no directory")
    );
    let refused = bench.refusal(&["serve"], 1);
    assert!(refused.contains("no sample file: add [[samples]]"), "{refused}");
}
