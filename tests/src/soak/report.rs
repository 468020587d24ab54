//! What a soak found: a table for people, and what is wrong with it.

use std::fmt::Write;

use super::Counts;
use super::load::Figures;

/// One thing that was done, again and again.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What was done, and to which build.
    pub name: String,
    /// How often.
    pub times: usize,
    /// How long it took.
    pub seconds: f64,
    /// What the server without the module did meanwhile.
    pub bare: Figures,
    /// What ours did.
    pub ours: Figures,
}

/// Memory of a server over the reloads, in KiB: medians of the first third and of the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Median of the first third.
    pub first: u64,
    /// Median of the last third.
    pub last: u64,
}

impl Growth {
    /// The growth of these; `None` when there are too few.
    pub fn of(samples: &[u64]) -> Option<Growth> {
        let third = samples.len() / 3;
        let median = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part.get(part.len() / 2).copied()
        };
        Some(Growth {
            first: median(&samples[..third])?,
            last: median(&samples[samples.len() - third..])?,
        })
    }

    /// By how much it grew, in per cent.
    pub fn percent(&self) -> f64 {
        (self.last as f64 / self.first as f64 - 1.0) * 100.0
    }
}

/// What a soak found.
pub struct Report {
    /// How much was done.
    counts: Counts,
    /// What was done, in order.
    pub phases: Vec<Phase>,
    /// Memory, by server.
    pub memory: Vec<(String, Growth)>,
    /// What else is worth telling.
    pub notes: Vec<String>,
    /// What must not be.
    pub failures: Vec<String>,
    /// How long it all took.
    pub seconds: u64,
}

impl Report {
    /// An empty report.
    pub fn new(counts: &Counts) -> Report {
        Report {
            counts: counts.clone(),
            phases: Vec::new(),
            memory: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            seconds: 0,
        }
    }

    /// Adds a phase, and what is wrong with it.
    pub fn phase(&mut self, phase: Phase) {
        self.failures.extend(judge(&phase));
        self.phases.push(phase);
    }

    /// The report as a page.
    pub fn page(&self) -> String {
        let mut text = String::from("# Soak\n\n");
        let _ = writeln!(
            text,
            "{} in {} s, {} threads of load, a zone of {}k. Each pair: without the module / with it.\n",
            if self.failures.is_empty() {
                "Passed"
            } else {
                "FAILED"
            },
            self.seconds,
            self.counts.threads,
            self.counts.zone_kb
        );
        text.push_str("| what | times | s | requests | 5xx | lost | hung | closed while kept | other status | stopped by us | slowest, ms |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
        for phase in &self.phases {
            let (a, b) = (&phase.bare, &phase.ours);
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} | {} / {} | {} / {} | {} / {} | {} / {} | {} / {} | {} / {} | {} | {} / {} |",
                phase.name,
                phase.times,
                phase.seconds,
                a.requests,
                b.requests,
                a.errors,
                b.errors,
                a.lost,
                b.lost,
                a.hung,
                b.hung,
                a.stale,
                b.stale,
                a.strange,
                b.strange,
                b.stopped,
                a.slowest,
                b.slowest
            );
        }
        text.push_str(
            "\n| memory over the reloads, KiB | first third | last third | growth |\n|---|---|---|---|\n",
        );
        for (name, growth) in &self.memory {
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {:+.2} % |",
                growth.first,
                growth.last,
                growth.percent()
            );
        }
        for (title, lines) in [("Notes", &self.notes), ("Failures", &self.failures)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n## {title}\n");
                for line in lines {
                    let _ = writeln!(text, "- {line}");
                }
            }
        }
        text
    }
}

/// What a phase shows that it must not: errors that the server without the module has not. Lost requests and closed
/// connections are those that were with a killed worker, a matter of chance on both sides: three standard deviations more
/// are allowed.
fn judge(phase: &Phase) -> Vec<String> {
    let (bare, ours) = (&phase.bare, &phase.ours);
    let chance = 3.0 * ((bare.lost + ours.lost) as f64).sqrt();
    let mut failures = Vec::new();
    let mut check = |bad: bool, what: &str, theirs: u64, own: u64| {
        if bad {
            failures.push(format!(
                "{}: {own} {what}, without the module {theirs}",
                phase.name
            ));
        }
    };
    check(ours.errors > bare.errors, "answers 5xx", bare.errors, ours.errors);
    check(ours.hung > 0, "requests hung", bare.hung, ours.hung);
    check(
        ours.strange > bare.strange,
        "strange statuses",
        bare.strange,
        ours.strange,
    );
    check(bare.stopped > 0, "stopped by nobody", bare.stopped, ours.stopped);
    check(
        ours.lost as f64 > bare.lost as f64 + chance,
        "requests lost",
        bare.lost,
        ours.lost,
    );
    let chance = 3.0 * ((bare.stale + ours.stale) as f64).sqrt();
    let closed = ours.stale as f64 > bare.stale as f64 + chance;
    check(closed, "kept connections closed", bare.stale, ours.stale);
    check(
        ours.requests == 0,
        "requests at all",
        bare.requests,
        ours.requests,
    );
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bare_server_has_not_is_a_failure() {
        #[track_caller]
        fn check(bare: Figures, ours: Figures, failures: &[&str]) {
            let some = |figures: Figures| Figures {
                requests: 100,
                ..figures
            };
            let phase = Phase {
                name: "reloads".to_owned(),
                times: 1,
                seconds: 1.0,
                bare: some(bare),
                ours: some(ours),
            };
            assert_eq!(judge(&phase), failures);
        }
        let with = |change: fn(&mut Figures)| {
            let mut figures = Figures::default();
            change(&mut figures);
            figures
        };
        let none = Figures::default();
        check(none, none, &[]);
        check(none, with(|of| of.stopped = 9), &[]);
        check(
            none,
            with(|of| of.errors = 1),
            &["reloads: 1 answers 5xx, without the module 0"],
        );
        check(with(|of| of.errors = 1), with(|of| of.errors = 1), &[]);
        check(
            none,
            with(|of| of.hung = 1),
            &["reloads: 1 requests hung, without the module 0"],
        );
        check(
            none,
            with(|of| of.lost = 20),
            &["reloads: 20 requests lost, without the module 0"],
        );
        check(with(|of| of.lost = 50), with(|of| of.lost = 70), &[]);
        check(
            with(|of| of.lost = 50),
            with(|of| of.lost = 99),
            &["reloads: 99 requests lost, without the module 50"],
        );
    }

    #[test]
    fn growth_is_from_the_first_third_to_the_last() {
        assert_eq!(Growth::of(&[1, 2]), None);
        let growth = Growth::of(&[100, 101, 99, 500, 1, 500, 110, 109, 111]).expect("nine samples");
        assert_eq!(
            growth,
            Growth {
                first: 100,
                last: 110
            }
        );
        assert!((growth.percent() - 10.0).abs() < 1e-9);
    }
}
