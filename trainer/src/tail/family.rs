//! The files that a sample file was rotated to: those whose name is its own with something behind it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::store::MAX_FILES;

/// Ends of names whose files hold no lines.
const OTHERS: [&str; 10] = [
    ".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".tmp", ".part", ".swp", "~",
];
/// Entries of the directory that are looked at: a directory with more is no log directory.
const MAX_ENTRIES: usize = 100_000;

/// The sample file and what it was rotated to, oldest first, the file itself last; the newest [`MAX_FILES`].
pub fn family(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(base) = path.file_name() else {
        return Ok(Vec::new());
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut found: Vec<(SystemTime, OsString)> = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name();
        if !is_rotated(base, &name) {
            continue;
        }
        // Gone meanwhile, as files are that a rotation renames: it is found under its new name.
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), name));
        }
    }
    found.sort();
    let surplus = (found.len() + 1).saturating_sub(MAX_FILES as usize);
    let mut paths: Vec<PathBuf> = found
        .into_iter()
        .skip(surplus)
        .map(|(_, name)| folder.join(name))
        .collect();
    paths.push(path.to_owned());
    Ok(paths)
}

fn is_rotated(base: &OsStr, name: &OsStr) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(base.as_bytes()) else {
        return false;
    };
    let other = OTHERS.iter().any(|ending| rest.ends_with(ending.as_bytes()));
    matches!(rest.first(), Some(b'.' | b'-')) && !other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_known() {
        #[track_caller]
        fn check(name: &str, expected: bool) {
            assert_eq!(
                is_rotated(OsStr::new("s.jsonl"), OsStr::new(name)),
                expected,
                "{name}"
            );
        }
        check("s.jsonl.1", true);
        check("s.jsonl-20261122", true);
        check("s.jsonl.old", true);
        check("s.jsonl", false);
        check("s.jsonl.1.gz", false);
        check("s.jsonl~", false);
        check(".s.jsonl.swp", false);
        check("s.jsonlx", false);
        check("other.jsonl.1", false);
    }

    #[test]
    fn the_oldest_comes_first_and_the_file_itself_last() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("s");
        for (name, age) in [("s.1", 10), ("s", 0), ("s.2", 20), ("s.3.gz", 30)] {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age))
                .unwrap();
        }
        fs::create_dir(dir.path().join("s.d")).unwrap();
        let found = family(&path).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["s.2", "s.1", "s"]);
        assert!(family(&dir.path().join("none/s")).is_err());
    }
}
