//! The newest sample with a score of each client, kept where many of them are read at once.

use rusqlite::Connection;

use super::StoreError;

/// What is kept of a sample with a score.
pub(super) struct Newest {
    /// Its number.
    pub sample: i64,
    /// Unix seconds from which its age counts.
    pub aged: u32,
    /// Schema hash.
    pub schema: String,
    /// What tells its line from all others.
    pub digest: [u8; 16],
    /// Features, as a sample has them.
    pub features: Vec<u8>,
}

/// The newer of two; of two of one second the one that came last.
pub(super) fn newer(one: Option<Newest>, other: Option<Newest>) -> Option<Newest> {
    match (one, other) {
        (Some(one), Some(other)) if other.aged < one.aged => Some(one),
        (one, other) => other.or(one),
    }
}

impl Newest {
    /// Puts it in the place of an older one of this client.
    pub(super) fn keep(&self, connection: &Connection, client: i64) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT INTO newest (client, sample, aged, schema, digest, features) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (client) DO UPDATE SET sample = excluded.sample, aged = excluded.aged,
                    schema = excluded.schema, digest = excluded.digest, features = excluded.features
                 WHERE excluded.aged >= newest.aged",
            )?
            .execute((
                client,
                self.sample,
                self.aged,
                &self.schema,
                self.digest,
                &self.features,
            ))?;
        Ok(())
    }
}
