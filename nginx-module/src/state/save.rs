//! A state file is written: beside its place, a few sets at a time, then put there in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use sekisho_core::state::{Checksum, Head};

use crate::ffi::shm::{Zone, is_gone, own_pid};

/// Only the workers' user and root may read it: the secret of the hashes is in it.
const MODE: u32 = 0o600;
/// Between the file's name and the pid of who writes.
const MARK: &str = ".tmp.";

/// A state file that is not yet in its place. Dropped before it is, it leaves nothing behind.
pub struct Draft {
    file: File,
    beside: PathBuf,
    path: PathBuf,
    sum: Checksum,
    entries: u64,
    next: u32,
    bytes: Vec<u8>,
}

impl Draft {
    /// Starts a file with the head and the popularity sketch.
    pub fn begin(path: &Path, head: &Head, zone: &Zone<'_>) -> io::Result<Draft> {
        let mut draft = Draft::open(path)?;
        draft.bytes = head.to_line()?;
        for cell in zone.cells() {
            draft.bytes.extend_from_slice(&cell.load(Relaxed).to_le_bytes());
        }
        draft.write()?;
        Ok(draft)
    }

    /// An empty file beside `path`: whether one can be made at all.
    pub fn open(path: &Path) -> io::Result<Draft> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!("{MARK}{}", own_pid()));
        let beside = PathBuf::from(beside);
        // A rest of an earlier process with this pid.
        let _ = fs::remove_file(&beside);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&beside)?;
        Ok(Draft {
            file,
            beside,
            path: path.to_owned(),
            sum: Checksum::default(),
            entries: 0,
            next: 0,
            bytes: Vec::new(),
        })
    }

    /// Copies so many sets more; true when all are. A set whose lock is not to be had is left out.
    pub fn copy(&mut self, zone: &Zone<'_>, sets: u32) -> io::Result<bool> {
        let end = zone.sets().min(self.next.saturating_add(sets));
        for index in self.next..end {
            if let Some(set) = zone.lock(index) {
                self.entries += set.copy_entries(&mut self.bytes);
            }
        }
        self.next = end;
        self.write()?;
        Ok(end == zone.sets())
    }

    /// Ends the file, waits until the disk has it, and puts it in its place: without the wait, a power cut could
    /// leave an empty file there instead of the earlier one.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&self.sum.trailer(self.entries))?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        // The rename itself may be lost in a power cut: then the earlier file is there.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.sum.add(&self.bytes);
        self.file.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is no such file.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Removes what workers that were killed while they saved left behind.
pub fn clean(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let Ok(files) = fs::read_dir(directory) else {
        return;
    };
    for file in files.filter_map(Result::ok) {
        let found = file.file_name();
        let pid = found
            .to_str()
            .and_then(|found| found.strip_prefix(name)?.strip_prefix(MARK)?.parse().ok());
        if pid.is_some_and(is_gone) {
            let _ = fs::remove_file(file.path());
        }
    }
}
