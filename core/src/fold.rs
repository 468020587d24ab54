//! A keyed hash of texts by folded multiplication: each block of sixteen bytes is multiplied with itself, half by
//! half, under the key, and the two halves of the product are laid over each other. See Wang Yi, Diep, Hao and
//! Yang: Modern Non-Cryptographic Hash Function and Pseudorandom Number Generator (wyhash), 2019.
//!
//! Who finds URLs of one hash has found URLs that count as one, and who finds keys of one set can push others out of
//! it. Without the secret seed nobody can look for either, and no answer tells who shares what with whom.

use crate::block::{BLOCK, Block};
use crate::key::Seed;

/// The golden ratio in 64 bits, and another number without pattern: a key of zeroes is a key, too.
const STATE: u64 = 0x9e37_79b9_7f4a_7c15;
const KEY: u64 = 0xd6e8_feb8_6659_fd93;

/// A hash in the making. Everything is inlined: a call costs as much as a block.
#[derive(Clone, Copy)]
pub(crate) struct Fold {
    state: u64,
    key: u64,
}

impl Fold {
    #[inline(always)]
    pub fn new(seed: Seed) -> Fold {
        Fold {
            state: seed.0 ^ STATE,
            key: seed.1 ^ KEY,
        }
    }

    /// Adds sixteen bytes.
    #[inline(always)]
    pub fn block(&mut self, block: Block) {
        self.state = fold(block.low ^ self.state, block.high ^ self.key);
    }

    /// Ends a text of `length` bytes in all with those that no longer fill a block.
    #[inline(always)]
    pub fn finish(mut self, tail: Block, length: usize) -> u64 {
        self.block(tail);
        // By itself, not by the key: a product with a constant would leave texts that count up evenly spaced.
        fold(self.state ^ length as u64, self.state.rotate_left(32) ^ self.key)
    }
}

#[inline(always)]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a whole text.
#[inline]
pub(crate) fn hash(seed: Seed, text: &[u8]) -> u64 {
    if let Ok(address) = <&[u8; 4]>::try_from(text) {
        let low = u64::from(u32::from_le_bytes(*address));
        return Fold::new(seed).finish(Block { low, high: 0 }, text.len());
    }
    long(seed, text)
}

fn long(seed: Seed, text: &[u8]) -> u64 {
    let mut fold = Fold::new(seed);
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    blocks.iter().for_each(|block| fold.block(Block::of(block)));
    fold.finish(Block::last(text, rest), text.len())
}

/// The same hash of a text that comes in pieces.
pub(crate) struct Pieces {
    fold: Fold,
    bytes: [u8; BLOCK],
    /// Bytes so far.
    length: usize,
}

impl Pieces {
    pub fn new(seed: Seed) -> Pieces {
        Pieces {
            fold: Fold::new(seed),
            bytes: [0; BLOCK],
            length: 0,
        }
    }

    pub fn write(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let at = self.length % BLOCK;
            let count = piece.len().min(BLOCK - at);
            let (now, later) = piece.split_at(count);
            if let Some(place) = self.bytes.get_mut(at..at + count) {
                place.copy_from_slice(now);
            }
            self.length += count;
            piece = later;
            if self.length.is_multiple_of(BLOCK) {
                self.fold.block(Block::of(&self.bytes));
                self.bytes = [0; BLOCK];
            }
        }
    }

    pub fn finish(self) -> u64 {
        self.fold.finish(Block::of(&self.bytes), self.length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole_does(seed: (u64, u64), pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let seed = Seed(seed.0, seed.1);
            let mut written = Pieces::new(seed);
            pieces.iter().for_each(|piece| written.write(piece));
            prop_assert_eq!(written.finish(), hash(seed, &pieces.concat()));
        }
    }

    #[test]
    fn like_texts_spread_over_all_bits() {
        for seed in [Seed::FIXED, Seed(1, 2), Seed(u64::MAX, u64::MAX)] {
            let hashes: Vec<u64> = (0..20_000)
                .map(|page| hash(seed, format!("/catalogue/item/{page}").as_bytes()))
                .collect();
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
            for bit in 0..64 {
                let set = hashes.iter().filter(|&hash| hash >> bit & 1 == 1).count();
                assert!((9_500..10_500).contains(&set), "bit {bit}: {set} of 20,000");
            }
        }
    }

    #[test]
    fn numbers_that_count_up_fall_as_if_drawn() {
        // Chi-squared over 256 cells, at both ends of the hash: its mean is 255, its deviation 22.6.
        for seed in [Seed::FIXED, Seed(1, 2), Seed(u64::MAX, 1)] {
            for shift in [0, 56] {
                let mut cells = [0f64; 256];
                for value in 0..25_600u32 {
                    cells[(hash(seed, &value.to_le_bytes()) >> shift) as usize % 256] += 1.0;
                }
                let chi: f64 = cells
                    .iter()
                    .map(|cell| (cell - 100.0) * (cell - 100.0) / 100.0)
                    .sum();
                assert!((150.0..370.0).contains(&chi), "{seed:?} {shift}: {chi}");
            }
        }
    }

    #[test]
    fn one_bit_of_the_text_or_of_the_key_changes_half_of_the_hash() {
        let text = *b"/a/path/of/more/than/two/blocks.html";
        let whole = hash(Seed::FIXED, &text);
        let mut changed = 0;
        for bit in 0..8 * text.len() {
            let mut other = text;
            other[bit / 8] ^= 1 << (bit % 8);
            changed += (hash(Seed::FIXED, &other) ^ whole).count_ones();
        }
        let mean = f64::from(changed) / (8 * text.len()) as f64;
        assert!((30.0..34.0).contains(&mean), "{mean}");
        for bit in 0..64 {
            for seed in [Seed(1 << bit, 0), Seed(0, 1 << bit)] {
                let bits = (hash(seed, &text) ^ whole).count_ones();
                assert!((12..52).contains(&bits), "{seed:?}: {bits}");
            }
        }
    }
}
