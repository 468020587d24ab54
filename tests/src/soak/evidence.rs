//! What the two sides leave behind: their error logs, and the steps that the module's source names.

use std::collections::{BTreeMap, BTreeSet};

/// Lines of an error log from `crit` upwards, without numbers, by how often; a worker that was killed is none.
pub fn complaints(log: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let severe = |line: &&str| {
        ["[crit]", "[alert]", "[emerg]"]
            .iter()
            .any(|level| line.contains(level))
    };
    for line in log.lines().filter(severe) {
        // SIGKILL is ours, SIGXFSZ the other server's.
        let killed = ["exited on signal 9", "exited on signal 25"];
        if !killed.iter().any(|words| line.contains(words)) {
            let text: String = line.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            *found.entry(text).or_default() += 1;
        }
    }
    found
}

/// Process ids of workers that ended by a signal, from an error log.
pub fn dead(log: &str) -> BTreeSet<u32> {
    let ends = log.lines().filter(|line| line.contains(" exited on signal "));
    ends.filter_map(|line| {
        let (_, rest) = line.split_once("worker process ")?;
        rest.split(' ').next()?.parse().ok()
    })
    .collect()
}

/// The steps at which a test build can be made to die, as its source names them: `b"NAME" => Step::`.
pub fn steps() -> Vec<String> {
    let source = include_str!("../../../nginx-module/src/steps.rs");
    let mut steps: Vec<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("b\"")?.split_once("\" => Step::"))
        .map(|(name, _)| name.to_owned())
        .collect();
    steps.sort();
    steps
}

/// The step at which a worker has to die before, so that another can die at `step`: only who takes over a dead owner's
/// lock gets there.
pub fn first(step: &str) -> Option<&'static str> {
    ["stolen", "mid-reset"].contains(&step).then_some("mid-write")
}

/// Whether a request comes to the step once at most.
pub fn is_once(step: &str) -> bool {
    step == "mid-name" || first(step).is_some()
}

#[cfg(test)]
mod tests {
    use super::{complaints, dead, steps};

    #[test]
    fn every_named_step_is_found() {
        let steps = steps();
        assert_eq!(
            steps,
            [
                "after-acquire",
                "after-announce",
                "after-release",
                "before-lock",
                "before-release",
                "mid-name",
                "mid-reset",
                "mid-write",
                "stolen"
            ]
        );
    }

    #[test]
    fn a_killed_worker_is_no_complaint_and_a_crash_is() {
        let log = "2026/01/01 00:00:00 [alert] 12#12: worker process 13 exited on signal 9\n\
                   2026/01/01 00:00:01 [alert] 12#12: worker process 14 exited on signal 11\n\
                   2026/01/01 00:00:02 [notice] 12#12: start worker process 15\n";
        assert_eq!(dead(log).into_iter().collect::<Vec<_>>(), [13, 14]);
        let found = complaints(log);
        let lines: Vec<&String> = found.keys().collect();
        assert_eq!(lines, ["// :: [alert] #: worker process  exited on signal "]);
    }
}
