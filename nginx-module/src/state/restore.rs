//! A state file is read: judged as a whole before any record is taken from it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use sekisho_core::key::Seed;
use sekisho_core::sketch::popularity::Popularity;
use sekisho_core::state::{Checksum, ENTRY_BYTES, Head, MAX_HEAD, StateError, TRAILER_BYTES, entries_of};

use super::MAX_FILE_BYTES;
use crate::ffi::entries;
use crate::ffi::shm::Zone;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Why a state file is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A directory, a pipe, a link, or larger than any zone.
    #[error("it is no plain file, or larger than any zone")]
    NotAFile,
    /// It is not one that this zone can use.
    #[error(transparent)]
    State(#[from] StateError),
}

impl RestoreError {
    /// Whether there simply is no file yet.
    pub fn is_absent(&self) -> bool {
        matches!(self, RestoreError::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// A state file that is whole and fits; it stands at the next record.
pub struct Saved {
    file: BufReader<File>,
    head: Head,
    body: u64,
    left: u64,
}

/// Opens a state file and reads all of it once: nothing of a torn one is used.
pub fn open(path: &Path, ours: &Head) -> Result<Saved, RestoreError> {
    let (mut file, head, body) = begin(path)?;
    head.fits(ours)?;
    let length = file.get_ref().metadata()?.len();
    let entries = length
        .checked_sub(body + cell_bytes(&head) + TRAILER_BYTES as u64)
        .filter(|bytes| bytes.is_multiple_of(ENTRY_BYTES as u64))
        .ok_or(StateError::Torn)?
        / ENTRY_BYTES as u64;
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Checksum::default();
    let mut left = length - TRAILER_BYTES as u64;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let count = left.min(PIECE as u64) as usize;
        let part = piece.get_mut(..count).unwrap_or_default();
        file.read_exact(part)?;
        sum.add(part);
        left -= count as u64;
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact(&mut trailer)?;
    if entries_of(trailer) != entries || sum.trailer(entries) != trailer {
        return Err(StateError::Torn.into());
    }
    file.seek(SeekFrom::Start(body + cell_bytes(&head)))?;
    Ok(Saved {
        file,
        head,
        body,
        left: entries,
    })
}

/// How often the state in a file went from one memory to the next, and when it was saved; nothing when there is
/// none.
pub fn incarnation_of(path: &Path) -> Option<(u64, u32)> {
    let (_, head, _) = begin(path).ok()?;
    Some((head.incarnation, head.saved_at))
}

/// Tells one file from the next at the same path; 0 when there is none.
pub fn identity_of(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |file| {
        (file.mtime() as u64).rotate_left(32) ^ file.mtime_nsec() as u64 ^ file.ino().rotate_left(48)
    })
}

/// Opens a file and reads its head; also tells where that ends. Follows no link and waits for no pipe: who may
/// write to the directory is less trusted than the master that reads it.
fn begin(path: &Path) -> Result<(BufReader<File>, Head, u64), RestoreError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?;
    if !kind.is_file() || kind.len() > MAX_FILE_BYTES {
        return Err(RestoreError::NotAFile);
    }
    let mut file = BufReader::with_capacity(PIECE, file);
    let mut start = Vec::new();
    (&mut file).take(MAX_HEAD as u64).read_to_end(&mut start)?;
    let (head, length) = Head::read(&start)?;
    Ok((file, head, length as u64))
}

fn cell_bytes(head: &Head) -> u64 {
    u64::from(head.sketch_width) * Popularity::cells(1) as u64 * size_of::<u16>() as u64
}

impl Saved {
    /// The secret that its hashes were made with: the zone must have it before it is filled.
    pub fn seed(&self) -> Seed {
        self.head.seed()
    }

    /// When it was saved, unix seconds.
    pub fn at(&self) -> u32 {
        self.head.saved_at
    }

    /// Records that are still to be taken.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes the popularity sketch, if the zone's has the same width.
    pub fn take_sketch(&mut self, zone: &Zone<'_>) -> io::Result<()> {
        if self.head.sketch_width != zone.sketch_width() {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.body))?;
        let mut two = [0; size_of::<u16>()];
        for cell in zone.cells() {
            self.file.read_exact(&mut two)?;
            cell.store(u16::from_le_bytes(two), Relaxed);
        }
        zone.header().popularity.restore(self.head.epochs);
        Ok(())
    }

    /// Takes at most so many records into a zone that has the file's seed; how many were taken. What a smaller zone
    /// has no place for is left, the longest idle first, and so is what the zone knows more of already. `at` is in
    /// unix seconds.
    pub fn take(&mut self, zone: &Zone<'_>, at: u32, most: u64) -> io::Result<u64> {
        let mut entry = [0; ENTRY_BYTES];
        let mut taken = 0;
        for _ in 0..most.min(self.left) {
            self.file.read_exact(&mut entry)?;
            taken += u64::from(entries::restore(zone, &entry, at));
            self.left -= 1;
        }
        Ok(taken)
    }
}
