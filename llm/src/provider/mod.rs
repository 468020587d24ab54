//! What providers are sent, and what their answers mean.

mod anthropic;
mod openai;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::config::{Kind, Target};
use crate::outcome::ErrorClass;
use crate::question::Question;
use crate::secret::Secret;
use crate::transport::Request;
use crate::visible::escaped;

/// Characters of a provider's word, such as the name of a model.
const LONGEST_WORD: usize = 128;
/// Characters of a provider's message.
pub const LONGEST_MESSAGE: usize = 200;

/// What an answer of status 2xx says.
#[derive(Debug, PartialEq)]
pub struct Reading {
    /// Model that answered.
    pub served: Option<String>,
    /// Tokens of the prompt.
    pub tokens_in: Option<u64>,
    /// Tokens of the answer.
    pub tokens_out: Option<u64>,
    /// Why the model stopped.
    pub finish: Option<String>,
    /// Its answer, not yet checked against the schema.
    pub content: Result<Value, (ErrorClass, String)>,
}

/// The request for a question.
pub fn request(target: &Target, key: Option<&Secret>, question: &Question) -> Request {
    let mut headers = Vec::new();
    let (path, mut body) = match target.kind {
        Kind::Openai => {
            headers.extend(key.map(|key| ("authorization", format!("Bearer {}", key.expose()))));
            ("chat/completions", openai::body(target, question))
        }
        Kind::Anthropic => {
            headers.extend(key.map(|key| ("x-api-key", key.expose().to_owned())));
            headers.push(("anthropic-version", anthropic::VERSION.to_owned()));
            ("v1/messages", anthropic::body(target, question))
        }
    };
    for (field, value) in &target.extra {
        body.insert(field.clone(), value.clone());
    }
    Request {
        url: format!("{}/{path}", target.base_url.trim_end_matches('/')),
        headers,
        body: Value::Object(body).to_string().into_bytes(),
    }
}

/// Reads an answer of status 2xx.
pub fn read(kind: Kind, body: &[u8]) -> Reading {
    let answer: Value = match serde_json::from_slice(body) {
        Ok(answer @ Value::Object(_)) => answer,
        Ok(_) => return unreadable("the body is no JSON object"),
        Err(error) => return unreadable(&format!("the body is no JSON: {error}")),
    };
    match kind {
        Kind::Openai => openai::read(&answer),
        Kind::Anthropic => anthropic::read(&answer),
    }
}

/// The message of an error's body, if it has one.
pub fn message(body: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(body).ok()?;
    let places = [
        &error["error"]["message"],
        &error["error"],
        &error["message"],
        &error["detail"],
    ];
    let text = places.into_iter().find_map(Value::as_str)?;
    Some(escaped(text, LONGEST_MESSAGE))
}

/// Whether an error's body says that what was paid for or allowed is used up, which waiting a little does not mend.
pub fn is_used_up(body: &[u8]) -> bool {
    let Ok(error) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let error = &error["error"];
    let codes = [&error["code"], &error["type"], &error["details"]["error_code"]];
    let used_up = [
        "insufficient_quota",
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "billing_error",
    ];
    codes
        .into_iter()
        .filter_map(Value::as_str)
        .any(|code| used_up.contains(&code))
}

/// The name that the schema goes by: letters, digits, `_` and `-`, at most 64.
fn schema_name(question: &Question) -> String {
    let allowed = |character: char| {
        if character.is_ascii_alphanumeric() || "_-".contains(character) {
            character
        } else {
            '_'
        }
    };
    question.operation.chars().take(64).map(allowed).collect()
}

fn most_tokens(target: &Target, question: &Question) -> u32 {
    target.max_tokens.unwrap_or(u32::MAX).min(question.max_tokens)
}

fn instructions(target: &Target, question: &Question) -> String {
    if target.schema_in_prompt {
        let schema = &question.schema;
        format!(
            "{}\n\nAnswer with one JSON object that follows this JSON schema:\n{schema}",
            question.system
        )
    } else {
        question.system.clone()
    }
}

fn word(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|word| !word.is_empty())
        .map(|word| escaped(word, LONGEST_WORD))
}

fn unreadable(text: &str) -> Reading {
    Reading {
        served: None,
        tokens_in: None,
        tokens_out: None,
        finish: None,
        content: Err((ErrorClass::BadBody, text.to_owned())),
    }
}

type Body = Map<String, Value>;
