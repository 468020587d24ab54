//! Files that an operator names, read whole while requests wait: never a pipe or a device, which could keep them
//! waiting.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a file, at most one byte more than the `most` that it may have: whoever parses it sees that it is too long.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    // Without this, the open of a pipe waits for somebody to write.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    // The system has a word of its own for directories.
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
