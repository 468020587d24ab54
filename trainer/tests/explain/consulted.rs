//! Language models over what was gathered: a gateway that answers, one that fails in every way, and a real model.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::gateway::{Act, Gateway, chat, refusing};
use super::local_model::LocalModel;
use super::support::{Bench, START, samples};

const CRAWLER: &str = "192.0.2.66";

/// A crawler that goes through a catalogue, a second a page.
fn crawl(client: &str) -> Vec<u8> {
    let line = |number: u32| {
        let (minute, second) = (number / 60, number % 60);
        format!(
            "{client} - - [03/Jun/2024:06:{minute:02}:{second:02} +0000] \"GET /shop/item-{number} HTTP/1.1\" 200 5000 \
             \"-\" \"Mozilla/5.0\"\n"
        )
    };
    assert_eq!(START % 3600, 0, "the log begins with its hour");
    (0..240).map(line).collect::<String>().into_bytes()
}

/// A store with two crawlers that do the same, and these lines in the configuration.
fn bench(targets: &str) -> Bench {
    let bench = Bench::new("");
    bench.store(&samples(&[crawl(CRAWLER), crawl("192.0.2.77")].concat()));
    let mut config = OpenOptions::new()
        .append(true)
        .open(bench.path("sekisho.toml"))
        .expect("opened");
    config.write_all(targets.as_bytes()).expect("written");
    bench
}

fn target(base: &str, more: &str) -> String {
    format!(
        "[[llm.targets]]\nname = \"lm\"\nkind = \"openai\"\nbase_url = \"{base}\"\nmodel = \"m\"\nlocal_only = true\n{more}\n"
    )
}

/// A true claim of the client, a false one, the true one once more, and the category.
fn answer(document: &Value) -> Value {
    let evidence = document["snapshot"]["evidence"].as_array().expect("evidence");
    let weight = |item: &Value| item["attribution"].as_f64().expect("a weight");
    let main = evidence.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)));
    let main = main.expect("some")["id"].clone();
    json!({
        "category": document["category"]["name"],
        "claims": [
            {"predicate": "drives_score", "e": main},
            {"predicate": "periodic"},
            {"predicate": "drives_score", "e": main},
        ],
        "notes": "obviously a bot, ban it forever",
    })
}

#[test]
fn a_report_asks_about_its_cases_only_where_it_is_wanted() {
    let span = [
        "report",
        "--from",
        "2024-06-03T06:00:00Z",
        "--to",
        "2024-06-03T07:00:00Z",
    ];
    let report = |bench: &Bench, more: &[&str]| bench.run(&[&span, more].concat());
    let quiet = bench("");
    let refused = report(&quiet, &["--llm"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("none is configured"), "{}", refused.err);

    let gateway = Gateway::start(vec![chat(
        "m-1",
        &answer(&quiet.document(&[CRAWLER])).to_string(),
    )]);
    let bench = bench(&target(&gateway.url(), ""));
    let by_rule = report(&bench, &[]);
    assert_eq!(by_rule.code, Some(0), "{}", by_rule.err);
    assert!(gateway.seen().is_empty(), "nobody is asked without --llm");
    let asked = report(&bench, &["--llm"]);
    assert_eq!(asked.code, Some(0), "{}", asked.err);
    assert!(!gateway.seen().is_empty());
    let text = asked.out;
    assert!(text.contains("A language model was asked: `"), "{text}");
    assert!(
        text.contains("\n   - ") && !text.contains("ban it"),
        "what is true is listed, in our words: {text}"
    );
}

#[test]
fn what_is_true_of_an_answer_is_shown_and_kept() {
    let quiet = bench("");
    let by_rule = quiet.document(&[CRAWLER]);
    assert_eq!(by_rule["language_model"], Value::Null);
    let gateway = Gateway::start(vec![chat("m-1", &answer(&by_rule).to_string())]);
    let bench = bench(&target(
        &gateway.url(),
        "[[llm.prices]]\nmodel = \"m-1\"\nsince = \"2020-01-01\"\ninput = 1.0\noutput = 2.0",
    ));
    let told = bench.document(&[CRAWLER]);
    assert_eq!(told["language_model"]["how"], "asked", "{told:#}");
    for part in ["headline", "sentences", "action"] {
        assert_eq!(
            told["text"][part], by_rule["text"][part],
            "a model changes none of our words"
        );
    }
    let verified = &told["verified"];
    assert_eq!(verified["kept"].as_array().map(Vec::len), Some(1), "{verified:#}");
    let reasons: Vec<&Value> = (verified["dropped"].as_array().expect("dropped").iter())
        .map(|dropped| &dropped["reason"])
        .collect();
    assert_eq!(reasons, ["false", "duplicate"]);
    assert_eq!(verified["unverified_notes"], Value::Null, "nobody checked them");

    let text = bench.explain(&[CRAWLER]);
    assert!(
        text.contains("lm (m) answered this before: 1 of 3 claims hold"),
        "{text}"
    );
    assert!(!text.contains("ban it forever"), "{text}");
    assert!(bench.explain(&[CRAWLER, "--notes"]).contains("ban it forever"));
    assert!(bench.explain(&[CRAWLER, "--lang", "ja"]).contains("根拠と一致"));
    let twin = bench.document(&["192.0.2.77"]);
    assert_eq!(
        twin["language_model"]["exact"], false,
        "nearly the same is not asked twice"
    );
    let seen = gateway.seen();
    assert_eq!(seen.len(), 1);
    assert!(
        seen[0].line.starts_with("POST /chat/completions"),
        "{}",
        seen[0].line
    );
    assert_eq!(seen[0].header("authorization"), None, "it has no key");
    let by_rule = bench.document(&[CRAWLER, "--rules"]);
    assert_eq!(by_rule["language_model"], Value::Null);

    let status: Value =
        serde_json::from_str(&bench.run(&["llm", "status", "--format", "json"]).out).expect("JSON");
    assert_eq!(status["targets"][0]["claims"], json!({"kept": 1, "dropped": 2}));
    assert_eq!(status["targets"][0]["attempts"], 1);
    let table = bench.run(&["llm", "status"]).out;
    assert!(table.contains("lm") && table.contains("USD"), "{table}");
}

#[test]
fn whatever_fails_there_is_an_explanation() {
    let reply = |status, body: &str| Act::Reply(status, Vec::new(), body.to_owned());
    let acts: Vec<(&str, Act)> = vec![
        ("500", reply(500, "{}")),
        ("429", reply(429, "{}")),
        ("no json", chat("m", "I think it is a crawler.")),
        ("other schema", chat("m", "{\"category\": 7}")),
        ("hangs", Act::Hang),
        ("hangs inside", Act::HangInBody),
        ("closes", Act::CloseAtOnce),
        ("cut", Act::Cut),
        ("drips", Act::Drip),
        ("garbage", Act::Garbage),
        ("endless", Act::Endless),
    ];
    let bench = bench("");
    let config = std::fs::read_to_string(bench.path("sekisho.toml")).expect("read");
    let by_rule = bench.document(&[CRAWLER]);
    let check = |what: &str, base: &str| {
        std::fs::write(
            bench.path("sekisho.toml"),
            format!("{config}{}", target(base, "")),
        )
        .expect("written");
        let told = bench.document(&[CRAWLER, "--deadline", "1"]);
        assert_eq!(told["language_model"]["how"], "unanswered", "{what}: {told:#}");
        assert_eq!(told["text"], by_rule["text"], "{what}");
        assert_eq!(told["verified"], Value::Null, "{what}");
    };
    for (what, act) in acts {
        check(what, &Gateway::start(vec![act]).url());
    }
    check("refused", &refusing());
    let text = bench.explain(&[CRAWLER]);
    assert!(text.contains("No language model answered"), "{text}");
}

#[test]
fn a_question_becomes_a_form() {
    let form = json!({"filters": [{"field": "section", "comparison": "is", "value": "/shop"}], "by": ["network"],
        "measure": "requests", "rows": 5});
    let gateway = Gateway::start(vec![
        chat("m", &form.to_string()),
        chat("m", "{\"sql\": \"DROP TABLE sample\"}"),
    ]);
    let bench = bench(&target(&gateway.url(), ""));
    let ran = bench.run(&["ask", "which networks crawled /shop most?"]);
    assert!(
        ran.out
            .contains("Asked: sekisho ask --where section=/shop --by network"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(ran.out.contains("Most: 192.0.2.0/24 with"), "{}", ran.out);
    let sent = String::from_utf8_lossy(&gateway.seen()[0].body).into_owned();
    assert!(
        sent.contains("which networks crawled") && !sent.contains("192.0.2"),
        "{sent}"
    );
    let ran = bench.run(&["ask", "drop everything"]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains("ask by flags"), "{}", ran.err);
}

/// A model of 135 million parameters says little that is true; what it says is checked all the same. `make
/// explain-bench` asks about more clients, and the models of a configuration of one's own.
#[test]
fn a_real_model_is_asked() {
    let clients: u32 = std::env::var("EXPLAIN_BENCH").map_or(1, |count| count.parse().expect("a number"));
    let own = std::env::var("EXPLAIN_BENCH_TARGETS").ok();
    let own = own.map(|path| std::fs::read_to_string(path).expect("the targets can be read"));
    let model = own
        .is_none()
        .then(|| LocalModel::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")));
    let more = "timeout_seconds = 240\nmax_tokens = 160\n\
                extra = { temperature = 0, \"x-guidance\" = { whitespace_flexible = false } }";
    let targets = match (&own, &model) {
        (Some(own), _) => own.clone(),
        (None, Some(model)) => {
            target(&model.base_url(), more).replace("\"m\"", &format!("\"{}\"", LocalModel::MODEL))
        }
        (None, None) => unreachable!("one of both is there"),
    };
    let bench = bench(&targets);
    let logs: Vec<u8> = (1..=clients).flat_map(walk).collect();
    bench.store(&samples(&logs));
    for number in 1..=clients {
        let told = bench.document(&[&format!("198.51.100.{number}"), "--deadline", "240"]);
        let how = told["language_model"]["how"]
            .as_str()
            .expect("somebody was asked");
        assert!(["asked", "kept", "unanswered"].contains(&how), "{told:#}");
        assert!(
            !told["text"]["sentences"]
                .as_array()
                .expect("sentences")
                .is_empty()
        );
    }
    let status: Value =
        serde_json::from_str(&bench.run(&["llm", "status", "--format", "json"]).out).expect("JSON");
    println!(
        "| target | model | requests | without answer | claims kept | dropped | survive |\n|---|---|---|---|---|---|---|"
    );
    for target in status["targets"].as_array().expect("targets") {
        let count = |what: &str| target["claims"][what].as_f64().expect("a count");
        let (kept, dropped) = (count("kept"), count("dropped"));
        println!(
            "| {} | {} | {} | {} | {kept} | {dropped} | {:.0} % |",
            target["name"],
            target["model"],
            target["attempts"],
            target["failures"],
            100.0 * kept / (kept + dropped).max(1.0),
        );
        assert!(target["attempts"].as_u64() >= Some(1), "{target}");
    }
}

/// A client whose pace, paths, referers and statuses follow from its number.
fn walk(number: u32) -> Vec<u8> {
    let line = |step: u32| {
        let at = step * (1 + number % 4);
        let (minute, second) = (at / 60, at % 60);
        let target = match number % 3 {
            0 => format!("/list?colour={}&size={}&page={}", step % 7, step % 11, step % 5),
            1 => format!("/shop/item-{step}"),
            _ => format!("/wp-admin/{step}.php"),
        };
        let status = if number % 3 == 2 { 404 } else { 200 };
        let referer = if number.is_multiple_of(2) {
            "https://shop.example/"
        } else {
            "-"
        };
        format!(
            "198.51.100.{number} - - [03/Jun/2024:06:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" {status} \
             5000 \"{referer}\" \"Mozilla/5.0\"\n"
        )
    };
    (0..240).map(line).collect::<String>().into_bytes()
}
