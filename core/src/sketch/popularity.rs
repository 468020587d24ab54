//! How popular a URL is on this site: one count-min sketch a zone, in epochs.
//!
//! Cormode and Muthukrishnan: An improved data stream summary (J. Algorithms 55, 2005), with plain, not
//! conservative, additions, so that the order inside an epoch does not matter. A visit is rated against the
//! finished epoch and added to the running one. An epoch is a number of visits, not a span of time: a wrong
//! date cannot move it, and a quiet site has no empty epochs. The first epochs are short, so that ratings
//! begin early.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering::Relaxed};

/// Rows of the sketch: an estimate is the lesser of two counters. In the same memory two long rows err as rarely as
/// four short ones where it matters, at eight visits of 32,768, and cost half.
pub const ROWS: usize = 2;
/// Visits of the first epoch; each later one is twice as long, up to the sketch's width.
pub const FIRST_EPOCH: u32 = 512;
/// Visits of the longest epoch: a cell of 16 bits cannot overflow in it.
pub const LONGEST_EPOCH: u32 = 1 << 15;
/// A URL is popular when it has at least this share of the finished epoch's visits ...
const POPULAR_SHARE: u32 = 4096;
/// ... and at least this many of them.
const POPULAR_VISITS: u32 = 2;

/// Counters of one popularity sketch; valid when all zero.
#[repr(C)]
#[derive(Debug, Default)]
pub struct PopularityState {
    /// Finished epochs so far; its lowest bit says which of each pair of cells is running.
    epoch: AtomicU32,
    /// Visits in the running epoch.
    running: AtomicU32,
    /// Visits that the finished epoch had; 0 before there is one.
    finished: AtomicU32,
    reserved: AtomicU32,
}

impl PopularityState {
    /// The epochs as they stand, to be saved beside the cells.
    pub fn epochs(&self) -> [u32; 4] {
        [&self.epoch, &self.running, &self.finished, &self.reserved].map(|word| word.load(Relaxed))
    }

    /// Goes on where [`PopularityState::epochs`] was told; the cells must be those saved with it.
    pub fn restore(&self, epochs: [u32; 4]) {
        let words = [&self.epoch, &self.running, &self.finished, &self.reserved];
        for (word, value) in words.into_iter().zip(epochs) {
            word.store(value, Relaxed);
        }
    }
}

/// What the finished epoch says of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rating {
    /// No epoch has finished yet.
    Unrated,
    /// Others ask for it too.
    Popular,
    /// Hardly anyone does: the long tail, where crawlers live.
    LongTail,
}

/// A popularity sketch over memory that somebody else owns. All methods take `&self`; counts that two
/// workers race for may be off by one, which a sketch forgives.
#[derive(Clone, Copy, Debug)]
pub struct Popularity<'a> {
    state: &'a PopularityState,
    cells: &'a [AtomicU16],
    width: u32,
}

impl<'a> Popularity<'a> {
    /// Cells that a sketch of `width` counters a row needs: two epochs of [`ROWS`] rows.
    pub const fn cells(width: u32) -> usize {
        width as usize * ROWS * 2
    }

    /// Lays the sketch over `cells`; their number decides its width.
    #[inline]
    pub fn new(state: &'a PopularityState, cells: &'a [AtomicU16]) -> Popularity<'a> {
        Popularity {
            state,
            cells,
            width: (cells.len() / (ROWS * 2)) as u32,
        }
    }

    /// Visits that the running epoch still takes; at least 1.
    pub fn room(&self) -> u32 {
        self.length()
            .saturating_sub(self.state.running.load(Relaxed))
            .max(1)
    }

    /// Rates a URL, adds it, and counts the visit.
    #[inline]
    pub fn visit(&self, url: u64) -> Rating {
        let rating = self.rate_and_add(url);
        self.advance(1);
        rating
    }

    /// Rates a URL and adds it without counting the visit: for callers that go through one epoch in
    /// parallel and then say how many they were. They must not pass [`Popularity::room`] in one go.
    #[inline(always)]
    pub fn rate_and_add(&self, url: u64) -> Rating {
        let running = self.state.epoch.load(Relaxed) as usize & 1;
        let total = self.state.finished.load(Relaxed);
        let mut estimate = u32::from(u16::MAX);
        let (pairs, _) = self.cells.as_chunks::<2>();
        for row in 0..ROWS {
            if let Some(pair) = pairs.get(self.place(url, row)) {
                estimate = estimate.min(u32::from(pair[1 - running].load(Relaxed)));
                pair[running].fetch_add(1, Relaxed);
            }
        }
        match total {
            0 => Rating::Unrated,
            _ if estimate >= POPULAR_VISITS && estimate * POPULAR_SHARE >= total => Rating::Popular,
            _ => Rating::LongTail,
        }
    }

    /// Counts `visits`; the one that fills the epoch starts the next.
    #[inline]
    pub fn advance(&self, visits: u32) {
        let before = self.state.running.fetch_add(visits, Relaxed);
        // All epochs are as long as so many of the first.
        if before / FIRST_EPOCH != before.wrapping_add(visits) / FIRST_EPOCH {
            self.may_begin_epoch(before, visits);
        }
    }

    #[cold]
    fn may_begin_epoch(&self, before: u32, visits: u32) {
        let length = self.length();
        // The visit that fills the epoch ends it. Should its worker die first, one well past the end does.
        let fills = before < length && before + visits >= length;
        if fills || before >= length + FIRST_EPOCH {
            self.begin_epoch(before + visits);
        }
    }

    fn begin_epoch(&self, finished: u32) {
        let epoch = self.state.epoch.load(Relaxed);
        let (pairs, _) = self.cells.as_chunks::<2>();
        let retired = 1 - (epoch as usize & 1);
        for pair in pairs {
            pair[retired].store(0, Relaxed);
        }
        self.state.finished.store(finished, Relaxed);
        self.state.epoch.store(epoch.wrapping_add(1), Relaxed);
        self.state.running.store(0, Relaxed);
    }

    /// Visits in the running epoch when it is full. The width keeps a row's mean load at 1, and a cell of 16 bits
    /// from overflowing.
    fn length(&self) -> u32 {
        let doublings = self.state.epoch.load(Relaxed).min(7);
        (FIRST_EPOCH << doublings)
            .min(self.width.min(LONGEST_EPOCH))
            .max(1)
    }

    fn place(&self, url: u64, row: usize) -> usize {
        // Kirsch and Mitzenmacher (2006): two halves of one hash serve for all rows.
        let hash = (url as u32).wrapping_add(((url >> 32) as u32 | 1).wrapping_mul(row as u32));
        let column = (u64::from(hash) * u64::from(self.width)) >> 32;
        row * self.width as usize + column as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Seed, key_hash};

    const WIDTH: u32 = 1024;

    fn memory() -> (PopularityState, Vec<AtomicU16>) {
        let mut cells = Vec::new();
        cells.resize_with(Popularity::cells(WIDTH), AtomicU16::default);
        (PopularityState::default(), cells)
    }

    fn url(number: u32) -> u64 {
        key_hash(Seed(5, 6), &number.to_le_bytes())
    }

    #[test]
    fn a_home_page_is_popular_and_a_deep_page_is_not() {
        let (state, cells) = memory();
        let sketch = Popularity::new(&state, &cells);
        for visit in 0..FIRST_EPOCH {
            assert_eq!(
                sketch.visit(url(if visit % 4 == 0 { 0 } else { visit })),
                Rating::Unrated
            );
        }
        assert_eq!(sketch.visit(url(0)), Rating::Popular);
        assert_eq!(sketch.visit(url(1_000_000)), Rating::LongTail);
    }

    #[test]
    fn an_old_epoch_is_forgotten() {
        let (state, cells) = memory();
        let sketch = Popularity::new(&state, &cells);
        (0..FIRST_EPOCH).for_each(|_| {
            sketch.visit(url(0));
        });
        assert_eq!(sketch.visit(url(0)), Rating::Popular);
        (0..4 * FIRST_EPOCH).for_each(|visit| {
            sketch.visit(url(visit + 1));
        });
        assert_eq!(sketch.visit(url(0)), Rating::LongTail);
    }

    #[test]
    fn a_restored_sketch_goes_on_where_the_saved_one_stood() {
        let (state, cells) = memory();
        let sketch = Popularity::new(&state, &cells);
        (0..2 * FIRST_EPOCH).for_each(|visit| {
            sketch.visit(url(visit % 3));
        });
        let (other_state, other_cells) = memory();
        other_state.restore(state.epochs());
        for (to, from) in other_cells.iter().zip(&cells) {
            to.store(from.load(Relaxed), Relaxed);
        }
        let other = Popularity::new(&other_state, &other_cells);
        for visit in 0..4 * FIRST_EPOCH {
            assert_eq!(sketch.visit(url(visit % 7)), other.visit(url(visit % 7)));
        }
    }

    proptest! {
        #[test]
        fn parallel_shards_rate_as_one_sequence_does(visits in prop::collection::vec(0u32..200, 1..4000)) {
            let (state, cells) = memory();
            let sequence = Popularity::new(&state, &cells);
            let expected: Vec<Rating> = visits.iter().map(|&visit| sequence.visit(url(visit))).collect();

            let (state, cells) = memory();
            let sharded = Popularity::new(&state, &cells);
            let mut ratings = vec![Rating::Unrated; visits.len()];
            let mut start = 0;
            while start < visits.len() {
                let end = visits.len().min(start + sharded.room() as usize);
                for shard in 0..3 {
                    for index in (start..end).filter(|&index| visits[index] % 3 == shard) {
                        ratings[index] = sharded.rate_and_add(url(visits[index]));
                    }
                }
                sharded.advance((end - start) as u32);
                start = end;
            }
            prop_assert_eq!(ratings, expected);
        }

        #[test]
        fn a_cell_never_overflows(epochs in 1u32..12) {
            let (state, cells) = memory();
            let sketch = Popularity::new(&state, &cells);
            for _ in 0..epochs {
                let room = sketch.room();
                prop_assert!(room <= u32::from(u16::MAX));
                (0..room).for_each(|_| { sketch.visit(url(0)); });
            }
            prop_assert_eq!(sketch.visit(url(0)), Rating::Popular);
        }
    }
}
