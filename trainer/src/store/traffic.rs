//! What every nginx counted, over time.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, count};

/// Seconds of a row while it is young.
pub const FINE: u32 = 10;
/// Seconds of a row when it is older than [`FINE_KEPT`].
pub const COARSE: u32 = 300;
/// For so long rows stay fine, in seconds: two days.
const FINE_KEPT: u32 = 2 * 86_400;
/// Points in time of an answer: more than any screen has columns.
const MAX_POINTS: u32 = 4_000;

/// How many things are counted.
pub const COUNTS: usize = 18;
/// Their names, as columns and in nginx's API; the last four have other names there.
pub const NAMES: [&str; COUNTS] = [
    "requests",
    "scores",
    "passed",
    "suspect",
    "rejected",
    "rejected_dry_run",
    "allowed",
    "trapped",
    "restrained",
    "delayed",
    "evictions",
    "lock_failures",
    "panics",
    "breaker_trips",
    "samples",
    "samples_dropped",
    "measured",
    "nanoseconds",
];

/// What is counted of a zone, or of what belongs to none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrafficCounts {
    /// Requests that were accounted to a client.
    pub requests: u64,
    /// Times the model was asked.
    pub scores: u64,
    /// Requests by the verdict that was acted on.
    pub passed: u64,
    /// Likewise.
    pub suspect: u64,
    /// Likewise: these were stopped.
    pub rejected: u64,
    /// Likewise: these would have been.
    pub rejected_dry_run: u64,
    /// Likewise.
    pub allowed: u64,
    /// Likewise.
    pub trapped: u64,
    /// Requests that a guard saved from being stopped.
    pub restrained: u64,
    /// Requests that were delayed.
    pub delayed: u64,
    /// Active clients that made room for others.
    pub evictions: u64,
    /// Requests that went on unaccounted.
    pub lock_failures: u64,
    /// Faults of the module.
    pub panics: u64,
    /// Times the breaker opened.
    pub breaker_trips: u64,
    /// Samples written; of the empty zone.
    pub samples: u64,
    /// Samples lost; of the empty zone.
    pub samples_dropped: u64,
    /// Decisions whose cost was measured.
    pub measured: u64,
    /// What these cost together, in nanoseconds.
    pub nanoseconds: u64,
}

impl TrafficCounts {
    /// In the order of [`NAMES`].
    pub fn values(&self) -> [u64; COUNTS] {
        [
            self.requests,
            self.scores,
            self.passed,
            self.suspect,
            self.rejected,
            self.rejected_dry_run,
            self.allowed,
            self.trapped,
            self.restrained,
            self.delayed,
            self.evictions,
            self.lock_failures,
            self.panics,
            self.breaker_trips,
            self.samples,
            self.samples_dropped,
            self.measured,
            self.nanoseconds,
        ]
    }

    /// From the order of [`NAMES`].
    pub fn of(values: [u64; COUNTS]) -> TrafficCounts {
        let [
            requests,
            scores,
            passed,
            suspect,
            rejected,
            rejected_dry_run,
            allowed,
            trapped,
            restrained,
            delayed,
            evictions,
            lock_failures,
            panics,
            breaker_trips,
            samples,
            samples_dropped,
            measured,
            nanoseconds,
        ] = values;
        TrafficCounts {
            requests,
            scores,
            passed,
            suspect,
            rejected,
            rejected_dry_run,
            allowed,
            trapped,
            restrained,
            delayed,
            evictions,
            lock_failures,
            panics,
            breaker_trips,
            samples,
            samples_dropped,
            measured,
            nanoseconds,
        }
    }

    /// Both together.
    pub fn with(&self, other: &TrafficCounts) -> TrafficCounts {
        let mut sums = self.values();
        for (sum, count) in sums.iter_mut().zip(other.values()) {
            *sum = sum.saturating_add(count);
        }
        TrafficCounts::of(sums)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.values().iter().all(|count| *count == 0)
    }
}

/// Of a step that is kept, from a unix second on and before another one, of a zone or of all. The key has them beside each
/// other.
pub(super) fn counted() -> String {
    let columns = NAMES.join(", ");
    format!(
        "SELECT at, zone, {columns} FROM traffic
         WHERE step = ?1 AND at >= ?2 AND at < ?3 AND (?4 IS NULL OR zone = ?4)"
    )
}

/// What was counted of a zone in a time, by all nginx that have one of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrafficRow {
    /// Its beginning, unix seconds.
    pub at: u32,
    /// Its length in seconds: what was asked for, or more where only more is kept.
    pub step: u32,
    /// The zone; empty for samples, which belong to none.
    pub zone: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: TrafficCounts,
}

/// What the counters of a zone showed when they were read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When counting began, by nginx's clock.
    pub since: u32,
    /// When they were read, by ours.
    pub at: u32,
    /// What they showed.
    pub counts: TrafficCounts,
}

impl Store {
    /// What was counted from unix second `from` until before `until`, in steps of `step` seconds, which is made longer
    /// where there would be too many; in the order of time, then of zones. A step in which nobody looked has no row.
    ///
    /// A request that two zones account is in the rows of both: add up over time, not over zones.
    pub fn traffic(
        &self,
        from: u32,
        until: u32,
        step: u32,
        zone: Option<&str>,
    ) -> Result<Vec<TrafficRow>, StoreError> {
        let least = until.saturating_sub(from) / MAX_POINTS + 1;
        let step = step.max(least).max(FINE).next_multiple_of(FINE);
        let from = from / step * step;
        let mut sums: BTreeMap<(u32, String), (u32, TrafficCounts)> = BTreeMap::new();
        // Added up here: to group so many columns SQLite would sort them first.
        let mut select = self.connection.prepare_cached(&counted())?;
        for kept in [FINE, COARSE] {
            let mut rows = select.query((kept, from, until, zone))?;
            while let Some(row) = rows.next()? {
                let at: u32 = row.get(0)?;
                let sum = sums.entry((at / step * step, row.get(1)?)).or_default();
                sum.0 = step.max(kept).max(sum.0);
                sum.1 = sum.1.with(&counts(row, 2)?);
            }
        }
        let row = |((at, zone), (step, counts))| TrafficRow {
            at,
            step,
            zone,
            counts,
        };
        Ok(sums.into_iter().map(row).collect())
    }

    /// Adds what a zone counted in `step` seconds from `at` on.
    pub fn add_traffic(
        &self,
        (nginx, zone): (&str, &str),
        (at, step): (u32, u32),
        counts: &TrafficCounts,
    ) -> Result<(), StoreError> {
        let columns = NAMES.join(", ");
        let marks = ", ?".repeat(COUNTS);
        let adds: Vec<String> = NAMES
            .iter()
            .map(|name| format!("{name} = {name} + excluded.{name}"))
            .collect();
        let sql = format!(
            "INSERT INTO traffic (step, at, nginx, zone, {columns}) VALUES (?, ?, ?, ?{marks})
             ON CONFLICT DO UPDATE SET {}",
            adds.join(", ")
        );
        let mut values: Vec<Value> = vec![
            step.into(),
            at.into(),
            nginx.to_owned().into(),
            zone.to_owned().into(),
        ];
        values.extend(counts.values().map(|count| Value::from(count.cast_signed())));
        self.connection
            .prepare_cached(&sql)?
            .execute(params_from_iter(values))?;
        Ok(())
    }

    /// What the zones of an nginx showed last, by name.
    pub fn readings(&self, nginx: &str) -> Result<BTreeMap<String, Reading>, StoreError> {
        let sql = "SELECT zone, since, at, counters FROM watched WHERE nginx = ?";
        let mut select = self.connection.prepare_cached(sql)?;
        let rows = select.query_map([nginx], |row| {
            let counters: String = row.get(3)?;
            Ok((
                row.get(0)?,
                Reading {
                    since: row.get(1)?,
                    at: row.get(2)?,
                    counts: serde_json::from_str(&counters).unwrap_or_default(),
                },
            ))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps what a zone shows.
    pub fn set_reading(&self, nginx: &str, zone: &str, reading: &Reading) -> Result<(), StoreError> {
        let counters = serde_json::to_string(&reading.counts).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO watched (nginx, zone, since, at, counters) VALUES (?, ?, ?, ?, ?)";
        self.connection
            .prepare_cached(sql)?
            .execute((nginx, zone, reading.since, reading.at, counters))?;
        Ok(())
    }

    /// Makes old rows coarse, and deletes those before `cutoff`.
    pub(super) fn prune_traffic(&self, cutoff: u32, now: u32) -> Result<(), StoreError> {
        let fine_from = now.saturating_sub(FINE_KEPT) / COARSE * COARSE;
        let columns = NAMES.join(", ");
        let sums: Vec<String> = NAMES.iter().map(|name| format!("SUM({name})")).collect();
        let adds: Vec<String> = NAMES
            .iter()
            .map(|name| format!("{name} = {name} + excluded.{name}"))
            .collect();
        let transaction = self.write()?;
        transaction.execute(
            &format!(
                "INSERT INTO traffic (step, at, nginx, zone, {columns})
                 SELECT {COARSE}, at / {COARSE} * {COARSE} AS began, nginx, zone, {} FROM traffic
                 WHERE step = {FINE} AND at < ?1 GROUP BY began, nginx, zone
                 ON CONFLICT DO UPDATE SET {}",
                sums.join(", "),
                adds.join(", ")
            ),
            [fine_from],
        )?;
        let delete = "DELETE FROM traffic WHERE step = ?1 AND at < ?2";
        transaction.execute(delete, (FINE, fine_from))?;
        transaction.execute(delete, (COARSE, cutoff))?;
        transaction.execute("DELETE FROM watched WHERE at < ?", [cutoff])?;
        transaction.commit()?;
        Ok(())
    }
}

fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<TrafficCounts> {
    let mut values = [0; COUNTS];
    for (place, value) in values.iter_mut().enumerate() {
        *value = count(row, first + place)?;
    }
    Ok(TrafficCounts::of(values))
}
