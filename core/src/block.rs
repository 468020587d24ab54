//! Text in blocks of sixteen bytes: what is read, looked through and hashed at once.
//!
//! Looking for a byte gives a bit for each place where it is: two instructions where there are vectors, as every
//! x86-64 and aarch64 processor has them.

use wide::u8x16;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 16;

/// Sixteen bytes; those beyond the end of a text are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The first eight, the first one lowest.
    pub low: u64,
    /// The others.
    pub high: u64,
}

impl Block {
    /// A whole block.
    #[inline(always)]
    pub fn of(bytes: &[u8; BLOCK]) -> Block {
        let value = u128::from_le_bytes(*bytes);
        Block {
            low: value as u64,
            high: (value >> 64) as u64,
        }
    }

    /// `rest`, the end of `text`, when it is shorter than a block. One read for all texts but the shortest.
    #[inline(always)]
    pub fn last(text: &[u8], rest: &[u8]) -> Block {
        let missing = BLOCK - rest.len() % BLOCK;
        match text.last_chunk::<BLOCK>() {
            // In two steps, for none of the bytes may be left.
            Some(end) => {
                let value = u128::from_le_bytes(*end) >> (8 * (missing - 1)) >> 8;
                Block {
                    low: value as u64,
                    high: (value >> 64) as u64,
                }
            }
            None => Block::short(rest),
        }
    }

    #[inline(always)]
    fn short(rest: &[u8]) -> Block {
        match (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            (Some(first), Some(last)) => Block {
                low: u64::from_le_bytes(*first),
                high: u64::from_le_bytes(*last) >> 8 >> (8 * (BLOCK - 1 - rest.len() % BLOCK)),
            },
            _ => Block {
                low: few(rest),
                high: 0,
            },
        }
    }

    /// The first `count` bytes, fewer than all; the others are zero.
    #[inline(always)]
    pub fn first(self, count: usize) -> Block {
        let kept = (1u128 << (8 * (count % BLOCK))) - 1;
        Block {
            low: self.low & kept as u64,
            high: self.high & (kept >> 64) as u64,
        }
    }

    /// A bit for each byte that is `byte`.
    #[inline(always)]
    pub fn places_of(self, byte: u8) -> u32 {
        self.vector().simd_eq(u8x16::splat(byte)).to_bitmask()
    }

    /// Not 0 when a byte is `%` or `#` or not ASCII.
    #[inline(always)]
    pub fn odd(self) -> u32 {
        let text = self.vector();
        let marked = text.simd_eq(u8x16::splat(b'%')) | text.simd_eq(u8x16::splat(b'#'));
        // A mask is made of each byte's highest bit, which bytes beyond ASCII have of themselves.
        (marked | text).to_bitmask()
    }

    #[inline(always)]
    fn vector(self) -> u8x16 {
        u8x16::new((u128::from(self.high) << 64 | u128::from(self.low)).to_le_bytes())
    }
}

/// Fewer than eight bytes as a word, in two reads that may overlap.
#[inline(always)]
pub(crate) fn few(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (length % 8 - 4));
    }
    match *text {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(rest: &[u8]) -> Block {
        let mut bytes = [0; BLOCK];
        bytes[..rest.len()].copy_from_slice(rest);
        Block::of(&bytes)
    }

    proptest! {
        #[test]
        fn bytes_are_found_where_they_are(bytes: [u8; BLOCK], near in "[%#!/?&; a]{16}", byte in prop::sample::select(b"/?&;%#".to_vec())) {
            let near: [u8; BLOCK] = near.as_bytes().try_into().unwrap();
            for bytes in [bytes, near] {
                let block = Block::of(&bytes);
                let places = (0..BLOCK).filter(|&at| bytes[at] == byte).map(|at| 1 << at).sum::<u32>();
                prop_assert_eq!(block.places_of(byte), places);
                let odd = (0..BLOCK).filter(|&at| matches!(bytes[at], b'%' | b'#' | 128..)).map(|at| 1 << at).sum::<u32>();
                prop_assert_eq!(block.odd(), odd);
            }
        }

        #[test]
        fn the_end_of_a_text_is_filled_with_zeroes(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let rest = &text[text.len() / BLOCK * BLOCK..];
            prop_assert_eq!(Block::last(&text, rest), padded(rest));
        }

        #[test]
        fn a_block_is_cut(bytes: [u8; BLOCK], count in 0..BLOCK) {
            prop_assert_eq!(Block::of(&bytes).first(count), padded(&bytes[..count]));
        }
    }
}
