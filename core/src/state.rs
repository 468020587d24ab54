//! A zone's state in a file: what it looks like, and whether it may be taken back.
//!
//! One line of JSON (the [`Head`]), the cells of the popularity sketch, one entry of [`ENTRY_BYTES`] for each
//! record with its name, and a trailer: number of entries and checksum. Entries are the bytes of memory, so only
//! the same layout on the same kind of machine may read them; a zone of another size may, because an entry's
//! place follows from its hash. The checksum finds torn files; it is no signature, since who may write the file
//! may write the records.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use thiserror::Error;

use crate::feature::schema_hash;
use crate::key::Seed;
use crate::name::{Name, RAW_BYTES};
use crate::record::Record;

/// Version of the file's form.
pub const VERSION: u32 = 1;
/// Longest head line, in bytes. A key is a word of nginx's configuration, which is shorter.
pub const MAX_HEAD: usize = 16 * 1024;
/// Bytes of a record's memory.
pub const RECORD_BYTES: usize = size_of::<Record>();
/// Bytes of an entry: a record and its name.
pub const ENTRY_BYTES: usize = RECORD_BYTES + RAW_BYTES;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 16;

const _: () = assert!(RAW_BYTES == size_of::<Name>());

/// First line of a state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`VERSION`]; its name is what tells a state file from others.
    pub sekisho_state: u32,
    /// Kind of machine that wrote it.
    pub machine: String,
    /// Layout of a zone's memory.
    pub layout: u32,
    /// [`ENTRY_BYTES`].
    pub entry_bytes: usize,
    /// Hash of the feature schema: a record keeps reasons by their index in it.
    pub schema: String,
    /// The zone's key, with all that decides what its values are.
    pub key: String,
    /// Secret of the zone's hashes: records cannot be found without it.
    pub seed: [u64; 2],
    /// How often the state went from one memory to the next.
    pub incarnation: u64,
    /// Unix seconds at which saving began.
    pub saved_at: u32,
    /// Counters a row of the popularity sketch.
    pub sketch_width: u32,
    /// Epochs of the popularity sketch.
    pub epochs: [u32; 4],
}

/// Why a file is not taken back.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StateError {
    /// It does not begin as one.
    #[error("it is not a state file")]
    Foreign,
    /// Of another version of the module.
    #[error("it was written by another version of the module")]
    OtherVersion,
    /// Of another kind of machine.
    #[error("it was written on another kind of machine, \"{0}\"")]
    OtherMachine(String),
    /// For features that are others now.
    #[error("it was written for feature schema {0}")]
    OtherSchema(String),
    /// Of another key.
    #[error("it holds the records of the \"{0}\" key")]
    OtherKey(String),
    /// Cut short, or changed.
    #[error("it is torn: size or checksum is wrong")]
    Torn,
}

impl Head {
    /// The head of a zone's state. `epochs` come from the popularity sketch.
    pub fn new(machine: &str, layout: u32, key: &str, seed: Seed) -> Head {
        Head {
            sekisho_state: VERSION,
            machine: machine.to_owned(),
            layout,
            entry_bytes: ENTRY_BYTES,
            schema: schema_hash().to_owned(),
            key: key.to_owned(),
            seed: [seed.0, seed.1],
            incarnation: 0,
            saved_at: 0,
            sketch_width: 0,
            epochs: [0; 4],
        }
    }

    /// The line, with its end.
    pub fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the line at the start of `bytes`; also tells how long it is.
    pub fn read(bytes: &[u8]) -> Result<(Head, usize), StateError> {
        let end = bytes
            .iter()
            .take(MAX_HEAD)
            .position(|byte| *byte == b'\n')
            .ok_or(StateError::Foreign)?;
        let line = bytes.get(..end).unwrap_or_default();
        let head: Head = serde_json::from_slice(line).map_err(|_| StateError::Foreign)?;
        Ok((head, end + 1))
    }

    /// Whether a zone with the head `ours` may take the records of this one.
    pub fn fits(&self, ours: &Head) -> Result<(), StateError> {
        let form = |head: &Head| (head.sekisho_state, head.layout, head.entry_bytes);
        if form(self) != form(ours) {
            Err(StateError::OtherVersion)
        } else if self.machine != ours.machine {
            Err(StateError::OtherMachine(self.machine.clone()))
        } else if self.schema != ours.schema {
            Err(StateError::OtherSchema(self.schema.clone()))
        } else if self.key != ours.key {
            Err(StateError::OtherKey(self.key.clone()))
        } else {
            Ok(())
        }
    }

    /// The secret that the records' hashes were made with.
    pub fn seed(&self) -> Seed {
        Seed(self.seed[0], self.seed[1])
    }
}

/// Checksum of all bytes before the trailer.
#[derive(Default)]
pub struct Checksum(SipHasher13);

impl Checksum {
    /// The next bytes, in pieces of any size.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The end of a file with so many entries.
    pub fn trailer(&self, entries: u64) -> [u8; TRAILER_BYTES] {
        let mut all = self.0;
        all.write(&entries.to_le_bytes());
        (u128::from(all.finish()) << 64 | u128::from(entries)).to_le_bytes()
    }
}

/// Entries that a trailer speaks of.
pub fn entries_of(trailer: [u8; TRAILER_BYTES]) -> u64 {
    u128::from_le_bytes(trailer) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head::new(
            "x86_64 little-endian",
            2,
            "$binary_remote_addr",
            Seed(1, u64::MAX),
        )
    }

    #[test]
    fn a_head_is_read_back_and_what_is_none_is_foreign() {
        let line = head().to_line().unwrap();
        let mut file = line.clone();
        file.extend_from_slice(b"\nrest");
        assert_eq!(Head::read(&file), Ok((head(), line.len())));
        #[track_caller]
        fn check(bytes: &[u8]) {
            assert_eq!(Head::read(bytes), Err(StateError::Foreign));
        }
        check(b"");
        check(b"\n");
        check(b"{}\n");
        check(&line[..line.len() - 1]);
        check(&[b' '; MAX_HEAD + 10]);
        check(b"\x7fELF\n");
        let text = String::from_utf8(line).unwrap();
        check(text.replace("\"layout\":2", "\"layout\":-2").as_bytes());
        check(text.replace("\"layout\":2", "\"layout\":2,\"more\":1").as_bytes());
    }

    #[test]
    fn only_the_same_kind_of_zone_takes_records_back() {
        #[track_caller]
        fn check(change: impl Fn(&mut Head), expected: Result<(), &str>) {
            let mut other = head();
            change(&mut other);
            let said = other.fits(&head()).map_err(|error| error.to_string());
            assert_eq!(said, expected.map_err(str::to_owned));
        }
        check(|_| (), Ok(()));
        check(|head| head.sketch_width = 77, Ok(()));
        check(|head| head.seed = [3, 4], Ok(()));
        let version = Err("it was written by another version of the module");
        check(|head| head.sekisho_state += 1, version);
        check(|head| head.layout += 1, version);
        check(|head| head.entry_bytes += 8, version);
        check(
            |head| head.machine = "s390x big-endian".to_owned(),
            Err("it was written on another kind of machine, \"s390x big-endian\""),
        );
        check(
            |head| head.schema = "0123".to_owned(),
            Err("it was written for feature schema 0123"),
        );
        check(
            |head| head.key = "$uri".to_owned(),
            Err("it holds the records of the \"$uri\" key"),
        );
    }

    proptest! {
        #[test]
        fn every_flipped_bit_changes_the_trailer(bytes in prop::collection::vec(any::<u8>(), 1..600), at: usize, cut: usize) {
            let mut whole = Checksum::default();
            whole.add(&bytes);
            let trailer = whole.trailer(7);
            prop_assert_eq!(entries_of(trailer), 7);
            let (left, right) = bytes.split_at(cut % bytes.len());
            let mut pieces = Checksum::default();
            pieces.add(left);
            pieces.add(right);
            prop_assert_eq!(pieces.trailer(7), trailer);
            prop_assert_ne!(pieces.trailer(8), trailer);
            let mut flipped = bytes.clone();
            let place = at % (bytes.len() * 8);
            flipped[place / 8] ^= 1 << (place % 8);
            let mut other = Checksum::default();
            other.add(&flipped);
            prop_assert_ne!(other.trailer(7), trailer);
        }

        #[test]
        fn any_bytes_are_a_head_or_foreign(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Head::read(&bytes).err(), Some(StateError::Foreign));
        }
    }
}
