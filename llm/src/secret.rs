//! Keys of providers: in files of their own, never shown.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The longest key; what is more is another file.
const MOST: u64 = 4096;
/// Read permission for everybody.
const WORLD: u32 = 0o004;
/// `O_NONBLOCK` of Linux: opening a pipe that nobody writes to must not wait.
const NONBLOCKING: i32 = 0o4000;

/// A key. Printing it shows nothing of it.
pub struct Secret {
    text: String,
    /// What is wrong with its file, short of refusing it.
    pub warning: Option<String>,
}

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("cannot read the key in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no file, too long, empty, or not printable ASCII.
    #[error("{} holds no key: one line of printable characters, at most {MOST} bytes", .0.display())]
    NoKey(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// Reads the key of a file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Secret, SecretError> {
        let failed = |source| SecretError::Read {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(NONBLOCKING)
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mut text = String::new();
        let read = file.take(MOST + 1).read_to_string(&mut text);
        if matches!(&read, Err(error) if error.kind() != io::ErrorKind::InvalidData) {
            read.map_err(failed)?;
        }
        let text = text.trim_ascii();
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !metadata.is_file() || !is_key || text.len() as u64 > MOST {
            return Err(SecretError::NoKey(path.to_owned()));
        }
        let readable = metadata.permissions().mode() & WORLD != 0;
        Ok(Secret {
            text: text.to_owned(),
            warning: readable.then(|| {
                format!(
                    "everybody on this machine can read {}: chmod 600 it",
                    path.display()
                )
            }),
        })
    }

    /// The key itself.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// `text` without the key, should a provider send it back.
    pub(crate) fn removed_from(&self, text: &str) -> String {
        text.replace(&self.text, "[key]")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_one_printable_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let check = |bytes: &[u8], expected: Option<&str>| {
            fs::write(&path, bytes).unwrap();
            let secret = Secret::read(&path);
            assert_eq!(secret.as_ref().ok().map(Secret::expose), expected, "{bytes:?}");
            assert!(!format!("{secret:?}").contains("sk-"), "{secret:?}");
        };
        check(b"sk-123\n", Some("sk-123"));
        check(b"  sk-123\r\n", Some("sk-123"));
        check(b"", None);
        check(b"\n", None);
        check(b"sk-1\nsk-2\n", None);
        check(b"sk-\xff", None);
        check(&[b'a'; 4097], None);
        assert!(Secret::read(directory.path()).is_err());
        assert!(Secret::read(&directory.path().join("none")).is_err());
    }

    #[test]
    fn an_echoed_key_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "sk-123").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_eq!(secret.removed_from("no such key: sk-123."), "no such key: [key].");
    }
}
