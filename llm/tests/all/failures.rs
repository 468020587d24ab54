//! For each way in which a provider fails: the deadline holds, the record says what happened, and the next target
//! answers; without one, the caller knows in time that its own text is needed.

use std::time::Instant;

use sekisho_llm::{ErrorClass, Reason};
use tokio::task::JoinSet;

use crate::asking::{GOOD, SLACK, chain, config, now, question};
use crate::gateway::{Act, Gateway, chat, chat_ending, refusing};

/// Of every question here, in milliseconds.
const DEADLINE: u64 = 2000;

fn failures() -> Vec<(&'static str, Option<Act>, ErrorClass, Option<u16>)> {
    let status = |status: u16, body: &str| Some(Act::Reply(status, Vec::new(), body.to_owned()));
    let later = |value: &str| {
        Some(Act::Reply(
            429,
            vec![("Retry-After", value.to_owned())],
            String::new(),
        ))
    };
    let location = vec![("Location", "http://127.0.0.1:9/".to_owned())];
    let spent = r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#;
    vec![
        ("refused connection", None, ErrorClass::Connect, None),
        (
            "429 without Retry-After",
            status(429, "{}"),
            ErrorClass::RateLimited,
            Some(429),
        ),
        (
            "429 for longer than there is time",
            later("60"),
            ErrorClass::RateLimited,
            Some(429),
        ),
        (
            "429 until a day",
            later("Mon, 07 Nov 1994 00:00:00 GMT"),
            ErrorClass::RateLimited,
            Some(429),
        ),
        (
            "429 with nonsense",
            later("soon"),
            ErrorClass::RateLimited,
            Some(429),
        ),
        ("429, paid up", status(429, spent), ErrorClass::Quota, Some(429)),
        ("402", status(402, ""), ErrorClass::Quota, Some(402)),
        ("401", status(401, "{}"), ErrorClass::Unauthorised, Some(401)),
        ("404", status(404, "<html>"), ErrorClass::Rejected, Some(404)),
        ("500", status(500, "oops"), ErrorClass::Server, Some(500)),
        ("529", status(529, "{}"), ErrorClass::Server, Some(529)),
        (
            "redirect",
            Some(Act::Reply(307, location, String::new())),
            ErrorClass::Redirect,
            Some(307),
        ),
        ("hanging", Some(Act::Hang), ErrorClass::Timeout, None),
        (
            "hanging in the body",
            Some(Act::HangInBody),
            ErrorClass::Slow,
            Some(200),
        ),
        ("slow drip", Some(Act::Drip), ErrorClass::Slow, Some(200)),
        ("closed at once", Some(Act::CloseAtOnce), ErrorClass::Cut, None),
        ("cut stream", Some(Act::Cut), ErrorClass::Cut, Some(200)),
        ("not HTTP", Some(Act::Garbage), ErrorClass::Cut, None),
        ("endless", Some(Act::Endless), ErrorClass::Oversize, Some(200)),
        (
            "no JSON",
            status(200, "<html>busy</html>"),
            ErrorClass::BadBody,
            Some(200),
        ),
        (
            "other JSON",
            status(200, "{\"choices\": []}"),
            ErrorClass::BadBody,
            Some(200),
        ),
        ("empty", status(200, ""), ErrorClass::BadBody, Some(200)),
        ("silence", Some(chat("m", "")), ErrorClass::Refusal, Some(200)),
        (
            "truncated",
            Some(chat_ending("m", "{\"category\":", "length")),
            ErrorClass::Truncated,
            Some(200),
        ),
        (
            "invalid JSON",
            Some(chat("m", "{\"category\": scrape}")),
            ErrorClass::InvalidJson,
            Some(200),
        ),
        (
            "prose",
            Some(chat("m", "It is a crawler.")),
            ErrorClass::InvalidJson,
            Some(200),
        ),
        (
            "wrong schema",
            Some(chat("m", "{\"category\":\"crawler\",\"claims\":[]}")),
            ErrorClass::WrongSchema,
            Some(200),
        ),
    ]
}

fn url(act: Option<Act>) -> String {
    act.map_or_else(refusing, |act| Gateway::start(vec![act]).url())
}

#[tokio::test]
async fn the_next_target_answers_in_time() {
    // Chains first: making one reads the system's certificates, and all share this thread.
    let chains = failures().into_iter().map(|(name, act, class, status)| {
        let good = Gateway::start(vec![chat("model-b", GOOD)]);
        let (chain, ledger) = chain(config(&[url(act), good.url()], ""));
        (name, chain, ledger, class, status)
    });
    let chains: Vec<_> = chains.collect();
    let mut all = JoinSet::new();
    for (name, chain, ledger, class, status) in chains {
        all.spawn(async move {
            let began = Instant::now();
            let outcome = chain.ask(question(DEADLINE), now()).await;
            assert!(
                began.elapsed().as_millis() < u128::from(DEADLINE),
                "{name}: {:?}",
                began.elapsed()
            );
            let answer = outcome.answer().unwrap_or_else(|| panic!("{name}: {outcome:?}"));
            assert_eq!(
                (answer.provider.as_str(), answer.value["category"].as_str()),
                ("b", Some("scrape")),
                "{name}"
            );
            let attempts = &outcome.attempts;
            assert_eq!(
                (attempts.len(), attempts[0].error),
                (2, Some(class)),
                "{name}: {attempts:?}"
            );
            assert_eq!(attempts[0].status, status, "{name}");
            assert_eq!(outcome.fallback, Some(class.label()), "{name}");
            let booked: Vec<String> = ledger.entries().into_iter().map(|entry| entry.outcome).collect();
            assert_eq!(booked, [class.label(), "ok"], "{name}");
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("as it should be");
    }
}

#[tokio::test]
async fn without_another_target_the_caller_knows_in_time() {
    let chains = failures()
        .into_iter()
        .map(|(name, act, class, _)| (name, chain(config(&[url(act)], "")).0, class));
    let chains: Vec<_> = chains.collect();
    let mut all = JoinSet::new();
    for (name, chain, class) in chains {
        all.spawn(async move {
            let began = Instant::now();
            let outcome = chain.ask(question(DEADLINE), now()).await;
            let limit = u128::from(DEADLINE) + SLACK.as_millis();
            assert!(
                began.elapsed().as_millis() < limit,
                "{name}: {:?}",
                began.elapsed()
            );
            let waits = matches!(class, ErrorClass::Timeout | ErrorClass::Slow);
            let reason = if waits { Reason::Deadline } else { Reason::Failed };
            assert_eq!(outcome.reason(), Some(reason), "{name}: {outcome:?}");
            assert_eq!(outcome.attempts[0].error, Some(class), "{name}");
            assert_eq!(outcome.fallback, Some(reason.label()), "{name}");
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("as it should be");
    }
}

#[tokio::test]
async fn a_chain_of_nothing_but_failures_ends_in_time() {
    let urls: Vec<String> = [Act::Hang, Act::Drip, Act::HangInBody, Act::Hang]
        .into_iter()
        .map(|act| url(Some(act)))
        .collect();
    let (chain, _) = chain(config(&urls, ""));
    let outcome = chain.ask(question(DEADLINE), now()).await;
    assert!(
        outcome.duration < std::time::Duration::from_millis(DEADLINE) + SLACK,
        "{outcome:?}"
    );
    assert_eq!(outcome.reason(), Some(Reason::Deadline));
    // Each gets its share of what is left, and the last hardly anything.
    assert!(outcome.attempts.len() >= 3, "{outcome:?}");
}
