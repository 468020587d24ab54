//! What a run did and found: kept with it as JSON, and what its report is made of. No client is named in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calibrate::Report;
use crate::drift::{Drift, Drifted, State};
use crate::learn::caps::Capped;
use crate::registry::gates::GateResult;
use crate::train::{HeldOut, Made};

/// All of it; parts are absent until their step was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// From here on samples were held out, unix seconds.
    pub cut: u32,
    /// What was learnt from.
    pub learnt: Option<Learnt>,
    /// Where the model cuts.
    pub thresholds: Option<Cuts>,
    /// Rows that must not flip and did not.
    pub canaries: usize,
    /// What `sekisho evaluate` says of the two models, as its JSON.
    pub evaluation: Option<Value>,
    /// The same in a sentence.
    pub sentence: String,
    /// What the gates found.
    pub gates: Vec<Gate>,
    /// Since when the challenger scores beside the champion, unix seconds.
    pub shadow_since: Option<u32>,
    /// What came of that.
    pub shadow: Option<Shadow>,
    /// Drift of each zone.
    pub drift: Vec<ZoneDrift>,
    /// What to know before trusting it.
    pub notes: Vec<String>,
}

/// What was learnt from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// Clients labelled human.
    pub people: usize,
    /// Clients labelled crawler.
    pub crawlers: usize,
    /// Shares of weight, before and after.
    pub caps: Vec<Capped>,
    /// Conversions that were not believed.
    pub doubted: usize,
    /// Trees that were grown.
    pub trees: usize,
    /// How a model of the earlier parts did on the part that it had not seen.
    pub held_out: Option<HeldOut>,
}

/// Where the model cuts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    /// From here on suspect.
    pub suspect: f32,
    /// From here on rejected.
    pub reject: f32,
    /// Whether they were set on the people of every zone, to the budget.
    pub calibrated: bool,
    /// The budget.
    pub budget: f64,
    /// Zone by zone.
    #[serde(default)]
    pub zones: Vec<ZoneCuts>,
}

/// What the people of one zone ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ZoneCuts {
    /// Its name.
    pub zone: String,
    /// Suspect from here on would be enough for them; absent where too few of them can be judged.
    pub suspect: Option<f32>,
    /// The same of rejections.
    pub reject: Option<f32>,
    /// People judged where these come from, weighed.
    pub people: f64,
    /// Share of them that is suspect from there on.
    pub suspect_rate: f64,
    /// Share of them that is rejected from there on.
    pub reject_rate: f64,
}

impl ZoneCuts {
    /// From a calibration.
    pub fn of(report: &Report) -> ZoneCuts {
        ZoneCuts {
            zone: report.zone.clone(),
            suspect: Some(report.suspect.threshold),
            reject: Some(report.reject.threshold),
            people: report.reject.people.judged,
            suspect_rate: report.suspect.people.rate,
            reject_rate: report.reject.people.rate,
        }
    }

    /// Whether there were people enough.
    pub fn is_calibrated(&self) -> bool {
        self.reject.is_some()
    }
}

/// What one gate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Whether it is open.
    pub open: bool,
    /// Its limit and what was measured.
    pub text: String,
    /// The same apart; absent in accounts of earlier versions.
    #[serde(default)]
    pub asked: Option<AskedGate>,
}

/// What a gate asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedGate {
    /// The limit's name in the configuration.
    pub gate: String,
    /// What had to be kept to.
    pub limit: f64,
    /// What was measured; absent where it was not.
    pub measured: Option<f64>,
}

/// The challenger beside the champion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    /// Clients that it judged, weighed.
    pub clients: f64,
    /// Of these, those that it would have stopped, weighed.
    pub stopped: f64,
    /// The share that the evaluation forecasts; absent where it does not.
    pub forecast: Option<f64>,
    /// Whether it stops more than the forecast, beyond the bounds of [retrain].
    pub jumps: bool,
}

/// How a zone drifted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ZoneDrift {
    /// Its name.
    pub zone: String,
    /// When somebody looked, unix seconds.
    pub at: u32,
    /// Things that alarm.
    pub alarms: usize,
    /// Things to watch.
    pub watched: usize,
    /// Population stability index of the scores.
    #[serde(default)]
    pub score_index: Option<f64>,
    /// The highest of a feature.
    #[serde(default)]
    pub highest_index: Option<f64>,
    /// What alarms.
    pub alarming: Vec<String>,
    /// Why nothing was compared.
    pub trouble: Option<String>,
}

impl Account {
    /// As it is kept.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Whether nothing closes a gate.
    pub fn passes(&self) -> bool {
        !self.gates.is_empty() && self.gates.iter().all(|gate| gate.open)
    }
}

impl Learnt {
    /// From what a training says, which names no client.
    pub fn of(made: &Made, people: usize, crawlers: usize) -> Learnt {
        let account = &made.account;
        Learnt {
            people,
            crawlers,
            caps: account.caps.clone(),
            doubted: account.doubted,
            trees: account.stopped_at.unwrap_or(account.most_trees),
            held_out: account.held_out,
        }
    }
}

impl From<&GateResult> for Gate {
    fn from(result: &GateResult) -> Gate {
        Gate {
            open: result.passed,
            text: result.to_string(),
            asked: Some(AskedGate {
                gate: result.gate.to_owned(),
                limit: result.limit,
                measured: result.measured.filter(|measured| measured.is_finite()),
            }),
        }
    }
}

impl ZoneDrift {
    /// From a comparison.
    pub fn of(zone: &str, at: u32, drift: &Drift) -> ZoneDrift {
        let numbers = std::iter::once(&drift.score).chain(&drift.features);
        let alarming = numbers.filter(|number| number.state == State::Alarm);
        let named = alarming.map(|Drifted { name, index, .. }| format!("{name} ({index:.2})"));
        let shares = drift.shares.iter().filter(|share| share.state == State::Alarm);
        ZoneDrift {
            zone: zone.to_owned(),
            at,
            alarms: drift.alarms,
            watched: drift.watched,
            score_index: Some(drift.score.index),
            highest_index: drift.features.first().map(|feature| feature.index),
            alarming: named
                .chain(shares.map(|share| format!("clients {}", share.name)))
                .collect(),
            trouble: None,
        }
    }
}
