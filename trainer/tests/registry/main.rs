//! `sekisho model`: what is kept, who approves, how it is undone.

mod refusals;
mod support;
mod words;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sekisho_core::feature::{COUNT, index};
use sekisho_core::model::{Limits, Model};
use serde_json::{Value, json};
use support::{Place, model, promote};

#[test]
fn a_model_is_kept_promoted_and_rolled_back() {
    let place = Place::new("");
    let (shipped, first) = model(3.0);
    place.write("champion.onnx", &shipped);
    let said = place.refused(&["add", "champion.onnx", "--parent", "champion"]);
    assert!(
        said.contains("\"champion\" is a model that is not kept here"),
        "{said}"
    );
    let (second, third) = (place.add(2.0), place.add(1.0));
    assert_eq!(place.add(1.0), third, "keeping it again changes nothing");
    place.promote(Some(&first), &second);
    assert_eq!(place.champion(), model(2.0).0);
    let mode = fs::metadata(place.path("champion.onnx"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644, "workers read it as another user");
    place.promote(Some(&second), &third);
    assert_eq!(place.champion(), model(1.0).0);
    let listed = place.list();
    let roles: Vec<(&str, &str)> = listed["models"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| {
            (
                line["digest"].as_str().expect("text"),
                line["roles"][0].as_str().unwrap_or("-"),
            )
        })
        .filter(|(_, role)| *role != "-")
        .collect();
    assert_eq!(roles, [(third.as_str(), "champion")]);
    assert_eq!(listed["warnings"], json!([]));

    let said = place.good(&["rollback", "--by", "Night shift", "--note", "orders fell"]);
    assert!(
        said.contains(&format!("is now {}, it was {}", &second[..12], &third[..12])),
        "{said}"
    );
    assert_eq!(place.champion(), model(2.0).0);
    place.good(&["rollback", "--by", "Night shift"]);
    assert_eq!(
        place.champion(),
        shipped,
        "also back to the one that came without the registry"
    );
    let said = place.refused(&["rollback", "--by", "Night shift"]);
    assert!(said.contains("nothing to go back to"), "{said}");

    let log = place.log();
    let told: Vec<String> = log
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["actor"].as_str().unwrap(),
                row["action"].as_str().unwrap(),
                &row["subject"].as_str().unwrap()[..6]
            )
        })
        .collect();
    let expected = [
        ("rollback", &first),
        ("rollback", &second),
        ("promote", &third),
        ("promote", &second),
    ];
    assert_eq!(
        told,
        expected.map(|(what, digest)| format!("Night shift model {what} {}", &digest[..6]))
    );
    assert!(log[1]["detail"].as_str().unwrap().contains("orders fell"));
    let inspected = place.good(&["inspect", &second[..6]]);
    for expected in [
        "1 trees, depth 1, 2 leaves",
        "missing_referer_share",
        "made for tests",
        "0.9700 (0.9600 to 0.9800)",
        "newly stopped 31",
    ] {
        assert!(inspected.contains(expected), "{expected}: {inspected}");
    }
}

#[test]
fn a_signature_is_asked_for_where_keys_are_trusted() {
    let place = Place::new("");
    let public = place.good(&["key", "key"]);
    let public = public.trim();
    assert_eq!(
        fs::metadata(place.path("key"))
            .expect("made")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    place.refused(&["key", "key"]);
    let config = fs::read_to_string(place.path("sekisho.toml")).expect("written");
    place.write(
        "sekisho.toml",
        format!("{config}trusted_keys = [\"{public}\"]\n").as_bytes(),
    );
    let digest = place.add(2.0);
    place.evaluation(None, &digest);
    let by = ["--by", "Night shift"];
    let said = place.refused(&promote(&digest[..8], &by));
    assert!(said.contains("is not signed by a trusted key"), "{said}");
    place.good(&["key", "other"]);
    place.good(&["sign", &digest[..8], "--key", "other", "--by", "Day shift"]);
    let said = place.refused(&promote(&digest[..8], &by));
    assert!(said.contains("is not signed by a trusted key"), "{said}");
    place.run(&["verify", &digest[..8]]).failure().code(1);
    place.good(&["sign", &digest[..8], "--by", "Day shift"]);
    let said = place.good(&["verify", &digest[..8]]);
    assert!(
        said.contains(&format!("{public}: valid and trusted")) && said.contains("the key is not trusted"),
        "{said}"
    );
    // Somebody copies the signature to another model.
    let other = place.add(1.0);
    let signature = |digest: &str| place.path(&format!("models/{digest}.sig"));
    fs::copy(signature(&digest), signature(&other)).expect("own files");
    let said = place.run(&["verify", &other[..8]]).failure().code(1);
    assert!(String::from_utf8_lossy(&said.get_output().stdout).contains("NOT VALID"));
    place.evaluation(None, &other);
    place.refused(&promote(&other[..8], &by));
    place.evaluation(None, &digest);
    place.good(&promote(&digest[..8], &by));
    fs::set_permissions(place.path("key"), fs::Permissions::from_mode(0o640)).expect("own file");
    let said = place.refused(&["sign", &digest[..8], "--by", "Day shift"]);
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn two_promotions_at_once_have_one_winner() {
    let place = Place::new("");
    let (shipped, first) = model(3.0);
    place.write("champion.onnx", &shipped);
    // Somebody holds the lock: the other one is told who.
    let digest = place.add(0.5);
    place.evaluation(Some(&first), &digest);
    fs::write(place.path("models/.lock"), "Day shift, process 7\n").expect("own directory");
    let lock = File::options()
        .write(true)
        .open(place.path("models/.lock"))
        .expect("own file");
    lock.lock().expect("a lock");
    let said = place.refused(&promote(&digest[..8], &["--by", "Night shift"]));
    assert!(
        said.contains("somebody else changes the champion right now (Day shift, process 7)"),
        "{said}"
    );
    drop(lock);
    // Each of them was evaluated against the same champion.
    let digests: Vec<String> = (1..=6).map(|leaf| place.add(leaf as f32 / 10.0)).collect();
    let outcomes: Vec<(bool, String)> = std::thread::scope(|scope| {
        let started: Vec<_> = digests
            .iter()
            .map(|digest| {
                let document = place.evaluation(Some(&first), digest);
                let name = format!("{digest}.json");
                place.write(&name, document.to_string().as_bytes());
                let mut command =
                    place.command(&["promote", &digest[..12], "--evaluation", &name, "--by", "x"]);
                scope.spawn(move || command.output().expect("it runs"))
            })
            .collect();
        let ended = started.into_iter().map(|thread| thread.join().expect("it ends"));
        ended
            .map(|output| {
                (
                    output.status.success(),
                    String::from_utf8_lossy(&output.stderr).into_owned(),
                )
            })
            .collect()
    });
    assert_eq!(outcomes.iter().filter(|(won, _)| *won).count(), 1, "{outcomes:?}");
    for (_, said) in outcomes.iter().filter(|(won, _)| !won) {
        let told =
            said.contains("somebody else changes the champion") || said.contains("is the champion now");
        assert!(told, "{said}");
    }
    assert_eq!(place.changes(), 1);
    assert_eq!(place.list()["warnings"], json!([]));
}

#[test]
fn a_promotion_that_was_cut_off_is_noticed_and_put_right() {
    let place = Place::new("");
    let (first, second) = (place.add(3.0), place.add(2.0));
    place.promote(None, &first);
    // The file of a promotion whose row was never committed.
    place.write("champion.onnx", &model(2.0).0);
    let warning = place.list()["warnings"][0]
        .as_str()
        .expect("a warning")
        .to_owned();
    let expected = [
        format!("holds {}, but the history says {}", &second[..12], &first[..12]),
        format!("`sekisho model rollback --by NAME` puts {} back", &first[..12]),
        format!(
            "`sekisho model promote {}` makes the other official",
            &second[..12]
        ),
    ];
    assert!(expected.iter().all(|part| warning.contains(part)), "{warning}");
    place.good(&["rollback", "--by", "Night shift"]);
    assert_eq!(
        (place.champion(), place.list()["warnings"].clone()),
        (model(3.0).0, json!([]))
    );
    place.write("champion.onnx", &model(2.0).0);
    place.promote(Some(&first), &second);
    assert_eq!(
        (place.champion(), place.list()["warnings"].clone()),
        (model(2.0).0, json!([]))
    );
    place.good(&["rollback", "--by", "Night shift"]);
    assert_eq!(place.champion(), model(3.0).0);
    // A champion that nobody knows, and none at all.
    place.write("champion.onnx", b"no model");
    assert!(
        place.list()["warnings"][0]
            .as_str()
            .expect("a warning")
            .contains("somebody replaced the file")
    );
    fs::remove_file(place.path("champion.onnx")).expect("own file");
    assert!(
        place.list()["warnings"][0]
            .as_str()
            .expect("a warning")
            .contains("is not there")
    );
    place.good(&["rollback", "--by", "Night shift"]);
    assert_eq!(place.champion(), model(3.0).0);
}

#[test]
fn a_store_that_cannot_be_written_leaves_the_champion_alone() {
    let place = Place::new("");
    let (first, second) = (place.add(3.0), place.add(2.0));
    place.promote(None, &first);
    place.evaluation(Some(&first), &second);
    place.write(
        "store.db",
        b"this is no database, and long enough to be told from an empty one........",
    );
    let assert = place
        .run(&promote(&second[..8], &["--by", "Night shift"]))
        .failure()
        .code(1);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("store.db is no store of sekisho"), "{said}");
    assert_eq!(place.champion(), model(3.0).0);
}

#[test]
fn two_models_are_compared_on_a_log() {
    let place = Place::new("");
    let (strict, meek) = (place.add(4.0), place.add(1.0));
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/airis-3000.log");
    let log = log.to_str().expect("a path");
    let out = place.good(&["diff", &strict[..8], &meek[..8], "--log", log, "--format", "json"]);
    let difference: Value = serde_json::from_str(&out).expect("JSON");
    let verdicts = &difference["verdicts"];
    let count = |name: &str| verdicts[name].as_u64().expect("a number");
    assert!(count("clients") > 20 && count("released") > 0, "{verdicts}");
    assert_eq!(
        (count("newly_stopped"), count("different")),
        (0, count("released"))
    );
    let same = place.good(&["diff", &strict[..8], &strict[..8], "--log", log]);
    assert!(same.contains("\n0 of ") && !same.contains('*'), "{same}");
    let text = place.good(&["diff", &strict[..8], "new.onnx"]);
    assert!(
        text.contains("suspect from") && text.contains("missing_referer_share"),
        "{text}"
    );
    let said = place.refused(&["diff", "champion", &meek[..8]]);
    assert!(said.contains("champion.onnx"), "{said}");
}

#[test]
fn a_foreign_file_is_imported_or_refused() {
    let place = Place::new("");
    let names = place.good(&["features"]);
    assert_eq!(names.lines().count(), COUNT);
    // Our own form is one that the import understands.
    place.write("own.onnx", &model(2.0).0);
    place.write("features.txt", names.as_bytes());
    let out = place.good(&[
        "import",
        "own.onnx",
        "--out",
        "site.onnx",
        "--features",
        "features.txt",
        "--format",
        "json",
    ]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert!(
        report["measured"]["parity"].as_f64().expect("a number") < 1e-5,
        "{report}"
    );
    assert!(
        report["measured"]["nanoseconds"].as_f64().expect("a number") > 0.0,
        "{report}"
    );
    let imported = Model::load(
        &fs::read(place.path("site.onnx")).expect("written"),
        &Limits::DEFAULT,
    )
    .expect("loads");
    let mut row = [0.0; COUNT];
    row[index("missing_referer_share").expect("a feature")] = 1.0;
    assert_eq!(
        imported.score(&row),
        Model::load(&model(2.0).0, &Limits::DEFAULT)
            .expect("loads")
            .score(&row)
    );
    let text = place.good(&[
        "import",
        "own.onnx",
        "--out",
        "site.onnx",
        "--baseline",
        "own.onnx",
    ]);
    assert!(
        text.contains("ns a score here") && text.contains("thresholds are guesses"),
        "{text}"
    );
    let check = |name: &str, content: &[u8], more: &[&str], expected: &str| {
        place.write(name, content);
        let args = [&["import", "own.onnx", "--out", "refused.onnx"][..], more].concat();
        let said = place.refused(&args);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!place.path("refused.onnx").exists());
    };
    check(
        "names",
        b"[\"a\", \"a\"]",
        &["--features", "names"],
        "names \"a\" twice",
    );
    check("names", b"# none\n", &["--features", "names"], "names no column");
    check(
        "names",
        b"requests\n",
        &["--features", "names"],
        "has 29 columns, --features names 1",
    );
    check(
        "typical",
        b"[1, 2]",
        &["--baseline", "typical"],
        "holds 2 numbers, the schema has 29",
    );
    check("typical", b"[1e99]", &["--baseline", "typical"], "typical");
    check(
        "x",
        b"",
        &["--suspect", "0.9", "--reject", "0.5"],
        "0 < suspect <= reject <= 1",
    );
    check("own.onnx", b"\x08", &[], "not an ONNX model");
}

#[test]
fn what_the_configuration_does_not_know_is_refused() {
    let check = |text: &str, expected: &str| {
        let place = Place::new("");
        place.write("sekisho.toml", text.as_bytes());
        let assert = place.run(&["list"]).failure().code(1);
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.contains(expected), "{expected}: {said}");
    };
    check("[gates]\nmin_acu = 0.9\n", "unknown field `min_acu`");
    check("[models]\nchampoin = \"x\"\n", "sekisho.toml:2");
    check("[models\n", "sekisho.toml:1");
}
