//! The directory of models: `<sha256>.onnx` and `<sha256>.json` beside it, never changed once written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sekisho_core::model::{Card, Limits, Model};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{RegistryError, quoted};

/// Largest description that is read: an evaluation with its plots' points.
const MAX_ENTRY: u64 = 8 << 20;
/// Fewest digits that name a model.
const FEWEST_DIGITS: usize = 4;
/// Digits of a digest that people are shown, as many as the module shows.
pub const SHOWN_DIGITS: usize = 12;

/// The first digits of a digest.
pub fn short(digest: &str) -> &str {
    digest.get(..SHOWN_DIGITS).unwrap_or(digest)
}

/// How a model came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Learnt here.
    Trained,
    /// Learnt by another library.
    Imported,
    /// Was the champion before the registry knew it.
    Found,
}

impl Origin {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::Trained => "trained",
            Origin::Imported => "imported",
            Origin::Found => "found",
        }
    }
}

/// What is known of a kept model beside its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// SHA-256 of the file, in lower-case hex.
    pub digest: String,
    /// When it was kept, unix seconds.
    pub created: i64,
    /// How it came to be.
    pub origin: Origin,
    /// Digest of the model that it succeeds, where it does.
    pub parent: Option<String>,
    /// A person's words.
    #[serde(default)]
    pub note: String,
    /// What the file says about itself.
    pub card: Summary,
    /// The evaluation that came with it.
    pub evaluation: Option<serde_json::Value>,
}

/// The part of a card that changes from model to model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Hash of the feature schema.
    pub schema: String,
    /// Score from which a client is suspect.
    pub suspect: f32,
    /// Score from which a client is rejected.
    pub reject: f32,
    /// Share of people that were suspect where the threshold was set.
    pub suspect_fpr: f32,
    /// Share of people that were rejected where the threshold was set.
    pub reject_fpr: f32,
    /// The data it was trained on.
    pub data: String,
}

impl From<&Card> for Summary {
    fn from(card: &Card) -> Summary {
        let thresholds = card.thresholds;
        Summary {
            schema: card.schema.clone(),
            suspect: thresholds.suspect,
            reject: thresholds.reject,
            suspect_fpr: thresholds.suspect_fpr,
            reject_fpr: thresholds.reject_fpr,
            data: card.data.clone(),
        }
    }
}

/// What comes with a model that is to be kept.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// How it came to be.
    pub origin: Origin,
    /// Digest of the model that it succeeds.
    pub parent: Option<String>,
    /// A person's words.
    pub note: String,
    /// The evaluation that came with it.
    pub evaluation: Option<serde_json::Value>,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    /// The directory, made where there is none.
    pub fn open(directory: &Path) -> Result<Shelf, RegistryError> {
        fs::create_dir_all(directory).map_err(|source| RegistryError::file("make", directory, source))?;
        Ok(Shelf {
            directory: directory.to_owned(),
        })
    }

    /// The directory when it is there; for those who only read.
    pub fn existing(directory: &Path) -> Option<Shelf> {
        directory.is_dir().then(|| Shelf {
            directory: directory.to_owned(),
        })
    }

    /// A file in it.
    pub fn path(&self, digest: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{digest}.{extension}"))
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a model that loads. One that is kept already stays as it is, description and all.
    pub fn add(&self, bytes: &[u8], name: &str, from: Provenance, now: i64) -> Result<Entry, RegistryError> {
        let model = load(bytes, name)?;
        let digest = model.digest().to_owned();
        let (model_path, entry_path) = (self.path(&digest, "onnx"), self.path(&digest, "json"));
        if entry_path.exists() && model_path.exists() {
            self.read(&digest)?;
            return self.entry(&digest);
        }
        let entry = Entry {
            digest,
            created: now,
            origin: from.origin,
            parent: from.parent,
            note: from.note,
            card: Summary::from(model.card()),
            evaluation: from.evaluation,
        };
        let text = serde_json::to_vec_pretty(&entry).map_err(io::Error::from)?;
        // The description last: a model without one is not kept.
        replace(&model_path, bytes)?;
        replace(&entry_path, &text)?;
        Ok(entry)
    }

    /// All kept models, newest first.
    pub fn entries(&self) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = Vec::new();
        for digest in self.digests()? {
            entries.push(self.entry(&digest)?);
        }
        entries.sort_by(|left, right| {
            right
                .created
                .cmp(&left.created)
                .then_with(|| left.digest.cmp(&right.digest))
        });
        Ok(entries)
    }

    fn digests(&self) -> Result<Vec<String>, RegistryError> {
        let failed = |source| RegistryError::file("read", &self.directory, source);
        let mut digests = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let name = file.map_err(failed)?.file_name();
            let digest = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .filter(|name| is_digest(name));
            digests.extend(digest.map(str::to_owned));
        }
        digests.sort_unstable();
        Ok(digests)
    }

    /// The description of a model.
    pub fn entry(&self, digest: &str) -> Result<Entry, RegistryError> {
        let path = self.path(digest, "json");
        let bytes = read_bounded(&path, MAX_ENTRY)?;
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Entry {
            path: path.clone(),
            reason: quoted(&error.to_string()),
        })?;
        if entry.digest == digest {
            Ok(entry)
        } else {
            Err(RegistryError::Damaged { path })
        }
    }

    /// A model's file, which is still what its name says.
    pub fn read(&self, digest: &str) -> Result<Vec<u8>, RegistryError> {
        let path = self.path(digest, "onnx");
        let bytes = read_bounded(&path, Limits::DEFAULT.max_bytes as u64)?;
        if hex(&Sha256::digest(&bytes)) == digest {
            Ok(bytes)
        } else {
            Err(RegistryError::Damaged { path })
        }
    }

    /// The digest that begins with these digits.
    pub fn find(&self, id: &str) -> Result<String, RegistryError> {
        let digits = id.to_ascii_lowercase();
        if digits.len() < FEWEST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(RegistryError::Unknown(quoted(id)));
        }
        let mut found: Vec<String> = self.digests()?;
        found.retain(|digest| digest.starts_with(&digits));
        match found.len() {
            0 => Err(RegistryError::Unknown(quoted(id))),
            1 => Ok(found.swap_remove(0)),
            count => Err(RegistryError::Ambiguous {
                id: quoted(id),
                count,
            }),
        }
    }
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A model from a file's content.
pub fn load(bytes: &[u8], name: &str) -> Result<Model, RegistryError> {
    Model::load(bytes, &Limits::DEFAULT).map_err(|source| RegistryError::Model {
        name: quoted(name),
        source,
    })
}

/// A file of at most so many bytes; one byte more is enough to refuse it later.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, RegistryError> {
    let failed = |source| RegistryError::file("read", path, source);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

/// Digest of what a file holds; `None` when there is no such file.
pub fn digest_of(path: &Path) -> Result<Option<String>, RegistryError> {
    match read_bounded(path, Limits::DEFAULT.max_bytes as u64) {
        Ok(bytes) => Ok(Some(hex(&Sha256::digest(&bytes)))),
        Err(RegistryError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a file in place at once: whoever reads it sees the old one or the new one, also after a crash. Everybody may
/// read it, as nginx's workers must.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::file("write", path, source);
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    // Two writers of one file must not share what they write into.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // Nothing is left behind of a full disk; that it cannot be removed is not worth another message.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}
