//! When a file that may be replaced at any time is worth reading again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one content of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There {
        /// Device and inode: another after a rename, or when a link leads elsewhere.
        place: (u64, u64),
        /// Last change of its content and of its inode, in seconds and nanoseconds: another after a write.
        changed: [(i64, i64); 2],
        /// Bytes.
        size: u64,
    },
    /// It cannot be looked at, with this error of the operating system.
    Not(i32),
}

/// What is known of the file.
#[derive(Debug)]
pub struct Watch {
    read: Seen,
    before: Seen,
}

impl Watch {
    /// Begins with a file that was read, or tried to be, when it was `read`.
    pub fn new(read: Seen) -> Watch {
        Watch { read, before: read }
    }

    /// The file was looked at. Whether it changed since it was last read, and not since the last look: whoever
    /// writes it has probably finished.
    pub fn look(&mut self, now: Seen) -> bool {
        let settled = std::mem::replace(&mut self.before, now) == now;
        settled && now != self.read
    }

    /// It is being read, or was tried to be, as it was at the last look. Should it change meanwhile, the next
    /// looks tell.
    pub fn reading(&mut self) {
        self.read = self.before;
    }
}

/// The file as it is now. Links are followed: where they lead is what is read.
pub fn look(path: &Path) -> Seen {
    match fs::metadata(path) {
        Ok(file) => Seen::There {
            place: (file.dev(), file.ino()),
            changed: [
                (file.mtime(), file.mtime_nsec()),
                (file.ctime(), file.ctime_nsec()),
            ],
            size: file.size(),
        },
        Err(error) => Seen::Not(error.raw_os_error().unwrap_or(0)),
    }
}
