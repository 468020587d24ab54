//! Chat completions. The schema goes as `response_format` of type `json_schema`, which hosted models, vLLM, Ollama and
//! llama.cpp enforce while they write.

use serde_json::{Value, json};

use super::{Body, Reading, instructions, most_tokens, schema_name, word};
use crate::config::Target;
use crate::outcome::ErrorClass;
use crate::question::Question;

pub fn body(target: &Target, question: &Question) -> Body {
    let mut body = Body::new();
    body.insert("model".to_owned(), json!(target.model));
    let messages = json!([
        {"role": "system", "content": instructions(target, question)},
        {"role": "user", "content": question.user},
    ]);
    body.insert("messages".to_owned(), messages);
    body.insert(
        target.max_tokens_field.clone(),
        json!(most_tokens(target, question)),
    );
    let schema = json!({"name": schema_name(question), "strict": true, "schema": question.schema});
    body.insert(
        "response_format".to_owned(),
        json!({"type": "json_schema", "json_schema": schema}),
    );
    body.insert("stream".to_owned(), json!(false));
    body
}

pub fn read(answer: &Value) -> Reading {
    let choice = &answer["choices"][0];
    let finish = word(&choice["finish_reason"]);
    Reading {
        served: word(&answer["model"]),
        tokens_in: answer["usage"]["prompt_tokens"].as_u64(),
        tokens_out: answer["usage"]["completion_tokens"].as_u64(),
        content: content(choice, finish.as_deref()),
        finish,
    }
}

fn content(choice: &Value, finish: Option<&str>) -> Result<Value, (ErrorClass, String)> {
    let message = &choice["message"];
    if !message.is_object() {
        return Err((
            ErrorClass::BadBody,
            "the answer has no choices[0].message".to_owned(),
        ));
    }
    match finish {
        Some("length") => {
            return Err((
                ErrorClass::Truncated,
                "the answer ended at the token limit".to_owned(),
            ));
        }
        Some("content_filter") => {
            return Err((ErrorClass::Refusal, "the provider filtered the answer".to_owned()));
        }
        _ => {}
    }
    match message["content"].as_str().map(str::trim) {
        None | Some("") => Err((
            ErrorClass::Refusal,
            "the model said nothing, or refused".to_owned(),
        )),
        Some(text) => {
            serde_json::from_str(text).map_err(|error| (ErrorClass::InvalidJson, error.to_string()))
        }
    }
}
