//! What a request asked for, reduced to hashes before any lock is taken.
//!
//! Normalisation follows RFC 3986 section 6.2.2 as far as it can be done in one pass without memory:
//! percent-encoded unreserved characters are decoded, other escapes get upper-case digits, runs of slashes
//! fold into one, the fragment, the scheme and the authority go. Dot segments stay: browsers resolve them
//! before they send. A query is the set of its parameters: order does not matter, and parameters that only
//! track where a visitor came from are dropped, or every visitor of a campaign would look unique.

mod asset;
mod plain;
mod spelled;

use memchr::memchr;

use crate::key::Seed;
use asset::is_asset;

/// Longest path or query that is hashed, in bytes; the rest is not looked at. nginx's default
/// `large_client_header_buffers` lets a request line have 8 KiB.
pub const MAX_HASHED: usize = 8 * 1024;

/// Deepest path that is told apart, in segments.
pub const MAX_DEPTH: u8 = 15;

/// Request methods, as far as they say something about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// Every other method, and lines without one.
    Other,
}

impl Method {
    /// Reads the method's name; methods are case-sensitive (RFC 9110 section 9.1).
    #[inline]
    pub fn parse(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            _ => Method::Other,
        }
    }
}

/// Where the client says it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referer {
    /// No referer was sent.
    Missing,
    /// One was sent; the tag is 16 bits of its path's hash, never 0.
    Page(u16),
}

/// Digest of one request: all that the record learns from it. Made without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    pub(crate) method: Method,
    pub(crate) url: u64,
    pub(crate) path: u64,
    pub(crate) query: Option<u64>,
    pub(crate) depth: u8,
    pub(crate) asset: bool,
    pub(crate) referer: Referer,
}

impl Visit {
    /// Digests a request. `target` is the raw request target (`$request_uri`); `referer` is `None` when the
    /// header is absent, empty or "-", which an access log cannot tell apart.
    #[inline]
    pub fn new(seed: Seed, method: Method, target: &[u8], referer: Option<&[u8]>) -> Visit {
        let target = without_authority(target);
        let (path, query) = plain::target(seed, target).unwrap_or_else(|| spelled::target(seed, target));
        let referer = match referer {
            None | Some(b"" | b"-") => Referer::Missing,
            Some(text) => {
                let text = without_authority(text);
                let path = plain::path(seed, text).unwrap_or_else(|| spelled::path(seed, text));
                Referer::Page(tag(path.hash))
            }
        };
        Visit {
            method,
            url: path.hash ^ query.unwrap_or(0),
            path: path.hash,
            query,
            depth: path.depth,
            asset: is_asset(path.text),
            referer,
        }
    }

    /// Hash of the normalised URL, for [`crate::sketch::popularity`].
    pub fn url(&self) -> u64 {
        self.url
    }
}

/// 16 bits of a path's hash for the trail of visited pages; 0 marks a free place there.
#[inline]
pub(crate) fn tag(hash: u64) -> u16 {
    ((hash >> 48) as u16).max(1)
}

/// What is left of a target without scheme and authority.
#[inline(always)]
fn without_authority(target: &[u8]) -> &[u8] {
    match target.first() {
        Some(b'/') => target,
        _ => behind_authority(target),
    }
}

fn behind_authority(target: &[u8]) -> &[u8] {
    let authority = match target {
        [b'h', b't', b't', b'p', b':', b'/', b'/', authority @ ..]
        | [b'h', b't', b't', b'p', b's', b':', b'/', b'/', authority @ ..] => authority,
        _ => match memchr(b':', target) {
            Some(colon) if target[colon..].starts_with(b"://") => &target[colon + 3..],
            _ => return target,
        },
    };
    plain::after_authority(authority).unwrap_or(b"/")
}

/// The path of a target, digested. Of a referer the depth is not asked for, and may be 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Path<'a> {
    hash: u64,
    depth: u8,
    text: &'a [u8],
}

/// The seed of queries, apart from that of paths, so that a query cannot cancel a path in [`Visit::url`].
fn query_seed(seed: Seed) -> Seed {
    Seed(seed.0, !seed.1)
}

/// Parameters that advertising and mail systems add to follow a visitor; names as published in their
/// vendors' documentation.
const TRACKING: [&[u8]; 12] = [
    b"gclid", b"gbraid", b"wbraid", b"dclid", b"fbclid", b"msclkid", b"yclid", b"twclid", b"igshid",
    b"mc_cid", b"mc_eid", b"_ga",
];

fn is_tracking(parameter: &[u8]) -> bool {
    // What most parameters begin with begins no tracking one.
    if !matches!(
        parameter.first(),
        Some(b'u' | b'g' | b'w' | b'd' | b'f' | b'm' | b'y' | b't' | b'i' | b'_')
    ) {
        return false;
    }
    let name = memchr(b'=', parameter).map_or(parameter, |at| &parameter[..at]);
    name.starts_with(b"utm_") || TRACKING.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn visit(target: &str) -> Visit {
        Visit::new(Seed::FIXED, Method::Get, target.as_bytes(), None)
    }

    #[test]
    fn spellings_of_one_url_are_one_url() {
        #[track_caller]
        fn check(left: &str, right: &str, same: bool) {
            assert_eq!(visit(left).url == visit(right).url, same, "{left} {right}");
        }
        check("/a/b", "/a/b", true);
        check("/a/b", "/a//b", true);
        check("/a/b", "///a/b", true);
        check("/a/b", "/a/b/", false);
        check("/%61/b", "/a/b", true);
        check("/a%2fb", "/a%2Fb", true);
        check("/a%2fb", "/a/b", false);
        check("/a%zz", "/a%zz", true);
        check("/a#x", "/a", true);
        check("http://shop.example/a?x=1", "/a?x=1", true);
        check("http://shop.example", "/", true);
        check("/a?x=1&y=2", "/a?y=2&x=1", true);
        check("/a?x=1&x=1", "/a", false);
        check("/a?x=1", "/a?x=2", false);
        check("/a?x=%41", "/a?x=A", true);
        check("/a?utm_source=mail&x=1", "/a?x=1", true);
        check("/a?gclid=1", "/a", true);
        check("/a?", "/a", true);
        check("/redirect?to=http://other.example/", "/redirect", false);
    }

    #[test]
    fn depth_and_assets() {
        #[track_caller]
        fn check(target: &str, depth: u8, asset: bool) {
            let visit = visit(target);
            assert_eq!((visit.depth, visit.asset), (depth, asset), "{target}");
        }
        check("/", 0, false);
        check("", 0, false);
        check("/a", 1, false);
        check("/a/", 1, false);
        check("/%61//%62/", 2, false);
        check("/a/b/style.CSS?v=3", 3, true);
        check("/report.pdf", 1, false);
        check("/x?f=a.png", 1, false);
        check("/site.webmanifest", 1, true);
        check("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", 15, false);
    }

    #[test]
    fn referer_tags_are_those_of_the_page() {
        let page = visit("/catalogue/shoes?page=2");
        let next = Visit::new(
            Seed::FIXED,
            Method::Get,
            b"/x",
            Some(b"https://shop.example/catalogue/shoes?page=1"),
        );
        assert_eq!(next.referer, Referer::Page(tag(page.path)));
        for missing in [None, Some(&b""[..]), Some(b"-")] {
            assert_eq!(
                Visit::new(Seed::FIXED, Method::Get, b"/", missing).referer,
                Referer::Missing
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_digested(target: Vec<u8>, referer: Vec<u8>) {
            let visit = Visit::new(Seed(3, 4), Method::Get, &target, Some(&referer));
            prop_assert!(visit.depth <= MAX_DEPTH);
        }

        #[test]
        fn parameter_order_is_ignored(mut parameters in prop::collection::vec("[a-z]{1,3}=[a-z0-9]{0,3}", 0..6)) {
            let one = visit(&format!("/p?{}", parameters.join("&")));
            parameters.reverse();
            prop_assert_eq!(one, visit(&format!("/p?{}", parameters.join("&"))));
        }
    }
}
