//! Combined and common log format, the default of nginx and of Apache httpd:
//! `CLIENT IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "USER AGENT"`.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::escape::Escaping;
use super::request::Request;
use super::{Entry, Expected, ParseError, date};

/// Reads a line. The two last fields may be missing (common log format); more fields may follow.
pub(super) fn read(line: &[u8]) -> Result<Entry<'_>, ParseError> {
    let space = memchr(b' ', line)
        .filter(|&at| at > 0)
        .ok_or(ParseError::at(0, Expected::Client))?;
    let client = &line[..space];
    if client.iter().any(|&byte| byte < b' ' || byte == 127) {
        return Err(ParseError::at(0, Expected::Client));
    }
    let (at, mut cursor) = find_time(line, space + 1)?;
    let request = Request::read(quoted(line, &mut cursor, Expected::Request)?, Escaping::Backslash);
    let status = status(line, &mut cursor)?;
    let bytes = bytes(line, &mut cursor)?;
    let (mut referer, mut user_agent) = (None, Cow::Borrowed(&b""[..]));
    if line[cursor..].starts_with(b" \"") {
        cursor += 1;
        referer = present(quoted(line, &mut cursor, Expected::ClosingQuote)?);
        if line[cursor..].starts_with(b" \"") {
            cursor += 1;
            user_agent = present(quoted(line, &mut cursor, Expected::ClosingQuote)?).unwrap_or_default();
        }
    }
    Ok(Entry {
        client,
        at,
        method: request.method,
        target: request.target,
        well_formed: request.well_formed,
        status,
        bytes,
        referer,
        user_agent,
    })
}

/// The time, and where the request's quote should be. A user name may hold brackets and blanks, but no quote,
/// so the first bracket that opens a time followed by `] "` is the right one.
fn find_time(line: &[u8], from: usize) -> Result<(u32, usize), ParseError> {
    let mut first = line.len();
    for bracket in memchr_iter(b'[', &line[from..]) {
        let start = from + bracket + 1;
        first = first.min(start);
        let end = start + date::CLF_LENGTH;
        if line.get(end..end + 2) == Some(b"] ")
            && let Some(at) = date::clf(&line[start..end])
        {
            return Ok((at, end + 2));
        }
    }
    Err(ParseError::at(first, Expected::Time))
}

/// The text between the quote at `cursor` and the next one that no backslash escapes.
fn quoted<'a>(line: &'a [u8], cursor: &mut usize, expected: Expected) -> Result<&'a [u8], ParseError> {
    if line.get(*cursor) != Some(&b'"') {
        return Err(ParseError::at(*cursor, expected));
    }
    let start = *cursor + 1;
    let end =
        start + closing_quote(&line[start..]).ok_or(ParseError::at(line.len(), Expected::ClosingQuote))?;
    *cursor = end + 1;
    Ok(&line[start..end])
}

/// Where the first quote is that no backslash escapes.
pub(super) fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

/// ` 200`, or ` -`.
fn status(line: &[u8], cursor: &mut usize) -> Result<u16, ParseError> {
    let (status, length) = match line[*cursor..] {
        [b' ', a, b, c, ..] if [a, b, c].iter().all(u8::is_ascii_digit) => (
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'),
            4,
        ),
        [b' ', b'-', ..] => (0, 2),
        _ => return Err(ParseError::at(*cursor, Expected::Status)),
    };
    *cursor += length;
    Ok(status)
}

/// ` 5120`, or ` -`; then a blank or the end.
fn bytes(line: &[u8], cursor: &mut usize) -> Result<u64, ParseError> {
    let error = ParseError::at(*cursor, Expected::Bytes);
    let rest = line[*cursor..].strip_prefix(b" ").ok_or(error)?;
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    *cursor += 1 + end;
    number(&rest[..end]).ok_or(error)
}

/// A decimal number of at most 19 digits, or `-` for 0.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text == b"-" {
        return Some(0);
    }
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0')),
    )
}

/// A header's value, without its escapes; `None` for what logs write when there was none.
fn present(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    (!matches!(text, b"" | b"-")).then(|| Escaping::Backslash.undo(text))
}
