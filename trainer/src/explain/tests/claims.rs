//! Recorded answers, true and false, through the verifier.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::background::Background;
use super::super::category::{Category, by_rule};
use super::super::claim::{MAX_NOTES, schema};
use super::super::explanation::explain;
use super::super::prompt::{Sight, prompt};
use super::super::snapshot::Snapshot;
use super::super::verify::{Reason, verify};
use super::recorded;

const DRAWN: &str = include_str!("../../../tests/data/claims/answers.jsonl");
const WRITTEN: &str = include_str!("../../../tests/data/claims/written.jsonl");

/// An answer with what should become of it.
#[derive(Deserialize)]
struct Recorded {
    snapshot: String,
    answer: Value,
    truth: Vec<String>,
    category: bool,
}

fn word(reason: Reason) -> String {
    json!(reason).as_str().unwrap_or_default().to_owned()
}

/// What became of each claim, in the order of the answer.
fn outcomes(snapshot: &Snapshot, answer: &Value) -> Vec<String> {
    let claims = answer["claims"].as_array().unwrap();
    let verified = verify(snapshot, answer);
    let mut dropped = verified
        .dropped
        .iter()
        .skip(usize::from(!verified.category_is_answered));
    let mut kept = verified.kept.iter().peekable();
    let outcome = |claim: &Value| {
        let next =
            kept.next_if(|next| json!(next.claim) == *claim || numbers_agree(&json!(next.claim), claim));
        next.map_or_else(
            || {
                dropped
                    .next()
                    .map_or_else(String::new, |dropped| word(dropped.reason))
            },
            |_| "kept".to_owned(),
        )
    };
    claims.iter().map(outcome).collect()
}

/// 10 and 10.0 are one number, and two values for serde_json.
fn numbers_agree(one: &Value, other: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        let number = value["at_least"].as_f64();
        value["at_least"] = Value::Null;
        (value, number)
    };
    bare(one) == bare(other)
}

#[test]
fn no_false_claim_is_accepted_and_no_true_one_rejected() {
    let (mut accepted, mut rejected, mut claims, mut truths, mut answers) = (0, 0, 0, 0, 0);
    let mut categories = 0;
    for line in DRAWN.lines().chain(WRITTEN.lines()) {
        let recorded_answer: Recorded = serde_json::from_str(line).unwrap();
        let snapshot = recorded(&recorded_answer.snapshot);
        let verified = verify(&snapshot, &recorded_answer.answer);
        let found = outcomes(&snapshot, &recorded_answer.answer);
        for (found, truth) in found.iter().zip(&recorded_answer.truth) {
            accepted += usize::from(found == "kept" && truth != "kept");
            rejected += usize::from(found != "kept" && truth == "kept");
            truths += usize::from(truth == "kept");
        }
        assert_eq!(found, recorded_answer.truth, "{line}");
        categories += usize::from(verified.category_is_answered != recorded_answer.category);
        answers += 1;
        claims += found.len();
    }
    println!(
        "{answers} answers, {claims} claims, {truths} of them true: {accepted} false ones accepted (rate {:.3}), \
         {rejected} true ones rejected (rate {:.3}), {categories} categories misjudged",
        accepted as f64 / (claims - truths) as f64,
        rejected as f64 / truths as f64
    );
    assert!(answers >= 100 && truths >= 80 && claims - truths >= 200);
    assert_eq!((accepted, rejected, categories), (0, 0, 0));
}

#[test]
fn what_a_model_says_changes_no_suggestion() {
    for (name, _) in super::RECORDED {
        let snapshot = recorded(name);
        let before = explain(&snapshot);
        for category in ["unclear", "monitoring", "catalogue_scrape"] {
            let _ = verify(
                &snapshot,
                &json!({"category": category, "claims": [], "action": "allow"}),
            );
            assert_eq!(explain(&snapshot), before, "{name}");
        }
    }
}

#[test]
fn a_category_that_does_not_hold_leaves_that_by_rule() {
    #[track_caller]
    fn check(name: &str, said: &str, expected: (Category, bool)) {
        let verified = verify(&recorded(name), &json!({"category": said, "claims": []}));
        assert_eq!((verified.category, verified.category_is_answered), expected);
        assert_eq!(verified.dropped.is_empty(), expected.1);
    }
    check("faceted_crawl", "monitoring", (Category::FacetedCrawl, false));
    check("faceted_crawl", "faceted_crawl", (Category::FacetedCrawl, true));
    check("faceted_crawl", "allow it", (Category::FacetedCrawl, false));
    check(
        "swarm_member",
        "catalogue_scrape",
        (Category::CatalogueScrape, true),
    );
    check("passed", "vulnerability_scan", (Category::Unclear, false));
}

#[test]
fn notes_are_short_visible_and_apart() {
    let snapshot = recorded("monitoring");
    let hostile = format!("\u{202e}evil\u{1b}[2J {}", "x".repeat(1000));
    let verified = verify(
        &snapshot,
        &json!({"category": "monitoring", "claims": [], "notes": hostile}),
    );
    let notes = verified.unverified_notes.unwrap();
    assert!(notes.starts_with("\\u{202e}evil\\u{1b}[2J xx"), "{notes}");
    assert!(notes.chars().count() < MAX_NOTES + 40);
}

/// An answer that follows the schema, as far as its shape goes.
fn answers() -> impl Strategy<Value = Value> {
    let id = prop_oneof![Just("e1"), Just("e2"), Just("e12"), Just("e99"), Just("")];
    let kind = prop_oneof![
        Just("above_baseline"),
        Just("ratio_of"),
        Just("co_occurs"),
        Just("decides"),
        Just("many_alike"),
        Just("path_share"),
        Just("x")
    ];
    let claim = (kind, id.clone(), id, any::<f64>()).prop_map(|(kind, one, other, number)| match kind {
        "ratio_of" => json!({"predicate": kind, "e": one, "at_least": number}),
        "co_occurs" => json!({"predicate": kind, "e1": one, "e2": other}),
        "many_alike" => json!({"predicate": kind, "at_least": number}),
        "path_share" => json!({"predicate": kind, "template": "p1", "at_least": number}),
        _ => json!({"predicate": kind, "e": one}),
    });
    prop::collection::vec(claim, 0..100).prop_map(|claims| json!({"category": "unclear", "claims": claims}))
}

proptest! {
    #[test]
    fn any_answer_is_judged(answer in answers(), text in ".{0,40}") {
        let snapshot = recorded("credential_stuffing");
        let verified = verify(&snapshot, &answer);
        prop_assert!(verified.kept.len() <= 6);
        for answer in [json!(text), json!({"claims": {"a": text}}), json!({"category": [text], "claims": [[]]})] {
            let verified = verify(&snapshot, &answer);
            prop_assert!(verified.kept.is_empty());
            prop_assert_eq!(verified.category, by_rule(&snapshot));
        }
    }
}

#[test]
fn what_a_model_is_asked() {
    let mut snapshot = recorded("credential_stuffing");
    snapshot.zone = "shop.example".to_owned();
    let (shown, hidden) = (
        prompt(&snapshot, &Background::default(), Sight::Unredacted),
        prompt(&snapshot, &Background::default(), Sight::Redacted),
    );
    insta::assert_snapshot!("prompt", format!("{}\n----\n{}", hidden.system, hidden.user));
    assert!(shown.user.contains("p1,18,\"/login\"") && !hidden.user.contains("/login"));
    assert!(!hidden.user.contains(&snapshot.subject.client) && !hidden.user.contains(&snapshot.zone));
    assert!(!schema(&snapshot, false).to_string().contains("path_share"));
    let ids = &shown.schema["properties"]["claims"]["items"]["anyOf"][2]["properties"]["e"]["enum"];
    assert_eq!(ids.as_array().map(Vec::len), Some(snapshot.evidence.len()));
}
