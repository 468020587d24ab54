//! nginx `log_format` strings, compiled to a matcher.

use memchr::memmem;

use super::combined::closing_quote;
use super::date::CLF_LENGTH;
use super::escape::Escaping;
use super::fields::{Field, Piece, Pieces};
use super::{Entry, Expected, ParseError};

/// Longest format string, in bytes.
const MAX_FORMAT: usize = 8 * 1024;

/// A compiled `log_format`.
#[derive(Clone, Debug)]
pub struct Template {
    before: Vec<u8>,
    parts: Vec<Part>,
    escaping: Escaping,
}

/// One variable, and the text that ends it.
#[derive(Clone, Debug)]
struct Part {
    /// `None`: skipped.
    field: Option<(Field, u8)>,
    /// Bytes that belong to the variable whatever they are: `$time_local` has a blank inside.
    width: usize,
    after: memmem::Finder<'static>,
}

/// Why a `log_format` cannot be read by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not one `$variable` is in it.
    #[error(
        "\"{0}\" is no log format: give combined, json, auto, or an nginx log_format string with its $variables"
    )]
    NoVariables(String),
    /// What a scan cannot do without is missing.
    #[error("the log format has no {0}, which a scan needs")]
    Missing(&'static str),
    /// Nothing tells where one ends and the other begins.
    #[error("the log format has ${0} and ${1} side by side: put text between them")]
    Adjacent(String, String),
    /// A dollar sign without a name, a brace or a quote that is not closed.
    #[error("the log format is broken at byte {0}")]
    Broken(usize),
    /// Too long.
    #[error("the log format is longer than {MAX_FORMAT} bytes")]
    TooLong,
}

impl Template {
    /// Variables that scores stand on and that are not in it.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        let has = |wanted: fn(&Field) -> bool| {
            let mut fields = self.parts.iter().filter_map(|part| part.field.as_ref());
            fields.any(|(field, _)| wanted(field))
        };
        let mut lacks = Vec::new();
        if !has(|field| matches!(field, Field::Referer)) {
            lacks.push("$http_referer");
        }
        if !has(|field| matches!(field, Field::Bytes)) {
            lacks.push("$body_bytes_sent");
        }
        lacks
    }

    /// Compiles a format string, or a whole `log_format` directive as it stands in nginx.conf: name,
    /// `escape=`, and quoted pieces on several lines.
    pub fn compile(text: &str) -> Result<Template, FormatError> {
        if text.len() > MAX_FORMAT {
            return Err(FormatError::TooLong);
        }
        let (escaping, format) = directive(text)?;
        let (before, variables) = tokens(&format)?;
        if variables.is_empty() {
            return Err(FormatError::NoVariables(text.escape_debug().collect()));
        }
        for pair in variables.windows(2) {
            if pair[0].after.is_empty() {
                return Err(FormatError::Adjacent(pair[0].name.clone(), pair[1].name.clone()));
            }
        }
        let parts: Vec<Part> = variables
            .iter()
            .map(|variable| Part {
                field: meaning(&variable.name),
                width: if variable.name == "time_local" {
                    CLF_LENGTH
                } else {
                    0
                },
                after: memmem::Finder::new(variable.after.as_bytes()).into_owned(),
            })
            .collect();
        let has = |wanted: Field| {
            parts
                .iter()
                .any(|part| part.field.is_some_and(|(field, _)| field == wanted))
        };
        let needs = [
            (has(Field::Client), "$remote_addr"),
            (has(Field::Time), "$time_local, $time_iso8601 or $msec"),
            (
                has(Field::Request) || has(Field::Target),
                "$request or $request_uri",
            ),
            (has(Field::Status), "$status"),
        ];
        match needs.iter().find(|(there, _)| !there) {
            Some((_, name)) => Err(FormatError::Missing(name)),
            None => Ok(Template {
                before: before.into_bytes(),
                parts,
                escaping,
            }),
        }
    }

    /// Reads a line.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Result<Entry<'a>, ParseError> {
        if !line.starts_with(&self.before) {
            return Err(ParseError::at(0, Expected::Literal));
        }
        let mut pieces = Pieces::default();
        let mut at = self.before.len();
        for part in &self.parts {
            let rest = &line[at..];
            let after = part.after.needle();
            let end = match after.first() {
                // Nothing follows the last variable: it has the rest.
                None => Some(rest.len()),
                Some(b'"') if self.escaping != Escaping::None => {
                    closing_quote(rest).filter(|&end| rest[end..].starts_with(after))
                }
                Some(_) => rest
                    .get(part.width..)
                    .and_then(|tail| part.after.find(tail))
                    .map(|end| part.width + end),
            };
            let end = end.ok_or(ParseError::at(at, Expected::Literal))?;
            if let Some((field, rank)) = part.field {
                pieces.put(
                    field,
                    Piece {
                        offset: at,
                        text: &rest[..end],
                        rank,
                    },
                );
            }
            at += end + after.len();
        }
        pieces.entry(self.escaping, line.len())
    }
}

fn meaning(variable: &str) -> Option<(Field, u8)> {
    Some(match variable {
        "remote_addr" => (Field::Client, 0),
        "realip_remote_addr" => (Field::Client, 1),
        "msec" => (Field::Time, 0),
        "time_iso8601" => (Field::Time, 1),
        "time_local" => (Field::Time, 2),
        "request" => (Field::Request, 0),
        "request_method" => (Field::Method, 0),
        "request_uri" => (Field::Target, 0),
        "uri" => (Field::Target, 1),
        "status" => (Field::Status, 0),
        "body_bytes_sent" => (Field::Bytes, 0),
        "bytes_sent" => (Field::Bytes, 1),
        "http_referer" => (Field::Referer, 0),
        "http_user_agent" => (Field::UserAgent, 0),
        _ => return None,
    })
}

struct Variable {
    name: String,
    after: String,
}

/// The text before the first variable, and each variable with the text after it.
fn tokens(format: &str) -> Result<(String, Vec<Variable>), FormatError> {
    let mut pieces = format.split('$');
    let before = pieces.next().unwrap_or_default().to_owned();
    let mut at = before.len();
    let mut variables = Vec::new();
    for piece in pieces {
        let (name, after) = match piece.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or(FormatError::Broken(at))?,
            None => {
                let end = piece
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(piece.len());
                piece.split_at(end)
            }
        };
        if name.is_empty() {
            return Err(FormatError::Broken(at));
        }
        variables.push(Variable {
            name: name.to_owned(),
            after: after.to_owned(),
        });
        at += 1 + piece.len();
    }
    Ok((before, variables))
}

/// Takes a `log_format` directive apart; a bare format string is returned as it is.
fn directive(text: &str) -> Result<(Escaping, String), FormatError> {
    let trimmed = text.trim();
    let Some(rest) = trimmed
        .strip_prefix("log_format")
        .filter(|rest| rest.starts_with(char::is_whitespace))
    else {
        return Ok((Escaping::Backslash, text.to_owned()));
    };
    let rest = rest.trim_start();
    let mut rest = rest
        .find(char::is_whitespace)
        .map_or("", |end| rest[end..].trim_start());
    let mut escaping = Escaping::Backslash;
    for (word, meant) in [
        ("escape=default", Escaping::Backslash),
        ("escape=json", Escaping::Json),
        ("escape=none", Escaping::None),
    ] {
        if let Some(tail) = rest.strip_prefix(word) {
            (escaping, rest) = (meant, tail.trim_start());
        }
    }
    let mut format = String::new();
    loop {
        rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|&c| c != ';') else {
            break;
        };
        if !matches!(quote, '\'' | '"') {
            return Err(FormatError::Broken(trimmed.len() - rest.len()));
        }
        let body = &rest[1..];
        let end = quoted_end(body, quote).ok_or(FormatError::Broken(trimmed.len() - rest.len()))?;
        push_unescaped(&mut format, &body[..end]);
        rest = &body[end + 1..];
    }
    Ok((escaping, format))
}

fn quoted_end(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    body.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// nginx's configuration knows `\"`, `\'`, `\\`, `\t`, `\r` and `\n` inside quotes (`ngx_conf_read_token`).
fn push_unescaped(format: &mut String, body: &str) {
    let mut characters = body.chars().peekable();
    while let Some(c) = characters.next() {
        let plain = match (c, characters.peek()) {
            ('\\', Some(&next @ ('"' | '\'' | '\\'))) => next,
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('n')) => '\n',
            _ => {
                format.push(c);
                continue;
            }
        };
        characters.next();
        format.push(plain);
    }
}
