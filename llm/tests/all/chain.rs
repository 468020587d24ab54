//! Who is asked, when, and who is not.

use std::time::Duration;

use sekisho_llm::{ErrorClass, Reason, SkipReason};
use serde_json::{Value, json};

use crate::asking::{GOOD, chain, config, now, question};
use crate::gateway::{Act, Gateway, chat, refusing};

fn wait(status: u16, value: &str) -> Act {
    Act::Reply(status, vec![("Retry-After", value.to_owned())], String::new())
}

#[tokio::test]
async fn a_wait_that_fits_is_waited() {
    for (status, value, least, class) in [
        (429, "0", 0, ErrorClass::RateLimited),
        (429, "0.3", 300, ErrorClass::RateLimited),
        (503, "0", 0, ErrorClass::Server),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 0, ErrorClass::RateLimited),
        (429, "Sun, 06 Nov 1994 08:49:38 GMT", 900, ErrorClass::RateLimited),
    ] {
        let first = Gateway::start(vec![wait(status, value), chat("model-a", GOOD)]);
        let second = Gateway::start(vec![chat("model-b", GOOD)]);
        let (chain, _) = chain(config(&[first.url(), second.url()], ""));
        let outcome = chain.ask(question(4000), now()).await;
        let provider = outcome.answer().map(|answer| answer.provider.as_str());
        assert_eq!(provider, Some("a"), "{value}: {outcome:?}");
        assert_eq!(outcome.fallback, None, "{value}");
        assert_eq!(outcome.attempts[0].error, Some(class), "{value}");
        assert!(
            outcome.attempts[1].began >= Duration::from_millis(least),
            "{value}: {outcome:?}"
        );
        assert!(second.seen().is_empty(), "{value}");
    }
}

#[tokio::test]
async fn a_target_is_asked_again_twice_at_most() {
    let first = Gateway::start(vec![wait(429, "0")]);
    let second = Gateway::start(vec![chat("model-b", GOOD)]);
    let (chain, _) = chain(config(&[first.url(), second.url()], ""));
    let outcome = chain.ask(question(3000), now()).await;
    assert_eq!((first.seen().len(), second.seen().len()), (3, 1));
    assert_eq!(outcome.fallback, Some("rate_limited"));
}

#[tokio::test]
async fn a_breaker_opens_and_a_probe_closes_it() {
    let failing = Act::Reply(500, Vec::new(), String::new());
    let first = Gateway::start(vec![failing.clone(), failing, chat("model-a", GOOD)]);
    let second = Gateway::start(vec![chat("model-b", GOOD)]);
    let (chain, _) = chain(config(
        &[first.url(), second.url()],
        "[breaker]\nfailures = 2\npause_seconds = 30",
    ));
    for _ in 0..2 {
        chain.ask(question(3000), now()).await;
    }
    let outcome = chain.ask(question(3000), now()).await;
    assert_eq!(outcome.skips[0].reason, SkipReason::BreakerOpen);
    assert_eq!(outcome.fallback, Some("breaker_open"));
    assert_eq!(first.seen().len(), 2, "an open breaker sends nothing");
    assert_eq!(chain.status(now()).targets[0].breaker, "open");
    let later = now() + Duration::from_secs(31);
    assert_eq!(chain.status(later).targets[0].breaker, "half-open");
    let outcome = chain.ask(question(3000), later).await;
    assert_eq!(outcome.fallback, None, "{outcome:?}");
    assert_eq!(chain.status(later).targets[0].breaker, "closed");
}

#[tokio::test]
async fn a_used_up_quota_is_left_alone_until_its_reset() {
    let headers = vec![
        ("x-ratelimit-remaining-requests", "0".to_owned()),
        ("x-ratelimit-reset-requests", "6m0s".to_owned()),
    ];
    let Act::Reply(status, _, body) = chat("model-a", GOOD) else {
        unreachable!("an answer is a reply");
    };
    let first = Gateway::start(vec![Act::Reply(status, headers, body)]);
    let second = Gateway::start(vec![chat("model-b", GOOD)]);
    let (chain, _) = chain(config(&[first.url(), second.url()], ""));
    let mut answered = Vec::new();
    for seconds in [0, 1, 350, 362] {
        let outcome = chain
            .ask(question(3000), now() + Duration::from_secs(seconds))
            .await;
        answered.extend(outcome.answer().map(|answer| answer.provider.clone()));
    }
    assert_eq!(answered, ["a", "b", "b", "a"]);
}

#[tokio::test]
async fn unredacted_text_reaches_local_targets_only() {
    let first = Gateway::start(vec![chat("model-a", GOOD)]);
    let second = Gateway::start(vec![chat("model-b", GOOD)]);
    let mut both = config(&[first.url(), second.url()], "");
    let mut asked = question(3000);
    asked.unredacted = true;
    let outcome = chain(both.clone()).0.ask(asked.clone(), now()).await;
    assert_eq!(
        (outcome.reason(), outcome.skips.len()),
        (Some(Reason::NoTarget), 2)
    );
    both.targets[1].local_only = true;
    let outcome = chain(both).0.ask(asked, now()).await;
    assert_eq!(outcome.answer().map(|answer| answer.provider.as_str()), Some("b"));
    assert_eq!(outcome.fallback, Some("not_local"));
    assert!(first.seen().is_empty());
}

#[tokio::test]
async fn a_hanging_target_leaves_time_for_the_next() {
    let first = Gateway::start(vec![Act::Hang]);
    let second = Gateway::start(vec![chat("model-b", GOOD)]);
    let (chain, _) = chain(config(&[first.url(), second.url()], ""));
    let outcome = chain.ask(question(2000), now()).await;
    let attempt = &outcome.attempts[0];
    assert!(attempt.duration >= Duration::from_millis(1100), "{attempt:?}");
    assert!(outcome.answer().is_some());
}

#[tokio::test]
async fn without_targets_nothing_is_asked() {
    let (chain, _) = chain(config(&[], ""));
    let outcome = chain.ask(question(1000), now()).await;
    assert_eq!(outcome.reason(), Some(Reason::Off));
    assert!(!chain.is_on());
}

#[tokio::test]
async fn a_schema_that_cannot_be_checked_is_the_callers_mistake() {
    let first = Gateway::start(vec![chat("model-a", GOOD)]);
    let (chain, _) = chain(config(&[first.url()], ""));
    let mut asked = question(1000);
    asked.schema = json!({"type": "object", "properties": {"a": {"pattern": "x"}}});
    assert_eq!(chain.ask(asked, now()).await.reason(), Some(Reason::Question));
    assert!(first.seen().is_empty());
}

#[tokio::test]
async fn who_waits_behind_others_knows_in_time() {
    let first = Gateway::start(vec![Act::Hang]);
    let (chain, _) = chain(config(&[first.url()], "[breaker]\nfailures = 100"));
    let ask = |deadline_ms| chain.ask(question(deadline_ms), now());
    let (one, two, three) = tokio::join!(ask(900), ask(900), ask(300));
    let mut reasons = [one, two, three].map(|outcome| outcome.reason().expect("no answer").label());
    reasons.sort_unstable();
    assert_eq!(reasons, ["busy", "deadline", "deadline"]);
}

#[tokio::test]
async fn anthropic_answers_by_its_tool() {
    let body = json!({
        "model": "claude-served", "stop_reason": "tool_use",
        "content": [{"type": "tool_use", "name": "explain", "input": {"category": "scan", "claims": []}}],
        "usage": {"input_tokens": 11, "output_tokens": 7},
    });
    let gateway = Gateway::start(vec![Act::Reply(200, Vec::new(), body.to_string())]);
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    std::fs::write(&key, "sk-ant-1\n").expect("a file");
    let mut config = config(&[gateway.url()], "");
    config.targets[0].kind = sekisho_llm::Kind::Anthropic;
    config.targets[0].base_url = gateway.url();
    config.targets[0].key_file = Some(key.clone());
    let (chain, _) = chain(config);
    let outcome = chain.ask(question(3000), now()).await;
    let answer = outcome.answer().expect("an answer");
    assert_eq!(answer.served.as_deref(), Some("claude-served"));
    assert_eq!((answer.tokens_in, answer.tokens_out), (Some(11), Some(7)));
    let seen = &gateway.seen()[0];
    assert_eq!(seen.line, "POST /v1/messages");
    assert_eq!(seen.header("x-api-key"), Some("sk-ant-1"));
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    let sent: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": "explain"}));
    // A key that is gone is an error of its own, and nothing is sent.
    std::fs::remove_file(&key).expect("a file");
    let outcome = chain.ask(question(3000), now()).await;
    assert_eq!(outcome.attempts[0].error, Some(ErrorClass::Key));
    assert_eq!(gateway.seen().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_sent_back_is_not_recorded() {
    let body = r#"{"error":{"message":"bad key sk-secret-123 given"}}"#;
    let gateway = Gateway::start(vec![Act::Reply(401, Vec::new(), body.to_owned())]);
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    std::fs::write(&key, "sk-secret-123").expect("a file");
    let mut config = config(&[gateway.url()], "");
    config.targets[0].key_file = Some(key);
    let outcome = chain(config).0.ask(question(3000), now()).await;
    assert_eq!(outcome.attempts[0].detail.as_deref(), Some("bad key [key] given"));
    assert!(!format!("{outcome:?}").contains("sk-secret"));
    assert_eq!(
        gateway.seen()[0].header("authorization"),
        Some("Bearer sk-secret-123")
    );
}

#[tokio::test]
async fn a_refused_connection_costs_nothing() {
    let (chain, ledger) = chain(config(&[refusing()], ""));
    chain.ask(question(1000), now()).await;
    assert_eq!(ledger.entries()[0].cost, sekisho_llm::Cost::Nothing);
}
