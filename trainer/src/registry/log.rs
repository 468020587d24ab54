//! A line of the audit log in words.

use serde_json::{Map, Value};

use super::error::quoted;
use super::shelf::short;

/// What a line's detail says, for people; what it is not known to say is shown as `key: value`.
pub fn words(detail: &str) -> String {
    let Ok(Value::Object(detail)) = serde_json::from_str(detail) else {
        return quoted(detail);
    };
    let said = detail.iter().filter_map(|(key, value)| said(&detail, key, value));
    said.collect::<Vec<String>>().join("; ")
}

fn said(detail: &Map<String, Value>, key: &str, value: &Value) -> Option<String> {
    match (key, value) {
        (_, Value::Null) => None,
        (_, Value::String(text)) if text.is_empty() => None,
        ("note" | "why", Value::String(text)) => Some(quoted(text)),
        ("previous", Value::String(digest)) => Some(format!("it was {}", quoted(short(digest)))),
        ("key", Value::String(key)) => Some(format!("with key {}", quoted(short(key)))),
        ("gates", Value::Array(gates)) if !gates.is_empty() => {
            let passed = gates
                .iter()
                .filter(|gate| gate["passed"] == Value::Bool(true))
                .count();
            Some(format!("{passed} of {} gates passed", gates.len()))
        }
        ("gates", _) => None,
        (_, Value::String(text)) => Some(format!("{}: {}", quoted(key), quoted(text))),
        _ => Some(format!("{}: {}", quoted(key), quoted(&detail[key].to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_told_and_nothing_of_it_runs() {
        #[track_caller]
        fn check(detail: &str, expected: &str) {
            assert_eq!(words(detail), expected);
        }
        let digest = "ab".repeat(32);
        check(
            &format!(
                r#"{{"previous":"{digest}","note":"fell\u001b[2J","gates":[{{"passed":true}},{{"passed":false}}]}}"#
            ),
            "1 of 2 gates passed; fell\\u{1b}[2J; it was abababababab",
        );
        check(r#"{"previous":null,"note":"","gates":null}"#, "");
        check(&format!(r#"{{"key":"{digest}"}}"#), "with key abababababab");
        check(r#"{"other":3,"more":["a"]}"#, "more: [\"a\"]; other: 3");
        check("no JSON", "no JSON");
        check("{}", "");
    }
}
