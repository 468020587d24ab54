//! Samples in the order in which they were stored, for other programs.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use sekisho_core::feature::Features;

use super::site::features;
use super::{Store, StoreError};

/// Rows read at once. Between two chunks no read is open, so that the log of the store can be emptied.
const CHUNK: u32 = 1000;

/// Which samples.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of this zone only.
    pub zone: Option<String>,
    /// From this Unix second on.
    pub from: Option<u32>,
    /// Before this one.
    pub until: Option<u32>,
    /// Only of clients of which something is believed.
    pub labelled: bool,
}

/// A sample with its client.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRow {
    /// Its number in the store.
    pub seq: i64,
    /// Reference id.
    pub id: String,
    /// Unix seconds.
    pub at: u32,
    /// Zone.
    pub zone: String,
    /// The client's name, plain or a pseudonym.
    pub client: String,
    /// Its network.
    pub network: String,
    /// What is believed of it now.
    pub class: Option<String>,
    /// Who says so.
    pub origin: Option<String>,
    /// Why the sample was written.
    pub kind: String,
    /// Requests so far.
    pub requests: u32,
    /// Score.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: String,
    /// Names of features, a JSON array.
    pub reasons: String,
    /// Schema hash.
    pub schema: String,
    /// Features; `None` when they are not of this schema.
    pub features: Option<Features>,
    /// SHA-256 of the model.
    pub model: String,
    /// SHA-256 of the challenger.
    pub challenger: Option<String>,
    /// Its score.
    pub challenger_score: Option<f64>,
    /// Request method.
    pub method: String,
    /// Request target.
    pub target: String,
}

impl Store {
    /// The next samples of a selection after number `after`; none are left when the answer is empty.
    pub fn export(&self, selection: &Selection, after: i64) -> Result<Vec<ExportRow>, StoreError> {
        let mut sql = "SELECT seq, sample.id, at, zone, name, network, class, origin, kind, sample.requests,
                sample.score, verdict, reasons, schema, features, model, challenger, challenger_score, method, target
             FROM sample JOIN client ON client.id = sample.client WHERE seq > ?"
            .to_owned();
        let mut values: Vec<Value> = vec![after.into()];
        let filters: [(&str, Option<Value>); 3] = [
            (" AND zone = ?", selection.zone.clone().map(Value::from)),
            (" AND aged >= ?", selection.from.map(Value::from)),
            (" AND aged < ?", selection.until.map(Value::from)),
        ];
        for (filter, value) in filters {
            if let Some(value) = value {
                // The plus keeps SQLite from an index that would sort every chunk anew.
                sql.push_str(&filter.replace("aged", "+aged").replace("zone", "+zone"));
                values.push(value);
            }
        }
        if selection.labelled {
            sql.push_str(" AND class IS NOT NULL");
        }
        sql.push_str(" ORDER BY seq LIMIT ?");
        values.push(i64::from(CHUNK).into());
        let mut select = self.connection.prepare_cached(&sql)?;
        let rows = select.query_map(params_from_iter(values), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ExportRow> {
    let bytes: Vec<u8> = row.get(14)?;
    Ok(ExportRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        at: row.get(2)?,
        zone: row.get(3)?,
        client: row.get(4)?,
        network: row.get(5)?,
        class: row.get(6)?,
        origin: row.get(7)?,
        kind: row.get(8)?,
        requests: row.get(9)?,
        score: row.get(10)?,
        verdict: row.get(11)?,
        reasons: row.get(12)?,
        schema: row.get(13)?,
        features: features(&bytes),
        model: row.get(15)?,
        challenger: row.get(16)?,
        challenger_score: row.get(17)?,
        method: row.get(18)?,
        target: row.get(19)?,
    })
}
