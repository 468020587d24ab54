//! The directory of runbooks: which files are read, and which are refused and why.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::RunbookError;
use crate::visible::escaped;

/// Files at most: a handbook has tens, a wiki hundreds.
const MAX_FILES: usize = 2000;
/// Entries that are looked at: a directory with more is none of runbooks.
const MAX_ENTRIES: usize = 20_000;
/// Bytes of a file: a page has some thousands, a book a million.
const MAX_FILE: u64 = 1 << 20;
/// Bytes of all of them.
const MAX_TOTAL: u64 = 64 << 20;
/// Directories within directories.
const MAX_DEPTH: usize = 8;
/// Characters of a name that are shown.
const SHOWN: usize = 200;

/// A file, as far as the directory tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Its path within the directory, made visible.
    pub path: String,
    /// When it was written: nanoseconds of Unix time.
    pub written: i64,
    /// Bytes.
    pub size: i64,
}

/// What a directory holds.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Files, by path, each with where it really is.
    pub files: Vec<(Stamp, PathBuf)>,
    /// A line for each that is not read, which says why.
    pub refused: Vec<String>,
}

/// Looks through a directory. Names that begin with a dot are left out.
///
/// # Errors
/// It is not there, or may not be read.
pub fn look(directory: &Path) -> Result<Found, RunbookError> {
    let failed = |source| RunbookError::Directory {
        path: directory.to_owned(),
        source,
    };
    let root = directory.canonicalize().map_err(failed)?;
    let mut walk = Walk {
        root: &root,
        found: Found::default(),
        entries: 0,
        total: 0,
    };
    walk.directory(&root, "", 0).map_err(failed)?;
    walk.found.files.sort();
    Ok(walk.found)
}

/// The text of a file.
///
/// # Errors
/// Why it is no text that can be read.
pub fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(TOO_LARGE.to_owned());
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    if bytes.contains(&0) {
        return Err("it is binary, or UTF-16: save it as UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| "it is not UTF-8: convert it, such as with iconv".to_owned())
}

const TOO_LARGE: &str = "it is larger than 1 MiB: split it";

struct Walk<'a> {
    root: &'a Path,
    found: Found,
    entries: usize,
    total: u64,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        let mut names: Vec<_> = fs::read_dir(directory)?
            .take(MAX_ENTRIES)
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
            .collect();
        names.sort();
        for name in names {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Ok(());
            }
            let shown = format!("{prefix}{}", escaped(name.as_encoded_bytes(), SHOWN));
            if let Err(why) = self.entry(&directory.join(&name), &shown, depth) {
                self.found.refused.push(format!("{shown}: {why}"));
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, shown: &str, depth: usize) -> Result<(), String> {
        let is_link = fs::symlink_metadata(path).map_err(told)?.is_symlink();
        let real = path.canonicalize().map_err(told)?;
        let about = fs::metadata(&real).map_err(told)?;
        let is_page = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("md") || end.eq_ignore_ascii_case("markdown"));
        if is_link && (is_page || about.is_dir()) {
            if !real.starts_with(self.root) {
                return Err("the link leads out of the directory: put the file itself there".to_owned());
            }
            if about.is_dir() {
                return Err("the link leads to a directory, which is read in its own place".to_owned());
            }
        }
        if about.is_dir() {
            if depth == MAX_DEPTH {
                return Err(format!("deeper than {MAX_DEPTH} directories"));
            }
            return self
                .directory(&real, &format!("{shown}/"), depth + 1)
                .map_err(told);
        }
        if !is_page {
            return Ok(());
        }
        self.page(real, &about, shown)
    }

    fn page(&mut self, real: PathBuf, about: &Metadata, shown: &str) -> Result<(), String> {
        if !about.is_file() {
            return Err("it is no file".to_owned());
        }
        if about.len() > MAX_FILE {
            return Err(TOO_LARGE.to_owned());
        }
        if self.found.files.len() == MAX_FILES {
            return Err(format!("there are more than {MAX_FILES} files"));
        }
        if self.total + about.len() > MAX_TOTAL {
            return Err(format!(
                "all files together are larger than {} MiB",
                MAX_TOTAL >> 20
            ));
        }
        self.total += about.len();
        let stamp = Stamp {
            path: shown.to_owned(),
            written: about
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(about.mtime_nsec()),
            size: about.len().cast_signed(),
        };
        self.found.files.push((stamp, real));
        Ok(())
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn pages_are_found_and_what_is_none_is_refused() {
        let (inside, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let path = |name: &str| inside.path().join(name);
        fs::create_dir_all(path("ops/.git")).unwrap();
        for name in ["a.md", "ops/b.MD", "ops/.git/c.md", ".hidden.md", "notes.txt"] {
            fs::write(path(name), "# T\ntext").unwrap();
        }
        fs::write(outside.path().join("secret.md"), "# Secret").unwrap();
        symlink(outside.path().join("secret.md"), path("out.md")).unwrap();
        symlink(outside.path(), path("away")).unwrap();
        symlink(path("a.md"), path("same.md")).unwrap();
        symlink(path("loop.md"), path("loop.md")).unwrap();
        symlink(inside.path(), path("ops/up")).unwrap();
        fs::write(path("huge.md"), vec![b'x'; MAX_FILE as usize + 1]).unwrap();
        fs::write(path("red\u{1b}[31m.md"), "# T").unwrap();
        fs::create_dir(path("folder.md")).unwrap();
        let found = look(inside.path()).unwrap();
        let paths: Vec<&str> = found.files.iter().map(|(stamp, _)| stamp.path.as_str()).collect();
        assert_eq!(paths, ["a.md", "ops/b.MD", "red\\u{1b}[31m.md", "same.md"]);
        let refused: Vec<&str> = found
            .refused
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(refused, ["away", "huge.md", "loop.md", "ops/up", "out.md"]);
        assert!(
            found.refused[4].contains("leads out of the directory"),
            "{:?}",
            found.refused
        );
        assert!(look(&path("nowhere")).is_err());
    }

    #[test]
    fn only_text_is_read() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Result<&str, &str>) {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("a.md");
            fs::write(&path, bytes).unwrap();
            match (text(&path), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{found:?}"),
            }
        }
        check("\u{feff}価格".as_bytes(), Ok("価格"));
        check(b"\x89PNG\r\n\x1a\n\0\0", Err("binary"));
        check(&[0x8d, 0xdd, 0x8c, 0xc9], Err("not UTF-8"));
        check(&[0xff, 0xfe, b'a', 0], Err("UTF-16"));
        check(b"", Ok(""));
    }
}
