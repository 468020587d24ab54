//! What an attempt costs, by the model that served it and the prices of that day.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::Price;

/// Billionths of the currency's unit for each token, when the price is for a million of them.
const NANOS: f64 = 1000.0;
/// Billionths in a unit.
pub(crate) const UNIT: f64 = 1e9;

/// What an attempt costs. Unknown is not nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing was served.
    Nothing,
    /// Billionths of the currency's unit.
    Nanos(u64),
    /// The serving model has no price of that day, or it did not say how many tokens it took.
    Unpriced,
}

impl Cost {
    /// In the currency's unit; 0 where unpriced, which must be counted beside it.
    pub fn known(self) -> f64 {
        match self {
            Cost::Nanos(nanos) => nanos as f64 / UNIT,
            Cost::Nothing | Cost::Unpriced => 0.0,
        }
    }
}

/// Prices by model and date.
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    model: String,
    /// Unix seconds, the day's begin in UTC.
    since: i64,
    input: f64,
    output: f64,
}

impl PriceTable {
    /// From the configuration. Lines that [`crate::Config::check`] complains of are left out.
    pub fn new(prices: &[Price]) -> PriceTable {
        let lines = prices.iter().filter_map(|price| {
            let input = price.input.filter(|input| is_price(*input))?;
            let output = price.output.filter(|output| is_price(*output))?;
            Some(Line {
                model: price.model.clone(),
                since: day_begins(price.since.as_deref()?)?,
                input: input * NANOS,
                output: output * NANOS,
            })
        });
        PriceTable {
            lines: lines.collect(),
        }
    }

    /// Of an answer by `served` at `now`, unix seconds.
    pub fn cost(&self, served: Option<&str>, now: u64, input: Option<u64>, output: Option<u64>) -> Cost {
        let (Some(served), Some(input), Some(output)) = (served, input, output) else {
            return Cost::Unpriced;
        };
        self.line(served, now).map_or(Cost::Unpriced, |line| {
            // A float becomes the nearest integer, at most the largest.
            Cost::Nanos((input as f64 * line.input + output as f64 * line.output).round() as u64)
        })
    }

    /// Whether `model` has a price at `now`, unix seconds.
    pub fn knows(&self, model: &str, now: u64) -> bool {
        self.line(model, now).is_some()
    }

    fn line(&self, served: &str, now: u64) -> Option<&Line> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.lines
            .iter()
            .filter(|line| line.model == served && line.since <= now)
            .max_by_key(|line| line.since)
    }
}

/// Whether a number can be a price for a million tokens.
pub(crate) fn is_price(number: f64) -> bool {
    number.is_finite() && (0.0..=1e9).contains(&number)
}

/// Unix seconds of the begin of a day, such as `2026-04-01`, in UTC.
pub(crate) fn day_begins(date: &str) -> Option<i64> {
    let date: Date = date.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(model: &str, since: &str, input: f64, output: f64) -> Price {
        Price {
            model: model.to_owned(),
            since: Some(since.to_owned()),
            input: Some(input),
            output: Some(output),
        }
    }

    #[test]
    fn the_serving_model_and_the_day_make_the_price() {
        let table = PriceTable::new(&[
            price("m", "1970-01-02", 0.15, 0.6),
            price("m", "1970-01-11", 1.0, 2.0),
            price("free", "1970-01-01", 0.0, 0.0),
            price("bad", "1970-01-01", f64::NAN, 0.0),
        ]);
        let check = |served: Option<&str>, day: u64, input, output, expected: Cost| {
            assert_eq!(
                table.cost(served, day * 86_400, input, output),
                expected,
                "{served:?} {day}"
            );
        };
        check(Some("m"), 1, Some(100), Some(10), Cost::Nanos(21_000));
        check(Some("m"), 9, Some(1), Some(0), Cost::Nanos(150));
        check(Some("m"), 10, Some(1), Some(1), Cost::Nanos(3000));
        check(Some("m"), 0, Some(1), Some(1), Cost::Unpriced);
        check(Some("free"), 0, Some(1), Some(1), Cost::Nanos(0));
        check(Some("m-2026"), 10, Some(1), Some(1), Cost::Unpriced);
        check(Some("bad"), 10, Some(1), Some(1), Cost::Unpriced);
        check(None, 10, Some(1), Some(1), Cost::Unpriced);
        check(Some("m"), 10, None, Some(1), Cost::Unpriced);
        check(Some("free"), 10, Some(1), None, Cost::Unpriced);
    }
}
