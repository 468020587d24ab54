//! The decision log's file: whole lines, rotated by size and number, and opened anew when somebody moves it away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Mode of a new log: the group reads it, as it does nginx's.
const MODE: u32 = 0o640;

/// An open log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    most_bytes: u64,
    most_files: u32,
    open: Option<(File, (u64, u64))>,
}

impl LogFile {
    /// A log that is opened at its first line.
    pub fn new(path: PathBuf, most_bytes: u64, most_files: u32) -> LogFile {
        LogFile {
            path,
            most_bytes,
            most_files,
            open: None,
        }
    }

    /// Appends lines, each of which ends with a line's end: all, or none.
    ///
    /// # Errors
    /// The disk's; the file is as long as it was.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        let mut length = self.open()?.metadata()?.len();
        if length > 0 && length + lines.len() as u64 > self.most_bytes {
            self.rotate()?;
            length = self.open()?.metadata()?.len();
        }
        let file = self.open()?;
        let written = file.write_all(lines.as_bytes());
        if written.is_err() {
            // Half a line would be nobody's, and its other half would come after.
            let _ = file.set_len(length);
        }
        written
    }

    /// The file; another one when the path names another.
    fn open(&mut self) -> io::Result<&mut File> {
        let named = fs::metadata(&self.path).ok().map(|data| (data.dev(), data.ino()));
        let same = self.open.as_ref().is_some_and(|(_, id)| Some(*id) == named);
        if !same {
            self.open = None;
        }
        if self.open.is_none() {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(MODE)
                .open(&self.path)?;
            let data = file.metadata()?;
            self.open = Some((file, (data.dev(), data.ino())));
        }
        match &mut self.open {
            Some((file, _)) => Ok(file),
            None => Err(io::Error::other("no file")),
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        if self.most_files == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.most_files).rev() {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn logs_are_rotated_before_they_are_too_long() {
        #[track_caller]
        fn check(most_files: u32, expected: &[&str]) {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("log");
            let mut log = LogFile::new(path.clone(), 8, most_files);
            for line in ["one\n", "two\n", "three\n", "longer than all\n", "end\n"] {
                log.append(line).unwrap();
            }
            let mut found = vec![text(&path)];
            found.extend((1..4).map(|number| text(&numbered(&path, number))));
            found.retain(|text| !text.is_empty());
            assert_eq!(found, expected);
        }
        check(0, &["end\n"]);
        check(1, &["end\n", "longer than all\n"]);
        check(5, &["end\n", "longer than all\n", "three\n", "one\ntwo\n"]);
    }

    #[test]
    fn a_log_that_was_moved_away_is_begun_anew() {
        let dir = TempDir::new().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("moved"));
        let mut log = LogFile::new(path.clone(), 100, 1);
        log.append("one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.append("two\n").unwrap();
        fs::remove_file(&path).unwrap();
        log.append("three\n").unwrap();
        assert_eq!((text(&moved), text(&path)), ("one\n".into(), "three\n".into()));
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o7777,
            MODE & !0o022 & 0o7777
        );
    }

    #[test]
    fn a_full_disk_leaves_whole_lines() {
        let mut log = LogFile::new("/dev/full".into(), u64::MAX, 1);
        let error = log.append("one\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let mut nowhere = LogFile::new("/nonexistent/log".into(), 8, 1);
        assert!(nowhere.append("one\n").is_err());
    }
}
