//! Access-log lines, without copying: combined and common, JSON lines, and any nginx `log_format`.
//!
//! One line gives one [`Entry`]. Nothing is allocated unless a field carries an escape: nginx writes quotes,
//! backslashes and bytes outside printable ASCII as `\xHH`, Apache also as `\"` and `\n`, and those are
//! undone, so that [`Entry::target`] has the bytes that nginx keeps in `r->unparsed_uri`.
//!
//! Sources: nginx `ngx_http_log_module` (escaping, variables), Apache httpd `mod_log_config` (combined,
//! common, escaping), RFC 8259 (JSON), Elastic Common Schema 8 (nested field names).

mod combined;
mod date;
mod escape;
mod fields;
mod json;
mod path;
mod request;
mod template;

use std::borrow::Cow;
use std::fmt;

pub use date::any_time;
pub use template::{FormatError, Template};

use crate::url::Method;

/// What one line of an access log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who asked, as the log shows it; never empty.
    pub client: &'a [u8],
    /// When, unix seconds, fractions cut off.
    pub at: u32,
    /// The request's method; [`Method::Other`] when the request line is malformed.
    pub method: Method,
    /// The raw request target, or the whole request line when that is malformed.
    pub target: Cow<'a, [u8]>,
    /// Whether the request line is one that nginx lets into its phases. It answers others itself (400, 408):
    /// no module sees them, so whoever wants the live module's result leaves them out.
    pub well_formed: bool,
    /// Response status; 0 when the log has "-".
    pub status: u16,
    /// Bytes of the response body; 0 when the log has "-".
    pub bytes: u64,
    /// The referer; `None` when it is absent, empty or "-".
    pub referer: Option<Cow<'a, [u8]>>,
    /// The user agent; empty when it is absent or "-".
    pub user_agent: Cow<'a, [u8]>,
}

/// How the lines of a log are written.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// Told from each line's first byte: `{` begins JSON, everything else is combined or common.
    #[default]
    Auto,
    /// Combined, or common: the referer and the user agent may be missing.
    Combined,
    /// One JSON object a line.
    Json,
    /// An nginx `log_format` string.
    Template(Template),
}

impl Format {
    /// Reads what an operator typed: `auto`, `combined`, `json`, or an nginx `log_format` string.
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        match text {
            "auto" => Ok(Format::Auto),
            "combined" | "common" => Ok(Format::Combined),
            "json" => Ok(Format::Json),
            _ => Template::compile(text).map(Format::Template),
        }
    }

    /// What scores stand on and a format of one's own leaves out: names of nginx variables. Lines of other formats
    /// tell for themselves.
    pub fn lacks(&self) -> Vec<&'static str> {
        match self {
            Format::Template(template) => template.lacks(),
            Format::Auto | Format::Combined | Format::Json => Vec::new(),
        }
    }

    /// Reads one line, without its line end (a carriage return is tolerated).
    pub fn read<'a>(&self, line: &'a [u8]) -> Result<Entry<'a>, ParseError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self {
            Format::Auto if line.first() == Some(&b'{') => json::read(line),
            Format::Auto | Format::Combined => combined::read(line),
            Format::Json => json::read(line),
            Format::Template(template) => template.read(line),
        }
    }
}

/// Why a line is no log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}")]
pub struct ParseError {
    /// Where, in bytes, from 1.
    pub column: usize,
    /// What should have stood there.
    pub expected: Expected,
}

impl ParseError {
    fn at(offset: usize, expected: Expected) -> ParseError {
        ParseError {
            column: offset + 1,
            expected,
        }
    }
}

/// What a line should have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A client's address or name.
    Client,
    /// A date that exists, from 1970 to 2106.
    Time,
    /// A request.
    Request,
    /// The end of a quoted field.
    ClosingQuote,
    /// A three-digit status.
    Status,
    /// A number of bytes.
    Bytes,
    /// The text between two variables of the format.
    Literal,
    /// A JSON object.
    Json,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Client => "a client address",
            Expected::Time => "a time between 1970 and 2106, such as 20/Feb/2016:05:00:45 +0000",
            Expected::Request => "a request",
            Expected::ClosingQuote => "a closing quote",
            Expected::Status => "a status such as 200, or -",
            Expected::Bytes => "a number of bytes, or -",
            Expected::Literal => "the text that the log format has here",
            Expected::Json => "a JSON object",
        })
    }
}

#[cfg(test)]
mod tests;
