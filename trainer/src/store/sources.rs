//! What came from each configured source.

use rusqlite::Connection;
use serde::Serialize;

use super::{Counts, Store, StoreError, count};

/// Totals of one source, over all restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceTotals {
    /// Its name in the configuration.
    pub name: String,
    /// Lines, empty ones left out.
    pub lines: u64,
    /// Lines that became samples.
    pub samples: u64,
    /// Lines that were there already.
    pub duplicates: u64,
    /// Lines that are no sample.
    pub broken: u64,
    /// What was wrong with the first of these.
    pub first_broken: Option<String>,
    /// Lines of a version or schema that is not known here.
    pub newer: u64,
    /// Which version or schema the last of these has.
    pub newest: Option<String>,
    /// Such lines that could not be kept.
    pub dropped: u64,
    /// Samples whose clock cannot be right.
    pub clocks: u64,
}

/// Adds to the totals.
pub(super) fn add(connection: &Connection, source: &str, counts: &Counts) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO source (name, lines, samples, duplicates, broken, first_broken, newer, newest, dropped, clocks)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (name) DO UPDATE SET lines = lines + ?2, samples = samples + ?3,
                duplicates = duplicates + ?4, broken = broken + ?5, first_broken = COALESCE(first_broken, ?6),
                newer = newer + ?7, newest = COALESCE(?8, newest), dropped = dropped + ?9, clocks = clocks + ?10",
        )?
        .execute((
            source,
            counts.lines.cast_signed(),
            counts.samples.cast_signed(),
            counts.duplicates.cast_signed(),
            counts.broken.cast_signed(),
            &counts.first_broken,
            counts.newer.cast_signed(),
            &counts.newest,
            counts.dropped.cast_signed(),
            counts.clocks.cast_signed(),
        ))?;
    Ok(())
}

impl Store {
    /// The totals of every source that ever was.
    pub fn sources(&self) -> Result<Vec<SourceTotals>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT name, lines, samples, duplicates, broken, first_broken, newer, newest, dropped, clocks
             FROM source ORDER BY name",
        )?;
        let rows = select.query_map([], |row| {
            Ok(SourceTotals {
                name: row.get(0)?,
                lines: count(row, 1)?,
                samples: count(row, 2)?,
                duplicates: count(row, 3)?,
                broken: count(row, 4)?,
                first_broken: row.get(5)?,
                newer: count(row, 6)?,
                newest: row.get(7)?,
                dropped: count(row, 8)?,
                clocks: count(row, 9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Clients.
    pub clients: u64,
    /// Their samples.
    pub samples: u64,
    /// Clients of which something is believed.
    pub labelled: u64,
    /// Clients whose labels contradict each other.
    pub conflicts: u64,
}

/// Samples of a time.
pub(super) const ARRIVED: &str = "SELECT COUNT(*) FROM sample WHERE aged >= ? AND aged < ?";

impl Store {
    /// Samples that arrived from unix second `from` until `until`, by the beginning of each `step` seconds in which there
    /// were some. Each step is counted by itself: together they would be sorted.
    pub fn samples_over_time(&self, from: u32, until: u32, step: u32) -> Result<Vec<(u32, u64)>, StoreError> {
        let step = step.max(1);
        let mut select = self.connection.prepare_cached(ARRIVED)?;
        let mut steps = Vec::new();
        for began in (from / step * step..=until).step_by(step as usize) {
            let end = began.saturating_add(step).min(until.saturating_add(1));
            let samples = select.query_row((began.max(from), end), |row| count(row, 0))?;
            if samples > 0 {
                steps.push((began, samples));
            }
        }
        Ok(steps)
    }

    /// How much there is, from what is kept beside the clients: no sample is read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let sums = "SELECT COUNT(*), TOTAL(samples), COUNT(class), TOTAL(conflict) FROM client";
        Ok(self.connection.query_row(sums, [], |row| {
            Ok(Totals {
                clients: count(row, 0)?,
                samples: row.get::<_, f64>(1)? as u64,
                labelled: count(row, 2)?,
                conflicts: row.get::<_, f64>(3)? as u64,
            })
        })?)
    }
}
