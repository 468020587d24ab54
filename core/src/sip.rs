//! SipHash-1-3 (Aumasson and Bernstein, 2012) over words that the caller already holds.
//!
//! The same hash as the `siphasher` crate's, for whoever looks at each word anyway and need not have it copied
//! into a buffer first.

use crate::key::Seed;

/// Bytes of a word.
pub(crate) const WORD: usize = 8;

/// A hash in the making. Everything is inlined: a call costs as much as a round, and the state stays in registers.
#[derive(Clone, Copy)]
pub(crate) struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip {
    #[inline(always)]
    pub fn new(seed: Seed) -> Sip {
        Sip {
            v0: seed.0 ^ 0x736f_6d65_7073_6575,
            v1: seed.1 ^ 0x646f_7261_6e64_6f6d,
            v2: seed.0 ^ 0x6c79_6765_6e65_7261,
            v3: seed.1 ^ 0x7465_6462_7974_6573,
        }
    }

    /// Adds eight bytes, the first one lowest.
    #[inline(always)]
    pub fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// Ends a text of `length` bytes in all with those that no longer fill a word; bytes of `tail` beyond them
    /// are zero.
    #[inline(always)]
    pub fn finish(mut self, tail: u64, length: usize) -> u64 {
        self.word((length as u64) << 56 | tail);
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

/// The next word of a text and how many of its bytes there were; bytes beyond the end are zero.
pub(crate) fn next_word(text: &[u8]) -> (u64, usize) {
    match text.first_chunk::<WORD>() {
        Some(word) => (u64::from_le_bytes(*word), WORD),
        None => (tail(text), text.len()),
    }
}

/// The word that `rest`, the end of `text`, begins with, and how many of its bytes there were. One read for all
/// texts but the shortest.
pub(crate) fn last_word(text: &[u8], rest: &[u8]) -> (u64, usize) {
    match (rest.first_chunk::<WORD>(), text.last_chunk::<WORD>()) {
        (Some(word), _) => (u64::from_le_bytes(*word), WORD),
        // Two shifts, for none of eight bytes may be left.
        (None, Some(end)) => (
            u64::from_le_bytes(*end) >> 8 >> (8 * (WORD - 1 - rest.len() % WORD)),
            rest.len(),
        ),
        (None, None) => (tail(rest), rest.len()),
    }
}

/// Fewer than eight bytes as a word, in two reads that may overlap.
fn tail(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (length % WORD - 4));
    }
    match *text {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

/// The hash of a whole text.
#[inline]
pub(crate) fn hash(seed: Seed, text: &[u8]) -> u64 {
    let mut sip = Sip::new(seed);
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk::<WORD>() {
        sip.word(u64::from_le_bytes(*word));
        rest = after;
    }
    sip.finish(last_word(text, rest).0, text.len())
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_crates_hash(seed: (u64, u64), text in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut theirs = siphasher::sip::SipHasher13::new_with_keys(seed.0, seed.1);
            theirs.write(&text);
            prop_assert_eq!(hash(Seed(seed.0, seed.1), &text), theirs.finish());
        }
    }
}
