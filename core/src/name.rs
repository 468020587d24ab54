//! A record's name: the first bytes of its key, so that an operator can be told whose it is.
//!
//! A record is found by its key's hash, which tells nobody anything. Addresses fit as a whole; of a longer key
//! the beginning must do.

/// Bytes of a key that a name keeps.
pub const SHOWN_BYTES: usize = 23;
/// Bytes of a name as it is kept.
pub const RAW_BYTES: usize = SHOWN_BYTES + 1;
/// In place of the length: the key is longer than the name.
const CUT: u8 = 255;

/// Name of one record. Valid when all zero: the empty name of a free record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; SHOWN_BYTES],
    len: u8,
}

const _: () = assert!(size_of::<Name>() == RAW_BYTES, "a zone's size is planned by it");

impl Name {
    /// The name of a key.
    pub fn of(key: &[u8]) -> Name {
        let mut bytes = [0; SHOWN_BYTES];
        for (place, byte) in bytes.iter_mut().zip(key) {
            *place = *byte;
        }
        let len = u8::try_from(key.len())
            .ok()
            .filter(|len| usize::from(*len) <= SHOWN_BYTES);
        Name {
            bytes,
            len: len.unwrap_or(CUT),
        }
    }

    /// The key, or its first [`SHOWN_BYTES`] bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }

    /// Whether the key is longer than what [`Name::as_bytes`] shows.
    pub fn is_cut(&self) -> bool {
        usize::from(self.len) > SHOWN_BYTES
    }

    /// The name as it is kept.
    pub fn to_raw(self) -> [u8; RAW_BYTES] {
        let mut raw = [self.len; RAW_BYTES];
        for (place, byte) in raw.iter_mut().zip(self.bytes) {
            *place = byte;
        }
        raw
    }

    /// Reads what [`Name::to_raw`] made; any bytes are some name.
    pub fn from_raw(raw: [u8; RAW_BYTES]) -> Name {
        let [bytes @ .., len] = raw;
        Name { bytes, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_a_short_key_whole_and_says_when_it_is_cut() {
        #[track_caller]
        fn check(key: &[u8], expected: &[u8], cut: bool) {
            let name = Name::of(key);
            assert_eq!((name.as_bytes(), name.is_cut()), (expected, cut));
            assert_eq!(Name::from_raw(name.to_raw()), name);
        }
        check(b"", b"", false);
        check(&[192, 0, 2, 1], &[192, 0, 2, 1], false);
        check(&[7; 22], &[7; 22], false);
        check(&[7; 23], &[7; 23], false);
        check(&[7; 24], &[7; 23], true);
        check(&[0; 255], &[0; 23], true);
        check(&[9; 4096], &[9; 23], true);
        assert_eq!(Name::default(), Name::of(b""));
    }

    #[test]
    fn any_bytes_are_a_name() {
        for len in 0..=255 {
            let mut raw = [1; 24];
            raw[23] = len;
            assert!(Name::from_raw(raw).as_bytes().len() <= SHOWN_BYTES);
        }
    }
}
