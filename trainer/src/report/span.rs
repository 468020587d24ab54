//! A time that something is told about, and times as people read them.

use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;

use crate::dataset::Moment;

/// Widths of bins, in seconds, that people can read off a clock.
const WIDTHS: [u32; 13] = [
    10, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000,
];
/// Bins of a time at most: more would not be told apart in a plot, and memory is bounded by it.
pub const MAX_BINS: u32 = 120;

/// From one unix second on, before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first second of it.
    pub from: u32,
    /// The first second after it.
    pub to: u32,
}

/// Why there is no such time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--from {from} is not before --to {to}: name the earlier time first")]
pub struct SpanError {
    from: String,
    to: String,
}

impl Span {
    /// From one moment to another; what is `7d` or `12h` is so long before `now`.
    ///
    /// # Errors
    /// [`SpanError`] when it would hold no second.
    pub fn new(from: Moment, to: Option<Moment>, now: u32) -> Result<Span, SpanError> {
        let at = |moment| match moment {
            Moment::At(at) => at,
            Moment::BeforeEnd(seconds) => now.saturating_sub(seconds),
        };
        let (from, to) = (at(from), to.map_or(now, at));
        if from < to {
            Ok(Span { from, to })
        } else {
            Err(SpanError {
                from: time(from),
                to: time(to),
            })
        }
    }

    /// As long before.
    pub fn before(self) -> Span {
        Span {
            from: self.from.saturating_sub(self.seconds()),
            to: self.from,
        }
    }

    /// How long it is.
    pub fn seconds(self) -> u32 {
        self.to - self.from
    }

    /// The same for the store.
    pub fn range(self) -> Range<u32> {
        self.from..self.to
    }

    /// Whether a second is in it.
    pub fn holds(self, at: u32) -> bool {
        self.range().contains(&at)
    }

    /// How wide the bins are that it is cut into: at most [`MAX_BINS`], of a width that people know.
    pub fn width(self) -> u32 {
        let fits = |width: &u32| self.seconds().div_ceil(*width) <= MAX_BINS;
        WIDTHS
            .into_iter()
            .find(fits)
            .unwrap_or_else(|| self.seconds().div_ceil(MAX_BINS))
    }

    /// How many bins there are.
    pub fn bins(self) -> usize {
        self.seconds().div_ceil(self.width()) as usize
    }

    /// In which bin a second is; one outside is in none.
    pub fn bin(self, at: u32) -> Option<usize> {
        self.holds(at).then(|| ((at - self.from) / self.width()) as usize)
    }

    /// How long it is, for people.
    pub fn length(self) -> String {
        duration(self.seconds())
    }
}

/// A unix second for people.
pub fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string())
}

/// `7 days`, `90 minutes`: in the largest unit of which there are at least two, rounded.
pub fn duration(seconds: u32) -> String {
    let (unit, size) = [("day", 86_400), ("hour", 3_600), ("minute", 60)]
        .into_iter()
        .find(|(_, size)| seconds >= 2 * size)
        .unwrap_or(("second", 1));
    let count = (seconds + size / 2) / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_from_one_moment_to_a_later_one() {
        #[track_caller]
        fn check(from: &str, to: Option<&str>, expected: Option<(u32, u32)>) {
            let moment = |text: &str| text.parse::<Moment>().expect("a moment");
            let span = Span::new(moment(from), to.map(moment), 1_000_000);
            assert_eq!(span.ok().map(|span| (span.from, span.to)), expected);
        }
        check("1d", None, Some((913_600, 1_000_000)));
        check("2h", Some("1h"), Some((992_800, 996_400)));
        check("1970-01-02", Some("1970-01-03"), Some((86_400, 172_800)));
        check("1h", Some("2h"), None);
        check("1970-01-02", Some("1970-01-02"), None);
    }

    #[test]
    fn bins_are_few_and_cover_all() {
        for seconds in [1, 59, 60, 3_600, 86_400, 86_401, 604_800, 300_000_000] {
            let span = Span {
                from: 1_000,
                to: 1_000 + seconds,
            };
            assert!(span.bins() <= MAX_BINS as usize, "{seconds}");
            assert_eq!(span.bin(span.from), Some(0));
            assert_eq!(span.bin(span.to - 1), Some(span.bins() - 1), "{seconds}");
            assert_eq!(span.bin(span.to), None);
            assert_eq!(span.bin(999), None);
        }
        assert_eq!(Span { from: 5, to: 15 }.before(), Span { from: 0, to: 5 });
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        #[track_caller]
        fn check(seconds: u32, expected: &str) {
            assert_eq!(duration(seconds), expected);
        }
        check(1, "1 second");
        check(90, "90 seconds");
        check(5_400, "90 minutes");
        check(86_400, "24 hours");
        check(604_800, "7 days");
    }
}
