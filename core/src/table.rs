//! The table: set-associative, one region, no pointers.
//!
//! A key's hash picks a set of [`WAYS`] records; the record is one of them or the one that is evicted. No
//! order over all records is kept, so no lock over all of them is needed: each set has its own.

use std::sync::atomic::AtomicU16;

use thiserror::Error;

use crate::name::Name;
use crate::record::Record;
use crate::sketch::popularity::Popularity;

/// Records of one set.
pub const WAYS: usize = 8;
/// Bytes that a zone keeps for its own header.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of a page of shared memory.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of a set's lock word.
pub const LOCK_BYTES: usize = 8;
/// Bytes that one set takes of a zone: its records, their names and its lock.
pub const SET_BYTES: usize = size_of::<Set>() + WAYS * size_of::<Name>() + LOCK_BYTES;
/// The popularity sketch may take this part of a region: one sixteenth.
const SKETCH_PART: usize = 16;
/// Counters a row of the smallest and of the largest popularity sketch.
const SKETCH_WIDTHS: (u32, u32) = (512, 32 * 1024);
/// A record idle for this long is no loss when it is evicted, in seconds.
pub const IDLE_SECONDS: u32 = 600;

/// One set of the table. Valid when all zero.
#[repr(C, align(64))]
#[derive(Clone, Debug, Default)]
pub struct Set {
    records: [Record; WAYS],
}

/// How a key came to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It had one.
    Known,
    /// It got a free one, or one that had been idle for [`IDLE_SECONDS`].
    Fresh,
    /// It took the one of a client that was still active.
    Evicted,
}

impl Set {
    /// The way that holds this key's record.
    #[inline]
    pub fn find(&self, hash: u64) -> Option<usize> {
        self.records
            .iter()
            .position(|record| record.key_hash == hash && hash != 0)
    }

    /// The same, where it probably is.
    #[inline]
    pub fn find_at(&self, way: usize, hash: u64) -> Option<usize> {
        if self.record(way).key_hash == hash && hash != 0 {
            Some(way)
        } else {
            self.find(hash)
        }
    }

    /// The way that [`Set::admit`] would use: the key's own, else a free one, else the one idle longest,
    /// banned ones last.
    #[inline(always)]
    pub fn victim(&self, hash: u64, at: u32) -> usize {
        self.find(hash).unwrap_or_else(|| self.idlest(at))
    }

    /// A free way, else the one whose record is worth least.
    #[inline(never)]
    fn idlest(&self, at: u32) -> usize {
        let ways = self.records.iter().enumerate();
        ways.min_by_key(|(_, record)| worth(record, at))
            .map_or(0, |(way, _)| way)
    }

    /// The way where a record that was saved earlier belongs, if anywhere: the key's own when it is not banned there
    /// or less is known of it, else that of [`Set::victim`] when the record in it is worth less.
    pub fn place_for(&self, saved: &Record, at: u32) -> Option<usize> {
        let way = self.victim(saved.key_hash, at);
        let there = self.record(way);
        let better = if there.key_hash == saved.key_hash {
            let known = |record: &Record| (record.is_banned(at), record.requests);
            known(saved) > known(there)
        } else {
            worth(saved, at) > worth(there, at)
        };
        (saved.key_hash != 0 && better).then_some(way)
    }

    /// Finds the key's record or makes one. `at` is in unix seconds.
    pub fn admit(&mut self, hash: u64, at: u32) -> (usize, Admission) {
        let way = self.victim(hash, at);
        (way, self.admit_at(way, hash, at))
    }

    /// The second half of [`Set::admit`], for who has to say which record it will write before it does: `way`
    /// is what [`Set::victim`] answered for the same key, and the set has not changed since.
    #[inline]
    pub fn admit_at(&mut self, way: usize, hash: u64, at: u32) -> Admission {
        let record = self.record_mut(way);
        if record.key_hash == hash && hash != 0 {
            return Admission::Known;
        }
        let lost = record.key_hash != 0 && at.saturating_sub(record.last) < IDLE_SECONDS;
        *record = Record::fresh(hash, at);
        if lost {
            Admission::Evicted
        } else {
            Admission::Fresh
        }
    }

    /// The record of a way; ways are counted modulo [`WAYS`].
    #[inline]
    pub fn record(&self, way: usize) -> &Record {
        &self.records[way % WAYS]
    }

    /// The record of a way, to change.
    #[inline]
    pub fn record_mut(&mut self, way: usize) -> &mut Record {
        &mut self.records[way % WAYS]
    }

    /// Frees a record.
    pub fn reset(&mut self, way: usize) {
        *self.record_mut(way) = Record::default();
    }
}

/// What is worth least goes first: a free record, then the one idle longest, banned ones last.
fn worth(record: &Record, at: u32) -> (u8, u32) {
    match record.key_hash {
        0 => (0, 0),
        _ if record.is_banned(at) => (2, record.last),
        _ => (1, record.last),
    }
}

/// The set of a key, by multiply-shift: any number of sets, not only powers of two.
#[inline]
pub fn set_index(hash: u64, sets: u32) -> u32 {
    ((u128::from(hash) * u128::from(sets)) >> 64) as u32
}

/// Reads a size as nginx writes it (`ngx_parse_size`): a number with an optional `k` or `m`, in bytes.
pub fn parse_size(text: &[u8]) -> Option<usize> {
    let (digits, shift) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 10),
        (b'm' | b'M', digits) => (digits, 20),
        _ => (text, 0),
    };
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number: usize = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    number.checked_mul(1 << shift)
}

/// How a region of memory is split. In this order: header, popularity cells, locks, sets, names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Sets of the table.
    pub sets: u32,
    /// Counters a row of the popularity sketch.
    pub sketch_width: u32,
}

/// Why a region cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// Not even one set fits.
    #[error("{bytes} bytes are too small, a zone needs at least {least}")]
    TooSmall {
        /// Bytes there are.
        bytes: usize,
        /// Bytes that one set needs.
        least: usize,
    },
}

impl Geometry {
    /// Splits `bytes` of memory that are aligned to 64.
    pub fn for_bytes(bytes: usize) -> Result<Geometry, GeometryError> {
        let sketch_width = width_for(bytes);
        let fixed = HEADER_BYTES + cell_bytes(sketch_width) + 64;
        let sets = bytes.saturating_sub(fixed) / SET_BYTES;
        match u32::try_from(sets).unwrap_or(u32::MAX) {
            0 => Err(GeometryError::TooSmall {
                bytes,
                least: fixed + SET_BYTES,
            }),
            sets => Ok(Geometry { sets, sketch_width }),
        }
    }

    /// Splits what nginx's slab allocator leaves of a shared memory zone of `size` bytes: a header, a note for
    /// each page, and up to one page at each end for alignment (`ngx_slab_init`).
    pub fn for_zone(size: usize) -> Result<Geometry, GeometryError> {
        const SLAB_HEADER: usize = 2048;
        const PAGE_NOTE: usize = 24;
        let pages = size.saturating_sub(SLAB_HEADER) / (PAGE_BYTES + PAGE_NOTE);
        Geometry::for_bytes(pages.saturating_sub(1) * PAGE_BYTES)
    }

    /// A table for about this many clients, without their names. An eighth more, so that few sets overflow before
    /// it is full.
    pub fn for_clients(clients: usize) -> Geometry {
        let sets = clients
            .saturating_add(clients / 8)
            .div_ceil(WAYS)
            .clamp(1, u32::MAX as usize);
        let bytes = sets.saturating_mul(size_of::<Set>() + LOCK_BYTES);
        Geometry {
            sets: sets as u32,
            sketch_width: width_for(bytes),
        }
    }

    /// Clients that it holds.
    pub fn clients(&self) -> usize {
        self.sets as usize * WAYS
    }

    /// Cells of the popularity sketch.
    pub fn cells(&self) -> usize {
        Popularity::cells(self.sketch_width)
    }
}

fn width_for(bytes: usize) -> u32 {
    let width = bytes / SKETCH_PART / cell_bytes(1);
    let width = u32::try_from(width)
        .unwrap_or(u32::MAX)
        .clamp(SKETCH_WIDTHS.0, SKETCH_WIDTHS.1);
    // A power of two: the same sketch for nearly the same size, so scores hardly depend on it.
    1 << width.ilog2()
}

fn cell_bytes(width: u32) -> usize {
    Popularity::cells(width) * size_of::<AtomicU16>()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn geometry_fits_its_region() {
        #[track_caller]
        fn check(bytes: usize, expected: Option<(u32, u32)>) {
            let geometry = Geometry::for_bytes(bytes).ok();
            assert_eq!(
                geometry.map(|geometry| (geometry.sets, geometry.sketch_width)),
                expected,
                "{bytes}"
            );
            if let Some(geometry) = geometry {
                let sets = geometry.sets as usize * SET_BYTES;
                assert!(HEADER_BYTES + cell_bytes(geometry.sketch_width) + sets <= bytes);
            }
        }
        check(0, None);
        check(8 * 1024, None);
        check(1 << 20, Some((435, 8192)));
        check(10 << 20, Some((4546, 32 * 1024)));
        assert!(Geometry::for_bytes(1 << 20).unwrap().clients() > 3_400);
        assert!(Geometry::for_clients(100_000).clients() >= 100_000);
        assert_eq!(Geometry::for_clients(0).sets, 1);
        let (zone, region) = (
            Geometry::for_zone(10 << 20).unwrap(),
            Geometry::for_bytes(10 << 20).unwrap(),
        );
        assert!(zone.sets < region.sets && zone.sketch_width == region.sketch_width);
        assert!(Geometry::for_zone(4096).is_err());
    }

    #[test]
    fn a_zone_of_64m_holds_230_000_clients_with_their_names() {
        let clients = Geometry::for_zone(64 << 20).unwrap().clients();
        assert!(clients >= 230_000, "{clients}");
    }

    #[test]
    fn the_longest_idle_goes_first_and_the_banned_last() {
        let mut set = Set::default();
        for hash in 1..=WAYS as u64 {
            set.admit(hash, hash as u32);
        }
        set.record_mut(0).until = 1000;
        set.record_mut(0).flags = crate::record::flag::BANNED;
        assert_eq!(set.admit(100, 50), (1, Admission::Evicted));
        assert_eq!(set.admit(1, 51), (0, Admission::Known));
        for hash in 200..206 {
            set.admit(hash, 60);
        }
        assert_eq!(
            set.find(1),
            Some(0),
            "a banned record stays while there are others"
        );
        assert_eq!(
            set.admit(300, 50 + IDLE_SECONDS).1,
            Admission::Fresh,
            "an idle record is no loss"
        );
        assert_eq!(set.admit(301, 5000).0, 0, "an expired ban protects no more");
    }

    #[test]
    fn a_record_is_made_in_the_way_that_was_picked_and_kept_when_it_is_the_keys_own() {
        let mut set = Set::default();
        assert_eq!(set.admit_at(5, 7, 100), Admission::Fresh);
        set.record_mut(5).last = 150;
        assert_eq!(set.victim(7, 160), 5);
        assert_eq!(set.admit_at(5, 7, 160), Admission::Known);
        assert_eq!(set.record(5).last, 150, "a known record is not begun anew");
        assert_eq!(set.admit_at(5, 8, 160), Admission::Evicted);
        assert_eq!((set.find(7), set.find(8)), (None, Some(5)));
        assert_eq!(set.admit_at(5, 9, 160 + IDLE_SECONDS), Admission::Fresh);
    }

    #[test]
    fn a_saved_record_takes_the_place_of_what_is_worth_less() {
        let saved = |hash, last, requests| Record {
            last,
            requests,
            ..Record::fresh(hash, 0)
        };
        let mut set = Set::default();
        assert_eq!(
            set.place_for(&Record::default(), 5),
            None,
            "a free record is nothing"
        );
        for hash in 1..=WAYS as u64 {
            let way = set.place_for(&saved(hash, 10 * hash as u32, 5), 100).unwrap();
            *set.record_mut(way) = saved(hash, 10 * hash as u32, 5);
        }
        assert_eq!(
            set.place_for(&saved(3, 99, 5), 100),
            None,
            "as much is known of it"
        );
        assert_eq!(set.place_for(&saved(3, 99, 6), 100), Some(2));
        assert_eq!(set.place_for(&saved(100, 9, 50), 100), None, "older than all");
        assert_eq!(set.place_for(&saved(100, 11, 50), 100), Some(0));
        let banned = |hash, last, requests, until| Record {
            until,
            flags: crate::record::flag::BANNED,
            ..saved(hash, last, requests)
        };
        *set.record_mut(0) = banned(1, 10, 5, 200);
        assert_eq!(set.place_for(&saved(100, 19, 50), 100), None);
        assert_eq!(
            set.place_for(&banned(100, 1, 50, 101), 100),
            Some(1),
            "a ban outweighs"
        );
        assert_eq!(set.place_for(&banned(100, 1, 50, 100), 100), None, "it is over");
        assert_eq!(
            set.place_for(&banned(3, 1, 1, 101), 100),
            Some(2),
            "a ban is carried over"
        );
        assert_eq!(set.place_for(&saved(1, 99, 50), 100), None, "a ban is not lifted");
    }

    proptest! {
        #[test]
        fn a_set_holds_the_last_keys(keys in prop::collection::vec(1u64..20, 1..200)) {
            let mut set = Set::default();
            let mut seen: HashMap<u64, usize> = HashMap::new();
            for (at, &key) in keys.iter().enumerate() {
                let known = set.find(key).is_some();
                let (way, admission) = set.admit(key, at as u32);
                prop_assert_eq!(known, admission == Admission::Known);
                prop_assert_eq!(set.record(way).key_hash(), key);
                set.record_mut(way).last = at as u32;
                seen.insert(key, at);
                let mut newest: Vec<_> = seen.iter().map(|(key, at)| (*at, *key)).collect();
                newest.sort_unstable_by(|left, right| right.cmp(left));
                for (_, key) in newest.iter().take(WAYS) {
                    prop_assert!(set.find(*key).is_some(), "the last {} keys stay", WAYS);
                }
            }
        }

        #[test]
        fn every_hash_has_a_set(hash: u64, sets in 1u32..) {
            prop_assert!(set_index(hash, sets) < sets);
        }
    }
}
