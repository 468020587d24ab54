//! What a language model is told and asked: the form as a JSON schema, and nothing of any client.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::form::{Comparison, Field, MAX_BY, MAX_FILTERS, MAX_ROWS, MAX_VALUE, Measure};

/// Longest question, in characters: the rest is cut.
pub const MAX_QUESTION: usize = 500;

/// The schema of [`super::form::Form`].
pub fn schema() -> Value {
    let fields: Vec<&str> = Field::ALL.iter().map(|field| field.word()).collect();
    let measures: Vec<&str> = Measure::ALL.iter().map(|measure| measure.word()).collect();
    let comparisons: Vec<Value> = (Comparison::ALL.iter())
        .map(|(comparison, _)| json!(comparison))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["filters", "by", "measure", "rows"],
        "properties": {
            "filters": {
                "type": "array",
                "maxItems": MAX_FILTERS,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["field", "comparison", "value"],
                    "properties": {
                        "field": {"type": "string", "enum": fields},
                        "comparison": {"type": "string", "enum": comparisons},
                        "value": {"type": "string", "maxLength": MAX_VALUE},
                    },
                },
            },
            "from": {"type": "string", "maxLength": 32},
            "to": {"type": "string", "maxLength": 32},
            "by": {"type": "array", "maxItems": MAX_BY, "items": {"type": "string", "enum": fields}},
            "measure": {"type": "string", "enum": measures},
            "rows": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS},
        },
    })
}

/// What the model is told before the question.
pub fn instructions(now: u32) -> String {
    let time = Timestamp::from_second(i64::from(now)).unwrap_or_default();
    format!(
        "Turn a question about crawlers of a web site into a query form. Answer with JSON only.\n\
         It is {time} (UTC) now. \"from\" and \"to\" are times such as 2026-03-20T22:00:00Z, or 24h or 7d before now.\n\
         A row is made for each value of the fields in \"by\". \"measure\" is what rows are sorted by.\n\
         fields: zone; client (an address); network; section (first directory of the path, such as /search); path; \
         method; verdict (PASSED, SUSPECT, REJECTED, REJECTED_DRYRUN, TRAPPED); kind (flagged, contrast, label); reason; \
         class (human, crawler); origin; score (0 to 1; compared by at_least or below); hour; day; id.\n\
         Who crawled, or was stopped: kind is flagged. Which networks: by network. How much: measure requests."
    )
}

/// The question as the model gets it.
pub fn question(text: &str) -> String {
    let cut: String = text.chars().take(MAX_QUESTION).collect();
    format!("Question: {}", json!(cut))
}
