//! The module's metrics over time, and which of them changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::change::{Change, change_point};
use super::cite::Cite;
use super::{prometheus, range};
use crate::report::Span;
use crate::visible::escaped;

/// Bytes of one file: a day of the module's answers each minute.
const MAX_BYTES: u64 = 64 << 20;
/// Files of a directory: a week of one each minute.
const MAX_FILES: usize = 10_080;
/// Series that are kept; the module has some fifty a zone.
const MAX_SERIES: usize = 2_000;
/// Points of all series together, 24 bytes each.
const MAX_POINTS: usize = 2_000_000;
/// Characters of a series' name and labels.
const MAX_NAME: usize = 200;
/// Points of a series that are tested; more are averaged first.
const TESTED: usize = 240;

/// Why metrics cannot be read.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// The file cannot be.
    #[error("cannot read the metrics {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too large.
    #[error("{} has more than {MAX_BYTES} bytes: choose a shorter time", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is neither Prometheus text nor an answer of `query_range`.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// One value at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Unix seconds.
    pub at: f64,
    /// The value.
    pub value: f64,
    file: u32,
    line: u32,
}

/// What is read from a file: a series, a value, when, and on which line.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Name with labels.
    pub series: String,
    /// The value.
    pub value: f64,
    /// Unix seconds; absent when the line has none.
    pub at: Option<f64>,
    /// From 1 on.
    pub line: u32,
}

/// All series of a time.
#[derive(Debug, Default)]
pub struct Metrics {
    series: BTreeMap<String, Vec<Point>>,
    files: Vec<String>,
    points: usize,
    /// Series and points for which there was no room, and values without a time.
    pub left_out: u64,
    /// Values without a time, of files whose names tell none.
    pub timeless: u64,
}

/// A metric that changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// Its name with its labels, made visible.
    pub metric: String,
    /// When, unix seconds.
    pub at: u32,
    /// Whether values are growth a second, of a counter.
    pub rate: bool,
    /// What was found.
    #[serde(flatten)]
    pub change: Change,
    /// Where the new level is read.
    pub cite: Cite,
}

impl Metrics {
    /// Reads files and directories.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn read(paths: &[PathBuf], span: Span) -> Result<Metrics, MetricsError> {
        let mut metrics = Metrics::default();
        for path in paths {
            if path.is_dir() {
                metrics.directory(path, span)?;
            } else {
                metrics.file(path, span)?;
            }
        }
        for points in metrics.series.values_mut() {
            points.sort_by(|one, other| one.at.total_cmp(&other.at));
        }
        Ok(metrics)
    }

    /// How many series there are.
    pub fn count(&self) -> usize {
        self.series.len()
    }

    /// The metrics that changed their level, the most certain first. Buckets of histograms are left out: their counts
    /// and sums tell the same.
    pub fn changed(&self) -> Vec<Changed> {
        let tested = self
            .series
            .iter()
            .filter(|(name, _)| !bare(name).ends_with("_bucket"));
        let mut changed: Vec<Changed> = tested
            .filter_map(|(name, points)| self.test(name, points))
            .collect();
        changed.sort_by(|one, other| {
            let chances = one.change.chance.total_cmp(&other.change.chance);
            chances.then_with(|| one.metric.cmp(&other.metric))
        });
        changed
    }

    /// How much each counter grew; a counter that began anew grew by what it shows then.
    pub fn growth(&self) -> Vec<(String, f64)> {
        let counters = self.series.iter().filter(|(name, _)| is_counter(name));
        let growth = counters.map(|(name, points)| {
            let steps = points.windows(2).map(|pair| step(pair[0].value, pair[1].value));
            (name.clone(), steps.sum())
        });
        growth.collect()
    }

    fn test(&self, name: &str, points: &[Point]) -> Option<Changed> {
        let rate = is_counter(name);
        let values: Vec<(f64, Point)> = if rate {
            let pairs = points.windows(2).filter(|pair| pair[1].at > pair[0].at);
            pairs
                .map(|pair| {
                    let grew = step(pair[0].value, pair[1].value);
                    (grew / (pair[1].at - pair[0].at), pair[1])
                })
                .collect()
        } else {
            points.iter().map(|point| (point.value, *point)).collect()
        };
        let together = values.len().div_ceil(TESTED).max(1);
        let tested: Vec<f64> = values
            .chunks(together)
            .map(|chunk| chunk.iter().map(|(value, _)| value).sum::<f64>() / chunk.len() as f64)
            .collect();
        let change = change_point(&tested)?;
        let (_, point) = values.get(change.place * together)?;
        Some(Changed {
            metric: name.to_owned(),
            at: point.at.max(0.0) as u32,
            rate,
            change,
            cite: Cite {
                file: self.files.get(point.file as usize).cloned().unwrap_or_default(),
                line: Some(u64::from(point.line)),
                text: format!("{name} {}", point.value),
            },
        })
    }

    fn directory(&mut self, path: &Path, span: Span) -> Result<(), MetricsError> {
        let failed = |source| MetricsError::File {
            path: path.to_owned(),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        self.left_out += paths.len().saturating_sub(MAX_FILES) as u64;
        paths
            .iter()
            .take(MAX_FILES)
            .try_for_each(|path| self.file(path, span))
    }

    fn file(&mut self, path: &Path, span: Span) -> Result<(), MetricsError> {
        let failed = |source| MetricsError::File {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(MetricsError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = String::from_utf8_lossy(&bytes);
        let readings = if text.trim_start().starts_with('{') {
            range::read(&text)
        } else {
            prometheus::read(&text)
        };
        let readings = readings.map_err(|reason| MetricsError::Syntax {
            path: path.to_owned(),
            reason,
        })?;
        let named = path.file_stem().and_then(|name| time_of(&name.to_string_lossy()));
        let file = self.files.len() as u32;
        self.files
            .push(escaped(path.display().to_string().as_bytes(), MAX_NAME));
        for reading in readings {
            self.take(&reading, named, file, span);
        }
        Ok(())
    }

    fn take(&mut self, reading: &Reading, named: Option<f64>, file: u32, span: Span) {
        let Some(at) = reading.at.or(named) else {
            self.timeless += 1;
            return;
        };
        let within = at >= f64::from(span.from) && at < f64::from(span.to);
        if !within || !reading.value.is_finite() {
            return;
        }
        let name = escaped(reading.series.as_bytes(), MAX_NAME);
        let known = self.series.contains_key(&name);
        if self.points >= MAX_POINTS || (!known && self.series.len() >= MAX_SERIES) {
            self.left_out += 1;
            return;
        }
        self.points += 1;
        self.series.entry(name).or_default().push(Point {
            at,
            value: reading.value,
            file,
            line: reading.line,
        });
    }
}

/// A series' name without its labels.
pub fn bare(series: &str) -> &str {
    series.split('{').next().unwrap_or_default()
}

/// As the naming rules of Prometheus have it.
fn is_counter(series: &str) -> bool {
    let name = bare(series);
    ["_total", "_count", "_sum", "_bucket"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn step(from: f64, to: f64) -> f64 {
    if to >= from { to - from } else { to }
}

/// The time that a file's name tells: unix seconds or milliseconds, or date and time in digits, UTC.
fn time_of(name: &str) -> Option<f64> {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        10 => digits.parse().ok(),
        13 => digits
            .parse::<f64>()
            .ok()
            .map(|milliseconds| milliseconds / 1_000.0),
        12 | 14 => {
            let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("00");
            let text = format!(
                "{}-{}-{}T{}:{}:{}Z",
                part(0, 4),
                part(4, 6),
                part(6, 8),
                part(8, 10),
                part(10, 12),
                part(12, 14)
            );
            let at = text.parse::<jiff::Timestamp>().ok()?;
            Some(at.as_second() as f64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_times() {
        #[track_caller]
        fn check(name: &str, expected: Option<f64>) {
            assert_eq!(time_of(name), expected, "{name}");
        }
        check("metrics-1800000000", Some(1_800_000_000.0));
        check("1800000000500", Some(1_800_000_000.5));
        check("20270115T080000Z", Some(1_800_000_000.0));
        check("2027-01-15_08-00", Some(1_800_000_000.0));
        check("20271315080000", None);
        check("metrics", None);
    }

    fn snapshots(values: impl Fn(u32) -> f64) -> Vec<(String, f64)> {
        let span = Span { from: 0, to: 6_000 };
        let mut metrics = Metrics::default();
        for minute in 0..60 {
            let reading = Reading {
                series: "sekisho_requests_total{verdict=\"rejected\"}".into(),
                value: values(minute),
                at: Some(f64::from(minute * 60)),
                line: 3,
            };
            metrics.take(&reading, None, 0, span);
        }
        let changed = metrics.changed().into_iter();
        changed
            .map(|changed| (changed.metric, changed.change.factor()))
            .collect()
    }

    #[test]
    fn counters_are_tested_by_their_growth() {
        assert!(
            snapshots(|minute| f64::from(minute) * 100.0).is_empty(),
            "steady growth"
        );
        let faster = snapshots(|minute| f64::from(minute * 10 + minute.saturating_sub(30) * 90));
        assert_eq!(faster.len(), 1);
        assert!(faster[0].1 > 5.0, "{faster:?}");
        let restarted = snapshots(|minute| f64::from(minute % 30) * 100.0);
        assert!(restarted.is_empty(), "a restart is no change: {restarted:?}");
    }

    #[test]
    fn a_counter_that_began_anew_grew() {
        assert_eq!((step(5.0, 8.0), step(8.0, 3.0)), (3.0, 3.0));
    }
}
