//! What explanations stand on, and what is kept of them.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use sekisho_core::feature::{Features, schema_hash};

use super::pages::ClientRow;
use super::site::features;
use super::{Names, Store, StoreError};

/// One sample of a client, as evidence needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// Reference id.
    pub id: String,
    /// Unix seconds, by which the sample's age counts.
    pub at: u32,
    /// Requests so far.
    pub requests: u32,
    /// Score.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: String,
    /// Names of features, and of what is none.
    pub reasons: Vec<String>,
    /// Features; `None` when they are of another schema.
    pub features: Option<Features>,
    /// SHA-256 of the model that scored.
    pub model: String,
    /// Request target, as the client sent it.
    pub target: String,
    /// What tells the sample's line from all others.
    pub digest: Vec<u8>,
}

/// Another client with its newest sample.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerRow {
    /// Its number.
    pub client: i64,
    /// Its name, plain or a pseudonym.
    pub name: String,
    /// Its network, plain or a pseudonym.
    pub network: String,
    /// Most requests that one of its samples counted.
    pub requests: u32,
    /// Features of its newest sample.
    pub features: Features,
    /// What tells that sample's line from all others.
    pub digest: Vec<u8>,
}

/// Which others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Those that are people, or were always let pass without being believed to be crawlers.
    People,
    /// Those that a score spoke against and that were there between two Unix seconds.
    Flagged(u32, u32),
}

impl Others {
    /// The statement, and its values but for the last ones: zone, the client that is left out, limit.
    pub(super) fn statement(self) -> (String, Vec<Value>) {
        let (condition, values): (&str, Vec<Value>) = match self {
            Others::People => (
                "(class = 'human' OR (class IS NULL AND worst = 'PASSED'))",
                Vec::new(),
            ),
            Others::Flagged(from, to) => (
                "severity >= 2 AND last >= ? AND first <= ?",
                vec![from.into(), to.into()],
            ),
        };
        // The plus keeps SQLite from the index by zone, which would sort most of the clients.
        let sql = format!(
            "SELECT client.id, name, network, client.requests, features, digest
             FROM client CROSS JOIN newest ON newest.client = client.id AND schema = '{}'
             WHERE {condition} AND +zone = ? AND client.id <> ? ORDER BY last DESC, client.id DESC LIMIT ?",
            schema_hash()
        );
        (sql, values)
    }
}

/// What is kept of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// SHA-256 of the document.
    pub id: &'a str,
    /// Whom was asked about, first, and the others that it names or stands on.
    pub clients: &'a [i64],
    /// Canonical JSON.
    pub document: &'a str,
    /// Digests and contents of its long lists.
    pub lists: &'a [(String, String)],
    /// Who explained, and the explanation.
    pub explanation: (&'a str, &'a str),
}

impl Store {
    /// The newest samples of a client, at most `limit`, oldest first; with `until`, none after that Unix second.
    pub fn source_rows(
        &self,
        client: i64,
        until: Option<u32>,
        limit: u32,
    ) -> Result<Vec<SourceRow>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, aged, requests, score, verdict, reasons, schema, features, model, target, digest
             FROM sample WHERE client = ?1 AND aged <= ?2 ORDER BY aged DESC, requests DESC LIMIT ?3",
        )?;
        let found = select.query_map((client, until.unwrap_or(u32::MAX), limit), source_row)?;
        let mut rows: Vec<SourceRow> = found.collect::<Result<_, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// The clients whose sample has this reference id, each with the second of that sample: one a zone.
    pub fn clients_of_reference(&self, id: &str) -> Result<Vec<(ClientRow, u32)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT client, MAX(aged) FROM sample WHERE id = ? GROUP BY client ORDER BY client",
        )?;
        let found = select.query_map([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let mut clients = Vec::new();
        for each in found {
            let (client, at) = each?;
            clients.extend(self.client(client)?.map(|client| (client, at)));
        }
        Ok(clients)
    }

    /// Other clients of a zone than number `except`, the last seen first, at most `limit`. Those whose newest sample
    /// is of another schema are left out.
    pub fn others(
        &self,
        zone: &str,
        except: i64,
        which: Others,
        limit: u32,
    ) -> Result<Vec<PeerRow>, StoreError> {
        let (sql, mut values) = which.statement();
        values.extend([zone.to_owned().into(), except.into(), i64::from(limit).into()]);
        let mut select = self.connection.prepare_cached(&sql)?;
        let found = select.query_map(params_from_iter(values), peer_row)?;
        let found: Vec<Option<PeerRow>> = found.collect::<Result<_, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// How snapshots name clients: as the store does when it holds pseudonyms, else as pseudonyms under a key of this
    /// installation, which is made when it is needed first.
    pub fn snapshot_names(&self, names: &Names) -> Result<Names, StoreError> {
        if matches!(names, Names::Keyed(_)) {
            return Ok(names.clone());
        }
        let select = "SELECT value FROM setting WHERE name = 'snapshot_key'";
        let read = || self.connection.query_row(select, [], |row| row.get(0)).optional();
        let key: String = match read()? {
            Some(key) => key,
            None => {
                // Whoever is first decides, as with the names themselves.
                let insert =
                    "INSERT INTO setting VALUES ('snapshot_key', hex(randomblob(32))) ON CONFLICT DO NOTHING";
                self.connection.execute(insert, [])?;
                read()?.unwrap_or_default()
            }
        };
        Ok(Names::keyed(key.as_bytes()))
    }

    /// Keeps a snapshot with its lists and what was made of it; what is there already stays as it is.
    pub fn keep_snapshot(&self, kept: Kept<'_>, at: u32) -> Result<(), StoreError> {
        let transaction = self.write()?;
        let asked = kept.clients.first().copied().unwrap_or_default();
        transaction.execute(
            "INSERT INTO snapshot (id, client, at, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kept.id, asked, at, kept.document),
        )?;
        for client in kept.clients {
            transaction.execute(
                "INSERT INTO snapshot_client (client, snapshot) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (client, kept.id),
            )?;
        }
        for (digest, document) in kept.lists {
            transaction.execute(
                "INSERT INTO snapshot_list (digest, snapshot, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (digest, kept.id, document),
            )?;
        }
        let (source, document) = kept.explanation;
        transaction.execute(
            "INSERT INTO explanation (snapshot, at, source, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kept.id, at, source, document),
        )?;
        Ok(transaction.commit()?)
    }

    /// What has this digest: a snapshot, or a long list of one.
    pub fn expand(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT document FROM snapshot WHERE id = ?1
             UNION ALL SELECT document FROM snapshot_list WHERE digest = ?1 LIMIT 1",
        )?;
        Ok(select.query_row([digest], |row| row.get(0)).optional()?)
    }
}

/// Deletes the snapshots that stand on a client, with their lists and explanations.
pub(super) fn drop_snapshots(connection: &Connection, client: i64) -> Result<usize, StoreError> {
    let delete = "DELETE FROM snapshot WHERE id IN (SELECT snapshot FROM snapshot_client WHERE client = ?)";
    Ok(connection.prepare_cached(delete)?.execute([client])?)
}

fn source_row(row: &Row<'_>) -> rusqlite::Result<SourceRow> {
    let reasons: String = row.get(5)?;
    let schema: String = row.get(6)?;
    let bytes: Vec<u8> = row.get(7)?;
    Ok(SourceRow {
        id: row.get(0)?,
        at: row.get(1)?,
        requests: row.get(2)?,
        score: row.get(3)?,
        verdict: row.get(4)?,
        reasons: serde_json::from_str(&reasons).unwrap_or_default(),
        features: features(&bytes).filter(|_| schema == schema_hash()),
        model: row.get(8)?,
        target: row.get(9)?,
        digest: row.get(10)?,
    })
}

fn peer_row(row: &Row<'_>) -> rusqlite::Result<Option<PeerRow>> {
    let bytes: Vec<u8> = row.get(4)?;
    let Some(features) = features(&bytes) else {
        return Ok(None);
    };
    Ok(Some(PeerRow {
        client: row.get(0)?,
        name: row.get(1)?,
        network: row.get(2)?,
        requests: row.get(3)?,
        features,
        digest: row.get(5)?,
    }))
}
