//! The checksum of a model, and the digest of its file.

use super::pb::{ModelProto, StringStringEntryProto};
use super::{ModelError, Quoted};
use prost::Message;
use sha2::{Digest, Sha256};

/// Metadata key of the checksum.
pub const CHECKSUM: &str = "sekisho.checksum";

/// SHA-256, in lower-case hex, of the model encoded again without its checksum entry. Encoding again makes
/// the sum independent of field order and of unknown fields, which no reader here ever sees.
pub fn checksum(proto: &ModelProto) -> String {
    let mut bare = proto.clone();
    bare.metadata_props.retain(|entry| entry.key != CHECKSUM);
    hex(&bare.encode_to_vec())
}

/// Adds the checksum entry, replacing an old one, and returns the file's bytes. The same model gives the
/// same bytes.
pub fn seal(mut proto: ModelProto) -> Vec<u8> {
    let value = checksum(&proto);
    proto.metadata_props.retain(|entry| entry.key != CHECKSUM);
    proto.metadata_props.push(StringStringEntryProto {
        key: CHECKSUM.to_owned(),
        value,
    });
    proto.encode_to_vec()
}

/// Decodes `bytes` and verifies the checksum. Nothing else looks at a model before this has passed.
pub(super) fn open(bytes: &[u8]) -> Result<ModelProto, ModelError> {
    let proto = ModelProto::decode(bytes).map_err(|e| ModelError::NotOnnx {
        reason: Quoted::new(&e.to_string()),
    })?;
    let mut entries = proto.metadata_props.iter().filter(|entry| entry.key == CHECKSUM);
    let stated = entries.next().ok_or(ModelError::Unsealed)?;
    if entries.next().is_some() {
        return Err(ModelError::Metadata {
            key: CHECKSUM,
            reason: Quoted::new("stated twice"),
        });
    }
    let computed = checksum(&proto);
    if stated.value != computed {
        return Err(ModelError::Damaged {
            stated: Quoted::new(&stated.value),
            computed,
        });
    }
    Ok(proto)
}

/// SHA-256 of `bytes` in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
