//! The lines that wait to be written, as data: what a file takes, and what becomes of the rest.
//!
//! A line is in the file once and whole, whatever a write takes. What a write cut is ended with a newline, by
//! whoever writes next to that file, and written anew; a reader refuses the piece and misses nothing.

use std::io::{self, ErrorKind};

/// Bytes that wait at most: some 150 samples of the usual size. A full disk costs a worker this much and no more.
pub const CAPACITY: usize = 128 * 1024;
/// From here on the lines are written without waiting for the next tick.
pub const HALF: usize = CAPACITY / 2;
/// Writes in one flush: one, and after a short one two more, of which the last tells why.
const WRITES: usize = 3;

/// Lines in the order of their arrival.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

/// What a flush did.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Lines that are whole in the file.
    pub lines: u64,
    /// Bytes that the file took.
    pub bytes: u64,
    /// Whether the file now ends inside a line: the next write to it begins with a newline.
    pub torn: bool,
    /// Why the rest still waits.
    pub error: Option<io::Error>,
}

impl Buffer {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a line, which has no newline. False when there is no room for it.
    pub fn push(&mut self, line: &[u8]) -> bool {
        if self.bytes.len() + line.len() + 1 > CAPACITY {
            return false;
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(CAPACITY);
        }
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        true
    }

    /// Forgets what waits; how many lines that were.
    pub fn discard(&mut self) -> u64 {
        let lines = newlines(&self.bytes);
        self.bytes.clear();
        lines
    }

    /// Writes what waits through `append`, which takes a part and says how much. `torn` is whether the file ends
    /// inside a line.
    pub fn flush(&mut self, torn: bool, mut append: impl FnMut(&[u8]) -> io::Result<usize>) -> Flushed {
        let mut done = Flushed {
            torn,
            ..Flushed::default()
        };
        for _ in 0..WRITES {
            if self.bytes.is_empty() && !done.torn {
                break;
            }
            if let Err(error) = self.write(&mut done, &mut append) {
                done.error = Some(error);
                break;
            }
        }
        done
    }

    fn write(
        &mut self,
        done: &mut Flushed,
        append: &mut impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut take = |bytes: &[u8]| match append(bytes) {
            Ok(0) => Err(io::Error::from(ErrorKind::WriteZero)),
            taken => taken,
        };
        if done.torn {
            done.bytes += take(b"\n")? as u64;
            done.torn = false;
            if self.bytes.is_empty() {
                return Ok(());
            }
        }
        let taken = take(&self.bytes)?.min(self.bytes.len());
        done.bytes += taken as u64;
        let written = &self.bytes[..taken];
        let mut whole = written
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        done.torn = whole < taken;
        // Only its newline is missing: the next write brings it.
        if done.torn && self.bytes.get(taken) == Some(&b'\n') {
            whole = taken + 1;
        }
        done.lines += newlines(&self.bytes[..whole]);
        self.bytes.drain(..whole);
        Ok(())
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}
