//! Walking through a zone's table, within bounds: a worker answers nobody else meanwhile.

use std::ops::ControlFlow;

use sekisho_core::name::Name;
use sekisho_core::record::Record;
use sekisho_core::table::{WAYS, set_index};
use serde::Serialize;

use crate::ffi::shm::{LockedSet, Zone};

/// Sets that one call looks at, 64 MiB of records: what a worker can read without being missed.
pub const MAX_SETS: u32 = 32_768;
/// Sets that an estimate looks at; its standard error is then below 1 % of the table.
const SAMPLED_SETS: u32 = 512;
/// Greatest cursor: places are counted in 31 bits, so that any JSON reader keeps them.
pub const MAX_CURSOR: u32 = i32::MAX as u32;

/// What was looked at, in places of the table; a set has eight.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// First place.
    pub from: u32,
    /// Place after the last.
    pub to: u32,
    /// Places of the whole table.
    pub of: u32,
    /// Sets that were busy and left out.
    pub busy_sets: u32,
}

impl Seen {
    /// Where to go on; `None` at the end of the table.
    pub fn next(&self) -> Option<u32> {
        (self.to < self.of).then_some(self.to)
    }
}

/// Shows the records from a place on to `visit`, with their places, until it has enough or the bound is met.
pub fn walk(
    zone: Zone<'_>,
    from: u32,
    mut visit: impl FnMut(u32, &LockedSet<'_>, usize) -> ControlFlow<()>,
) -> Seen {
    let ways = WAYS as u32;
    // More records than a cursor can count are beyond any zone that fits into memory today.
    let of = zone.sets().saturating_mul(ways).min(MAX_CURSOR);
    let from = from.min(of);
    let last = (from / ways).saturating_add(MAX_SETS).min(of.div_ceil(ways));
    let mut seen = Seen {
        from,
        to: (last * ways).min(of),
        of,
        busy_sets: 0,
    };
    for index in from / ways..last {
        let Some(set) = zone.lock(index) else {
            seen.busy_sets += 1;
            continue;
        };
        for way in 0..WAYS {
            let place = index * ways + way as u32;
            if place < from || set.record(way).key_hash() == 0 {
                continue;
            }
            if visit(place, &set, way).is_break() {
                seen.to = place + 1;
                return seen;
            }
        }
    }
    seen
}

/// Clients that a zone holds.
#[derive(Debug, Serialize)]
pub struct Occupancy {
    /// Clients that fit.
    pub capacity: u64,
    /// Clients there are.
    pub held: u64,
    /// Whether `held` is an estimate from a part of the table.
    pub estimated: bool,
}

/// Counts a small zone's clients, and estimates those of a large one.
pub fn occupancy(zone: Zone<'_>) -> Occupancy {
    let sets = zone.sets();
    let sampled = sets.min(SAMPLED_SETS);
    let (mut looked_at, mut held) = (0u64, 0u64);
    for number in 0..sampled {
        let index = (u64::from(number) * u64::from(sets) / u64::from(sampled)) as u32;
        if let Some(set) = zone.lock(index) {
            looked_at += 1;
            held += (0..WAYS).filter(|&way| set.record(way).key_hash() != 0).count() as u64;
        }
    }
    let estimated = looked_at < u64::from(sets);
    Occupancy {
        capacity: u64::from(sets) * WAYS as u64,
        held: held * u64::from(sets) / looked_at.max(1),
        estimated,
    }
}

/// Reads a client's record, copied; `Ok(None)` when there is none.
pub fn read(zone: Zone<'_>, hash: u64) -> Result<Option<(Record, Name)>, super::Fault> {
    let index = set_index(hash, zone.sets());
    let set = zone.lock(index).ok_or(super::Fault::Busy)?;
    let found = set.find(hash);
    Ok(found.map(|way| (set.record(way).clone(), set.name(way))))
}
