//! Asking the store: read-only, within a time and a number of rows.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, Row, params_from_iter};
use serde::Serialize;
use thiserror::Error;

use super::form::{Form, FormError};
use super::query::statement;
use crate::store::{Names, Store, StoreError};

/// A question that takes longer asks for too much: the collector waits for nobody, but the disk is shared.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long after an interrupt that did not end it there is another.
const AGAIN: Duration = Duration::from_millis(20);

/// One row: the values of the form's columns, and what was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerRow {
    /// Number by which text refers to it, from 1.
    pub row: usize,
    /// Values of the columns that the form groups by; absent where nothing is known.
    pub by: Vec<Option<String>>,
    /// Samples.
    pub samples: u64,
    /// Different clients.
    pub clients: u64,
    /// Requests of these clients from their first matching sample to their last.
    pub requests: u64,
    /// Highest score.
    pub top_score: Option<f64>,
    /// Mean score.
    pub mean_score: Option<f64>,
    /// Unix seconds of the last sample.
    pub last: u32,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub form: Form,
    /// From this Unix second on.
    pub from: u32,
    /// Before this one.
    pub to: u32,
    /// Most first.
    pub rows: Vec<AnswerRow>,
    /// Whether there may be more rows than were asked for.
    pub cut: bool,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The form is refused.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It takes too long.
    #[error("the question took more than {} s and was ended: ask for a shorter time with --from", PATIENCE.as_secs())]
    TooLong,
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks at Unix second `now`. The connection cannot write meanwhile, and a question that takes longer than `patience`
/// is ended.
pub fn ask(
    store: &Store,
    names: &Names,
    form: &Form,
    now: u32,
    patience: Duration,
) -> Result<Answer, AskError> {
    let (from, to) = form.check(now)?;
    let statement = statement(form, (from, to), names);
    let connection = store.connection();
    let read_only = |on: bool| {
        connection
            .pragma_update(None, "query_only", on)
            .map_err(StoreError::from)
    };
    read_only(true)?;
    let interrupt = connection.get_interrupt_handle();
    let (done, waiting) = mpsc::channel::<()>();
    let rows = thread::scope(|scope| {
        scope.spawn(move || {
            let mut wait = patience;
            // SQLite forgets an interrupt that comes before the statement runs.
            while waiting.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
                wait = AGAIN;
            }
        });
        let mut prepared = connection.prepare(&statement.sql)?;
        let rows = prepared
            .query_map(params_from_iter(&statement.values), |row| {
                read(row, form.by.len())
            })?
            .collect::<rusqlite::Result<Vec<AnswerRow>>>();
        drop(done);
        rows
    });
    read_only(false)?;
    let mut rows = rows.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => AskError::TooLong,
        _ => StoreError::from(error).into(),
    })?;
    rows.iter_mut()
        .zip(1..)
        .for_each(|(row, number)| row.row = number);
    Ok(Answer {
        form: form.clone(),
        from,
        to,
        cut: rows.len() == form.rows as usize && !form.by.is_empty(),
        rows,
    })
}

fn read(row: &Row<'_>, columns: usize) -> rusqlite::Result<AnswerRow> {
    let by = (0..columns).map(|column| {
        Ok(match row.get_ref(column)? {
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Real(number) => Some(number.to_string()),
            ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
        })
    });
    let by = by.collect::<rusqlite::Result<_>>()?;
    let count =
        |place: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(columns + place)?.cast_unsigned());
    Ok(AnswerRow {
        row: 0,
        by,
        samples: count(0)?,
        clients: count(1)?,
        requests: count(2)?,
        top_score: row.get(columns + 3)?,
        mean_score: row.get(columns + 4)?,
        last: row.get(columns + 5)?,
    })
}
