//! The digest of any target, byte by byte: what [`plain`](super::plain) leaves.

use memchr::{memchr, memchr2};

use super::{MAX_DEPTH, MAX_HASHED, Path, is_tracking, query_seed};
use crate::fold::Pieces;
use crate::key::Seed;

/// Path and query of a target without authority.
pub(super) fn target(seed: Seed, target: &[u8]) -> (Path<'_>, Option<u64>) {
    let (path, query) = split(target);
    (digest_path(seed, path), digest_query(seed, query))
}

/// The path alone.
pub(super) fn path(seed: Seed, target: &[u8]) -> Path<'_> {
    digest_path(seed, split(target).0)
}

fn split(target: &[u8]) -> (&[u8], &[u8]) {
    let target = memchr(b'#', target).map_or(target, |at| &target[..at]);
    let (path, query) = match memchr(b'?', target) {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &b""[..]),
    };
    (
        &path[..path.len().min(MAX_HASHED)],
        &query[..query.len().min(MAX_HASHED)],
    )
}

fn digest_path(seed: Seed, path: &[u8]) -> Path<'_> {
    let mut hasher = Pieces::new(seed);
    let (mut depth, mut after_slash, mut run) = (0u8, false, 0);
    let mut at = 0;
    while at < path.len() {
        match path[at] {
            b'/' => {
                if after_slash {
                    hasher.write(&path[run..at]);
                    run = at + 1;
                }
                after_slash = true;
                at += 1;
                continue;
            }
            b'%' if at + 2 < path.len() => {
                if let Some(byte) = unescape(path[at + 1], path[at + 2]) {
                    hasher.write(&path[run..at]);
                    write_normal(&mut hasher, byte);
                    run = at + 3;
                    at = run;
                    depth = depth.saturating_add(u8::from(after_slash));
                    after_slash = false;
                    continue;
                }
            }
            _ => {}
        }
        if after_slash {
            depth = depth.saturating_add(1);
            after_slash = false;
        }
        at += 1;
    }
    hasher.write(&path[run..]);
    Path {
        hash: hasher.finish(),
        depth: depth.min(MAX_DEPTH),
        text: path,
    }
}

/// `None` when nothing that counts is in the query.
fn digest_query(seed: Seed, query: &[u8]) -> Option<u64> {
    let (mut sum, mut any, mut rest) = (0u64, false, query);
    while !rest.is_empty() {
        let end = memchr2(b'&', b';', rest).unwrap_or(rest.len());
        let parameter = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or(b"");
        if parameter.is_empty() || is_tracking(parameter) {
            continue;
        }
        let mut hasher = Pieces::new(query_seed(seed));
        write_decoded(&mut hasher, parameter);
        sum = sum.wrapping_add(hasher.finish());
        any = true;
    }
    any.then_some(sum)
}

fn write_decoded(hasher: &mut Pieces, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        hasher.write(&rest[..at]);
        match rest
            .get(at + 1..at + 3)
            .and_then(|digits| unescape(digits[0], digits[1]))
        {
            Some(byte) => {
                write_normal(hasher, byte);
                rest = &rest[at + 3..];
            }
            None => {
                hasher.write(b"%");
                rest = &rest[at + 1..];
            }
        }
    }
    hasher.write(rest);
}

fn write_normal(hasher: &mut Pieces, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        hasher.write(&[byte]);
    } else {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        hasher.write(&[
            b'%',
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

fn unescape(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
    Some(digit(high)? << 4 | digit(low)?)
}
