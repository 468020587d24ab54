//! An answer of Prometheus' `query_range`, kept in a file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::metrics::Reading;

#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// Reads all values.
///
/// # Errors
/// Why it is no such answer.
pub fn read(text: &str) -> Result<Vec<Reading>, String> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|error| format!("is no answer of Prometheus' query_range: {error}"))?;
    let Some(data) = answer.data.filter(|_| answer.status == "success") else {
        let error = answer.error.unwrap_or(answer.status);
        return Err(format!(
            "Prometheus refused the query: {}",
            crate::visible::escaped(error.as_bytes(), 200)
        ));
    };
    if data.kind != "matrix" {
        return Err("holds one moment: ask query_range, which answers with a range".to_owned());
    }
    let mut readings = Vec::new();
    for series in data.result {
        let name = name(&series.metric);
        for (at, value) in series.values {
            readings.push(Reading {
                series: name.clone(),
                // What is no number (NaN, +Inf) is read as such, and passed over later.
                value: value.parse().unwrap_or(f64::NAN),
                at: Some(at),
                line: 1,
            });
        }
    }
    Ok(readings)
}

/// As the text format has it.
fn name(metric: &BTreeMap<String, String>) -> String {
    let labels = metric.iter().filter(|(label, _)| *label != "__name__");
    let labels: Vec<String> = labels
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect();
    let name = metric.get("__name__").map_or("unnamed", String::as_str);
    if labels.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", labels.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","zone":"a"},"values":[[1800000000.5,"1"],[1800000015.5,"NaN"]]},
            {"metric":{},"values":[[1800000000,"2"]]}]}}"#;
        let readings = read(text).expect("an answer");
        assert_eq!(readings.len(), 3);
        assert_eq!(readings[0].series, "up{zone=\"a\"}");
        assert_eq!((readings[0].value, readings[0].at), (1.0, Some(1_800_000_000.5)));
        assert!(readings[1].value.is_nan());
        assert_eq!(readings[2].series, "unnamed");
    }

    #[test]
    fn what_is_none_says_why() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        check("{}", "is no answer of Prometheus' query_range");
        check(
            r#"{"status":"error","error":"too many \u001b points"}"#,
            "too many \\u{1b} points",
        );
        check(
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            "ask query_range",
        );
    }
}
