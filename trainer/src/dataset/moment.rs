//! A moment as people say it: a date, a time, or so long before the end of the data.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::site::Site;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Unix seconds.
    At(u32),
    /// So many seconds before the last request of the data.
    BeforeEnd(u32),
}

impl Moment {
    /// In unix seconds, for this site.
    pub fn of(self, site: &Site) -> u32 {
        match self {
            Moment::At(at) => at,
            // The second of the last request belongs to what came before the end.
            Moment::BeforeEnd(seconds) => {
                let end = site.span().map_or(0, |(_, last)| last.saturating_add(1));
                end.saturating_sub(seconds)
            }
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    /// `7d`, `12h`, `2026-03-20`, `2026-03-20T12:00:00Z`.
    fn from_str(text: &str) -> Result<Moment, String> {
        let long = |unit: char, seconds: u32| {
            let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(seconds)
        };
        let before = long('d', 86_400).or_else(|| long('h', 3_600));
        let date = || {
            let date: Date = text.parse().ok()?;
            Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
        };
        let exact = || text.parse::<Timestamp>().ok().map(|at| at.as_second());
        before
            .map(Moment::BeforeEnd)
            .or_else(|| {
                let at = exact().or_else(date)?;
                u32::try_from(at).ok().map(Moment::At)
            })
            .ok_or_else(|| {
                "say 7d or 12h, a date such as 2026-03-20, or a time such as 2026-03-20T12:00:00Z".to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<Moment>) {
            assert_eq!(text.parse::<Moment>().ok(), expected, "{text}");
        }
        check("7d", Some(Moment::BeforeEnd(604_800)));
        check("12h", Some(Moment::BeforeEnd(43_200)));
        check("2016-03-20", Some(Moment::At(1_458_432_000)));
        check("2016-03-20T12:00:00Z", Some(Moment::At(1_458_475_200)));
        check("1900-01-01", None);
        check("99999999999d", None);
        check("soon", None);
        check("", None);
        check("d", None);
    }
}
