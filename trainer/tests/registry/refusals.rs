//! What keeps a model from being promoted.

use std::fs;

use crate::support::{Place, model, promote};
use serde_json::{Value, json};

#[test]
fn nothing_is_promoted_that_should_not_be() {
    let place = Place::new("[gates]\nmax_newly_stopped = 40\n");
    let (shipped, first) = model(3.0);
    place.write("champion.onnx", &shipped);
    let (second, third) = (place.add(2.0), place.add(1.0));
    let by = ["--by", "Night shift"];
    let said = place.refused(&["promote", &second[..8], "--by", "Night shift"]);
    assert!(said.contains("promotion needs an evaluation"), "{said}");
    let check = |change: &dyn Fn(&mut Value), more: &[&str], expected: &str| {
        let mut document = place.evaluation(Some(&first), &second);
        change(&mut document);
        place.write("evaluation.json", document.to_string().as_bytes());
        let said = place.refused(&promote(&second[..8], more));
        assert!(said.contains(expected), "{expected}: {said}");
    };
    check(
        &|e| e["canaries_flipped"] = json!(1),
        &by,
        "a gate is closed: max_canaries_flipped is 0, measured 1",
    );
    check(
        &|e| e["newly_stopped"] = json!(41),
        &by,
        "max_newly_stopped is 40, measured 41",
    );
    check(
        &|e| e["challenger"]["auc"]["low"] = json!(0.5),
        &by,
        "min_auc is 0.9, measured 0.5",
    );
    check(
        &|e| e["challenger"]["rejected_crawlers"]["value"] = json!(0.5),
        &by,
        "max_rejected_crawlers_loss is 0.1, measured 0.2",
    );
    check(
        &|e| e["challenger"]["false_positive_rate"] = Value::Null,
        &by,
        "the evaluation does not measure it",
    );
    check(
        &|e| e["challenger"]["digest"] = json!(third),
        &by,
        "evaluation is of challenger",
    );
    check(
        &|e| e["champion"]["digest"] = json!(third),
        &by,
        "evaluation is of champion",
    );
    check(
        &|e| e["champion"] = Value::Null,
        &by,
        "evaluation is of champion nothing",
    );
    check(
        &|e| e["challenger"] = json!("?\u{1b}[31m"),
        &by,
        "is no evaluation",
    );
    check(&|_| {}, &["--by", " "], "is no name");
    check(&|_| {}, &["--by", "policy"], "is no name");
    check(&|_| {}, &["--by", "a\u{202e}b"], "is no name");
    check(&|_| {}, &["--automatic"], "policy does not promote by itself");
    check(
        &|_| {},
        &["--by", "x", "--max-released", "3"],
        "max_released is 3, measured 4",
    );
    place.run(&promote(&second[..8], &[])).failure().code(2);
    place
        .run(&promote(&second[..8], &["--by", "x", "--force"]))
        .failure()
        .code(2);
    place.evaluation(Some(&first), &second);
    let said = place.refused(&promote("beef", &by));
    assert!(said.contains("no model is called \"beef\""), "{said}");
    let file = place.path(&format!("models/{second}.onnx"));
    fs::write(&file, model(4.0).0).expect("own file");
    let said = place.refused(&promote(&second[..8], &by));
    assert!(
        said.contains("does not hold the model that its name says"),
        "{said}"
    );
    fs::write(&file, model(2.0).0).expect("own file");
    place.good(&promote(&second[..8], &by));
    place.evaluation(None, &second);
    let said = place.refused(&promote(&second[..8], &by));
    assert!(said.contains("is the champion already"), "{said}");
}

#[test]
fn a_champion_whose_file_was_taken_away_is_still_the_measure() {
    let place = Place::new("");
    let (shipped, first) = model(3.0);
    place.write("champion.onnx", &shipped);
    let (second, third) = (place.add(2.0), place.add(1.0));
    place.promote(Some(&first), &second);
    fs::remove_file(place.path("champion.onnx")).expect("was there");
    place.evaluation(Some(&third), &third);
    let said = place.refused(&promote(&third[..8], &["--by", "Night shift"]));
    assert!(said.contains("evaluation is of champion"), "{said}");
    place.evaluation(None, &third);
    let said = place.refused(&promote(&third[..8], &["--by", "Night shift"]));
    assert!(said.contains("evaluation is of champion nothing"), "{said}");
    place.promote(Some(&second), &third);
}

#[test]
fn policy_may_promote_where_the_operator_says_so() {
    let place = Place::new("[retrain]\npolicy = \"automatic\"\n");
    let first = place.add(2.0);
    place.evaluation(None, &first);
    place.good(&promote(&first[..8], &["--automatic"]));
    assert_eq!(place.log()[0]["actor"], "policy");
}
