//! JSON with one spelling: the same content gives the same bytes, and so the same digest.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Decimals that a number keeps: a ten-thousandth of a share, a tenth of a millisecond.
const DECIMALS: f64 = 10_000.0;
/// From here on a double has no such decimals.
const LARGE: f64 = 1e11;

/// A number as documents hold it: rounded to four decimals, never minus zero, finite.
pub fn tidy(number: f64) -> f64 {
    if !number.is_finite() {
        0.0
    } else if number.abs() >= LARGE {
        number.trunc()
    } else {
        // Adding zero turns minus zero into zero.
        (number * DECIMALS).round() / DECIMALS + 0.0
    }
}

/// The document: keys sorted by their bytes, no space, numbers as [`tidy`] has them and without exponent.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// SHA-256 in lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    crate::registry::shelf::hex(&Sha256::digest(bytes))
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) if number.is_f64() => {
            text.push_str(&tidy(number.as_f64().unwrap_or_default()).to_string());
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            text.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(&fields[key], text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_spelling() {
        #[track_caller]
        fn check(value: Value, expected: &str) {
            assert_eq!(canonical(&value), expected);
        }
        check(
            json!({"b": 1, "a": [true, null, "x\u{1}\"é"]}),
            r#"{"a":[true,null,"x\u0001\"é"],"b":1}"#,
        );
        check(json!(1.0), "1");
        check(json!(0.1), "0.1");
        check(json!(-0.0), "0");
        check(json!(0.333_333_3), "0.3333");
        check(json!(1e300), &tidy(1e300).to_string());
        check(json!(1e-9), "0");
        check(json!(123_456.789_01), "123456.789");
    }

    #[test]
    fn the_digest_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), empty);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_writes_the_same(number in any::<f64>(), text in ".{0,20}") {
            let value = json!({"n": tidy(number), "t": text});
            let once = canonical(&value);
            let back: Value = serde_json::from_str(&once).unwrap();
            prop_assert_eq!(canonical(&back), once);
        }
    }
}
