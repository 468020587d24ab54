//! What a scan found: one row a client, and a summary.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sekisho_core::checkpoint::{Policy, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::model::{Contribution, Model, contributions};

use super::engine::{Forgotten, Outcome};
use super::slot::Flag;
use crate::logs::Trouble;
use crate::visible::escaped;

/// A feature that raises the log-odds by less than this is no reason.
const LEAST_REASON: f32 = 0.05;

/// What became of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It would have been rejected.
    Rejected,
    /// It became suspect, no more.
    Suspect,
    /// Nothing against it.
    Passed,
    /// On the allow-list.
    Allowed,
}

impl Fate {
    /// In the order in which they are shown.
    pub const ALL: [Fate; 4] = [Fate::Rejected, Fate::Suspect, Fate::Passed, Fate::Allowed];

    /// As JSON and the table have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Rejected => "rejected",
            Fate::Suspect => "suspect",
            Fate::Passed => "passed",
            Fate::Allowed => "allowed",
        }
    }
}

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    /// As the log shows it, with control characters escaped.
    pub name: String,
    /// Its requests.
    pub requests: u64,
    /// Those that would have been stopped.
    pub stopped: u64,
    /// Least and greatest time, unix seconds.
    pub seen: (u32, u32),
    /// Highest score; `None` when it was never scored.
    pub score: Option<f32>,
    /// Last score.
    pub last_score: Option<f32>,
    /// What became of it.
    pub fate: Fate,
    /// When it was first suspect or worse.
    pub flag: Option<Flag>,
    /// At the highest score, or at the end when it was never scored.
    pub features: Features,
    /// What raised the highest score, most first.
    pub reasons: Vec<Contribution>,
}

/// Clients and requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clients.
    pub clients: u64,
    /// Their requests.
    pub requests: u64,
}

/// A line that is no log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Name of the log.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Its beginning, escaped.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    /// Names of the logs, in reading order.
    pub files: Vec<String>,
    /// Lines, without blank ones.
    pub lines: u64,
    /// Lines that are no log lines.
    pub unparsable: u64,
    /// The first of them.
    pub first_unparsable: Option<BadLine>,
    /// Requests so malformed that nginx answers them before any module sees them; left out of the accounts.
    pub malformed: u64,
    /// Requests that were accounted.
    pub requests: u64,
    /// Least and greatest time, unix seconds; `None` without requests.
    pub seen: Option<(u32, u32)>,
    /// Logs that could not be read to their end.
    pub troubles: Vec<Trouble>,
}

/// The whole result.
pub struct Report {
    /// What was read.
    pub intake: Intake,
    /// Clients, those that matter most first.
    pub clients: Vec<Client>,
    /// Clients that were forgotten to make room.
    pub forgotten: Forgotten,
    /// By what became of them; forgotten ones are not among them.
    pub tallies: BTreeMap<Fate, Tally>,
    /// Requests that would have been stopped, those of forgotten clients included.
    pub stopped: u64,
    /// SHA-256 of the model's file.
    pub model: String,
    /// Thresholds in force.
    pub policy: Policy,
}

impl Report {
    /// Puts the result together; the order of the clients is the same on every run.
    pub fn new(
        intake: Intake,
        outcomes: Vec<Outcome>,
        forgotten: Forgotten,
        model: &Model,
        policy: Policy,
    ) -> Report {
        let mut clients: Vec<Client> = outcomes
            .into_par_iter()
            .map(|outcome| Client::new(outcome, model))
            .collect();
        clients.par_sort_unstable_by(|a, b| {
            let score = |client: &Client| client.score.unwrap_or(-1.0);
            a.fate
                .cmp(&b.fate)
                // Whom it costs most to serve stands first: scores of the rejected hardly differ.
                .then(b.requests.cmp(&a.requests))
                .then(score(b).total_cmp(&score(a)))
                .then_with(|| a.name.cmp(&b.name))
        });
        let mut tallies: BTreeMap<Fate, Tally> = Fate::ALL.map(|fate| (fate, Tally::default())).into();
        for client in &clients {
            let tally = tallies.entry(client.fate).or_default();
            tally.clients += 1;
            tally.requests += client.requests;
        }
        let stopped = clients.iter().map(|client| client.stopped).sum::<u64>() + forgotten.stopped;
        Report {
            intake,
            clients,
            forgotten,
            tallies,
            stopped,
            model: model.digest().to_owned(),
            policy,
        }
    }

    /// Clients, forgotten ones included.
    pub fn client_count(&self) -> u64 {
        self.clients.len() as u64 + self.forgotten.clients
    }
}

impl Client {
    fn new(outcome: Outcome, model: &Model) -> Client {
        let Outcome { slot, features } = outcome;
        let fate = match slot.worst {
            _ if slot.allowed => Fate::Allowed,
            Verdict::Rejected | Verdict::RejectedDryRun | Verdict::Trapped => Fate::Rejected,
            Verdict::Suspect => Fate::Suspect,
            Verdict::Passed | Verdict::Allowed => Fate::Passed,
        };
        let reasons = match &slot.peak {
            Some(peak) => contributions(model, &peak.features)
                .into_iter()
                .filter(|reason| reason.contribution >= LEAST_REASON)
                .take(MAX_REASONS)
                .collect(),
            None => Vec::new(),
        };
        Client {
            name: escaped(&slot.name, usize::MAX),
            requests: slot.requests,
            stopped: slot.stopped,
            seen: slot.seen,
            score: slot.peak.as_ref().map(|peak| peak.score),
            last_score: slot.last_score,
            fate,
            flag: slot.flag,
            features,
            reasons,
        }
    }
}

/// Reasons that are kept for a client.
const MAX_REASONS: usize = 5;
