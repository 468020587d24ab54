//! Histograms in a zone's header: what scores were given, and what a decision costs.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One decision in this many is timed. A power of two: the test is a mask.
const TIMED_IN: u32 = 64;
/// Scores up to here are in the bucket of the same index; one more bucket takes the rest.
pub const SCORE_BOUNDS: [f32; 11] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
/// The first bucket of costs ends at 2 to this power of nanoseconds, each next one at twice as many.
const FIRST_COST: u32 = 6;
/// Buckets of costs with an end: up to 64 ns, 128 ns, ... 1 ms.
pub const COST_BOUNDS: usize = 15;
/// Scores are summed in millionths.
const SCORE_UNIT: f64 = 1e6;

/// Counts by bucket, and a sum. Valid when all zero; all workers add to it.
#[repr(C)]
#[derive(Debug)]
pub struct Histogram<const BUCKETS: usize> {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Histogram {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    fn add(&self, bucket: usize, value: u64) {
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    /// Counts of all buckets, each without those below it, and the sum of all values.
    pub fn read(&self) -> ([u64; BUCKETS], u64) {
        (
            self.buckets.each_ref().map(|count| count.load(Relaxed)),
            self.sum.load(Relaxed),
        )
    }
}

/// The scores that were given.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Scores(Histogram<{ SCORE_BOUNDS.len() + 1 }>);

impl Scores {
    /// One more. Scores are from 0 to 1.
    pub fn add(&self, score: f32) {
        let bucket = SCORE_BOUNDS.iter().take_while(|&&bound| score > bound).count();
        self.0.add(bucket, (f64::from(score) * SCORE_UNIT) as u64);
    }

    /// Counts of the buckets of [`SCORE_BOUNDS`] and the one above, and the sum.
    pub fn read(&self) -> ([u64; SCORE_BOUNDS.len() + 1], f64) {
        let (counts, sum) = self.0.read();
        (counts, sum as f64 / SCORE_UNIT)
    }
}

/// What decisions cost, in nanoseconds.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Costs(Histogram<{ COST_BOUNDS + 1 }>);

impl Costs {
    /// One more.
    pub fn add(&self, nanoseconds: u64) {
        let bits = u64::BITS - nanoseconds.saturating_sub(1).leading_zeros();
        let bucket = bits.saturating_sub(FIRST_COST) as usize;
        self.0.add(bucket.min(COST_BOUNDS), nanoseconds);
    }

    /// Upper end of a bucket, in nanoseconds.
    pub fn bound(bucket: usize) -> u64 {
        1 << (FIRST_COST as usize + bucket)
    }

    /// Counts of the buckets and the one above, and the sum in nanoseconds.
    pub fn read(&self) -> ([u64; COST_BOUNDS + 1], u64) {
        self.0.read()
    }
}

/// Picks the decisions that are timed. Each worker has its own.
#[derive(Debug, Default)]
pub struct Meter {
    decisions: Cell<u32>,
}

impl Meter {
    /// The time now, when this decision is to be timed.
    pub fn start(&self, clock: impl FnOnce() -> u64) -> Option<u64> {
        let count = self.decisions.get().wrapping_add(1);
        self.decisions.set(count);
        (count & (TIMED_IN - 1) == 0).then(clock)
    }
}
