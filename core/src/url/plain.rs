//! The digest of a target that is written as it would be normalised: nearly all are. Eight bytes at a time, and
//! hashed as they are read.
//!
//! Every function here answers `None` when in doubt; [`spelled`](super::spelled) then gives the same answer
//! slowly. For finding bytes in words see Mycroft's test for a zero byte (1987).

use super::{MAX_DEPTH, MAX_HASHED, Path, is_tracking, query_seed};
use crate::key::Seed;
use crate::sip::{Sip, WORD, last_word, next_word};

/// The highest bit of each byte: where the functions below mark it.
const HIGH: u64 = 0x8080_8080_8080_8080;

const fn each(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// Marks the bytes that are zero, when none has its highest bit set; one that has spoils its own mark and those above.
fn zeros(word: u64) -> u64 {
    !word.wrapping_add(!HIGH) & HIGH
}

/// Marks the lowest byte that is zero, and perhaps more above it.
fn lowest_zero(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & HIGH
}

/// Marks bytes that may need more than hashing: `%` and `#`, with them `!` and `'`, which differ in two bits, and
/// those that are not ASCII.
fn odd(word: u64) -> u64 {
    zeros((word & each(!0b110)) ^ each(0b0010_0001)) | word & HIGH
}

/// A word in which `/` and `?`, which differ in one bit, are zero.
fn without_slashes_and_questions(word: u64) -> u64 {
    (word | each(0b1_0000)) ^ each(b'?')
}

/// Marks `/` and `?` of an ASCII word.
fn slashes_and_questions(word: u64) -> u64 {
    zeros(without_slashes_and_questions(word))
}

/// Those of them that are `?`: bit 4 is the one in which it differs.
fn questions(slashes_and_questions: u64, word: u64) -> u64 {
    slashes_and_questions & word << 3
}

/// The bytes below the lowest one that is marked, or all of `count`.
fn until(marked: u64, count: usize) -> usize {
    if marked == 0 {
        count
    } else {
        marked.trailing_zeros() as usize / 8
    }
}

/// All bits of the first `count` bytes, at most seven.
fn first(count: usize) -> u64 {
    (1 << (8 * (count % WORD))) - 1
}

/// How many bytes are marked.
fn number(marked: u64) -> u64 {
    (marked >> 7).wrapping_mul(each(1)) >> 56
}

/// What follows the authority that a text begins with; `None` when nothing does.
pub(super) fn after_authority(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let (word, count) = next_word(rest);
        let ends = lowest_zero(without_slashes_and_questions(word)) | lowest_zero(word ^ each(b'#'));
        if ends != 0 {
            return rest.get(until(ends, count)..);
        }
        rest = rest.get(WORD..)?;
    }
}

/// Path and query of a target without authority.
#[inline]
pub(super) fn target(seed: Seed, target: &[u8]) -> Option<(Path<'_>, Option<u64>)> {
    let path = path(seed, target)?;
    match target.get(path.text.len() + 1..) {
        None | Some([]) => Some((path, None)),
        Some(text) => Some((path, query(query_seed(seed), text)?)),
    }
}

/// The path alone.
pub(super) fn path(seed: Seed, target: &[u8]) -> Option<Path<'_>> {
    if target.len() > MAX_HASHED {
        return None;
    }
    let mut sip = Sip::new(seed);
    let (mut rest, mut depth, mut before, mut doubtful) = (target, 0, 0, 0);
    while let Some((bytes, after)) = rest.split_first_chunk::<WORD>() {
        let word = u64::from_le_bytes(*bytes);
        let slashes = slashes_and_questions(word);
        if questions(slashes, word) != 0 {
            break;
        }
        // Two slashes in a row fold into one.
        doubtful |= odd(word) | slashes & (slashes << 8 | before);
        depth += number(slashes);
        before = slashes >> 56;
        sip.word(word);
        rest = after;
    }
    let (word, count) = last_word(target, rest);
    let ends = slashes_and_questions(word);
    let count = until(questions(ends, word), count);
    let slashes = ends & first(count);
    // A byte that is not ASCII may have been taken for an end, so it counts wherever it is in the word.
    let doubtful = doubtful | word & HIGH | odd(word) & first(count) | slashes & (slashes << 8 | before);
    if doubtful != 0 {
        return None;
    }
    let length = target.len() - rest.len() + count;
    // A slash at the end begins no segment.
    let last = if count == 0 {
        before
    } else {
        slashes >> (8 * count - 8) & 0x80
    };
    Some(Path {
        hash: sip.finish(word & first(count), length),
        depth: (depth + number(slashes) - (last >> 7)).min(u64::from(MAX_DEPTH)) as u8,
        text: target.get(..length)?,
    })
}

/// `Some(None)` when nothing that counts is in the query.
fn query(seed: Seed, query: &[u8]) -> Option<Option<u64>> {
    let (mut sum, mut any, mut rest) = (0u64, false, query);
    while !rest.is_empty() {
        let (hash, length) = parameter(seed, rest)?;
        let (parameter, after) = rest.split_at_checked(length)?;
        if !parameter.is_empty() && !is_tracking(parameter) {
            sum = sum.wrapping_add(hash);
            any = true;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Some(any.then_some(sum))
}

/// Hash and length of the parameter that a text begins with.
fn parameter(seed: Seed, text: &[u8]) -> Option<(u64, usize)> {
    let mut sip = Sip::new(seed);
    let mut rest = text;
    loop {
        let (word, count) = next_word(rest);
        let ends = lowest_zero(word ^ each(b'&')) | lowest_zero(word ^ each(b';'));
        let count = until(ends, count);
        let kept = if count == WORD { !0 } else { first(count) };
        if odd(word) & kept != 0 {
            return None;
        }
        if count < WORD {
            let length = text.len() - rest.len() + count;
            return Some((sip.finish(word & kept, length), length));
        }
        sip.word(word);
        rest = rest.get(WORD..).unwrap_or_default();
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
