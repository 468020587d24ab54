//! Requests over time, as rows and as what the script draws.

use serde::Deserialize;
use serde_json::json;

use crate::explain::Lang;
use crate::serve::pages::words::{Now, verdict};
use crate::store::{Store, StoreError, TrafficCounts};

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// Ten minutes, by ten seconds.
    Minutes,
    /// An hour, by ten seconds.
    #[default]
    Hour,
    /// A day, by five minutes.
    Day,
    /// A week, by the hour.
    Week,
}

/// The verdicts in the order in which they are drawn, the most harmless at the bottom.
const VERDICTS: [&str; 6] = [
    "PASSED",
    "ALLOWED",
    "SUSPECT",
    "REJECTED_DRY_RUN",
    "REJECTED",
    "TRAPPED",
];

impl Span {
    /// All, the shortest first.
    pub const ALL: [Span; 4] = [Span::Minutes, Span::Hour, Span::Day, Span::Week];

    /// In addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Span::Minutes => "minutes",
            Span::Hour => "hour",
            Span::Day => "day",
            Span::Week => "week",
        }
    }

    /// For people.
    pub fn word(self, words: &Now) -> &'static str {
        match self {
            Span::Minutes => words.minutes,
            Span::Hour => words.hour,
            Span::Day => words.day,
            Span::Week => words.week,
        }
    }

    /// Its seconds, and those of a step.
    pub fn seconds(self) -> (u32, u32) {
        match self {
            Span::Minutes => (600, 10),
            Span::Hour => (3_600, 10),
            Span::Day => (86_400, 300),
            Span::Week => (7 * 86_400, 3_600),
        }
    }
}

/// What was counted in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its beginning, Unix seconds.
    pub at: u32,
    /// Its seconds.
    pub step: u32,
    /// What was counted.
    pub counts: TrafficCounts,
}

impl Row {
    /// Requests of [`VERDICTS`] a second.
    fn rates(&self) -> [f64; 6] {
        let counts = &self.counts;
        let numbers = [
            counts.passed,
            counts.allowed,
            counts.suspect,
            counts.rejected_dry_run,
            counts.rejected,
            counts.trapped,
        ];
        numbers.map(|number| (number as f64 / f64::from(self.step.max(1)) * 1000.0).round() / 1000.0)
    }

    /// The share of requests of those judged automated.
    pub fn automated(&self) -> f64 {
        automated(&self.counts)
    }
}

/// The share of requests whose client was suspect, stopped or trapped, or would have been.
pub fn automated(counts: &TrafficCounts) -> f64 {
    let judged = counts.suspect + counts.rejected + counts.rejected_dry_run + counts.trapped;
    let all = judged + counts.passed + counts.allowed;
    judged as f64 / all.max(1) as f64
}

/// The rows that are not among those that were told, or have other counts there: what was counted while nobody looked
/// comes late, and a slower nginx adds to rows of others.
pub fn news(told: &[Row], rows: &[Row]) -> Vec<Row> {
    let is_told = |row: &&Row| {
        let place = told.binary_search_by_key(&row.at, |told| told.at);
        place.is_ok_and(|place| told[place] == **row)
    };
    rows.iter().filter(|row| !is_told(row)).cloned().collect()
}

/// The rows of a zone, oldest first. A step that is not over is left out: it would look like a fall.
pub fn counted(store: &Store, zone: &str, span: Span, now: u32) -> Result<Vec<Row>, StoreError> {
    let (seconds, step) = span.seconds();
    let rows = store.traffic(now.saturating_sub(seconds), now, step, Some(zone))?;
    let rows = rows.into_iter().filter(|row| row.at + row.step <= now);
    let rows = rows.map(|row| Row {
        at: row.at,
        step: row.step,
        counts: row.counts,
    });
    Ok(rows.collect())
}

/// What the script draws: `step`, where it begins and ends, and rows of a time and the rate of each verdict.
pub fn json(rows: &[Row], span: Span, now: u32) -> String {
    let (seconds, step) = span.seconds();
    let points: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| std::iter::once(f64::from(row.at)).chain(row.rates()).collect())
        .collect();
    json!({"step": step, "seconds": seconds, "now": now, "rows": points}).to_string()
}

/// Samples an hour in the same form.
pub fn hours(rows: &[(u32, u64)], now: u32) -> String {
    let points: Vec<[f64; 2]> = rows
        .iter()
        .map(|(at, samples)| [f64::from(*at), *samples as f64])
        .collect();
    json!({"step": 3600, "seconds": 86_400, "now": now, "rows": points}).to_string()
}

/// Names of the curves.
pub fn labels(words: &Now, lang: Lang) -> String {
    let verdicts = VERDICTS.map(|name| verdict(lang, name));
    json!({"at": words.at, "verdicts": verdicts, "share": words.share, "samples": words.samples}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted_at(at: u32, requests: u64) -> Row {
        let counts = TrafficCounts {
            requests,
            ..TrafficCounts::default()
        };
        Row { at, step: 10, counts }
    }

    #[test]
    fn what_was_not_told_is_told_however_late_it_came() {
        #[track_caller]
        fn check(told: &[(u32, u64)], rows: &[(u32, u64)], expected: &[(u32, u64)]) {
            let made = |rows: &[(u32, u64)]| -> Vec<Row> {
                rows.iter()
                    .map(|(at, requests)| counted_at(*at, *requests))
                    .collect()
            };
            assert_eq!(news(&made(told), &made(rows)), made(expected));
        }
        let hour = [(0, 1), (10, 2), (20, 3)];
        check(&[], &hour, &hour);
        check(&hour, &hour, &[]);
        // One look in a minute writes six rows.
        let minute: Vec<(u32, u64)> = (3..9).map(|step| (step * 10, 7)).collect();
        check(&hour, &[&hour[..], &minute].concat(), &minute);
        // A slower nginx adds to rows that others had told long ago, and fills a hole.
        check(&hour, &[(0, 1), (10, 9), (15, 4), (20, 3)], &[(10, 9), (15, 4)]);
        // What became too old is no news.
        check(&hour, &[(20, 3), (30, 1)], &[(30, 1)]);
    }

    #[test]
    fn a_row_is_drawn_by_the_second() {
        let counts = TrafficCounts {
            requests: 100,
            passed: 60,
            suspect: 10,
            rejected: 25,
            trapped: 5,
            ..TrafficCounts::default()
        };
        let row = Row {
            at: 1_800_000_000,
            step: 10,
            counts,
        };
        assert_eq!(row.rates(), [6.0, 0.0, 1.0, 0.0, 2.5, 0.5]);
        assert_eq!(row.automated(), 0.4);
        assert_eq!(automated(&TrafficCounts::default()), 0.0);
        assert_eq!(
            json(&[row], Span::Hour, 1_800_000_020),
            r#"{"now":1800000020,"rows":[[1800000000.0,6.0,0.0,1.0,0.0,2.5,0.5]],"seconds":3600,"step":10}"#
        );
    }
}
