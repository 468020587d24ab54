//! Anthropic's messages. The schema is the input of a tool that the model must use.

use serde_json::{Value, json};

use super::{Body, Reading, instructions, most_tokens, schema_name, word};
use crate::config::Target;
use crate::outcome::ErrorClass;
use crate::question::Question;

/// Of the API, sent with each request.
pub const VERSION: &str = "2023-06-01";

pub fn body(target: &Target, question: &Question) -> Body {
    let mut body = Body::new();
    let name = schema_name(question);
    body.insert("model".to_owned(), json!(target.model));
    body.insert("system".to_owned(), json!(instructions(target, question)));
    body.insert(
        "messages".to_owned(),
        json!([{"role": "user", "content": question.user}]),
    );
    body.insert("max_tokens".to_owned(), json!(most_tokens(target, question)));
    let tool = json!({"name": name, "description": "Give the answer.", "input_schema": question.schema});
    body.insert("tools".to_owned(), json!([tool]));
    body.insert("tool_choice".to_owned(), json!({"type": "tool", "name": name}));
    body
}

pub fn read(answer: &Value) -> Reading {
    let finish = word(&answer["stop_reason"]);
    let usage = &answer["usage"];
    // What was read from or written to the provider's cache is part of the prompt, and counted apart.
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let cached = cached.iter().filter_map(|field| usage[field].as_u64());
    Reading {
        served: word(&answer["model"]),
        tokens_in: usage["input_tokens"]
            .as_u64()
            .map(|fresh| cached.fold(fresh, u64::saturating_add)),
        tokens_out: usage["output_tokens"].as_u64(),
        content: content(answer, finish.as_deref()),
        finish,
    }
}

fn content(answer: &Value, finish: Option<&str>) -> Result<Value, (ErrorClass, String)> {
    let Some(blocks) = answer["content"].as_array() else {
        return Err((ErrorClass::BadBody, "the answer has no content".to_owned()));
    };
    match finish {
        Some("max_tokens") => {
            return Err((
                ErrorClass::Truncated,
                "the answer ended at the token limit".to_owned(),
            ));
        }
        Some("refusal") => return Err((ErrorClass::Refusal, "the model refused".to_owned())),
        _ => {}
    }
    let used = blocks.iter().find(|block| block["type"] == "tool_use");
    match used {
        Some(block) => Ok(block["input"].clone()),
        None => Err((
            ErrorClass::Refusal,
            "the model did not use the tool that takes the answer".to_owned(),
        )),
    }
}
