//! The text format of Prometheus, version 0.0.4.

use super::metrics::Reading;

/// Reads all values. Comments are passed over.
///
/// # Errors
/// What is wrong with the first line that is none, and where.
pub fn read(text: &str) -> Result<Vec<Reading>, String> {
    let mut readings = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = u32::try_from(place + 1).unwrap_or(u32::MAX);
        let reading = value(line, number)
            .ok_or_else(|| format!("line {number} is no value in Prometheus' text format"))?;
        readings.push(reading);
    }
    Ok(readings)
}

/// `name{labels} value [milliseconds]`.
fn value(line: &str, number: u32) -> Option<Reading> {
    let labels = line.find('{').filter(|open| {
        let space = line.find(char::is_whitespace);
        space.is_none_or(|space| *open < space)
    });
    let end = match labels {
        Some(open) => open + 1 + closing(&line[open + 1..])? + 1,
        None => line.find(char::is_whitespace)?,
    };
    let (series, rest) = line.split_at_checked(end)?;
    let name = series.split('{').next()?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    if name.is_empty() || !name.bytes().all(good) {
        return None;
    }
    let mut parts = rest.split_whitespace();
    let value = parts.next()?.parse().ok()?;
    let at = match parts.next() {
        Some(milliseconds) => Some(milliseconds.parse::<i64>().ok()? as f64 / 1_000.0),
        None => None,
    };
    parts.next().is_none().then(|| Reading {
        series: series.to_owned(),
        value,
        at,
        line: number,
    })
}

/// Where labels end: at a brace outside of quotes.
fn closing(labels: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, byte) in labels.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(place),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read() {
        #[track_caller]
        fn check(line: &str, expected: Option<(&str, f64, Option<f64>)>) {
            let found = value(line, 1);
            let found = found
                .as_ref()
                .map(|reading| (reading.series.as_str(), reading.value, reading.at));
            assert_eq!(found, expected, "{line}");
        }
        check("a_total 12", Some(("a_total", 12.0, None)));
        check("a 1e3 1800000000500", Some(("a", 1000.0, Some(1_800_000_000.5))));
        check("a{b=\"c\"} 1", Some(("a{b=\"c\"}", 1.0, None)));
        check(
            "a{b=\"} {\\\"\",c=\"d e\"} 1",
            Some(("a{b=\"} {\\\"\",c=\"d e\"}", 1.0, None)),
        );
        check("a{b=\"c\"}1", Some(("a{b=\"c\"}", 1.0, None)));
        check("a", None);
        check("a{b=\"c\" 1", None);
        check("a 1 2 3", None);
        check("a 1 x", None);
        check("1 2}{", None);
        check("<html> 1", None);
    }

    #[test]
    fn the_first_bad_line_is_named() {
        let error = read("# TYPE a counter\na 1\n\nb\n").unwrap_err();
        assert_eq!(error, "line 4 is no value in Prometheus' text format");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z{}\"\\\\ 0-9=,\n#\u{e9}]{0,200}") {
            let _ = read(&text);
        }
    }
}
