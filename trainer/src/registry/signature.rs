//! Signatures of models: ed25519, detached, in `<sha256>.sig` beside the model.
//!
//! What is signed is a fixed prefix and the file's SHA-256 in hex, so a signature of ours can be taken for none of
//! another protocol. A line of the file is a public key and a signature, both in hex; several people may sign.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Serialize;

use super::error::RegistryError;
use super::shelf::{Shelf, hex, read_bounded, replace};

const PREFIX: &str = "sekisho model v1 ";
/// Largest file of signatures, and so about a hundred people.
const MAX_SIGNATURES: u64 = 20_000;
/// A key's file holds 64 hex digits and a newline.
const MAX_KEY: u64 = 1_024;

/// One signature of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The public key, in hex.
    pub key: String,
    /// Whether the signature is this key's, of this model.
    pub valid: bool,
    /// Whether the configuration trusts the key.
    pub trusted: bool,
}

impl Signed {
    /// Whether it counts.
    pub fn counts(&self) -> bool {
        self.valid && self.trusted
    }
}

/// Makes a key: 0600, and never over another file. Returns the public key in hex.
pub fn make_key(path: &Path) -> Result<String, RegistryError> {
    let seed: [u8; 32] = rand::random();
    let failed = |source| RegistryError::file("make", path, source);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = made.map_err(failed)?;
    writeln!(file, "{}", hex(&seed))
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(hex(SigningKey::from_bytes(&seed).verifying_key().as_bytes()))
}

fn read_key(path: &Path) -> Result<SigningKey, RegistryError> {
    let fault = |reason| RegistryError::Key {
        name: path.display().to_string(),
        reason,
    };
    let about = fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => RegistryError::NoKey(path.to_owned()),
        _ => RegistryError::file("read", path, source),
    })?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(fault(
            "others may read this key: chmod 600, and make a new one if somebody could have",
        ));
    }
    let text = read_bounded(path, MAX_KEY)?;
    let seed = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| bytes_of::<32>(text.trim()));
    let seed = seed
        .ok_or_else(|| fault("is no key: it must hold 64 hex digits, as `sekisho model key` writes them"))?;
    Ok(SigningKey::from_bytes(&seed))
}

fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let pairs = text.as_bytes().chunks(2);
    let byte =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes?.try_into().ok()
}

/// Public keys of the configuration, checked.
pub fn trusted(keys: &[String]) -> Result<Vec<VerifyingKey>, RegistryError> {
    let read = |text: &String| bytes_of::<32>(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    let fault = |text: &String| RegistryError::Key {
        name: format!("trusted key {}", super::error::quoted(text)),
        reason: "must be the 64 hex digits that `sekisho model key` prints",
    };
    keys.iter()
        .map(|text| read(text).ok_or_else(|| fault(text)))
        .collect()
}

/// Signs a kept model, and returns the public key in hex. Signing again changes nothing.
pub fn sign(shelf: &Shelf, digest: &str, key: &Path) -> Result<String, RegistryError> {
    let key = read_key(key)?;
    shelf.read(digest)?;
    let public = hex(key.verifying_key().as_bytes());
    let signature = key.sign(message(digest).as_bytes());
    let path = shelf.path(digest, "sig");
    let mut lines = lines(&path)?;
    lines.retain(|line| !line.starts_with(&public));
    lines.push(format!("{public} {}", hex(&signature.to_bytes())));
    replace(&path, (lines.join("\n") + "\n").as_bytes())?;
    Ok(public)
}

/// Every signature of a kept model.
pub fn signatures(
    shelf: &Shelf,
    digest: &str,
    trusted: &[VerifyingKey],
) -> Result<Vec<Signed>, RegistryError> {
    let check = |line: &String| {
        let (key, signature) = line.split_once(' ')?;
        let key = bytes_of::<32>(key).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())?;
        let signature = Signature::from_bytes(&bytes_of::<64>(signature.trim())?);
        Some(Signed {
            key: hex(key.as_bytes()),
            valid: key.verify_strict(message(digest).as_bytes(), &signature).is_ok(),
            trusted: trusted.contains(&key),
        })
    };
    Ok(lines(&shelf.path(digest, "sig"))?
        .iter()
        .filter_map(check)
        .collect())
}

fn lines(path: &Path) -> Result<Vec<String>, RegistryError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = read_bounded(path, MAX_SIGNATURES)?;
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn message(digest: &str) -> String {
    format!("{PREFIX}{digest}")
}
