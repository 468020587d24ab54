//! Paths that nginx cannot resolve: it answers 400 before any module sees the request.

use memchr::{memchr, memchr2, memmem};

/// Whether nginx can resolve a target's path (`ngx_http_parse_complex_uri`, with `merge_slashes` on): every
/// `%` has two hex digits behind it, none means a zero byte, and `..` never climbs above the root. The query
/// is not looked at.
pub(super) fn resolves(target: &[u8]) -> bool {
    let path = memchr2(b'?', b'#', target).map_or(target, |end| &target[..end]);
    let plain = memchr(b'%', path).is_none() && memmem::find(path, b"/..").is_none();
    plain || climb(path).is_some()
}

/// Walks along the decoded path; `None` where nginx gives up.
fn climb(path: &[u8]) -> Option<()> {
    let mut depth = 0u32;
    let mut segment = Segment::Empty;
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = if byte == b'%' {
            unescape(tail)?
        } else {
            (byte, tail)
        };
        rest = tail;
        segment = match (byte, segment) {
            (b'/', segment) => {
                depth = segment.leave(depth)?;
                Segment::Empty
            }
            (b'.', Segment::Empty) => Segment::Dot,
            (b'.', Segment::Dot) => Segment::DotDot,
            _ => Segment::Name,
        };
    }
    segment.leave(depth).map(|_| ())
}

/// The byte behind two hex digits, and what follows.
fn unescape(tail: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, tail) = tail.split_at_checked(2)?;
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let byte = digit(digits[0])? << 4 | digit(digits[1])?;
    (byte != 0).then_some((byte, tail))
}

/// What a segment is so far.
#[derive(Clone, Copy, Debug)]
enum Segment {
    Empty,
    Dot,
    DotDot,
    Name,
}

impl Segment {
    /// How deep the path is behind this segment.
    fn leave(self, depth: u32) -> Option<u32> {
        match self {
            Segment::Empty | Segment::Dot => Some(depth),
            Segment::DotDot => depth.checked_sub(1),
            Segment::Name => Some(depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        #[track_caller]
        fn check(target: &str, expected: bool) {
            assert_eq!(resolves(target.as_bytes()), expected, "{target}");
        }
        check("/", true);
        check("/a/../b", true);
        check("/a//../b", true);
        check("/a/./../b", true);
        check("/a/b/../..", true);
        check("/a%2Fb/../..", true);
        check("/...", true);
        check("/..a", true);
        check("/%25%32e/", true);
        check("/%252e%252e/", true);
        check("/caf%C3%a9", true);
        check("/a?../../%zz", true);
        check("/a#/../../%", true);
        check("/..", false);
        check("/../etc/passwd", false);
        check("/a/../../b", false);
        check("/a//../../b", false);
        check("/a/%2e%2E/.%2e/x", false);
        check("/a/b%2f..%2f../..", false);
        check("/%", false);
        check("/%2", false);
        check("/%zz", false);
        check("/100%", false);
        check("/a%00.html", false);
    }
}
