//! Clients in pages, and one client with its samples.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use serde::{Deserialize, Serialize};

use super::ingest::severity;
use super::labels::{Class, Origin, word};
use super::{Store, StoreError, count};

/// Rows of a page at most: what a person scrolls through, and a program fetches in one answer.
pub const MAX_PAGE: u32 = 500;
pub(super) const COLUMNS: &str =
    "id, zone, name, network, first, last, samples, requests, score, worst, class, origin, conflict";

/// What pages are sorted by, greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrder {
    /// Last seen.
    #[default]
    Last,
    /// Last score.
    Score,
    /// Requests.
    Requests,
}

impl ClientOrder {
    /// As the index has it.
    fn column(self) -> &'static str {
        match self {
            ClientOrder::Last => "last",
            ClientOrder::Score => "COALESCE(score, -1)",
            ClientOrder::Requests => "requests",
        }
    }
}

/// One client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientRow {
    /// Its number in this store.
    pub id: i64,
    /// Its zone.
    pub zone: String,
    /// Its name, plain or a pseudonym.
    pub name: String,
    /// Its network, plain or a pseudonym; empty when the name is no address.
    pub network: String,
    /// Unix seconds of its first sample.
    pub first: u32,
    /// Of its last.
    pub last: u32,
    /// Samples in the store.
    pub samples: u64,
    /// Most requests that one of its samples counted.
    pub requests: u32,
    /// Its newest score.
    pub score: Option<f64>,
    /// The worst verdict.
    pub worst: String,
    /// What is believed of it.
    pub class: Option<Class>,
    /// Who says so.
    pub origin: Option<Origin>,
    /// Whether somebody who is trusted less says otherwise.
    pub conflict: bool,
}

/// Which page.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// Clients of this zone only.
    pub zone: Option<String>,
    /// Of this network only.
    pub network: Option<String>,
    /// With this worst verdict only.
    pub worst: Option<String>,
    /// With contradicting labels only.
    pub conflicts: bool,
    /// Of which this is believed only; `Some(None)`: of which nothing is.
    pub class: Option<Option<Class>>,
    /// Sorted by.
    pub order: ClientOrder,
    /// Rows; at most [`MAX_PAGE`].
    pub limit: u32,
    /// [`ClientPage::next`] of the page before.
    pub after: Option<(f64, i64)>,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPage {
    /// Its rows.
    pub clients: Vec<ClientRow>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<(f64, i64)>,
}

/// One sample of a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRow {
    /// Reference id.
    pub id: String,
    /// Unix seconds.
    pub at: u32,
    /// Why it was written.
    pub kind: String,
    /// Requests so far.
    pub requests: u32,
    /// Score.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: String,
    /// Names of the features that speak most for the score.
    pub reasons: Vec<String>,
    /// SHA-256 of the model.
    pub model: String,
    /// Request method.
    pub method: String,
    /// Request target.
    pub target: String,
}

impl PageQuery {
    /// The statement, and its values but for the last one, the limit.
    pub(super) fn statement(&self) -> (String, Vec<Value>) {
        let column = self.order.column();
        let mut sql = format!("SELECT {COLUMNS}, {column} FROM client WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        if let Some(zone) = &self.zone {
            // The plus keeps SQLite from the index by zone: a zone has most of the clients, and they would be sorted.
            sql.push_str(" AND +zone = ?");
            values.push(zone.clone().into());
        }
        self.narrow(&mut sql, &mut values);
        if let Some((value, id)) = self.after {
            sql.push_str(&format!(" AND ({column}, id) < (?, ?)"));
            values.extend([value.into(), id.into()]);
        }
        sql.push_str(&format!(" ORDER BY {column} DESC, id DESC LIMIT ?"));
        (sql, values)
    }

    /// Adds the filters but for the zone.
    pub(super) fn narrow(&self, sql: &mut String, values: &mut Vec<Value>) {
        let class = self.class.flatten().map(|class| class.as_str().to_owned());
        let filters: [(&str, Option<Value>); 4] = [
            (" AND network = ?", self.network.clone().map(Value::from)),
            // The index has the number, the row the word: a word that is not known has the number of another.
            (
                " AND severity = ?",
                self.worst.as_deref().map(|worst| severity(worst).into()),
            ),
            (" AND worst = ?", self.worst.clone().map(Value::from)),
            (" AND +class = ?", class.map(Value::from)),
        ];
        for (filter, value) in filters {
            if let Some(value) = value {
                sql.push_str(filter);
                values.push(value);
            }
        }
        if self.class == Some(None) {
            sql.push_str(" AND +class IS NULL");
        }
        if self.conflicts {
            sql.push_str(" AND conflict");
        }
    }
}

impl Store {
    /// A page of clients. It reads the index that it is sorted by, and no sample.
    pub fn clients(&self, query: &PageQuery) -> Result<ClientPage, StoreError> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let (sql, mut values) = query.statement();
        // One more tells whether there is a next page.
        values.push((i64::from(limit) + 1).into());
        let mut select = self.connection.prepare_cached(&sql)?;
        let found = select.query_map(params_from_iter(values), |row| {
            Ok((read_client(row)?, row.get::<_, f64>(13)?))
        })?;
        let mut found: Vec<(ClientRow, f64)> = found.collect::<Result<_, _>>()?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found
            .last()
            .filter(|_| more)
            .map(|(client, value)| (*value, client.id));
        let clients = found.into_iter().map(|(client, _)| client).collect();
        Ok(ClientPage { clients, next })
    }

    /// One client by its number.
    pub fn client(&self, id: i64) -> Result<Option<ClientRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM client WHERE id = ?");
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_row([id], read_client).optional()?)
    }

    /// The clients of this name, as it is kept: one a zone.
    pub fn clients_named(&self, name: &str) -> Result<Vec<ClientRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM client WHERE zone = ? AND name = ?");
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut clients = Vec::new();
        for zone in self.zones()? {
            clients.extend(select.query_row([zone.as_str(), name], read_client).optional()?);
        }
        Ok(clients)
    }

    /// The newest samples of a client, newest first.
    pub fn samples_of(&self, client: i64, limit: u32) -> Result<Vec<SampleRow>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, at, kind, requests, score, verdict, reasons, model, method, target
             FROM sample WHERE client = ? ORDER BY aged DESC LIMIT ?",
        )?;
        let rows = select.query_map((client, limit.min(MAX_PAGE)), |row| {
            let reasons: String = row.get(6)?;
            Ok(SampleRow {
                id: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                requests: row.get(3)?,
                score: row.get(4)?,
                verdict: row.get(5)?,
                reasons: serde_json::from_str(&reasons).unwrap_or_default(),
                model: row.get(7)?,
                method: row.get(8)?,
                target: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) fn read_client(row: &Row<'_>) -> rusqlite::Result<ClientRow> {
    let labelled = row.get::<_, Option<String>>(10)?.is_some();
    Ok(ClientRow {
        id: row.get(0)?,
        zone: row.get(1)?,
        name: row.get(2)?,
        network: row.get(3)?,
        first: row.get(4)?,
        last: row.get(5)?,
        samples: count(row, 6)?,
        requests: row.get(7)?,
        score: row.get(8)?,
        worst: row.get(9)?,
        class: labelled.then(|| word(row, 10, Class::from_word)).transpose()?,
        origin: labelled.then(|| word(row, 11, Origin::from_word)).transpose()?,
        conflict: row.get(12)?,
    })
}
