//! JSON lines: nginx's `escape=json` names, Caddy, Traefik, and the Elastic Common Schema, nested or dotted.
//!
//! A scanner of its own, because header values need not be UTF-8 (nginx passes bytes above 127 through) and
//! nothing has to be copied.

use super::escape::Escaping;
use super::fields::{Field, Piece, Pieces};
use super::{Entry, Expected, ParseError, combined};

/// Deepest nesting that is followed; a line that nests deeper is refused.
const MAX_DEPTH: usize = 8;

/// Reads a line that holds one JSON object.
pub(super) fn read(line: &[u8]) -> Result<Entry<'_>, ParseError> {
    let mut scanner = Scanner {
        line,
        at: 0,
        pieces: Pieces::default(),
    };
    scanner.blanks();
    if scanner.peek() != Some(b'{') {
        return Err(scanner.error());
    }
    scanner.value(&mut [&b""[..]; MAX_DEPTH], 0)?;
    scanner.blanks();
    if scanner.at != line.len() {
        return Err(scanner.error());
    }
    scanner.pieces.entry(Escaping::Json, line.len())
}

struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
    pieces: Pieces<'a>,
}

impl<'a> Scanner<'a> {
    fn error(&self) -> ParseError {
        ParseError::at(self.at, Expected::Json)
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), ParseError> {
        self.blanks();
        if self.peek() != Some(byte) {
            return Err(self.error());
        }
        self.at += 1;
        Ok(())
    }

    /// A value whose name is `path[..depth]`. Elements of an array go by the array's own name.
    fn value(&mut self, path: &mut [&'a [u8]; MAX_DEPTH], depth: usize) -> Result<(), ParseError> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(path, depth),
            Some(b'[') => self.array(path, depth),
            Some(b'"') => {
                let offset = self.at + 1;
                let text = self.string()?;
                self.keep(&path[..depth], offset, text);
                Ok(())
            }
            _ => {
                let offset = self.at;
                let rest = &self.line[offset..];
                let end = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r'));
                let text = &rest[..end.unwrap_or(rest.len())];
                if text.is_empty()
                    || !text
                        .iter()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
                {
                    return Err(self.error());
                }
                self.at += text.len();
                if text != b"null" {
                    self.keep(&path[..depth], offset, text);
                }
                Ok(())
            }
        }
    }

    fn object(&mut self, path: &mut [&'a [u8]; MAX_DEPTH], depth: usize) -> Result<(), ParseError> {
        if depth == MAX_DEPTH {
            return Err(self.error());
        }
        self.take(b'{')?;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            path[depth] = self.string()?;
            self.take(b':')?;
            self.value(path, depth + 1)?;
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self, path: &mut [&'a [u8]; MAX_DEPTH], depth: usize) -> Result<(), ParseError> {
        // An array of arrays means nothing to us; refusing it bounds the recursion.
        self.take(b'[')?;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            if self.peek() == Some(b'[') {
                return Err(self.error());
            }
            self.value(path, depth)?;
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                return self.take(b']');
            }
        }
    }

    /// A string's text, still escaped.
    fn string(&mut self) -> Result<&'a [u8], ParseError> {
        self.take(b'"')?;
        let rest = &self.line[self.at..];
        let end =
            combined::closing_quote(rest).ok_or(ParseError::at(self.line.len(), Expected::ClosingQuote))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn keep(&mut self, path: &[&'a [u8]], offset: usize, text: &'a [u8]) {
        if let Some((field, rank)) = meaning(path) {
            self.pieces.put(field, Piece { offset, text, rank });
        }
    }
}

/// What a name stands for, and how much it is preferred to other names of the same field (0 is best).
fn meaning(path: &[&[u8]]) -> Option<(Field, u8)> {
    match path {
        [name] => flat(name),
        [outer, inner] => nested(outer, inner),
        [b"http", b"request", b"method"] => Some((Field::Method, 1)),
        [b"http", b"request", b"referrer"] => Some((Field::Referer, 1)),
        [b"http", b"response", b"status_code"] => Some((Field::Status, 1)),
        [b"http", b"response", b"bytes"] => Some((Field::Bytes, 3)),
        [b"http", b"response", b"body", b"bytes"] => Some((Field::Bytes, 2)),
        [b"request", b"headers", b"User-Agent"] => Some((Field::UserAgent, 1)),
        [b"request", b"headers", b"Referer"] => Some((Field::Referer, 1)),
        _ => None,
    }
}

fn flat(name: &[u8]) -> Option<(Field, u8)> {
    Some(match name {
        b"remote_addr" => (Field::Client, 0),
        b"client" | b"client_ip" | b"clientip" | b"remote_ip" | b"ip" => (Field::Client, 1),
        b"client.ip" | b"source.ip" | b"ClientHost" => (Field::Client, 2),
        b"source.address" | b"client.address" | b"realip_remote_addr" => (Field::Client, 3),
        b"msec" => (Field::Time, 0),
        b"time_iso8601" | b"time_local" => (Field::Time, 1),
        b"time" | b"timestamp" | b"ts" | b"date" | b"StartUTC" => (Field::Time, 2),
        b"@timestamp" => (Field::Time, 3),
        b"request" => (Field::Request, 0),
        b"request_method" => (Field::Method, 0),
        b"method" | b"http.request.method" | b"RequestMethod" => (Field::Method, 1),
        b"request_uri" => (Field::Target, 0),
        b"uri" | b"url" | b"url.original" | b"RequestPath" => (Field::Target, 1),
        b"path" | b"url.path" => (Field::Target, 2),
        b"status" => (Field::Status, 0),
        b"status_code" | b"http.response.status_code" | b"DownstreamStatus" => (Field::Status, 1),
        b"body_bytes_sent" => (Field::Bytes, 0),
        b"bytes" | b"bytes_sent" | b"size" | b"DownstreamContentSize" => (Field::Bytes, 1),
        b"http.response.body.bytes" => (Field::Bytes, 2),
        b"http_referer" | b"http_referrer" => (Field::Referer, 0),
        b"referer" | b"referrer" | b"http.request.referrer" | b"request_Referer" => (Field::Referer, 1),
        b"http_user_agent" => (Field::UserAgent, 0),
        b"user_agent" | b"agent" | b"user_agent.original" | b"request_User-Agent" => (Field::UserAgent, 1),
        _ => return None,
    })
}

fn nested(outer: &[u8], inner: &[u8]) -> Option<(Field, u8)> {
    Some(match (outer, inner) {
        (b"client" | b"source", b"ip") => (Field::Client, 2),
        (b"client" | b"source", b"address") => (Field::Client, 3),
        (b"url", b"original") => (Field::Target, 1),
        (b"url", b"path") => (Field::Target, 2),
        (b"user_agent", b"original") => (Field::UserAgent, 1),
        (b"request", b"client_ip") => (Field::Client, 1),
        (b"request", b"remote_ip" | b"remote_addr") => (Field::Client, 2),
        (b"request", b"method") => (Field::Method, 1),
        (b"request", b"uri") => (Field::Target, 1),
        _ => return None,
    })
}
