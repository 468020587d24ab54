//! One log: where its bytes come from.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use flate2::read::MultiGzDecoder;
use sekisho_core::logline::Format;

use super::LogError;

/// How much of a log is looked at for its first time, in bytes on disk.
const HEAD_BYTES: u64 = 256 * 1024;
/// The first bytes of every gzip member (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A log, not yet read.
pub(super) struct Source {
    name: String,
    first_time: Option<u32>,
    bytes: Option<u64>,
    origin: Origin,
}

enum Origin {
    /// Opened again when its turn comes: a year of rotated logs may be more files than may be open.
    File(PathBuf),
    /// A pipe cannot be opened again: its head, and the rest.
    Pipe {
        head: Vec<u8>,
        rest: Box<dyn Read + Send>,
    },
}

impl Source {
    pub(super) fn open(path: &Path, format: &Format) -> Result<Source, LogError> {
        let stdin = path == Path::new("-");
        let name = if stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let source = if stdin {
            pipe(Box::new(io::stdin()))
        } else {
            file(path)
        };
        let (head, bytes, origin) = source.map_err(|source| LogError::Open {
            name: name.clone(),
            source,
        })?;
        Ok(Source {
            name,
            first_time: first_time(&head, format),
            bytes,
            origin,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn first_time(&self) -> Option<u32> {
        self.first_time
    }

    pub(super) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The log's text, unpacked. `done` counts the bytes before unpacking.
    pub(super) fn reader(self, done: &AtomicU64) -> io::Result<Box<dyn Read + '_>> {
        let (head, rest): (_, Box<dyn Read>) = match self.origin {
            Origin::File(path) => {
                let mut file = File::open(path)?;
                let mut head = Vec::new();
                file.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
                (head, Box::new(file))
            }
            Origin::Pipe { head, rest } => (head, rest),
        };
        let packed = head.starts_with(&GZIP);
        let counted = Counted {
            inner: Cursor::new(head).chain(rest),
            done,
        };
        Ok(if packed {
            Box::new(MultiGzDecoder::new(counted))
        } else {
            Box::new(counted)
        })
    }
}

type Opened = (Vec<u8>, Option<u64>, Origin);

fn file(path: &Path) -> io::Result<Opened> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return pipe(Box::new(file));
    }
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok((head, Some(metadata.len()), Origin::File(path.to_owned())))
}

fn pipe(mut rest: Box<dyn Read + Send>) -> io::Result<Opened> {
    let mut head = Vec::new();
    rest.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok((head.clone(), None, Origin::Pipe { head, rest }))
}

/// The first time that any line of the head has. The head may end inside a line or an archive.
fn first_time(head: &[u8], format: &Format) -> Option<u32> {
    let mut unpacked = Vec::new();
    let text = if head.starts_with(&GZIP) {
        // Whatever was unpacked before the end of the head counts.
        let _ = MultiGzDecoder::new(head)
            .take(HEAD_BYTES)
            .read_to_end(&mut unpacked);
        &unpacked[..]
    } else {
        head
    };
    text.split(|&byte| byte == b'\n')
        .find_map(|line| format.read(line).ok().map(|entry| entry.at))
}

/// Counts what passes through.
struct Counted<'a, R> {
    inner: R,
    done: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.done.fetch_add(length as u64, Relaxed);
        Ok(length)
    }
}
