//! What a language model may say: a category, and predicates over evidence. No number of its own, no sentence.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::category::RULES;
use super::snapshot::Snapshot;

/// Claims of an answer at most.
pub const MAX_CLAIMS: usize = 6;
/// Characters of its notes at most.
pub const MAX_NOTES: usize = 280;

/// One predicate. `e` and its like are ids of evidence items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "predicate", deny_unknown_fields)]
pub enum Claim {
    /// The client's value is above what visitors have.
    AboveBaseline {
        /// Evidence.
        e: String,
    },
    /// It is below.
    BelowBaseline {
        /// Evidence.
        e: String,
    },
    /// The value is at least so many times the visitors' median.
    RatioOf {
        /// Evidence.
        e: String,
        /// Times.
        at_least: f64,
    },
    /// Both are unlike what visitors have.
    CoOccurs {
        /// Evidence.
        e1: String,
        /// Other evidence.
        e2: String,
    },
    /// It is one of the main reasons of the score.
    DrivesScore {
        /// Evidence.
        e: String,
    },
    /// With this one as visitors have it, the client would have passed.
    Decides {
        /// Evidence.
        e: String,
    },
    /// Pages come at a fixed beat.
    Periodic {},
    /// So many other clients behave alike at the same time.
    ManyAlike {
        /// Clients.
        at_least: f64,
    },
    /// At least this share of the samples asked for one path template.
    PathShare {
        /// Path template.
        template: String,
        /// Share, 0 to 1.
        at_least: f64,
    },
}

/// JSON schema of an answer over a snapshot: ids are those that are there, and path templates can be cited only where
/// they were shown.
pub fn schema(snapshot: &Snapshot, with_paths: bool) -> Value {
    let evidence: Vec<&str> = snapshot.evidence.iter().map(|item| item.id.as_str()).collect();
    let templates: Vec<&str> = snapshot.paths.top.iter().map(|path| path.id.as_str()).collect();
    let categories: Vec<&str> = RULES.iter().map(|(category, _)| category.as_str()).collect();
    let id = json!({"type": "string", "enum": evidence});
    let number = json!({"type": "number"});
    let mut claims = vec![
        predicate("periodic", &[]),
        predicate("many_alike", &[("at_least", &number)]),
    ];
    if !evidence.is_empty() {
        for name in ["above_baseline", "below_baseline", "drives_score", "decides"] {
            claims.push(predicate(name, &[("e", &id)]));
        }
        claims.push(predicate("ratio_of", &[("e", &id), ("at_least", &number)]));
        claims.push(predicate("co_occurs", &[("e1", &id), ("e2", &id)]));
    }
    if with_paths && !templates.is_empty() {
        let template = json!({"type": "string", "enum": templates});
        claims.push(predicate(
            "path_share",
            &[("template", &template), ("at_least", &number)],
        ));
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["category", "claims"],
        "properties": {
            "category": {"type": "string", "enum": categories},
            "claims": {"type": "array", "maxItems": MAX_CLAIMS, "items": {"anyOf": claims}},
            "notes": {"type": "string", "maxLength": MAX_NOTES},
        },
    })
}

fn predicate(name: &str, fields: &[(&str, &Value)]) -> Value {
    let mut properties = serde_json::Map::new();
    properties.insert("predicate".to_owned(), json!({"type": "string", "enum": [name]}));
    for (field, kind) in fields {
        properties.insert((*field).to_owned(), (*kind).clone());
    }
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}
