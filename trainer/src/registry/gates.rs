//! Gates: what an evaluation must show before a model may become the champion.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evaluation::{Evaluation, Interval};

/// Limits of the gates: section `[gates]` of the configuration. Flags override single ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// The lower end of the challenger's AUC must reach this.
    pub min_auc: f64,
    /// So much may the AUC be below the champion's.
    pub max_auc_loss: f64,
    /// So much may the recall at the budget be below the champion's.
    pub max_recall_loss: f64,
    /// The challenger must stop this share of the crawlers, by its own thresholds.
    pub min_rejected_crawlers: f64,
    /// So much may that share be below the champion's.
    pub max_rejected_crawlers_loss: f64,
    /// The challenger may stop this share of people.
    pub max_false_positive_rate: f64,
    /// So many clients may be newly stopped; unset asks for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_newly_stopped: Option<u64>,
    /// So many clients may be released; unset asks for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_released: Option<u64>,
    /// So many of the newly stopped may have completed something.
    pub max_completed_among_newly_stopped: u64,
    /// Whether data must tell who completed something; else that gate holds where they do.
    pub require_completions: bool,
    /// So many canaries may flip.
    pub max_canaries_flipped: u64,
    /// Whether canaries must have been looked at; else that gate holds where they were. `sekisho train` looks at them
    /// before it writes a model.
    pub require_canaries: bool,
}

impl Default for Gates {
    fn default() -> Gates {
        Gates {
            // A model that ranks one pair in ten wrong is worse than any that was measured on sites it had not seen.
            min_auc: 0.9,
            // About the width of the interval over a thousand clients a class.
            max_auc_loss: 0.005,
            max_recall_loss: 0.02,
            // One that stops next to nothing ranks well and protects nobody.
            min_rejected_crawlers: 0.05,
            // Thresholds that were set anew move this share more than they move a ranking.
            max_rejected_crawlers_loss: 0.1,
            // Twice what thresholds are set to by default.
            max_false_positive_rate: 0.004,
            max_newly_stopped: None,
            max_released: None,
            max_completed_among_newly_stopped: 0,
            require_completions: false,
            max_canaries_flipped: 0,
            require_canaries: false,
        }
    }
}

/// Flags that override single limits for one promotion; they are kept with it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GateFlags {
    /// Lowest AUC of the challenger, lower end of its interval
    #[arg(long, value_name = "AUC", value_parser = share)]
    min_auc: Option<f64>,

    /// Most that the AUC may be below the champion's
    #[arg(long, value_name = "AUC", value_parser = share)]
    max_auc_loss: Option<f64>,

    /// Most that the recall at the budget may be below the champion's
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_recall_loss: Option<f64>,

    /// Smallest share of crawlers stopped
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_rejected_crawlers: Option<f64>,

    /// Most that the share of crawlers stopped may be below the champion's
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_rejected_crawlers_loss: Option<f64>,

    /// Largest share of people stopped
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_false_positive_rate: Option<f64>,

    /// Most clients newly stopped
    #[arg(long, value_name = "N")]
    max_newly_stopped: Option<u64>,

    /// Most clients released
    #[arg(long, value_name = "N")]
    max_released: Option<u64>,

    /// Most clients newly stopped that completed something
    #[arg(long, value_name = "N")]
    max_completed_among_newly_stopped: Option<u64>,

    /// Most canaries flipped
    #[arg(long, value_name = "N")]
    max_canaries_flipped: Option<u64>,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1".to_owned())
}

impl GateFlags {
    /// The limits that hold.
    pub fn over(&self, gates: Gates) -> Gates {
        Gates {
            min_auc: self.min_auc.unwrap_or(gates.min_auc),
            max_auc_loss: self.max_auc_loss.unwrap_or(gates.max_auc_loss),
            max_recall_loss: self.max_recall_loss.unwrap_or(gates.max_recall_loss),
            min_rejected_crawlers: self.min_rejected_crawlers.unwrap_or(gates.min_rejected_crawlers),
            max_rejected_crawlers_loss: self
                .max_rejected_crawlers_loss
                .unwrap_or(gates.max_rejected_crawlers_loss),
            max_false_positive_rate: self
                .max_false_positive_rate
                .unwrap_or(gates.max_false_positive_rate),
            max_newly_stopped: self.max_newly_stopped.or(gates.max_newly_stopped),
            max_released: self.max_released.or(gates.max_released),
            max_completed_among_newly_stopped: self
                .max_completed_among_newly_stopped
                .unwrap_or(gates.max_completed_among_newly_stopped),
            max_canaries_flipped: self.max_canaries_flipped.unwrap_or(gates.max_canaries_flipped),
            ..gates
        }
    }
}

/// What one gate found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateResult {
    /// The limit's name in the configuration.
    pub gate: &'static str,
    /// What was measured; absent where it was not.
    pub measured: Option<f64>,
    /// What it had to keep to.
    pub limit: f64,
    /// Whether it did.
    pub passed: bool,
}

impl fmt::Display for GateResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Differences of short decimals are no short decimals.
        let short = |number: f64| (number * 1e6).round() / 1e6;
        let limit = short(self.limit);
        match self.measured {
            Some(measured) => write!(f, "{} is {limit}, measured {}", self.gate, short(measured)),
            None => write!(
                f,
                "{} is {limit}, and the evaluation does not measure it",
                self.gate
            ),
        }
    }
}

/// Every gate's result, in the order of the limits. What was not measured does not pass, unless the limits say that it
/// need not be.
pub fn check(gates: &Gates, evaluation: &Evaluation) -> Vec<GateResult> {
    let challenger = &evaluation.challenger;
    let most = |gate, measured: Option<f64>, limit: f64| GateResult {
        gate,
        measured,
        limit,
        passed: measured.is_some_and(|measured| measured <= limit),
    };
    let least = |gate, measured: Option<f64>, limit: f64| GateResult {
        gate,
        measured,
        limit,
        passed: measured.is_some_and(|measured| measured >= limit),
    };
    let value = |share: Option<Interval>| share.map(|share| share.value);
    let mut results = vec![
        least("min_auc", challenger.auc.map(|auc| auc.low), gates.min_auc),
        least(
            "min_rejected_crawlers",
            value(challenger.rejected_crawlers),
            gates.min_rejected_crawlers,
        ),
    ];
    if let Some(champion) = &evaluation.champion {
        let loss =
            |before: Option<Interval>, after: Option<Interval>| Some(exact(before?.value - after?.value));
        results.push(most(
            "max_auc_loss",
            loss(champion.auc, challenger.auc),
            gates.max_auc_loss,
        ));
        let recall = loss(champion.recall_at_budget, challenger.recall_at_budget);
        results.push(most("max_recall_loss", recall, gates.max_recall_loss));
        let rejected = loss(champion.rejected_crawlers, challenger.rejected_crawlers);
        results.push(most(
            "max_rejected_crawlers_loss",
            rejected,
            gates.max_rejected_crawlers_loss,
        ));
    }
    results.push(most(
        "max_false_positive_rate",
        value(challenger.false_positive_rate),
        gates.max_false_positive_rate,
    ));
    if let Some(limit) = gates.max_newly_stopped {
        results.push(most("max_newly_stopped", evaluation.newly_stopped, limit as f64));
    }
    if let Some(limit) = gates.max_released {
        results.push(most("max_released", evaluation.released, limit as f64));
    }
    let where_known = |gate, measured: Option<f64>, limit: u64, required: bool| GateResult {
        passed: measured.map_or(!required, |measured| measured <= limit as f64),
        ..most(gate, measured, limit as f64)
    };
    results.push(where_known(
        "max_completed_among_newly_stopped",
        evaluation.completed_among_newly_stopped,
        gates.max_completed_among_newly_stopped,
        gates.require_completions,
    ));
    results.push(where_known(
        "max_canaries_flipped",
        evaluation.canaries_flipped,
        gates.max_canaries_flipped,
        gates.require_canaries,
    ));
    results
}

/// Without the last digits of a difference of decimals: 0.95 less 0.945 is 0.005.
fn exact(difference: f64) -> f64 {
    (difference * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::Measured;
    use super::*;

    fn interval(value: f64) -> Option<Interval> {
        let (low, high) = (value - 0.01, value + 0.01);
        Some(Interval { value, low, high })
    }

    fn measured(auc: f64, recall: f64, people: f64) -> Measured {
        Measured {
            digest: "ab".repeat(32),
            auc: interval(auc),
            recall_at_budget: interval(recall),
            false_positive_rate: interval(people),
            rejected_crawlers: interval(0.7),
        }
    }

    fn good() -> Evaluation {
        Evaluation {
            champion: Some(measured(0.95, 0.8, 0.003)),
            challenger: measured(0.96, 0.85, 0.002),
            newly_stopped: Some(31.0),
            released: Some(4.0),
            completed_among_newly_stopped: Some(0.0),
            canaries_flipped: Some(0.0),
        }
    }

    #[test]
    fn each_gate_closes_by_itself() {
        #[track_caller]
        fn check(change: impl Fn(&mut Evaluation, &mut Gates), expected: &str) {
            let (mut evaluation, mut gates) = (good(), Gates::default());
            change(&mut evaluation, &mut gates);
            let results = super::check(&gates, &evaluation);
            let closed: Vec<String> = results
                .iter()
                .filter(|r| !r.passed)
                .map(GateResult::to_string)
                .collect();
            assert_eq!(closed.join("; "), expected);
        }
        check(|_, _| {}, "");
        check(
            |e, _| (e.canaries_flipped, e.completed_among_newly_stopped) = (None, None),
            "",
        );
        check(|e, _| e.champion = None, "");
        check(
            |e, _| e.challenger.auc = interval(0.905),
            "min_auc is 0.9, measured 0.895; max_auc_loss is 0.005, measured 0.045",
        );
        check(|e, _| e.challenger.auc = interval(0.945), "");
        check(
            |e, _| e.challenger.auc = interval(0.944),
            "max_auc_loss is 0.005, measured 0.006",
        );
        check(
            |e, _| e.challenger.recall_at_budget = interval(0.7),
            "max_recall_loss is 0.02, measured 0.1",
        );
        check(
            |e, _| e.challenger.rejected_crawlers = interval(0.59),
            "max_rejected_crawlers_loss is 0.1, measured 0.11",
        );
        check(
            |e, _| (e.champion, e.challenger.rejected_crawlers) = (None, interval(0.0)),
            "min_rejected_crawlers is 0.05, measured 0",
        );
        check(
            |e, _| (e.champion, e.challenger.rejected_crawlers) = (None, None),
            "min_rejected_crawlers is 0.05, and the evaluation does not measure it",
        );
        check(
            |e, _| e.challenger.false_positive_rate = interval(0.005),
            "max_false_positive_rate is 0.004, measured 0.005",
        );
        check(
            |e, _| e.challenger.false_positive_rate = None,
            "max_false_positive_rate is 0.004, and the evaluation does not measure it",
        );
        check(
            |_, g| g.max_newly_stopped = Some(30),
            "max_newly_stopped is 30, measured 31",
        );
        check(|_, g| g.max_released = Some(3), "max_released is 3, measured 4");
        check(
            |e, _| e.completed_among_newly_stopped = Some(1.0),
            "max_completed_among_newly_stopped is 0, measured 1",
        );
        check(
            |e, g| (e.canaries_flipped, g.require_canaries) = (None, true),
            "max_canaries_flipped is 0, and the evaluation does not measure it",
        );
        check(
            |e, _| {
                e.challenger.auc = Some(Interval {
                    value: f64::NAN,
                    low: f64::NAN,
                    high: f64::NAN,
                })
            },
            "min_auc is 0.9, measured NaN; max_auc_loss is 0.005, measured NaN",
        );
    }

    #[test]
    fn shares_are_shares() {
        for bad in ["7", "-0.1", "NaN", "inf", "", "x"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (share("0"), share("0.25"), share("1")),
            (Ok(0.0), Ok(0.25), Ok(1.0))
        );
    }

    #[test]
    fn flags_override_single_limits() {
        let flags = GateFlags {
            max_canaries_flipped: Some(2),
            max_released: Some(9),
            ..GateFlags::default()
        };
        let expected = Gates {
            max_canaries_flipped: 2,
            max_released: Some(9),
            ..Gates::default()
        };
        assert_eq!(flags.over(Gates::default()), expected);
    }
}
