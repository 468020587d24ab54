//! Durations in buckets, as Prometheus wants them.

use std::fmt::Write;
use std::time::Duration;

/// Upper bounds in seconds: those of the semantic conventions for model calls, as far as deadlines go.
const BOUNDS: [f64; 13] = [
    0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// One histogram.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS.len()],
    sum: f64,
    count: u64,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.counts[bucket] += 1;
        }
        self.sum += seconds;
        self.count += 1;
    }

    /// Writes its lines; `labels` is `a="b",` or empty.
    pub fn render(&self, name: &str, labels: &str, text: &mut String) {
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(self.counts) {
            below += count;
            line(
                text,
                format_args!("{name}_bucket{{{labels}le=\"{bound}\"}} {below}"),
            );
        }
        line(
            text,
            format_args!("{name}_bucket{{{labels}le=\"+Inf\"}} {}", self.count),
        );
        let labels = labels.trim_end_matches(',');
        line(text, format_args!("{name}_sum{{{labels}}} {}", self.sum));
        line(text, format_args!("{name}_count{{{labels}}} {}", self.count));
    }
}

/// Writes one line.
pub fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(text, "{line}");
}
