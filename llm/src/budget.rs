//! How much may be spent.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::{Budgets, Limit};
use crate::ledger::Spend;
use crate::price::UNIT;

/// What a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Since the chain was made, or [`crate::Chain::begin_run`].
    Run,
    /// Since midnight, UTC.
    Day,
    /// Since the first of the month, UTC.
    Month,
}

impl Period {
    /// All, shortest first.
    pub const ALL: [Period; 3] = [Period::Run, Period::Day, Period::Month];

    /// Its word, as it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Run => "run",
            Period::Day => "day",
            Period::Month => "month",
        }
    }

    /// When the period that holds `now` began, unix seconds; a run's begin is only known to who runs.
    pub fn began(self, now: u64) -> u64 {
        let instant = i64::try_from(now)
            .ok()
            .and_then(|now| Timestamp::from_second(now).ok());
        let Some(date) = instant.map(|instant| instant.to_zoned(TimeZone::UTC).date()) else {
            return 0;
        };
        let first = match self {
            Period::Run => return 0,
            Period::Day => date,
            Period::Month => date.first_of_month(),
        };
        let begin = first
            .to_zoned(TimeZone::UTC)
            .map(|begin| begin.timestamp().as_second());
        begin
            .ok()
            .and_then(|begin| u64::try_from(begin).ok())
            .unwrap_or(0)
    }
}

impl Budgets {
    /// The limit of a period.
    pub fn of(&self, period: Period) -> &Limit {
        match period {
            Period::Run => &self.run,
            Period::Day => &self.day,
            Period::Month => &self.month,
        }
    }
}

impl Limit {
    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.cost.is_some() || self.tokens.is_some()
    }

    /// Whether it is used up.
    pub fn is_used_up(&self, spent: &Spend) -> bool {
        self.cost.is_some_and(|cost| spent.nanos as f64 >= cost * UNIT)
            || self.tokens.is_some_and(|tokens| spent.tokens >= tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight() {
        #[track_caller]
        fn check(period: Period, now: &str, expected: &str) {
            let second = |text: &str| u64::try_from(text.parse::<Timestamp>().unwrap().as_second()).unwrap();
            assert_eq!(period.began(second(now)), second(expected));
        }
        check(Period::Day, "2026-11-22T23:59:59Z", "2026-11-22T00:00:00Z");
        check(Period::Day, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z");
        check(Period::Month, "2026-02-28T12:00:00Z", "2026-02-01T00:00:00Z");
        check(Period::Month, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z");
        assert_eq!(Period::Month.began(u64::MAX), 0);
    }

    #[test]
    fn a_limit_is_used_up_when_it_is_reached() {
        #[track_caller]
        fn check(cost: Option<f64>, tokens: Option<u64>, expected: bool) {
            let spent = Spend {
                nanos: 500_000_000,
                tokens: 100,
                ..Spend::default()
            };
            assert_eq!(Limit { cost, tokens }.is_used_up(&spent), expected);
        }
        check(None, None, false);
        check(Some(0.5), None, true);
        check(Some(0.51), None, false);
        check(Some(0.51), Some(100), true);
        check(None, Some(101), false);
        check(Some(0.0), None, true);
    }
}
