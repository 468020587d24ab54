//! What error logs of nginx tell: kinds of messages, and how often they came in two parts of a time.

use std::path::PathBuf;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use sekisho_core::logline::Format;

use super::access::{Kind, count, each};
use super::cite::Cite;
use super::template::{Templates, message_words};
use crate::logs::LogError;
use crate::report::Span;
use crate::visible::escaped;

/// Bytes of `2026/11/22 05:12:52`.
const TIME: usize = 19;
/// Characters of a template that are shown.
const SHOWN: usize = 200;
/// Bytes of a message that are looked at; nginx cuts at 2,048.
const MAX_MESSAGE: usize = 1024;

/// What they tell.
#[derive(Debug, Default)]
pub struct Errors {
    /// Kinds of messages, each with its level.
    pub kinds: Vec<Kind>,
    /// Messages of the time.
    pub lines: u64,
    /// Lines that are no messages of nginx, such as the second line of one.
    pub unparsable: u64,
    /// Logs that could not be read to their end.
    pub troubles: Vec<String>,
}

/// A message of nginx.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    at: u32,
    level: &'a str,
    text: &'a str,
}

/// How many messages there were in each bin.
///
/// # Errors
/// A log that is not there.
pub fn course(paths: &[PathBuf], span: Span, offset: i32) -> Result<Vec<u64>, LogError> {
    let mut bins = vec![0; span.bins()];
    each(paths, &Format::Combined, |_, (_, line), _| {
        let text = String::from_utf8_lossy(&line[..line.len().min(MAX_MESSAGE)]);
        if let Some(bin) = message(&text, offset).and_then(|message| span.bin(message.at)) {
            bins[bin] += 1;
        }
    })?;
    Ok(bins)
}

/// Kinds of messages before and since `split`. The logs' times are `offset` seconds east of UTC.
///
/// # Errors
/// A log that is not there.
pub fn compare(paths: &[PathBuf], span: Span, split: u32, offset: i32) -> Result<Errors, LogError> {
    let mut errors = Errors::default();
    let mut templates = Templates::default();
    let troubles = each(paths, &Format::Combined, |file, (number, line), _| {
        let text = String::from_utf8_lossy(&line[..line.len().min(MAX_MESSAGE)]);
        let Some(message) = message(&text, offset) else {
            errors.unparsable += 1;
            return;
        };
        if !span.holds(message.at) {
            return;
        }
        errors.lines += 1;
        let mut words = vec![format!("[{}]", message.level)];
        words.extend(message_words(message.text));
        // The level alone would be the first word of all: it leads together with the next.
        if words.len() > 1 {
            let second = words.remove(1);
            words[0] = format!("{} {second}", words[0]);
        }
        let place = templates.place(words);
        count(&mut errors.kinds, place, message.at >= split, &|| {
            Cite::line(file, number, line)
        });
    })?;
    for (place, kind) in errors.kinds.iter_mut().enumerate() {
        kind.template = escaped(templates.text(place, " ").as_bytes(), SHOWN);
    }
    errors.troubles = troubles;
    Ok(errors)
}

/// `2026/11/22 05:12:52 [error] 12#12: *45 text, client: ...`. What follows the text belongs to the request.
fn message(line: &str, offset: i32) -> Option<Message<'_>> {
    let (time, rest) = line.split_at_checked(TIME)?;
    let at = at(time, offset)?;
    let rest = rest.strip_prefix(" [")?;
    let (level, rest) = rest.split_once("] ")?;
    let known = [
        "debug", "info", "notice", "warn", "error", "crit", "alert", "emerg",
    ];
    let (_, text) = rest.split_once(": ").filter(|_| known.contains(&level))?;
    // A connection's number, where there is one.
    let text = match text.strip_prefix('*').and_then(|text| text.split_once(' ')) {
        Some((number, text)) if number.bytes().all(|byte| byte.is_ascii_digit()) => text,
        _ => text,
    };
    let text = text.split(", client: ").next()?;
    Some(Message { at, level, text })
}

fn at(text: &str, offset: i32) -> Option<u32> {
    let time: DateTime = text.replace('/', "-").parse().ok()?;
    let zone = TimeZone::fixed(Offset::from_seconds(offset).ok()?);
    let at = time.to_zoned(zone).ok()?.timestamp();
    u32::try_from(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        #[track_caller]
        fn check(line: &str, offset: i32, expected: Option<(u32, &str, &str)>) {
            let found = message(line, offset);
            let found = found
                .as_ref()
                .map(|message| (message.at, message.level, message.text));
            assert_eq!(found, expected, "{line}");
        }
        check(
            "2027/01/15 08:00:00 [error] 12#12: *45 upstream timed out (110: Connection timed out), client: 192.0.2.1, server: x",
            0,
            Some((
                1_800_000_000,
                "error",
                "upstream timed out (110: Connection timed out)",
            )),
        );
        check(
            "2027/01/15 17:00:00 [notice] 12#12: signal process started",
            32_400,
            Some((1_800_000_000, "notice", "signal process started")),
        );
        check("2027/01/15 08:00:00 [loud] 12#12: x", 0, None);
        check("2027/13/15 08:00:00 [error] 12#12: x", 0, None);
        check("192.0.2.1 - - [15/Jan/2027:08:00:00 +0000]", 0, None);
        check("", 0, None);
        check("2027/01/15 08:00:0\u{e9} [error] 1#1: x", 0, None);
    }
}
