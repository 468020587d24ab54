//! What happened in a time: samples in the order of their age, and counts of labels and of audit lines.

use std::ops::Range;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use sekisho_core::feature::{Features, schema_hash};
use serde::Serialize;

use super::labels::{Class, Origin, word};
use super::site::features;
use super::{Store, StoreError, count};

/// Rows read at once. Between two pages no read is open, so that the log of the store can be emptied.
const PAGE: u32 = 1000;
/// Kinds of audit lines that are told apart in a time: there are a dozen actions, and a few people.
const MAX_ACTIONS: u32 = 100;

/// A sample with what is known of its client.
#[derive(Clone, Debug)]
pub struct PeriodRow {
    /// Its number in the store.
    pub seq: i64,
    /// Unix seconds from which its age counts.
    pub at: u32,
    /// Number of its client.
    pub client: i64,
    /// The client's zone.
    pub zone: String,
    /// Its name, plain or a pseudonym.
    pub name: String,
    /// Its network; empty when the name is no address.
    pub network: String,
    /// Unix seconds of the client's first sample, in or before this time.
    pub first: u32,
    /// What is believed of the client now.
    pub class: Option<Class>,
    /// Whether somebody who is trusted less says otherwise.
    pub conflict: bool,
    /// Requests so far.
    pub requests: u32,
    /// Score.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: String,
    /// Names of the features that speak most for the score.
    pub reasons: Vec<String>,
    /// Features; `None` when they are of another schema.
    pub features: Option<Features>,
    /// SHA-256 of the model.
    pub model: String,
    /// Request method.
    pub method: String,
    /// Request target.
    pub target: String,
}

/// How often a class was said by an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelCount {
    /// What was said.
    pub class: Class,
    /// Who said so.
    pub origin: Origin,
    /// Labels.
    pub labels: u64,
    /// Clients they are of.
    pub clients: u64,
}

/// How often somebody did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditCount {
    /// What.
    pub action: String,
    /// Who.
    pub actor: String,
    /// How often.
    pub times: u64,
    /// Unix seconds of the last time.
    pub last: u32,
}

impl Store {
    /// The next samples of a time after the one at `after` (age and number; [`Range::start`] and 0 at the beginning),
    /// in the order of their age; none are left when the answer is empty.
    pub fn period(
        &self,
        range: &Range<u32>,
        zone: Option<&str>,
        after: (u32, i64),
    ) -> Result<Vec<PeriodRow>, StoreError> {
        let mut sql =
            "SELECT seq, aged, client.id, zone, name, network, first, class, conflict, sample.requests,
                sample.score, verdict, reasons, schema, features, model, method, target
             FROM sample JOIN client ON client.id = sample.client WHERE (aged, seq) > (?, ?) AND aged < ?"
                .to_owned();
        let mut values: Vec<Value> = vec![after.0.into(), after.1.into(), range.end.into()];
        if let Some(zone) = zone {
            // The plus keeps SQLite from the index by zone, after which all samples would be sorted.
            sql.push_str(" AND +zone = ?");
            values.push(zone.to_owned().into());
        }
        sql.push_str(" ORDER BY aged, seq LIMIT ?");
        values.push(PAGE.into());
        let mut select = self.connection.prepare_cached(&sql)?;
        let rows = select.query_map(params_from_iter(values), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many requests the last sample of a client before a time counts; `None` when there is none.
    pub fn requests_before(&self, client: i64, at: u32) -> Result<Option<u32>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT requests FROM sample WHERE client = ? AND aged < ? ORDER BY aged DESC, seq DESC LIMIT 1",
        )?;
        Ok(select.query_row((client, at), |row| row.get(0)).optional()?)
    }

    /// Labels that were given in a time, by what they say and who says so.
    pub fn labels_given(
        &self,
        range: &Range<u32>,
        zone: Option<&str>,
    ) -> Result<Vec<LabelCount>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT label.class, label.origin, COUNT(*), COUNT(DISTINCT label.client)
             FROM label JOIN client ON client.id = label.client
             WHERE label.at >= ?1 AND label.at < ?2 AND (?3 IS NULL OR zone = ?3)
             GROUP BY label.class, label.origin ORDER BY label.class, label.origin",
        )?;
        let rows = select.query_map((range.start, range.end, zone), |row| {
            Ok(LabelCount {
                class: word(row, 0, Class::from_word)?,
                origin: word(row, 1, Origin::from_word)?,
                labels: count(row, 2)?,
                clients: count(row, 3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lines of the audit log of a time, by what was done and who did it, the most frequent first.
    pub fn audit_counts(&self, range: &Range<u32>) -> Result<Vec<AuditCount>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT action, actor, COUNT(*), MAX(at) FROM audit WHERE at >= ? AND at < ?
             GROUP BY action, actor ORDER BY COUNT(*) DESC, action, actor LIMIT ?",
        )?;
        let rows = select.query_map((range.start, range.end, MAX_ACTIONS), |row| {
            Ok(AuditCount {
                action: row.get(0)?,
                actor: row.get(1)?,
                times: count(row, 2)?,
                last: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PeriodRow> {
    let labelled = row.get::<_, Option<String>>(7)?.is_some();
    let reasons: String = row.get(12)?;
    let known = row.get::<_, String>(13)? == schema_hash();
    let bytes: Vec<u8> = row.get(14)?;
    Ok(PeriodRow {
        seq: row.get(0)?,
        at: row.get(1)?,
        client: row.get(2)?,
        zone: row.get(3)?,
        name: row.get(4)?,
        network: row.get(5)?,
        first: row.get(6)?,
        class: labelled.then(|| word(row, 7, Class::from_word)).transpose()?,
        conflict: row.get(8)?,
        requests: row.get(9)?,
        score: row.get(10)?,
        verdict: row.get(11)?,
        reasons: serde_json::from_str(&reasons).unwrap_or_default(),
        features: known.then(|| features(&bytes)).flatten(),
        model: row.get(15)?,
        method: row.get(16)?,
        target: row.get(17)?,
    })
}
