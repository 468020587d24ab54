//! Distinct values over a client's whole life: HyperLogLog with 64 registers of 4 bits.
//!
//! Flajolet, Fusy, Gandouet, Meunier: HyperLogLog (AofA 2007), with linear counting for small numbers as
//! that paper has it. 4 bits hold ranks up to 15, so the estimate saturates near 64 * 2^15, far over what
//! one address asks for. Standard error 1.04 / sqrt(64) = 13 %.

/// Bytes of one sketch: 64 registers, two a byte.
pub const BYTES: usize = 32;
const REGISTERS: u32 = 64;
const MAX_RANK: u32 = 15;
/// Bias correction for 64 registers, from the paper.
const ALPHA: f32 = 0.709;

/// Adds a value by its hash.
#[inline]
pub fn insert(registers: &mut [u8; BYTES], hash: u64) {
    let register = (hash >> 58) as usize;
    let rank = ((hash << 6).leading_zeros() + 1).min(MAX_RANK) as u8;
    let shift = (register % 2) * 4;
    let Some(byte) = registers.get_mut(register / 2) else {
        return;
    };
    if (*byte >> shift) & 15 < rank {
        *byte = (*byte & !(15 << shift)) | rank << shift;
    }
}

/// For each byte: 2^15 times the sum of both registers' 2^-rank, and their zeros from this bit on.
const ZEROS: u32 = 24;
const BOTH: [u32; 256] = {
    let mut both = [0; 256];
    let mut byte = 0;
    while byte < both.len() {
        let (low, high) = (byte as u32 & 15, byte as u32 >> 4);
        let zeros = (low == 0) as u32 + (high == 0) as u32;
        both[byte] = (1 << (MAX_RANK - low)) + (1 << (MAX_RANK - high)) + (zeros << ZEROS);
        byte += 1;
    }
    both
};

/// Estimated number of distinct values.
pub fn estimate(registers: &[u8; BYTES]) -> f32 {
    // 64 times 2^15 stays below the zeros, and below 2^24: the sum is exact, in whatever order.
    let total: u32 = registers.iter().map(|&byte| BOTH[usize::from(byte)]).sum();
    let zeros = total >> ZEROS;
    let sum = (total & ((1 << ZEROS) - 1)) as f32 / (1u32 << MAX_RANK) as f32;
    let registers = REGISTERS as f32;
    let raw = ALPHA * registers * registers / sum;
    if raw <= 2.5 * registers && zeros > 0 {
        registers * libm::logf(registers / zeros as f32)
    } else {
        raw
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Seed, key_hash};

    proptest! {
        #[test]
        fn the_estimate_is_within_six_sigma(distinct in 1u32..20_000, salt: u64) {
            let mut registers = [0; BYTES];
            for value in 0..distinct {
                insert(&mut registers, key_hash(Seed(salt, 1), &value.to_le_bytes()));
            }
            // Six sigma of 13 %, as the distribution has a tail, and two for collisions among a handful.
            let error = (estimate(&registers) - distinct as f32).abs();
            prop_assert!(error <= 2.0 + 0.78 * distinct as f32, "{distinct}: off by {error}");
        }

        #[test]
        fn adding_never_lowers_the_estimate(values: Vec<u64>) {
            let mut registers = [0; BYTES];
            let mut ranks = registers;
            for value in values {
                insert(&mut registers, value);
                for (new, old) in registers.iter().zip(&ranks) {
                    prop_assert!(new & 15 >= old & 15 && new >> 4 >= old >> 4);
                }
                ranks = registers;
            }
        }
    }
}
