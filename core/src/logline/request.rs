//! The request line inside a log line.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::escape::Escaping;
use super::path;
use crate::url::Method;

/// A request line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) target: Cow<'a, [u8]>,
    pub(super) well_formed: bool,
}

impl<'a> Request<'a> {
    /// Reads `GET /path HTTP/1.1`; what is no request line is kept whole as a malformed request.
    pub(super) fn read(text: &'a [u8], escaping: Escaping) -> Request<'a> {
        match split(text) {
            Some((method, target)) => Request::assemble(method, target, escaping),
            None => Request {
                method: Method::Other,
                target: escaping.undo(text),
                well_formed: false,
            },
        }
    }

    /// Puts a request together from a log that has its parts.
    pub(super) fn assemble(method: &[u8], target: &'a [u8], escaping: Escaping) -> Request<'a> {
        let target = escaping.undo(target);
        if is_method(method) && !is_refused(method) && is_target(&target) {
            Request {
                method: Method::parse(method),
                target,
                well_formed: true,
            }
        } else {
            Request {
                method: Method::Other,
                target,
                well_formed: false,
            }
        }
    }
}

/// Method and target. The last ` HTTP/` ends the target: old servers let spaces into it.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', text)?;
    let (method, rest) = (&text[..space], &text[space + 1..]);
    // ` HTTP/1.1` and ` HTTP/2.0` have nine bytes: no search for nearly every line.
    let end = match rest.len().checked_sub(9) {
        Some(at) if rest[at..].starts_with(b" HTTP/") => at,
        _ => memmem::rfind(rest, b" HTTP/").unwrap_or(rest.len()),
    };
    is_method(method).then(|| (method, &rest[..end]))
}

/// nginx takes capital letters, `-` and `_` (`ngx_http_parse_request_line`).
fn is_method(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

/// Methods that nginx answers with 405 by itself.
fn is_refused(method: &[u8]) -> bool {
    matches!(method, b"CONNECT" | b"TRACE")
}

/// A path or an absolute URL that nginx can resolve, without blanks and control characters (refused by nginx
/// from 1.21.1).
fn is_target(target: &[u8]) -> bool {
    let path = match target.first() {
        Some(b'/') => Some(target),
        Some(byte) if byte.is_ascii_alphabetic() => behind_authority(target),
        _ => None,
    };
    path.is_some_and(path::resolves) && !target.iter().any(|&byte| byte <= b' ' || byte == 127)
}

/// What follows `http://host`, if it begins so.
fn behind_authority(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr(b':', target).filter(|&at| target[at..].starts_with(b"://"))?;
    let authority = &target[colon + 3..];
    Some(memchr(b'/', authority).map_or(&[], |slash| &authority[slash..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        #[track_caller]
        fn check(text: &str, method: Method, target: &[u8], well_formed: bool) {
            let expected = Request {
                method,
                target: Cow::Borrowed(target),
                well_formed,
            };
            assert_eq!(
                Request::read(text.as_bytes(), Escaping::Backslash),
                expected,
                "{text}"
            );
        }
        check("GET / HTTP/1.1", Method::Get, b"/", true);
        check("POST /a?b=c HTTP/2.0", Method::Post, b"/a?b=c", true);
        check("HEAD /a HTTP/2", Method::Head, b"/a", true);
        check("GET /old", Method::Get, b"/old", true);
        check("PROPFIND /dav HTTP/1.1", Method::Other, b"/dav", true);
        check(
            "GET http://shop.example/ HTTP/1.1",
            Method::Get,
            b"http://shop.example/",
            true,
        );
        check(
            r"GET /caf\xC3\xA9 HTTP/1.1",
            Method::Get,
            "/café".as_bytes(),
            true,
        );
        check(r"GET /a\x22b HTTP/1.1", Method::Get, b"/a\"b", true);
        check("GET /a b HTTP/1.1", Method::Other, b"/a b", false);
        check(r"GET /a\x07 HTTP/1.1", Method::Other, b"/a\x07", false);
        check("TRACE / HTTP/1.1", Method::Other, b"/", false);
        check("GET /100% HTTP/1.1", Method::Other, b"/100%", false);
        check("GET /../etc HTTP/1.1", Method::Other, b"/../etc", false);
        check("GET http://a/.. HTTP/1.1", Method::Other, b"http://a/..", false);
        check("GET http://a?b HTTP/1.1", Method::Get, b"http://a?b", true);
        check("OPTIONS * HTTP/1.1", Method::Other, b"*", false);
        check(
            "CONNECT shop.example:443 HTTP/1.1",
            Method::Other,
            b"shop.example:443",
            false,
        );
        check("get / HTTP/1.1", Method::Other, b"get / HTTP/1.1", false);
        check(r"\x16\x03\x01", Method::Other, &[0x16, 3, 1], false);
        check("-", Method::Other, b"-", false);
        check("", Method::Other, b"", false);
    }
}
