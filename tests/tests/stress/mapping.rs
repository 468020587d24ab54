//! Memory that several processes share: a file, mapped.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use sekisho_core::table::Set;

/// Words, then sets.
pub struct Mapping {
    base: NonNull<u8>,
    words: usize,
    sets: usize,
}

/// Where the first set begins.
fn sets_at(words: usize) -> usize {
    (words * size_of::<AtomicU64>()).next_multiple_of(align_of::<Set>())
}

impl Mapping {
    /// Maps a file for good, after making it large enough; new bytes are zero.
    pub fn of(file: &File, words: usize, sets: usize) -> io::Result<Mapping> {
        let bytes = sets_at(words) + sets * size_of::<Set>();
        file.set_len(bytes as u64)?;
        // SAFETY: a new mapping of a file that is as long; it is never unmapped, so references into it stay valid.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { base, words, sets })
    }

    /// A word by its number.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.words);
        // SAFETY: inside the mapping, aligned as its start is; zero bytes are valid.
        unsafe { self.base.cast::<AtomicU64>().add(index).as_ref() }
    }

    /// Changes a set whose lock the caller holds.
    pub fn with_set<T>(&self, index: usize, change: impl FnOnce(&mut Set) -> T) -> T {
        assert!(index < self.sets);
        // SAFETY: inside the mapping, aligned; any bytes are a set. The caller's lock keeps other processes away,
        // and a process runs one thread over it.
        let set = unsafe {
            self.base
                .add(sets_at(self.words))
                .cast::<Set>()
                .add(index)
                .as_mut()
        };
        change(set)
    }
}

/// Whether there is no such process; as the module asks.
pub fn is_gone(pid: u32) -> bool {
    // SAFETY: signal 0 is never delivered; it only asks whether the process exists.
    let answer = unsafe { libc::kill(pid as libc::pid_t, 0) };
    answer == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}
