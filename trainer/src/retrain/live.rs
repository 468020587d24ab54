//! What models did to clients, from the samples that nginx wrote since.

use rusqlite::{Params, params};

use super::forecast::Live;
use crate::learn::proportion::effective;
use crate::store::{Store, StoreError};

/// Samples of a time under one model.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// SHA-256 of its file.
    pub digest: &'a str,
    /// First second.
    pub from: u32,
    /// The second after the last.
    pub until: u32,
    /// `contrast=` of `sekisho_samples`: a client that was only drawn stands for so many more.
    pub contrast: f64,
}

/// Clients by the verdicts that a champion led to.
pub fn verdicts(store: &Store, span: Span<'_>) -> Result<Live, StoreError> {
    let sql = "SELECT MAX(verdict IN ('REJECTED', 'REJECTED_DRY_RUN')), MIN(kind = 'contrast') FROM sample
         WHERE aged >= ?1 AND aged < ?2 AND model = ?3 GROUP BY client";
    count(
        store,
        sql,
        params![span.from, span.until, span.digest],
        span.contrast,
    )
}

/// Clients by the scores of a challenger: nobody was stopped by it.
pub fn scores(store: &Store, span: Span<'_>, reject: f32, min_requests: u32) -> Result<Live, StoreError> {
    let sql = "SELECT MAX(COALESCE(challenger_score, 0) >= ?4 AND requests >= ?5), MIN(kind = 'contrast') FROM sample
         WHERE aged >= ?1 AND aged < ?2 AND challenger = ?3 GROUP BY client";
    let with = params![
        span.from,
        span.until,
        span.digest,
        f64::from(reject),
        min_requests
    ];
    count(store, sql, with, span.contrast)
}

fn count(store: &Store, sql: &str, with: impl Params, contrast: f64) -> Result<Live, StoreError> {
    let mut statement = store.connection().prepare_cached(sql)?;
    let mut rows = statement.query(with)?;
    let (mut live, mut weights) = (Live::default(), Vec::new());
    while let Some(row) = rows.next()? {
        let (stopped, drawn): (bool, bool) = (row.get(0)?, row.get(1)?);
        let weight = if drawn { 1.0 / contrast } else { 1.0 };
        weights.push(weight);
        live.clients += weight;
        if stopped {
            live.stopped += weight;
            live.stopped_clients += 1;
        }
    }
    live.effective = effective(weights.into_iter());
    Ok(live)
}
