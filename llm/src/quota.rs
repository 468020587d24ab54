//! What the headers of an answer say about the next request: how long to wait, and what is left.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::clock::millis;

/// Numbers from here on are seconds since 1970, not seconds from now: a year of waiting is no wait.
const EPOCH_SECONDS: f64 = 1e9;
/// And from here on milliseconds since 1970.
const EPOCH_MILLIS: f64 = 1e12;
/// The longest duration that is believed.
const LONGEST: f64 = 31.0 * 86_400.0;

/// How long a provider asks to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(
    /// From now on.
    pub Duration,
);

impl Pause {
    /// From `Retry-After`, in seconds or as an HTTP date (RFC 9110, section 10.2.3), or `retry-after-ms`, which is
    /// exacter where it is sent.
    pub fn of(headers: &HeaderMap, now: SystemTime) -> Option<Pause> {
        if let Some(millis) = text(headers, "retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
            return seconds(millis / 1000.0).map(Pause);
        }
        let value = text(headers, "retry-after")?;
        if let Ok(number) = value.parse::<f64>() {
            return seconds(number).map(Pause);
        }
        let date = httpdate::parse_http_date(value).ok()?;
        Some(Pause(date.duration_since(now).unwrap_or_default()))
    }
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Whether the headers say that nothing is left for another request.
    pub is_used_up: bool,
    /// When the first of what is used up is there again, milliseconds since 1970.
    pub reset: Option<u64>,
}

impl Quota {
    /// From `x-ratelimit-remaining-*` with `x-ratelimit-reset-*` and `anthropic-ratelimit-*-remaining` with
    /// `anthropic-ratelimit-*-reset`.
    pub fn of(headers: &HeaderMap, now: SystemTime) -> Quota {
        let mut quota = Quota::default();
        for (name, value) in headers {
            let Some(reset) = reset_name(name.as_str()) else {
                continue;
            };
            let left = value
                .to_str()
                .ok()
                .and_then(|text| text.trim().parse::<f64>().ok());
            if left.is_none_or(|left| left > 0.0) {
                continue;
            }
            quota.is_used_up = true;
            let reset = text(headers, &reset).and_then(|text| moment(text, now));
            // Everything must be there again before a request can go.
            quota.reset = quota.reset.max(reset);
        }
        quota
    }
}

/// The header with the reset that belongs to a header with what is left.
fn reset_name(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("x-ratelimit-remaining") {
        return Some(format!("x-ratelimit-reset{rest}"));
    }
    let middle = name
        .strip_prefix("anthropic-ratelimit-")?
        .strip_suffix("-remaining")?;
    Some(format!("anthropic-ratelimit-{middle}-reset"))
}

/// Milliseconds since 1970 of a reset: RFC 3339, a duration such as `6m0s`, seconds from now, or a Unix time.
fn moment(text: &str, now: SystemTime) -> Option<u64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return u64::try_from(timestamp.as_millisecond()).ok();
    }
    if let Ok(number) = text.parse::<f64>() {
        if number >= EPOCH_MILLIS {
            return Some(number as u64);
        }
        if number >= EPOCH_SECONDS {
            return Some(millis(UNIX_EPOCH + Duration::try_from_secs_f64(number).ok()?));
        }
        return Some(millis(now + seconds(number)?));
    }
    Some(millis(now + duration(text)?))
}

/// `1s`, `6m0s`, `1h2m3.5s`, `120ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, behind) = rest.split_at(digits);
        let unit = behind
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = behind;
    }
    if text.is_empty() { None } else { seconds(total) }
}

fn seconds(number: f64) -> Option<Duration> {
    if !(0.0..=f64::MAX).contains(&number) {
        return None;
    }
    Duration::try_from_secs_f64(number.min(LONGEST)).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let parsed = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        parsed.collect()
    }

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    #[test]
    fn pauses_are_seconds_or_dates() {
        #[track_caller]
        fn check(name: &'static str, value: &str, expected: Option<u64>) {
            let pause = Pause::of(&headers(&[(name, value)]), now());
            assert_eq!(
                pause,
                expected.map(|millis| Pause(Duration::from_millis(millis))),
                "{value}"
            );
        }
        check("retry-after", "0", Some(0));
        check("retry-after", "120", Some(120_000));
        check("retry-after", " 1.5 ", Some(1500));
        check("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT", Some(2000));
        check("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT", Some(0));
        check("retry-after", "-1", None);
        check("retry-after", "soon", None);
        check("retry-after", "NaN", None);
        check("retry-after", "inf", None);
        check("retry-after", "1e300", Some(2_678_400_000));
        check("retry-after-ms", "250", Some(250));
    }

    #[test]
    fn quotas_are_read_as_each_provider_writes_them() {
        #[track_caller]
        fn check(lines: &[(&'static str, &str)], used_up: bool, reset: Option<u64>) {
            let quota = Quota::of(&headers(lines), now());
            let reset = reset.map(|after| millis(now()) + after);
            let expected = Quota {
                is_used_up: used_up,
                reset,
            };
            assert_eq!(quota, expected, "{lines:?}");
        }
        check(&[], false, None);
        check(
            &[
                ("x-ratelimit-remaining-requests", "5"),
                ("x-ratelimit-reset-requests", "1s"),
            ],
            false,
            None,
        );
        check(&[("x-ratelimit-remaining-requests", "0")], true, None);
        let openai = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        check(&openai, true, Some(360_000));
        check(
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1000000000"),
            ],
            true,
            Some(1_000_000_000_000 - 784_111_777_000),
        );
        check(
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")],
            true,
            Some(30_000),
        );
        let anthropic = [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "1994-11-06T08:50:37Z"),
            ("anthropic-ratelimit-tokens-remaining", "100"),
            ("anthropic-ratelimit-tokens-reset", "1995-11-06T08:50:37Z"),
        ];
        check(&anthropic, true, Some(60_000));
    }

    #[test]
    fn large_numbers_are_moments() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(moment(text, now()), expected);
        }
        check("1700000000", Some(1_700_000_000_000));
        check("1700000000123", Some(1_700_000_000_123));
        check("120ms", Some(millis(now()) + 120));
        check("1h2m3.5s", Some(millis(now()) + 3_723_500));
        check("", None);
        check("5 minutes", None);
        check("m", None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,20}|[0-9.hmsd]{0,30}") {
            let _ = moment(&text, now());
        }
    }
}
