//! Follows a sample file through whatever happens to it, so that each line is stored once.
//!
//! A file is known by device and inode, and by the digest of its beginning; how far it was read is stored with what
//! was read. So it does not matter when the daemon ends, nor whether a file was renamed, copied and truncated, or
//! deleted while it is open. What nobody can bring back: lines that were written between the copy and the truncation of
//! `copytruncate`, and files that were deleted or compressed before they were read.

mod cutter;
mod family;
mod identity;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sekisho_core::sample::{MAX_LINE, Sample};
use thiserror::Error;

use crate::causes::with_causes;
use crate::store::{Counts, FileId, Intake, Line, Names, Position, Store, StoreError};
use identity::{HEAD, Recognised, head_of, id_of, recognise};

/// Bytes read and stored at a time: some 7,000 samples. The more a transaction takes, the fewer times it
/// writes the same pages of the indices; half a second is the longest that another writer should wait.
const CHUNK: usize = 4 << 20;
/// How often the directory is searched for files that were rotated while nobody looked.
const LIST_AGAIN: Duration = Duration::from_secs(10);
/// A file that was rotated is held open so long after it last grew: workers write to it until nginx opens the new one.
const LINGER: Duration = Duration::from_secs(60);
/// How often files that did not grow are marked as still there, so that their positions are kept.
const MARK_AGAIN: Duration = Duration::from_secs(3600);

const _: () = assert!(CHUNK > 2 * MAX_LINE, "a chunk always makes progress");

/// Why nothing more was stored.
#[derive(Debug, Error)]
pub enum TailError {
    /// A file or its directory cannot be read.
    #[error("cannot read {}: let this user into the group that owns it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store took nothing; the lines are read again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a step did.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What became of the lines.
    pub counts: Counts,
    /// Where the first broken one of them is.
    pub broken_in: Option<PathBuf>,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// One file that is open.
struct Followed {
    file: File,
    path: PathBuf,
    position: Position,
    current: bool,
    grown: Instant,
}

/// What a look at a file found.
#[derive(Default)]
struct Looked {
    /// It is to be followed from now on.
    followed: Option<Followed>,
    /// Row of its position in the store, which is to be kept.
    still_there: Option<i64>,
}

/// One source: a sample file, and what it was rotated to.
pub struct Tail {
    name: String,
    path: PathBuf,
    open: Vec<Followed>,
    listed: Option<Instant>,
    marked: Option<Instant>,
    /// Rotated files that cannot be read, which was said.
    unreadable: Vec<PathBuf>,
    buffer: Vec<u8>,
}

impl Tail {
    /// Follows `path` under a name.
    pub fn new(name: String, path: PathBuf) -> Tail {
        Tail {
            name,
            path,
            open: Vec::new(),
            listed: None,
            marked: None,
            unreadable: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that wait in the files that are open.
    pub fn waiting(&self) -> u64 {
        let wait = |followed: &Followed| {
            let length = followed.file.metadata().map_or(0, |metadata| metadata.len());
            length.saturating_sub(followed.position.offset)
        };
        self.open.iter().map(wait).sum()
    }

    /// Reads and stores one chunk of the oldest file that has one, at Unix second `now`.
    pub fn step(&mut self, store: &Store, names: &Names, now: u32) -> Result<Step, TailError> {
        if self.must_list() {
            self.list(store, names, now)?;
        }
        let mut index = 0;
        while index < self.open.len() {
            if let Some(step) = self.read(index, store, names, now)? {
                return Ok(step);
            }
            index += 1;
        }
        self.retire(store, names, now)?;
        Ok(Step::default())
    }

    /// Whether the file under the path is another one than before, or it is time.
    fn must_list(&self) -> bool {
        if self.listed.is_none_or(|listed| listed.elapsed() >= LIST_AGAIN) {
            return true;
        }
        let Ok(metadata) = std::fs::metadata(&self.path) else {
            return false;
        };
        let id = FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        let current = self.open.iter().find(|followed| followed.current);
        current.is_none_or(|current| current.position.id != id)
    }

    /// Finds and opens what is new or has grown.
    fn list(&mut self, store: &Store, names: &Names, now: u32) -> Result<(), TailError> {
        let paths = match family::family(&self.path) {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&self.path, error)),
        };
        let known = store.positions(&self.name)?;
        let mut still_there = Vec::new();
        let mut opened = Vec::new();
        for followed in &mut self.open {
            followed.current = false;
        }
        let mut unreadable = Vec::new();
        for path in paths {
            match self.look_at(&path, &known, names) {
                Ok(Looked {
                    followed,
                    still_there: row,
                }) => {
                    still_there.extend(row);
                    opened.extend(followed);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if path == self.path => return Err(failed(&path, error)),
                // What was rotated and cannot be read must not keep the rest from being read.
                Err(error) => {
                    if !self.unreadable.contains(&path) {
                        tracing::warn!(
                            "{}: {} is left out: {}",
                            self.name,
                            path.display(),
                            with_causes(&error)
                        );
                    }
                    unreadable.push(path);
                }
            }
        }
        self.unreadable = unreadable;
        self.open.extend(opened);
        // The current one last: what was written earlier is stored earlier.
        self.open.sort_by_key(|followed| followed.current);
        self.listed = Some(Instant::now());
        if self.marked.is_none_or(|marked| marked.elapsed() >= MARK_AGAIN) {
            still_there.extend(self.open.iter().filter_map(|followed| followed.position.row));
            store.mark_files(&still_there, now)?;
            self.marked = Some(Instant::now());
        }
        Ok(())
    }

    /// Opens a file unless it is followed already or holds nothing new.
    fn look_at(&mut self, path: &Path, known: &[Position], names: &Names) -> io::Result<Looked> {
        let current = path == self.path;
        let file = File::open(path)?;
        let (id, length) = id_of(&file)?;
        if let Some(followed) = self.open.iter_mut().find(|followed| followed.position.id == id) {
            followed.path = path.to_owned();
            followed.position.path = path.display().to_string();
            followed.current = current;
            return Ok(Looked::default());
        }
        let head = |length| head_of(&file, length, names);
        let mut still_there = None;
        let position = match recognise(known, id, length, head)? {
            Recognised::Known(position) => {
                still_there = position.row;
                (current || length > position.offset).then_some(position)
            }
            Recognised::Copy(position) => Some(position),
            Recognised::New => (current || length > 0).then(|| fresh(id)),
            Recognised::Stale => None,
        };
        let followed = position.map(|position| Followed {
            position: Position {
                path: path.display().to_string(),
                ..position
            },
            path: path.to_owned(),
            file,
            current,
            grown: Instant::now(),
        });
        Ok(Looked {
            followed,
            still_there,
        })
    }

    /// Reads and stores the next chunk of one file; `None` when it has none.
    fn read(
        &mut self,
        index: usize,
        store: &Store,
        names: &Names,
        now: u32,
    ) -> Result<Option<Step>, TailError> {
        let followed = &mut self.open[index];
        let error = |error| failed(&followed.path, error);
        let length = followed.file.metadata().map_err(error)?.len();
        let mut position = followed.position.clone();
        if length == position.offset {
            return Ok(None);
        }
        self.buffer.resize(CHUNK, 0);
        let read = read_at(&followed.file, &mut self.buffer, position.offset).map_err(error)?;
        // After the read: had the file been truncated before it, its beginning would be another one now.
        let same = length > position.offset
            && head_of(&followed.file, position.head_length, names).is_ok_and(|head| head == position.head);
        if !same {
            followed.position = Position {
                path: followed.position.path.clone(),
                ..fresh(position.id)
            };
            // What was not read before the truncation is in the copy, if somebody made one.
            self.listed = None;
            return Ok(Some(Step {
                more: true,
                ..Step::default()
            }));
        }
        let cut = cutter::cut(&self.buffer[..read], position.skipping);
        if cut.consumed == 0 {
            return Ok(None);
        }
        position.offset += cut.consumed as u64;
        position.skipping = cut.skipping;
        if position.head_length < HEAD {
            let head_length = position.offset.min(HEAD);
            position.head = head_of(&followed.file, head_length, names).map_err(error)?;
            position.head_length = head_length;
        }
        let counts = take(store, names, (&self.name, now), &cut.lines, &mut position)?;
        followed.position = position;
        followed.grown = Instant::now();
        Ok(Some(Step {
            broken_in: counts.first_broken.as_ref().map(|_| followed.path.clone()),
            counts,
            more: true,
        }))
    }

    /// Lets go of files that were rotated and do not grow any more.
    fn retire(&mut self, store: &Store, names: &Names, now: u32) -> Result<(), TailError> {
        let over = |followed: &Followed| !followed.current && followed.grown.elapsed() >= LINGER;
        while let Some(index) = self.open.iter().position(over) {
            let followed = &self.open[index];
            let mut position = followed.position.clone();
            let mut rest = vec![0; MAX_LINE + 1];
            let read = read_at(&followed.file, &mut rest, position.offset)
                .map_err(|error| failed(&followed.path, error))?;
            // The last line of a worker that was killed may lack nothing but its end.
            let rest = &rest[..read];
            if !position.skipping && Sample::parse(rest).is_ok() {
                position.offset += read as u64;
                take(
                    store,
                    names,
                    (&self.name, now),
                    &[Line::Whole(rest)],
                    &mut position,
                )?;
            }
            self.open.remove(index);
        }
        Ok(())
    }
}

fn take(
    store: &Store,
    names: &Names,
    (source, now): (&str, u32),
    lines: &[Line<'_>],
    position: &mut Position,
) -> Result<Counts, StoreError> {
    store.take(Intake { source, names, now }, lines, position)
}

fn fresh(id: FileId) -> Position {
    Position {
        row: None,
        path: String::new(),
        id,
        head: Vec::new(),
        head_length: 0,
        offset: 0,
        skipping: false,
    }
}

fn failed(path: &Path, source: io::Error) -> TailError {
    TailError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
