//! Records as the bytes that a state file keeps, and back.

use sekisho_core::name::Name;
use sekisho_core::record::Record;
use sekisho_core::state::{ENTRY_BYTES, RECORD_BYTES};
use sekisho_core::table::{WAYS, set_index};

use super::shm::{LockedSet, Zone};

/// One record with its name.
pub type Entry = [u8; ENTRY_BYTES];

impl LockedSet<'_> {
    /// Appends the records that are in use. How many they were.
    pub fn copy_entries(&self, bytes: &mut Vec<u8>) -> u64 {
        let used = (0..WAYS).filter(|way| self.record(*way).key_hash() != 0);
        let mut count = 0;
        for way in used {
            let record = self.record(way);
            // SAFETY: the reference is to RECORD_BYTES bytes; a Record is repr(C) and its fields fill it to the last
            // byte (the assertion on its size, beside it), so none of them is padding.
            let raw = unsafe { std::slice::from_raw_parts((&raw const *record).cast::<u8>(), RECORD_BYTES) };
            bytes.extend_from_slice(raw);
            bytes.extend_from_slice(&self.name(way).to_raw());
            count += 1;
        }
        count
    }
}

/// Puts a saved record into its set, unless what is there is worth more. Whether it was put. `at` is in unix
/// seconds.
pub fn restore(zone: &Zone<'_>, entry: &Entry, at: u32) -> bool {
    let Some((raw, name)) = entry.split_first_chunk::<RECORD_BYTES>() else {
        return false;
    };
    // SAFETY: as many bytes as a Record has; it consists of integers and floats, so any bytes are one.
    let record = unsafe { raw.as_ptr().cast::<Record>().read_unaligned() };
    let Some(mut set) = zone.lock(set_index(record.key_hash(), zone.sets())) else {
        return false;
    };
    let Some(way) = set.place_for(&record, at) else {
        return false;
    };
    set.announce(way);
    *set.record_mut(way) = record;
    set.put_name(way, Name::from_raw(name.try_into().unwrap_or_default()));
    true
}
