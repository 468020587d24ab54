//! A run for whoever decides on it, as Markdown.

use std::fmt::Write;

use jiff::Timestamp;

use super::account::{Account, Cuts, Learnt, Shadow};
use super::runs::{Run, State};
use crate::learn::caps::Holder;
use crate::registry::shelf::short;
use crate::visible::masked;

/// All of it; what was not done yet is left out.
pub fn markdown(run: &Run) -> String {
    let account = &run.account;
    let mut text = format!("# Retraining, run {}\n\n", run.id);
    ending(&mut text, run);
    if !account.sentence.is_empty() {
        let _ = writeln!(text, "Compared: {}\n", cell(&account.sentence));
    }
    let model = |digest: &Option<String>| {
        let digest = digest.as_deref().map(short);
        digest.map_or("none".to_owned(), |digest| format!("`{}`", cell(digest)))
    };
    let _ = write!(
        text,
        "| | |\n|---|---|\n| began | {} |\n| champion | {} |\n| challenger | {} |\n| held out from | {} |\n",
        time(run.started),
        model(&run.champion),
        model(&run.challenger),
        time(account.cut)
    );
    if let Some(cuts) = &account.thresholds {
        thresholds(&mut text, cuts);
    }
    let _ = writeln!(text, "| canaries that stayed | {} |\n", account.canaries);
    gates(&mut text, account);
    if let Some(shadow) = &account.shadow {
        shadowed(&mut text, shadow);
    }
    if let Some(learnt) = &account.learnt {
        learning(&mut text, learnt);
    }
    drift(&mut text, account);
    if !account.notes.is_empty() {
        text.push_str("## Notes\n\n");
        for note in &account.notes {
            let _ = writeln!(text, "- {}", cell(note));
        }
        text.push('\n');
    }
    if run.state.is_open() {
        let _ = write!(
            text,
            "## Decide\n\n    sekisho retrain approve {0} --by NAME\n    sekisho retrain reject {0} --by NAME --why TEXT\n",
            run.id
        );
    }
    text
}

/// How it ended, and by whom where that is not for the run itself to say.
fn ending(text: &mut String, run: &Run) {
    let by = run.decided_by.as_deref().unwrap_or_default();
    let by = format!("by {}", cell(by));
    let (word, by) = match run.state {
        State::Refused => ("Refused", String::new()),
        State::Promoted => ("Promoted", by),
        State::Rejected => ("Rejected", by),
        State::RolledBack => ("Taken back", by),
        _ => return,
    };
    let why = cell(&run.why);
    let said: Vec<&str> = [&*by, &*why]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let _ = writeln!(text, "**{word}:** {}.\n", said.join(", "));
}

fn thresholds(text: &mut String, cuts: &Cuts) {
    let names = |calibrated: bool| -> Vec<String> {
        let zones = cuts
            .zones
            .iter()
            .filter(|zone| zone.is_calibrated() == calibrated);
        zones.map(|zone| cell(&zone.zone)).collect()
    };
    let (set, unset) = (names(true), names(false));
    let budget = format!("calibrated to {} of the people", percent(cuts.budget));
    let basis = match (cuts.calibrated, set.is_empty()) {
        (true, _) => budget,
        (false, true) => "**not calibrated**".to_owned(),
        (false, false) => format!(
            "{budget} of {}, **not calibrated** for {}",
            set.join(", "),
            unset.join(", ")
        ),
    };
    let _ = writeln!(
        text,
        "| suspect / reject from | {:.4} / {:.4}, {basis} |",
        cuts.suspect, cuts.reject
    );
    if cuts.zones.len() < 2 {
        return;
    }
    for zone in &cuts.zones {
        let own = match (zone.suspect, zone.reject) {
            (Some(suspect), Some(reject)) => format!(
                "{suspect:.4} / {reject:.4}: {} and {} of {:.0} people",
                percent(zone.suspect_rate),
                percent(zone.reject_rate),
                zone.people
            ),
            _ => "too few people".to_owned(),
        };
        let _ = writeln!(text, "| what {} asks for | {own} |", cell(&zone.zone));
    }
}

fn gates(text: &mut String, account: &Account) {
    if account.gates.is_empty() {
        return;
    }
    text.push_str("## Gates\n\n| | |\n|---|---|\n");
    for gate in &account.gates {
        let state = if gate.open { "open" } else { "**closed**" };
        let _ = writeln!(text, "| {state} | {} |", cell(&gate.text));
    }
    text.push('\n');
}

fn shadowed(text: &mut String, shadow: &Shadow) {
    text.push_str("## Beside the champion\n\n");
    if shadow.clients <= 0.0 {
        text.push_str("No client was scored.\n\n");
        return;
    }
    let _ = write!(
        text,
        "It scored {:.0} clients and would have stopped {:.0} of them, {}",
        shadow.clients,
        shadow.stopped,
        percent(shadow.stopped / shadow.clients)
    );
    let _ = match shadow.forecast {
        Some(forecast) => writeln!(text, "; the forecast was {}.", percent(forecast)),
        None => writeln!(text, "."),
    };
    if shadow.jumps {
        text.push_str("**That is beyond the bounds of [retrain]: it stops more than was forecast.**\n");
    }
    text.push('\n');
}

fn learning(text: &mut String, learnt: &Learnt) {
    let _ = writeln!(
        text,
        "## Learnt from\n\n{} people and {} crawlers, {} trees. Conversions that were not believed: {}.\n",
        learnt.people, learnt.crawlers, learnt.trees, learnt.doubted
    );
    if let Some(held) = &learnt.held_out {
        let _ = writeln!(
            text,
            "Within that, on {} people and {} crawlers whose networks were not learnt from: AUC {:.4}.\n",
            held.humans, held.crawlers, held.auc
        );
    }
    text.push_str(
        "Greatest shares of weight within a class:\n\n| class | holder | cap | before | after | cut down |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    for capped in &learnt.caps {
        let holder = match capped.holder {
            Holder::Client => "client".to_owned(),
            Holder::Network => "network".to_owned(),
            Holder::Day => format!("day, {}", cell(&capped.largest)),
        };
        let _ = writeln!(
            text,
            "| {} | {holder} | {} | {} | {} | {} |",
            if capped.crawlers { "crawlers" } else { "people" },
            percent(capped.cap),
            percent(capped.before),
            percent(capped.after),
            capped.cut
        );
    }
    text.push('\n');
}

fn drift(text: &mut String, account: &Account) {
    if account.drift.is_empty() {
        return;
    }
    text.push_str("## Drift\n\n| zone | alarms | to watch | |\n|---|--:|--:|---|\n");
    for zone in &account.drift {
        let said = zone.trouble.clone().unwrap_or_else(|| zone.alarming.join(", "));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell(&zone.zone),
            zone.alarms,
            zone.watched,
            cell(&said)
        );
    }
    text.push('\n');
}

/// Somebody's text within a line, or a cell, of Markdown.
fn cell(text: &str) -> String {
    let mut shown = String::new();
    for character in masked(text).chars() {
        if matches!(character, '|' | '<' | '`' | '[' | '\\') {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::account::{Gate, ZoneCuts, ZoneDrift};
    use super::*;
    use crate::learn::caps::Capped;
    use crate::train::HeldOut;

    fn learnt() -> Learnt {
        let capped = |holder, cut, largest: &str| Capped {
            holder,
            crawlers: false,
            cap: 0.02,
            before: 0.4,
            after: 0.02,
            cut,
            largest: largest.to_owned(),
        };
        Learnt {
            people: 400,
            crawlers: 120,
            caps: vec![
                capped(Holder::Client, 1, ""),
                capped(Holder::Day, 0, "2027-01-08"),
            ],
            doubted: 2,
            trees: 31,
            held_out: Some(HeldOut {
                crawlers: 18,
                humans: 60,
                auc: 0.991,
                recall_at_1_percent: 0.9,
                recall_at_1_permille: 0.8,
            }),
        }
    }

    fn waiting() -> Run {
        let gate = |open, text: &str| Gate {
            asked: None,
            open,
            text: text.to_owned(),
        };
        let account = Account {
            cut: 1_799_400_000,
            learnt: Some(learnt()),
            thresholds: Some(Cuts {
                suspect: 0.61,
                reject: 0.8721,
                calibrated: false,
                budget: 0.001,
                zones: vec![
                    ZoneCuts {
                        zone: "cli|ents".to_owned(),
                        suspect: Some(0.61),
                        reject: Some(0.8721),
                        people: 3_200.0,
                        suspect_rate: 0.004,
                        reject_rate: 0.0,
                    },
                    ZoneCuts {
                        zone: "networks".to_owned(),
                        ..ZoneCuts::default()
                    },
                ],
            }),
            canaries: 12,
            sentence: "on the last 7 days this model would newly stop 31 clients.".to_owned(),
            gates: vec![gate(true, "min_auc is 0.9, measured 0.98")],
            shadow_since: Some(1_800_000_000),
            shadow: Some(Shadow {
                clients: 500.0,
                stopped: 24.0,
                forecast: Some(0.05),
                jumps: false,
            }),
            drift: vec![ZoneDrift {
                zone: "cli|ents\u{202e}".to_owned(),
                at: 1_800_000_000,
                alarms: 1,
                watched: 2,
                alarming: vec!["asset_share (0.31)".to_owned()],
                ..ZoneDrift::default()
            }],
            notes: vec!["champion does not say until when it learnt".to_owned()],
            ..Account::default()
        };
        Run {
            id: 7,
            started: 1_800_000_000,
            state: State::Waiting,
            champion: Some("ab".repeat(32)),
            challenger: Some("cd".repeat(32)),
            model: None,
            account,
            report: String::new(),
            decided_at: None,
            decided_by: None,
            why: String::new(),
        }
    }

    #[test]
    fn whoever_decides_reads_all_that_was_found() {
        insta::assert_snapshot!(markdown(&waiting()));
    }

    #[test]
    fn a_refusal_comes_first_and_nobody_is_asked() {
        let mut run = waiting();
        run.state = State::Refused;
        run.why = "a gate is closed".to_owned();
        run.account.gates[0].open = false;
        run.account.shadow = None;
        insta::assert_snapshot!(markdown(&run));
    }

    #[test]
    fn what_is_over_asks_nobody() {
        let mut run = waiting();
        run.state = State::Promoted;
        run.decided_by = Some("Night <shift>".to_owned());
        let text = markdown(&run);
        assert!(text.contains("**Promoted:** by Night \\<shift>."), "{text}");
        assert!(!text.contains("## Decide"), "{text}");
        run.state = State::RolledBack;
        run.why = "it stopped too many".to_owned();
        let text = markdown(&run);
        assert!(
            text.contains("**Taken back:** by Night \\<shift>, it stopped too many."),
            "{text}"
        );
    }
}
