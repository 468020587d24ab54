//! All that was collected, and where the time is split into before and since.

use serde::Serialize;

use super::access::{Access, Counts, Course, Kind};
use super::change::{Change, change_point};
use super::decisions::Decisions;
use super::errors::Errors;
use super::event::Event;
use super::metrics::Changed;
use crate::report::Span;

/// Where before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The first second of since.
    pub at: u32,
    /// Who says so.
    pub by: SplitBy,
}

/// Who says when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The event's text.
    Event,
    /// What changed most certainly.
    Change,
    /// Nobody: the halves are compared.
    Middle,
}

/// A count of the logs that changed its level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// What is counted.
    pub what: &'static str,
    /// When, unix seconds.
    pub at: u32,
    /// What was found, in counts a bin.
    #[serde(flatten)]
    pub change: Change,
}

/// What hypotheses stand on.
#[derive(Debug)]
pub struct Evidence {
    /// The time.
    pub span: Span,
    /// What the operator said.
    pub event: Event,
    /// Before and since.
    pub split: Split,
    /// Counts of the logs that changed.
    pub shifts: Vec<Shift>,
    /// Metrics that changed.
    pub metrics: Vec<Changed>,
    /// From access logs, when there were any.
    pub access: Option<Access>,
    /// From error logs.
    pub errors: Option<Errors>,
    /// From the store.
    pub decisions: Option<Decisions>,
}

/// One of the counts.
type Count = fn(&Counts) -> u64;

/// Counts of the logs that changed their level, the most certain first.
pub fn shifts(span: Span, course: Option<&Course>, errors: Option<&[u64]>) -> Vec<Shift> {
    let mut shifts = Vec::new();
    let mut test = |what, values: &[f64], first: u32| {
        if let Some(change) = change_point(values) {
            let at = first + change.place as u32 * span.width();
            shifts.push(Shift { what, at, change });
        }
    };
    if let Some((course, (first, last))) = course.and_then(|course| Some((course, course.covered?))) {
        // Bins before the first line and after the last, and these two themselves, are not whole.
        let whole = |at: u32| span.bin(at).unwrap_or_default();
        let (from, to) = (whole(first) + 1, whole(last).max(whole(first) + 1));
        let counts: [(&'static str, Count); 5] = [
            ("requests", |counts| counts.requests),
            ("responses 5xx", |counts| counts.server_errors),
            ("refused requests (403, 429, 444)", |counts| counts.refused),
            ("denied log-ins (POST with 401, 403)", |counts| counts.denied),
            ("images, styles and scripts", |counts| counts.assets),
        ];
        for (what, count) in counts {
            let bins = course.bins.get(from..to).unwrap_or_default();
            let values: Vec<f64> = bins.iter().map(|bin| count(bin) as f64).collect();
            test(what, &values, span.from + from as u32 * span.width());
        }
    }
    if let Some(errors) = errors {
        let values: Vec<f64> = errors.iter().map(|count| *count as f64).collect();
        test("lines of the error log", &values, span.from);
    }
    shifts.sort_by(|one, other| one.change.chance.total_cmp(&other.change.chance));
    shifts
}

impl Split {
    /// As the event says; else at what changed most certainly, the logs first; else in the middle.
    pub fn of(span: Span, event: &Event, shifts: &[Shift], metrics: &[Changed]) -> Split {
        let shift = shifts.first().map(|shift| shift.at);
        let metric = metrics.first().map(|changed| changed.at);
        let inside = |at: u32| at > span.from && at < span.to;
        let found = event.began.map(|at| (at, SplitBy::Event));
        let changed = shift.or(metric).filter(|at| inside(*at));
        let (at, by) = found
            .or_else(|| changed.map(|at| (at, SplitBy::Change)))
            .unwrap_or((span.from + span.seconds() / 2, SplitBy::Middle));
        Split { at, by }
    }
}

/// Requests or lines before and since, each with its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Count and seconds before.
    pub before: (f64, f64),
    /// Count and seconds since.
    pub after: (f64, f64),
}

impl Pair {
    /// Counts of two parts that are so long.
    pub fn new(before: u64, after: u64, seconds: (f64, f64)) -> Pair {
        Pair {
            before: (before as f64, seconds.0),
            after: (after as f64, seconds.1),
        }
    }

    /// How many came since than would have, had it gone on as before.
    pub fn excess(&self) -> f64 {
        self.after.0 - self.expected()
    }

    fn expected(&self) -> f64 {
        if self.before.1 > 0.0 {
            self.before.0 / self.before.1 * self.after.1
        } else {
            self.after.0
        }
    }

    /// The rate since as a multiple of that before; beside none everything is infinitely more.
    pub fn factor(&self) -> f64 {
        match self.expected() {
            0.0 if self.after.0 > 0.0 => f64::INFINITY,
            0.0 => 1.0,
            expected => self.after.0 / expected,
        }
    }

    /// Whether it came at least twice as often, and chance does not explain it: counts of independent events waver by
    /// the root of what is expected, and five times that is far.
    pub fn grew(&self) -> bool {
        self.factor() >= 2.0 && self.grew_at_all()
    }

    /// Whether it came more often than chance explains, by however little.
    pub fn grew_at_all(&self) -> bool {
        self.excess() > 5.0 * (self.expected() + 1.0).sqrt()
    }

    /// Rates a minute, for people.
    pub fn says(&self) -> String {
        let rate = |(count, seconds): (f64, f64)| {
            if seconds > 0.0 {
                format!("{:.1}", count * 60.0 / seconds)
            } else {
                "unknown".to_owned()
            }
        };
        format!("{} a minute, {} before", rate(self.after), rate(self.before))
    }
}

impl Evidence {
    /// How long the two parts are for the error log and the store, seconds.
    pub fn seconds(&self) -> (f64, f64) {
        (
            f64::from(self.split.at - self.span.from),
            f64::from(self.span.to - self.split.at),
        )
    }

    /// Kinds of error-log lines whose template has one of these, in small or large letters, and that came since.
    pub fn messages<'a>(&'a self, patterns: &'a [&str]) -> impl Iterator<Item = (&'a Kind, Pair)> {
        let kinds = self.errors.iter().flat_map(|errors| &errors.kinds);
        let seconds = self.seconds();
        kinds
            .filter(|kind| kind.after > 0)
            .filter(move |kind| {
                let text = kind.template.to_lowercase();
                patterns.iter().any(|pattern| text.contains(pattern))
            })
            .map(move |kind| (kind, Pair::new(kind.before, kind.after, seconds)))
    }

    /// Metrics with one of these beginnings whose level rose; behind a bar is what their labels hold.
    pub fn risen<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Changed> {
        let fits = |metric: &str, name: &str| match name.split_once('|') {
            Some((name, label)) => metric.starts_with(name) && metric.contains(label),
            None => metric.starts_with(name),
        };
        self.metrics.iter().filter(move |changed| {
            let rose = changed.change.after > changed.change.before;
            rose && names.iter().any(|name| fits(&changed.metric, name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_more_than_chance() {
        #[track_caller]
        fn check(before: u64, after: u64, seconds: (f64, f64), expected: bool) {
            assert_eq!(Pair::new(before, after, seconds).grew(), expected);
        }
        check(0, 100, (60.0, 60.0), true);
        check(0, 3, (60.0, 60.0), false);
        check(100, 190, (60.0, 60.0), false);
        check(100, 250, (60.0, 60.0), true);
        check(10, 25, (60.0, 60.0), false);
        check(100, 1000, (60.0, 600.0), false);
        check(0, 0, (60.0, 60.0), false);
        check(0, 100, (0.0, 60.0), false);
    }

    #[test]
    fn the_operator_knows_best_when_it_began() {
        let span = Span { from: 0, to: 1_000 };
        let event = |began| Event {
            began,
            words: Vec::new(),
        };
        let change = Change {
            place: 1,
            before: 1.0,
            after: 9.0,
            chance: 1e-9,
        };
        let shift = Shift {
            what: "requests",
            at: 300,
            change,
        };
        let shifts = [shift];
        #[track_caller]
        fn check(split: Split, at: u32, by: SplitBy) {
            assert_eq!(split, Split { at, by });
        }
        check(
            Split::of(span, &event(Some(700)), &shifts, &[]),
            700,
            SplitBy::Event,
        );
        check(Split::of(span, &event(None), &shifts, &[]), 300, SplitBy::Change);
        check(Split::of(span, &event(None), &[], &[]), 500, SplitBy::Middle);
    }
}
