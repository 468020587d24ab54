//! What people say of explanations, and what becomes of it in the next ones.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};

use super::gateway::{Gateway, chat};
use super::support::{Bench, START, samples};

/// A crawler through a catalogue, so many pages.
fn catalogue(client: &str, pages: u32) -> Vec<u8> {
    walk(client, pages, |number| (format!("GET /shop/item-{number}"), 200))
}

/// Somebody who tries passwords.
fn stuffing(client: &str, tries: u32) -> Vec<u8> {
    walk(client, tries, |_| ("POST /login".to_owned(), 401))
}

/// A search for holes.
fn scan(client: &str, tries: u32) -> Vec<u8> {
    walk(client, tries, |number| (format!("GET /admin/{number}.php"), 404))
}

fn walk(client: &str, count: u32, request: impl Fn(u32) -> (String, u16)) -> Vec<u8> {
    assert_eq!(START % 3600, 0, "the log begins with its hour");
    let line = |number: u32| {
        let (minute, second) = (number / 60, number % 60);
        let (request, status) = request(number);
        format!(
            "{client} - - [03/Jun/2024:06:{minute:02}:{second:02} +0000] \"{request} HTTP/1.1\" {status} 5000 \"-\" \
             \"Mozilla/5.0\"\n"
        )
    };
    (0..count).map(line).collect::<String>().into_bytes()
}

fn bench(logs: &[Vec<u8>]) -> Bench {
    let bench = Bench::new("");
    bench.store(&samples(&logs.concat()));
    bench
}

fn feedback(bench: &Bench, arguments: &[&str]) -> Value {
    let ran = bench.run(&[&["feedback"], arguments, &["--format", "json"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_json::from_str(&ran.out).expect("JSON")
}

fn system(bench: &Bench, client: &str) -> String {
    let prompt: Value = serde_json::from_str(&bench.explain(&[client, "--prompt"])).expect("JSON");
    prompt["system"].as_str().expect("a text").to_owned()
}

#[test]
fn a_verdict_becomes_label_case_example_and_record() {
    let bench = bench(&[catalogue("192.0.2.66", 240), catalogue("192.0.2.77", 200)]);
    let first = bench.document(&["192.0.2.66"]);
    assert_eq!(
        (&first["sources"], first["confidence"]["verdicts"].as_u64()),
        (&json!([]), Some(0))
    );
    assert_eq!(first["confidence"]["calibrated"], false);
    assert!(!system(&bench, "192.0.2.77").contains("Example"));
    let id = first["snapshot_id"].as_str().expect("an id").to_owned();

    let taken = feedback(&bench, &[&id, "correct", "--note", "we know them"]);
    assert_eq!(
        (&taken["added"], &taken["label"]),
        (&json!(true), &json!("crawler"))
    );
    let again = feedback(&bench, &["192.0.2.66", "correct", "--note", "we know them"]);
    assert_eq!(again["added"], false, "the same word twice, by id and by client");
    let shown = bench.run(&["feedback", "192.0.2.66"]);
    assert!(
        shown
            .out
            .contains("correct, told as catalogue_scrape (ana): we know them"),
        "{}",
        shown.out
    );
    let own = bench.document(&["192.0.2.66"]);
    assert_eq!(
        own["sources"][0]["snapshot"],
        json!(id),
        "with its label it is another snapshot"
    );
    let label = bench.run(&["label", "resolve", "192.0.2.66"]);
    assert!(
        label.out.contains("operator") && label.out.contains("crawler"),
        "{}",
        label.out
    );

    let second = bench.document(&["192.0.2.77"]);
    let case = &second["sources"][0];
    assert_eq!(
        (&case["id"], &case["kind"], &case["snapshot"]),
        (&json!("S1"), &json!("case"), &json!(id))
    );
    assert_eq!(
        (&case["said"]["verdict"], &case["category"], &case["date"]),
        (
            &json!("correct"),
            &json!("catalogue_scrape"),
            &json!("2024-06-03")
        )
    );
    assert_eq!(
        second["confidence"]["parts"]["record"],
        json!({"good": 1, "all": 1})
    );
    let text = bench.explain(&["192.0.2.77"]);
    assert!(
        text.contains("  S1  past case,")
            && text.contains("an operator said: correct")
            && text.contains(&id[..12]),
        "{text}"
    );
    assert!(text.contains("uncalibrated (1 of 50 verdicts so far)"), "{text}");
    let asked = system(&bench, "192.0.2.77");
    assert!(
        asked.contains("Example 1") && asked.contains("answer: {\"category\":\"catalogue_scrape\""),
        "{asked}"
    );
    assert!(!asked.contains("192.0.2.66") && !asked.contains("we know them"));

    // Another word on it takes its place.
    feedback(&bench, &[&id, "false-positive"]);
    let third = bench.document(&["192.0.2.77"]);
    assert_eq!(third["sources"][0]["said"]["verdict"], "false_positive");
    assert_eq!(
        third["confidence"]["parts"]["record"],
        json!({"good": 0, "all": 1})
    );
    assert!(!system(&bench, "192.0.2.77").contains("Example"));
    assert!(third["confidence"]["value"].as_f64() < second["confidence"]["value"].as_f64());
    let label = bench.run(&["label", "resolve", "192.0.2.66"]);
    assert!(label.out.contains("human"), "{}", label.out);

    // Forgetting takes all of it.
    assert_eq!(bench.run(&["forget", "192.0.2.66"]).code, Some(0));
    let last = bench.document(&["192.0.2.77"]);
    assert_eq!(
        (&last["sources"], last["confidence"]["verdicts"].as_u64()),
        (&json!([]), Some(0))
    );
    let ran = bench.run(&["feedback", &id]);
    assert!(
        ran.code == Some(1) && ran.err.contains("no explanation with this snapshot"),
        "{}",
        ran.err
    );
}

#[test]
fn the_last_word_stands_with_the_explanation() {
    let bench = bench(&[catalogue("192.0.2.66", 240)]);
    assert_eq!(bench.document(&["192.0.2.66"])["feedback"], Value::Null);
    feedback(&bench, &["192.0.2.66", "unclear"]);
    let document = bench.document(&["192.0.2.66"]);
    assert_eq!(
        (&document["feedback"]["verdict"], &document["sources"]),
        (&json!("unclear"), &json!([])),
        "it is no case of itself"
    );
    for (lang, format, expected) in [
        ("en", "text", "\nFeedback: unclear (ana, 20"),
        ("ja", "text", "\n担当者の判定：「判断できない」（ana、20"),
        ("en", "markdown", "\n- **Feedback**: `unclear (ana, 20"),
    ] {
        let text = bench.explain(&["192.0.2.66", "--lang", lang, "--format", format]);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn examples_are_of_different_categories() {
    let bench = bench(&[
        catalogue("192.0.2.1", 240),
        catalogue("192.0.2.2", 230),
        stuffing("192.0.2.3", 200),
        scan("192.0.2.4", 200),
        catalogue("192.0.2.5", 220),
    ]);
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        bench.explain(&[client]);
        feedback(&bench, &[client, "correct"]);
    }
    let asked = system(&bench, "192.0.2.5");
    for category in ["catalogue_scrape", "credential_stuffing", "vulnerability_scan"] {
        let answers = asked
            .matches(&format!("answer: {{\"category\":\"{category}\""))
            .count();
        assert_eq!(answers, 1, "{category}: {asked}");
    }
    assert_eq!(
        asked,
        system(&bench, "192.0.2.5"),
        "the same question twice is the same"
    );
}

#[test]
fn claims_are_voted_on_and_answers_are_compared() {
    let quiet = bench(&[catalogue("192.0.2.66", 240)]);
    let by_rule = quiet.document(&["192.0.2.66"]);
    let evidence = by_rule["snapshot"]["evidence"].as_array().expect("evidence");
    let weight = |item: &&Value| item["attribution"].as_f64().unwrap_or_default();
    let main = evidence
        .iter()
        .max_by(|a, b| weight(a).total_cmp(&weight(b)))
        .expect("some")["id"]
        .clone();
    let answer = |category: &str| {
        json!({"category": category, "claims": [{"predicate": "drives_score", "e": main},
            {"predicate": "below_baseline", "e": main}]})
        .to_string()
    };
    let gateway = Gateway::start(vec![
        chat("m", &answer("catalogue_scrape")),
        chat("m", &answer("monitoring")),
        chat("m", &answer("catalogue_scrape")),
    ]);
    let bench = bench(&[catalogue("192.0.2.66", 240), catalogue("192.0.2.77", 200)]);
    let mut config = OpenOptions::new()
        .append(true)
        .open(bench.path("sekisho.toml"))
        .expect("opened");
    let target = format!(
        "[[llm.targets]]\nname = \"lm\"\nkind = \"openai\"\nbase_url = \"{}\"\nmodel = \"m\"\nlocal_only = true\n",
        gateway.url()
    );
    config.write_all(target.as_bytes()).expect("written");
    let told = bench.document(&["192.0.2.66", "--repeat", "3"]);
    assert_eq!(gateway.seen().len(), 3);
    assert_eq!(
        told["confidence"]["parts"]["agreement"],
        json!({"good": 2, "all": 3}),
        "{told:#}"
    );
    let kept = told["verified"]["kept"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(told["confidence"]["parts"]["claims"]["good"], kept);
    assert!(kept >= 1, "{told:#}");
    // What was answered is compared again without asking.
    let text = bench.explain(&["192.0.2.66"]);
    assert!(
        text.contains("2 of 3 answers agree") && text.contains("  1. "),
        "{text}"
    );
    assert_eq!(gateway.seen().len(), 3);
    assert!(
        bench
            .explain(&["192.0.2.66", "--lang", "ja"])
            .contains("3 件中 2 件の回答が同じ分類")
    );

    feedback(&bench, &["192.0.2.66", "correct", "--claim", "1", "down"]);
    let asked = system(&bench, "192.0.2.77");
    let voted = told["verified"]["kept"][0]["claim"]["predicate"]
        .as_str()
        .expect("a predicate");
    let line = asked
        .lines()
        .find(|line| line.starts_with("answer: "))
        .expect("an example");
    assert!(kept < 2 || !line.contains(voted), "{line}");
    // An example is another question: nothing that was kept answers it.
    bench.run(&["explain", "192.0.2.77"]);
    assert_eq!(gateway.seen().len(), 4);

    let refused = |arguments: &[&str], code: i32, expected: &str| {
        let ran = bench.run(&[&["feedback"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    };
    refused(
        &["192.0.2.66", "correct", "--claim", "9", "up"],
        1,
        "there is no claim 9",
    );
    refused(
        &["192.0.2.66", "correct", "--claim", "1", "left"],
        2,
        "up or down",
    );
    refused(&["192.0.2.66", "wrong-category"], 2, "CATEGORY");
    refused(
        &["192.0.2.66", "wrong-category", "allow"],
        2,
        "one of credential_stuffing",
    );
    refused(&["192.0.2.66", "correct", "monitoring"], 2, "only wrong-category");
    refused(
        &["192.0.2.66", "wrong-category", "catalogue_scrape"],
        1,
        "is the category that it was told as",
    );
    refused(&["192.0.2.250", "correct"], 1, "knows no client");
    refused(
        &["192.0.2.66", "correct", "--author", "\u{1b}[31mroot"],
        1,
        "control characters",
    );
    refused(&["192.0.2.66", "correct", "--author", ""], 1, "1 to 64 bytes");
}
