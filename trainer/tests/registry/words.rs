//! What `sekisho model` tells people.

use serde_json::json;

use crate::support::{Place, model, promote};

#[test]
fn a_note_that_is_not_taken_is_told() {
    let place = Place::new("");
    let (bytes, digest) = model(2.0);
    place.write("new.onnx", &bytes);
    place.good(&["add", "new.onnx", "--note", "the first"]);
    let again = place.run(&["add", "new.onnx", "--note", "the second"]).success();
    let output = again.get_output();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), digest);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("is kept already, and its description stays as it is: --note is not taken"),
        "{said}"
    );
    let same = place.run(&["add", "new.onnx", "--note", "the first"]).success();
    assert_eq!(String::from_utf8_lossy(&same.get_output().stderr), "");
    assert_eq!(place.list()["models"][0]["note"], "the first");
}

#[test]
fn the_log_is_for_people_unless_json_is_asked_for() {
    let place = Place::new("");
    let (shipped, first) = model(3.0);
    place.write("champion.onnx", &shipped);
    let second = place.add(2.0);
    place.promote(Some(&first), &second);
    let third = place.add(1.0);
    place.evaluation(Some(&second), &third);
    place.good(&promote(&third[..8], &["--by", "Night shift"]));
    place.good(&["key", "key"]);
    place.good(&["sign", &second[..8], "--by", "Day shift"]);
    place.good(&["rollback", "--by", "Night shift", "--note", "orders\u{1b} fell"]);
    let text = place.good(&["log"]);
    assert!(!text.contains("{\"") && !text.contains('\u{1b}'), "{text}");
    for expected in [
        "model promote",
        &format!("it was {}", &first[..12]),
        "gates passed",
        "with key ",
        "orders",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(place.log()[0]["action"], json!("model rollback"));
    assert_eq!(place.champion(), model(2.0).0);
}

#[test]
fn a_key_that_is_missing_says_how_to_make_one() {
    let place = Place::new("");
    let digest = place.add(2.0);
    let said = place.refused(&["sign", &digest[..8], "--by", "Day shift"]);
    assert!(
        said.contains("is not there: `sekisho model key") && said.contains("--key"),
        "{said}"
    );
}
