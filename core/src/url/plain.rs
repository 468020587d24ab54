//! The digest of a target that is written as it would be normalised: nearly all are. Sixteen bytes at a time, and
//! hashed as they are read.
//!
//! Every function here answers `None` when in doubt; [`spelled`](super::spelled) then gives the same answer
//! slowly.

use super::{MAX_DEPTH, MAX_HASHED, Path, is_tracking, query_seed};
use crate::block::{BLOCK, Block};
use crate::fold::Fold;
use crate::key::Seed;

/// The next block of `rest`, the end of `text`, and how many of its bytes there are.
#[inline(always)]
fn next_block(text: &[u8], rest: &[u8]) -> (Block, usize) {
    match rest.first_chunk::<BLOCK>() {
        Some(bytes) => (Block::of(bytes), BLOCK),
        None => (Block::last(text, rest), rest.len()),
    }
}

/// What follows the authority that a text begins with; `None` when nothing does.
#[inline]
pub(super) fn after_authority(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let (block, count) = next_block(text, rest);
        let ends = block.places_of(b'/') | block.places_of(b'?') | block.places_of(b'#');
        if ends != 0 {
            return rest.get(ends.trailing_zeros() as usize..);
        }
        if count < BLOCK {
            return None;
        }
        rest = rest.get(BLOCK..)?;
    }
}

/// Path and query of a target without authority.
#[inline]
pub(super) fn target(seed: Seed, target: &[u8]) -> Option<(Path<'_>, Option<u64>)> {
    let path = digest::<true>(seed, target)?;
    match target.get(path.text.len() + 1..) {
        None | Some([]) => Some((path, None)),
        Some(text) => Some((path, query(query_seed(seed), text)?)),
    }
}

/// The path alone, without its depth.
pub(super) fn path(seed: Seed, target: &[u8]) -> Option<Path<'_>> {
    digest::<false>(seed, target)
}

fn digest<const DEPTH: bool>(seed: Seed, target: &[u8]) -> Option<Path<'_>> {
    if target.len() > MAX_HASHED {
        return None;
    }
    let mut hash = Fold::new(seed);
    let (mut rest, mut before, mut doubtful, mut depth) = (target, 0, 0, 0);
    let (tail, count) = loop {
        let (block, count) = next_block(target, rest);
        let questions = block.places_of(b'?');
        if questions != 0 {
            let count = questions.trailing_zeros() as usize;
            break (block.first(count), count);
        }
        if count < BLOCK {
            break (block, count);
        }
        let slashes = block.places_of(b'/');
        // Two slashes in a row fold into one.
        doubtful |= block.odd() | slashes & (slashes << 1 | before);
        before = slashes >> (BLOCK - 1);
        hash.block(block);
        rest = rest.get(BLOCK..)?;
        if DEPTH {
            depth = deeper(depth, slashes);
        }
    };
    let slashes = tail.places_of(b'/');
    doubtful |= tail.odd() | slashes & (slashes << 1 | before);
    if doubtful != 0 {
        return None;
    }
    let length = target.len() - rest.len() + count;
    let text = target.get(..length)?;
    if DEPTH {
        depth = deeper(depth, slashes);
        // A slash at the end begins no segment.
        if depth <= MAX_DEPTH {
            depth -= u8::from(text.last() == Some(&b'/'));
        }
    }
    Some(Path {
        hash: hash.finish(tail, length),
        depth: depth.min(MAX_DEPTH),
        text,
    })
}

/// Adds what is marked, up to one more than is told apart. There are few: each costs less than counting bits does.
#[inline(always)]
fn deeper(mut depth: u8, mut slashes: u32) -> u8 {
    while slashes != 0 && depth <= MAX_DEPTH {
        slashes &= slashes - 1;
        depth += 1;
    }
    depth
}

/// `Some(None)` when nothing that counts is in the query.
fn query(seed: Seed, query: &[u8]) -> Option<Option<u64>> {
    let (mut sum, mut any, mut rest) = (0u64, false, query);
    while !rest.is_empty() {
        let (hash, length) = parameter(seed, query, rest)?;
        let (parameter, after) = rest.split_at_checked(length)?;
        if !parameter.is_empty() && !is_tracking(parameter) {
            sum = sum.wrapping_add(hash);
            any = true;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Some(any.then_some(sum))
}

/// Hash and length of the parameter that `text`, the end of `query`, begins with.
#[inline]
fn parameter(seed: Seed, query: &[u8], text: &[u8]) -> Option<(u64, usize)> {
    let mut hash = Fold::new(seed);
    let mut rest = text;
    loop {
        let (block, count) = next_block(query, rest);
        let ends = block.places_of(b'&') | block.places_of(b';');
        if ends == 0 && count == BLOCK {
            if block.odd() != 0 {
                return None;
            }
            hash.block(block);
            rest = rest.get(BLOCK..)?;
            continue;
        }
        let (tail, count) = match ends {
            0 => (block, count),
            _ => {
                let count = ends.trailing_zeros() as usize;
                (block.first(count), count)
            }
        };
        if tail.odd() != 0 {
            return None;
        }
        let length = text.len() - rest.len() + count;
        return Some((hash.finish(tail, length), length));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::spelled;
    use super::*;

    const SEED: Seed = Seed(3, 4);

    #[track_caller]
    fn check(text: &[u8]) {
        if let Some(plain) = target(SEED, text) {
            assert_eq!(plain, spelled::target(SEED, text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn ordinary_targets_are_plain() {
        for text in [
            "/",
            "/a",
            "/a/b/",
            "/a/b?x=1&y=2",
            "/eight.by",
            "/sixteen/bytes.js",
            "/a?",
            "",
            "/a?&;x",
        ] {
            assert!(target(SEED, text.as_bytes()).is_some(), "{text}");
            check(text.as_bytes());
        }
        for text in [
            "/%61",
            "//a",
            "/a//",
            "/a?x=%41",
            "/\u{d0}",
            "/a\u{d0}?x",
            "/a#b",
            "/a?b#c",
            "/1234567//9",
        ] {
            assert_eq!(target(SEED, text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn plain_and_spelled_agree_on_what_is_nearly_plain(
            pieces in prop::collection::vec("/|//|\\?|&|;|=|%61|%|#|'|!|[a-z.]{1,9}|utm_x|gclid=1|é", 0..12)
        ) {
            check(pieces.concat().as_bytes());
        }

        #[test]
        fn plain_and_spelled_agree_on_any_bytes(text in prop::collection::vec(any::<u8>(), 0..60)) {
            check(&text);
        }

        #[test]
        fn a_long_target_is_left_to_the_other(length in MAX_HASHED - 20..MAX_HASHED + 20, byte: u8) {
            check(&vec![byte; length]);
        }
    }
}
