//! Hypotheses about servers: from [`SIGNS`], and from changes of the champion.

use super::super::access::Counts;
use super::super::cite::Cite;
use super::super::evidence::{Evidence, Pair, SplitBy};
use super::signs::{SIGNS, Signs, Statuses};
use super::{Finding, Hypothesis};
use crate::figures::grouped;
use crate::registry::shelf::short;
use crate::report::{code, duration, time};

/// Kinds of lines, and metrics, that are told of one entry.
const TOLD: usize = 4;
/// Something that happened within this part of the time from when it began happened "then".
const NEAR: u32 = 10;

/// All entries whose signs are there.
pub fn all(evidence: &Evidence) -> Vec<Hypothesis> {
    SIGNS.iter().filter_map(|signs| one(signs, evidence)).collect()
}

fn one(signs: &Signs, evidence: &Evidence) -> Option<Hypothesis> {
    let mut found = Hypothesis::new(signs.id, signs.title);
    messages(&mut found, signs, evidence);
    let said = !found.supports.is_empty();
    statuses(&mut found, signs, evidence, said);
    let risen = evidence.risen(signs.metrics).take(TOLD);
    for (place, changed) in risen.enumerate() {
        found.supports.push(Finding::cited(
            if place == 0 { 2.0 } else { 0.5 },
            format!(
                "{} rose from {:.3} to {:.3}{} at {}",
                code(&changed.metric),
                changed.change.before,
                changed.change.after,
                if changed.rate { " a second" } else { "" },
                time(changed.at)
            ),
            std::slice::from_ref(&changed.cite),
        ));
    }
    if signs.id == "own_limits" {
        stopped(&mut found, evidence);
    }
    if signs.id == "reload" {
        promotions(&mut found, evidence);
    }
    if found.supports.is_empty() {
        return None;
    }
    if !said && !signs.messages.is_empty() && evidence.errors.is_some() {
        found
            .against
            .push(Finding::new(1.0, "the error log has no line that says so"));
    }
    Some(found.next(signs.next))
}

fn messages(found: &mut Hypothesis, signs: &Signs, evidence: &Evidence) {
    let mut kinds: Vec<_> = evidence
        .messages(signs.messages)
        // A rejection in dry run stops nobody.
        .filter(|(kind, _)| signs.id != "own_limits" || !kind.template.contains("dry run"))
        .filter(|(kind, pair)| (signs.once && kind.before == 0) || pair.grew())
        .collect();
    kinds.sort_by(|one, other| other.1.excess().total_cmp(&one.1.excess()));
    for (place, (kind, pair)) in kinds.into_iter().take(TOLD).enumerate() {
        found.supports.push(Finding::cited(
            if place == 0 { signs.weight } else { 0.5 },
            format!(
                "the error log has {} times since then {}: {}",
                grouped(kind.after),
                code(&kind.template),
                pair.says()
            ),
            &kind.cites,
        ));
    }
}

/// Statuses that fit; a rise of them alone is a sign, too.
fn statuses(found: &mut Hypothesis, signs: &Signs, evidence: &Evidence, said: bool) {
    let Some(access) = &evidence.access else { return };
    let (name, count): (&str, fn(&Counts) -> u64) = match signs.statuses {
        Statuses::Gateway => ("502, 503 or 504", |counts| counts.gateway_errors),
        Statuses::Server => ("5xx", |counts| counts.server_errors),
        Statuses::Refused => ("403, 429 or 444", |counts| counts.refused),
        Statuses::None => return,
    };
    let (before, after) = &access.totals;
    let pair = Pair::new(count(before), count(after), access.seconds);
    // 5xx alone speaks of no disk and of no limit in particular.
    let alone = signs.statuses != Statuses::Server;
    if pair.grew() && (said || alone) {
        let kinds = access
            .kinds
            .iter()
            .filter(|kind| has_status(&kind.template, name));
        let busiest = kinds.max_by_key(|kind| kind.after);
        found.supports.push(Finding::cited(
            2.0,
            format!("responses {name}: {}", pair.says()),
            busiest.map_or(&[], |kind| kind.cites.as_slice()),
        ));
    } else if said && !pair.grew() {
        found.against.push(Finding::new(
            1.0,
            format!("responses {name} did not rise: {}", pair.says()),
        ));
    }
}

/// Whether a kind of requests was answered with one of the statuses of that name.
fn has_status(template: &str, name: &str) -> bool {
    let status = template.split(' ').nth(1).unwrap_or_default();
    status.len() == 3 && (name.contains(status) || (name == "5xx" && status.starts_with('5')))
}

fn stopped(found: &mut Hypothesis, evidence: &Evidence) {
    let Some(decisions) = &evidence.decisions else {
        return;
    };
    let (before, after) = &decisions.totals;
    let pair = Pair::new(before.stopped, after.stopped, evidence.seconds());
    if pair.grew() {
        found.supports.push(Finding::new(
            1.5,
            format!("the module stopped more: samples {}", pair.says()),
        ));
    }
    if after.stopped > 0 && after.human > 0 {
        found.supports.push(Finding::new(
            1.0,
            format!(
                "{} samples are of clients that are labelled human",
                grouped(after.human)
            ),
        ));
    }
}

/// A new champion near the beginning.
fn promotions(found: &mut Hypothesis, evidence: &Evidence) {
    let near = evidence.span.seconds() / NEAR;
    let promotions = evidence
        .decisions
        .iter()
        .flat_map(|decisions| &decisions.promotions);
    for change in promotions.take(TOLD) {
        let at = u32::try_from(change.at).unwrap_or_default();
        let apart = at.abs_diff(evidence.split.at);
        let known = evidence.split.by != SplitBy::Middle;
        let said = format!(
            "the champion became {} at {}",
            code(short(&change.digest)),
            time(at)
        );
        let cite = [Cite::store(format!("promotion of {}", short(&change.digest)))];
        if known && apart <= near {
            let text = format!("{said}, {} from when it began", duration(apart));
            found.supports.push(Finding::cited(2.5, text, &cite));
        } else if !found.supports.is_empty() {
            found.supports.push(Finding::cited(0.5, said, &cite));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_statuses() {
        #[track_caller]
        fn check(template: &str, name: &str, expected: bool) {
            assert_eq!(has_status(template, name), expected);
        }
        check("GET 502 /a", "502, 503 or 504", true);
        check("GET 500 /a", "502, 503 or 504", false);
        check("GET 500 /a", "5xx", true);
        check("POST 429 /a", "403, 429 or 444", true);
        check("GET 42 /a", "403, 429 or 444", false);
        check("", "5xx", false);
    }

    #[test]
    fn every_entry_can_be_found_and_goes_on() {
        for signs in &SIGNS {
            assert!(!signs.next.is_empty(), "{}", signs.id);
            assert!(
                signs.messages.iter().all(|text| *text == text.to_lowercase()),
                "{}",
                signs.id
            );
        }
    }
}
