use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn question() -> Question {
    Question {
        operation: "explain",
        system: "Be short.".to_owned(),
        user: "id,value".to_owned(),
        schema: json!({"type": "object"}),
        max_tokens: 100,
        unredacted: false,
        deadline: Duration::from_secs(1),
    }
}

fn target(text: &str) -> Target {
    toml::from_str(text).expect("a target")
}

fn sent(target: &Target) -> Value {
    serde_json::from_slice(&request(target, None, &question()).body).expect("JSON")
}

#[test]
fn a_chat_completion_is_asked_for_by_schema() {
    let target = target(
        "name = 'a'\nkind = 'openai'\nbase_url = 'http://localhost/v1/'\nmodel = 'm'\nmax_tokens = 50\n\
         max_tokens_field = 'max_completion_tokens'\nextra = { temperature = 0, x-guidance = { whitespace_flexible = false } }",
    );
    assert_eq!(
        request(&target, None, &question()).url,
        "http://localhost/v1/chat/completions"
    );
    let expected = json!({
        "model": "m",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "id,value"}],
        "max_completion_tokens": 50,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "explain", "strict": true, "schema": {"type": "object"}},
        },
        "stream": false,
        "temperature": 0,
        "x-guidance": {"whitespace_flexible": false},
    });
    assert_eq!(sent(&target), expected);
}

#[test]
fn a_message_is_asked_for_by_a_forced_tool() {
    let target = target("name = 'a'\nkind = 'anthropic'\nbase_url = 'https://localhost'\nmodel = 'm'");
    assert_eq!(
        request(&target, None, &question()).url,
        "https://localhost/v1/messages"
    );
    let expected = json!({
        "model": "m",
        "system": "Be short.",
        "messages": [{"role": "user", "content": "id,value"}],
        "max_tokens": 100,
        "tools": [{"name": "explain", "description": "Give the answer.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "explain"},
    });
    assert_eq!(sent(&target), expected);
}

#[test]
fn a_schema_may_be_repeated_in_the_instructions() {
    let target = target(
        "name = 'a'\nkind = 'openai'\nbase_url = 'http://localhost'\nmodel = 'm'\nschema_in_prompt = true\n\
         extra = { response_format = { type = 'json_object' } }",
    );
    let body = sent(&target);
    let system = body["messages"][0]["content"].as_str().expect("a text");
    assert!(
        system.ends_with("this JSON schema:\n{\"type\":\"object\"}"),
        "{system}"
    );
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
}

#[test]
fn keys_go_into_the_right_header() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    std::fs::write(&path, "sk-1").expect("a file");
    let key = Secret::read(&path).expect("a key");
    let check = |kind: &str, name: &str, value: &str| {
        let text = format!("name = 'a'\nkind = '{kind}'\nbase_url = 'https://localhost'\nmodel = 'm'");
        let request = request(&target(&text), Some(&key), &question());
        assert!(request.headers.contains(&(
            match name {
                "x-api-key" => "x-api-key",
                _ => "authorization",
            },
            value.to_owned()
        )));
    };
    check("openai", "authorization", "Bearer sk-1");
    check("anthropic", "x-api-key", "sk-1");
}

#[test]
fn answers_mean_something() {
    #[track_caller]
    fn check(kind: Kind, body: Value, expected: Result<Value, ErrorClass>) {
        let reading = read(kind, body.to_string().as_bytes());
        assert_eq!(reading.content.map_err(|(class, _)| class), expected, "{body}");
    }
    let chat = |finish: &str, content: Value| json!({"model": "m", "choices": [{"finish_reason": finish, "message": {"content": content}}]});
    check(
        Kind::Openai,
        chat("stop", json!("{\"a\": 1}")),
        Ok(json!({"a": 1})),
    );
    check(
        Kind::Openai,
        chat("length", json!("{\"a\": 1}")),
        Err(ErrorClass::Truncated),
    );
    check(
        Kind::Openai,
        chat("content_filter", json!("")),
        Err(ErrorClass::Refusal),
    );
    check(Kind::Openai, chat("stop", json!(null)), Err(ErrorClass::Refusal));
    check(
        Kind::Openai,
        chat("stop", json!("Sure! {}")),
        Err(ErrorClass::InvalidJson),
    );
    check(Kind::Openai, json!({"choices": []}), Err(ErrorClass::BadBody));
    check(Kind::Openai, json!([]), Err(ErrorClass::BadBody));
    let message = |stop: &str, content: Value| json!({"stop_reason": stop, "content": content});
    let used = json!([{"type": "text", "text": "x"}, {"type": "tool_use", "input": {"a": 1}}]);
    check(
        Kind::Anthropic,
        message("tool_use", used.clone()),
        Ok(json!({"a": 1})),
    );
    check(
        Kind::Anthropic,
        message("max_tokens", used),
        Err(ErrorClass::Truncated),
    );
    check(
        Kind::Anthropic,
        message("refusal", json!([])),
        Err(ErrorClass::Refusal),
    );
    check(
        Kind::Anthropic,
        message("end_turn", json!([{"type": "text"}])),
        Err(ErrorClass::Refusal),
    );
    check(Kind::Anthropic, json!({}), Err(ErrorClass::BadBody));
}

#[test]
fn cached_tokens_are_tokens() {
    let usage = json!({"input_tokens": 1, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100});
    let reading = read(
        Kind::Anthropic,
        json!({"usage": usage, "content": []}).to_string().as_bytes(),
    );
    assert_eq!(reading.tokens_in, Some(111));
    assert_eq!(reading.tokens_out, None);
}

#[test]
fn errors_have_messages_and_codes() {
    #[track_caller]
    fn check(body: Value, expected: Option<&str>, used_up: bool) {
        let bytes = body.to_string().into_bytes();
        assert_eq!(message(&bytes).as_deref(), expected, "{body}");
        assert_eq!(is_used_up(&bytes), used_up, "{body}");
    }
    check(
        json!({"error": {"message": "no\u{1b}", "code": "insufficient_quota"}}),
        Some("no\\u{1b}"),
        true,
    );
    check(
        json!({"error": {"details": {"error_code": "enforced_spend_limit_reached"}}}),
        None,
        true,
    );
    check(
        json!({"error": "model not found"}),
        Some("model not found"),
        false,
    );
    check(json!({"message": "slow down"}), Some("slow down"), false);
    check(json!([1]), None, false);
    assert_eq!(message(b"<html>"), None);
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in "\\PC{0,60}|[\\[\\]{}\":,a-c0-9]{0,60}") {
        let _ = read(Kind::Openai, body.as_bytes());
        let _ = read(Kind::Anthropic, body.as_bytes());
        let _ = message(body.as_bytes());
        let _ = is_used_up(body.as_bytes());
    }
}
