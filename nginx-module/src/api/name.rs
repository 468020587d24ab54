//! From the names that operators use to the hashes that records are found by, and back.

use sekisho_core::key::key_hash;
use sekisho_core::name::Name;
use sekisho_core::profile::Profile;

use super::Fault;
use super::route::Client;
use crate::ffi::api::NamedZone;
use crate::ffi::shm::{Zone, ZoneData};
use crate::zone::reference_id;

/// A client of a zone, as a request names it.
pub struct Named {
    /// Hash of its key.
    pub hash: u64,
    /// Its key, unless it was named by the hash.
    pub key: Option<Vec<u8>>,
    /// Its name in answers.
    pub name: String,
}

/// Finds out which record a name stands for.
pub fn resolve(named: &NamedZone<'_>, text: &str) -> Result<Named, Fault> {
    let prefixes = named.data.prefixes;
    let client = Client::parse(text, prefixes).ok_or_else(|| no_client(named, text))?;
    let name = client.name(prefixes);
    let (hash, key) = match client {
        Client::Hash(hash) => (hash, None),
        Client::Key(key) => (key_hash(named.zone.header().seed(), &key), Some(key)),
    };
    Ok(Named { hash, key, name })
}

/// The refusal for a client without a record.
pub fn no_client(named: &NamedZone<'_>, client: &str) -> Fault {
    Fault::NoClient {
        zone: named.data.name.clone(),
        client: client.to_owned(),
    }
}

/// How a record is named: by its key where the zone kept it whole, else by its hash.
pub fn of_record(data: &ZoneData, hash: u64, key: Name) -> String {
    let whole = !key.is_cut() && !key.as_bytes().is_empty();
    let client = if whole {
        Client::Key(key.as_bytes().to_vec())
    } else {
        Client::Hash(hash)
    };
    client.name(data.prefixes)
}

/// The reference id of where a client stands.
pub fn reference(zone: Zone<'_>, hash: u64, profile: &Profile) -> String {
    format!(
        "{:016x}",
        reference_id(zone.header().seed(), hash, profile.evidence)
    )
}
