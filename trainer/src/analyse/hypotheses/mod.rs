//! What may have happened: a fixed catalogue, each entry with preconditions over the evidence.
//!
//! An entry whose preconditions do not hold is no hypothesis. One whose do carries findings for and against it, each
//! with a weight: 3 is what by itself makes it likely, 2 speaks plainly for it, 1 fits, and half a point is what an
//! operator should know. Hypotheses are ranked by the sum. No weight is learnt: they are judgements, written down here.

mod servers;
mod signs;
mod traffic;

use serde::Serialize;

use super::cite::Cite;
use super::evidence::Evidence;

/// A hypothesis with less is none.
const LEAST: f64 = 2.0;
/// From here on the evidence is called strong, and from the other on moderate.
const STRONG: f64 = 5.0;
const MODERATE: f64 = 3.0;
/// Hypotheses that are told.
const TOLD: usize = 8;

/// Something that speaks for a hypothesis, or against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// In words. What a visitor wrote in it was made visible.
    pub says: String,
    /// How much it weighs.
    pub weight: f64,
    /// Where to read it.
    pub cites: Vec<Cite>,
}

impl Finding {
    fn new(weight: f64, says: impl Into<String>) -> Finding {
        Finding {
            says: says.into(),
            weight,
            cites: Vec::new(),
        }
    }

    fn cited(weight: f64, says: impl Into<String>, cites: &[Cite]) -> Finding {
        Finding {
            cites: cites.to_vec(),
            ..Finding::new(weight, says)
        }
    }
}

/// What may have happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hypothesis {
    /// Name in the catalogue.
    pub id: &'static str,
    /// In words.
    pub title: String,
    /// Weights for less weights against.
    pub score: f64,
    /// `strong`, `moderate` or `weak`.
    pub evidence: &'static str,
    /// What speaks for it.
    pub supports: Vec<Finding>,
    /// What speaks against it.
    pub against: Vec<Finding>,
    /// What to look at next.
    pub next: Vec<String>,
}

impl Hypothesis {
    fn new(id: &'static str, title: impl Into<String>) -> Hypothesis {
        Hypothesis {
            id,
            title: title.into(),
            score: 0.0,
            evidence: "weak",
            supports: Vec::new(),
            against: Vec::new(),
            next: Vec::new(),
        }
    }

    fn next(mut self, steps: &[&str]) -> Hypothesis {
        self.next.extend(steps.iter().map(|step| (*step).to_owned()));
        self
    }

    fn weighed(mut self) -> Hypothesis {
        let sum = |findings: &[Finding]| findings.iter().map(|finding| finding.weight).sum::<f64>();
        let score = sum(&self.supports) - sum(&self.against);
        self.score = (score * 10.0).round() / 10.0;
        self.evidence = match self.score {
            STRONG.. => "strong",
            MODERATE.. => "moderate",
            _ => "weak",
        };
        self
    }
}

/// The entries of the catalogue.
const CATALOGUE: [fn(&Evidence) -> Vec<Hypothesis>; 6] = [
    traffic::crawls,
    traffic::swarm,
    traffic::stuffing,
    traffic::many_visitors,
    traffic::one_address,
    servers::all,
];

/// What fits the evidence, the likeliest first.
pub fn hypotheses(evidence: &Evidence) -> Vec<Hypothesis> {
    let all = CATALOGUE.iter().flat_map(|entry| entry(evidence));
    let mut fitting: Vec<Hypothesis> = all
        .map(Hypothesis::weighed)
        .filter(|hypothesis| hypothesis.score >= LEAST)
        .collect();
    // Stable: what weighs the same stays in the catalogue's order.
    fitting.sort_by(|one, other| other.score.total_cmp(&one.score));
    fitting.truncate(TOLD);
    fitting
}
