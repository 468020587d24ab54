//! What the two sides leave behind: their error logs, and the steps that the module's source names.

use std::collections::BTreeMap;

/// Lines of an error log from `crit` upwards, without numbers, by how often; a worker that was killed is none.
pub fn complaints(log: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let severe = |line: &&str| {
        ["[crit]", "[alert]", "[emerg]"]
            .iter()
            .any(|level| line.contains(level))
    };
    for line in log.lines().filter(severe) {
        let killed = ["exited on signal 9", "exited on signal 6"];
        if !killed.iter().any(|words| line.contains(words)) {
            let text: String = line.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            *found.entry(text).or_default() += 1;
        }
    }
    found
}

/// The steps at which a test build can be made to die, as its source names them: `die-...`.
pub fn steps() -> Vec<String> {
    let source = include_str!("../../../nginx-module/src/injected.rs");
    let mut steps: Vec<String> = source
        .split("\"die-")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| format!("die-{name}"))
        .collect();
    steps.sort();
    steps.dedup();
    steps
}

#[cfg(test)]
mod tests {
    use super::{complaints, steps};

    #[test]
    fn every_named_step_is_found() {
        let steps = steps();
        assert!(steps.contains(&"die-locked".to_owned()), "{steps:?}");
    }

    #[test]
    fn a_killed_worker_is_no_complaint_and_a_crash_is() {
        let log = "2026/01/01 00:00:00 [alert] 12#12: worker process 13 exited on signal 9\n\
                   2026/01/01 00:00:01 [alert] 12#12: worker process 14 exited on signal 11\n\
                   2026/01/01 00:00:02 [notice] 12#12: start worker process 15\n";
        let found = complaints(log);
        let lines: Vec<&String> = found.keys().collect();
        assert_eq!(lines, ["// :: [alert] #: worker process  exited on signal "]);
    }
}
