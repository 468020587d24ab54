//! What an operator says about an event: when it began, and which words name its parts.

use jiff::Timestamp;

use crate::report::Span;

/// Letters of a word that may name a part of the site.
const LEAST_LETTERS: usize = 4;
/// Words that name no part of a site.
const COMMON: [&str; 22] = [
    "about", "after", "around", "before", "down", "error", "errors", "fails", "from", "high", "load", "many",
    "page", "pages", "since", "site", "slow", "slowly", "start", "today", "very", "with",
];
/// Words that are kept.
const MAX_WORDS: usize = 8;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it began, as far as its text tells a time within the span, unix seconds.
    pub began: Option<u32>,
    /// Words that may name a part of the site, in small letters.
    pub words: Vec<String>,
}

impl Event {
    /// Reads its text. A time of day is that of the last such moment of the span, at `offset` seconds east of UTC.
    pub fn read(text: &str, span: Span, offset: i32) -> Event {
        let parts = text.split(|character: char| character.is_whitespace() || character == ',');
        let began = parts
            .map(|part| part.trim_matches(['.', ';', '(', ')', '!', '?']))
            .find_map(|part| moment(part).or_else(|| of_day(part, span, offset)));
        let words = text
            .split(|character: char| !character.is_alphanumeric())
            .map(str::to_lowercase)
            .filter(|word| word.chars().count() >= LEAST_LETTERS && !COMMON.contains(&word.as_str()))
            .filter(|word| word.chars().all(char::is_alphabetic));
        Event {
            began: began.filter(|at| span.holds(*at) && *at > span.from),
            words: words.take(MAX_WORDS).collect(),
        }
    }
}

fn moment(text: &str) -> Option<u32> {
    let at = text.parse::<Timestamp>().ok()?;
    u32::try_from(at.as_second()).ok()
}

/// `14:00` or `14:00:30`.
fn of_day(text: &str, span: Span, offset: i32) -> Option<u32> {
    let mut parts = text.split(':');
    let mut number = |below: u32| -> Option<u32> {
        let part = parts.next()?;
        let number = part.parse().ok().filter(|number| *number < below);
        number.filter(|_| part.len() <= 2)
    };
    let (hour, minute) = (number(24)?, number(60)?);
    let second = number(60).unwrap_or(0);
    let local = i64::from(hour * 3_600 + minute * 60 + second);
    let day = 86_400;
    let last = i64::from(span.to) - 1 + i64::from(offset);
    let today = last - last.rem_euclid(day) + local;
    let at = if today > last { today - day } else { today };
    u32::try_from(at - i64::from(offset)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_when_and_what() {
        // 2027-01-15T08:00:00Z, a day.
        let span = Span {
            from: 1_800_000_000,
            to: 1_800_086_400,
        };
        #[track_caller]
        fn check(text: &str, span: Span, offset: i32, began: Option<u32>, words: &[&str]) {
            let event = Event::read(text, span, offset);
            assert_eq!(event.began, began, "{text}");
            assert_eq!(event.words, words, "{text}");
        }
        check(
            "checkout slow since 14:00",
            span,
            0,
            Some(1_800_021_600),
            &["checkout"],
        );
        check(
            "checkout slow since 14:00.",
            span,
            32_400,
            Some(1_800_075_600),
            &["checkout"],
        );
        check(
            "at 7:59:59 search died",
            span,
            0,
            Some(1_800_086_399),
            &["search", "died"],
        );
        check("since 08:00", span, 0, None, &[]);
        check("2027-01-15T20:00:00Z: 502", span, 0, None, &[]);
        check("2027-01-15T20:00:00Z 502", span, 0, Some(1_800_043_200), &[]);
        check("2020-01-15T20:00:00Z", span, 0, None, &[]);
        check("25:00 and 14:60 and 114:00", span, 0, None, &[]);
        check("", span, 0, None, &[]);
    }
}
