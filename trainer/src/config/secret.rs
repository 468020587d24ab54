//! Secrets are in files of their own: not in the configuration, which is shown, nor in the environment, which is seen.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The shortest secret, in bytes: 128 bits when they are random.
const LEAST: usize = 16;
/// The longest; what is more is another file.
const MOST: u64 = 4096;
/// Read permission for everybody.
const WORLD: u32 = 0o004;

/// A secret. Printing it shows nothing of it.
pub struct Secret {
    bytes: Vec<u8>,
    /// What is wrong with its file, short of refusing it.
    pub warning: Option<String>,
}

/// Why a secret cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("cannot read the secret in {}: make it with `openssl rand -hex 32`, for this user only", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too short to be one.
    #[error("the secret in {} has {found} bytes, {LEAST} are the least: make it with `openssl rand -hex 32`", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
    /// It is too long to be one.
    #[error("{} is no secret: it has more than {MOST} bytes", .0.display())]
    Long(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// Its bytes, without the line's end.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the secret of a file.
pub fn read_secret(path: &Path) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(SecretError::Long(path.to_owned()));
    }
    while bytes.last().is_some_and(u8::is_ascii_whitespace) {
        bytes.pop();
    }
    if bytes.len() < LEAST {
        return Err(SecretError::Short {
            path: path.to_owned(),
            found: bytes.len(),
        });
    }
    let warning = (mode & WORLD != 0).then(|| {
        let path = path.display();
        format!("everybody on this machine can read the secret in {path}: chmod o-r {path}")
    });
    Ok(Secret { bytes, warning })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn secrets_are_read_and_open_ones_are_told() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("key");
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_secret(&path)
        };
        let secret = write("0123456789abcdef\n", 0o600).unwrap();
        assert_eq!(secret.bytes(), b"0123456789abcdef");
        assert_eq!(
            (secret.warning.as_deref(), format!("{secret:?}")),
            (None, "Secret".into())
        );
        assert!(write("0123456789abcdef", 0o640).unwrap().warning.is_none());
        let warning = write("0123456789abcdef", 0o644).unwrap().warning.unwrap();
        assert!(warning.contains("chmod o-r"), "{warning}");
        let error = write("0123456789abcde \n", 0o600).unwrap_err().to_string();
        assert!(error.contains("has 15 bytes, 16 are the least"), "{error}");
        let error = write(&"x".repeat(5000), 0o600).unwrap_err().to_string();
        assert!(error.contains("is no secret"), "{error}");
        let error = read_secret(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("openssl rand -hex 32"), "{error}");
    }
}
