//! What the registry reads of an evaluation.
//!
//! Two documents are understood: the one that `sekisho evaluate --champion --challenger --format json` writes, and the
//! flat one of [`Evaluation`], for evaluations that are made elsewhere. Whatever else either holds is kept with the
//! promotion and not looked at.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A figure with the ends of its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One model on the held-out data. Rates and shares run from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// SHA-256 of the model's file, in lower-case hex.
    pub digest: String,
    /// Probability that a crawler scores over a person.
    pub auc: Option<Interval>,
    /// Share of crawlers found at the false-positive budget.
    pub recall_at_budget: Option<Interval>,
    /// Share of people over the model's own reject threshold.
    pub false_positive_rate: Option<Interval>,
    /// Share of crawlers over the model's own reject threshold.
    #[serde(default)]
    pub rejected_crawlers: Option<Interval>,
}

/// What gates read. Clients may be weighed, so counts of them need not be whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model in force; absent where there was none.
    pub champion: Option<Measured>,
    /// The model that wants to be.
    pub challenger: Measured,
    /// Clients that only the challenger would stop.
    pub newly_stopped: Option<f64>,
    /// Clients that only the champion would stop.
    pub released: Option<f64>,
    /// Clients among the newly stopped that completed something only people do, such as an order; absent where the data
    /// do not tell.
    pub completed_among_newly_stopped: Option<f64>,
    /// Canary labels that the challenger contradicts; absent where nobody looked.
    pub canaries_flipped: Option<f64>,
}

impl Evaluation {
    /// Reads either document.
    pub fn read(document: &Value) -> serde_json::Result<Evaluation> {
        if document.get("change").is_some() {
            Comparison::deserialize(document).map(Evaluation::from)
        } else {
            Evaluation::deserialize(document)
        }
    }
}

/// The part that counts of what `sekisho evaluate` writes of two models.
#[derive(Deserialize)]
struct Comparison {
    champion: Figures,
    challenger: Figures,
    change: Change,
    #[serde(default)]
    canaries_flipped: Option<f64>,
}

#[derive(Deserialize)]
struct Figures {
    digest: String,
    auc: Estimate,
    recall_at_budget: Estimate,
    all: Segment,
}

#[derive(Deserialize)]
struct Estimate {
    value: Option<f64>,
    interval: Option<(f64, f64)>,
}

#[derive(Deserialize)]
struct Segment {
    humans: Rejected,
    crawlers: Rejected,
}

#[derive(Deserialize)]
struct Rejected {
    clients: f64,
    rejected: f64,
    interval: (f64, f64),
}

#[derive(Deserialize)]
struct Change {
    newly_stopped: Moved,
    released: Moved,
    orders_known: bool,
}

#[derive(Deserialize)]
struct Moved {
    clients: f64,
    completed: f64,
}

impl Rejected {
    /// Of all its clients; `None` where there is none.
    fn share(&self) -> Option<Interval> {
        let (low, high) = self.interval;
        (self.clients > 0.0).then(|| Interval {
            value: self.rejected / self.clients,
            low,
            high,
        })
    }
}

impl From<Estimate> for Option<Interval> {
    fn from(estimate: Estimate) -> Option<Interval> {
        let (value, (low, high)) = (estimate.value?, estimate.interval?);
        Some(Interval { value, low, high })
    }
}

impl From<Figures> for Measured {
    fn from(figures: Figures) -> Measured {
        Measured {
            digest: figures.digest,
            auc: figures.auc.into(),
            recall_at_budget: figures.recall_at_budget.into(),
            false_positive_rate: figures.all.humans.share(),
            rejected_crawlers: figures.all.crawlers.share(),
        }
    }
}

impl From<Comparison> for Evaluation {
    fn from(comparison: Comparison) -> Evaluation {
        let Change {
            newly_stopped,
            released,
            orders_known,
        } = comparison.change;
        Evaluation {
            champion: Some(comparison.champion.into()),
            challenger: comparison.challenger.into(),
            completed_among_newly_stopped: orders_known.then_some(newly_stopped.completed),
            newly_stopped: Some(newly_stopped.clients),
            released: Some(released.clients),
            canaries_flipped: comparison.canaries_flipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_evaluate_writes_is_understood() {
        let figures = |digest: &str, rejected: u32| {
            json!({"name": "m.onnx", "digest": digest, "suspect": 0.5, "reject": 0.9,
                   "auc": {"value": 0.97, "interval": [0.96, 0.98]},
                   "recall_at_budget": {"value": null, "interval": null},
                   "all": {"name": "all", "humans": {"clients": 200, "rejected": rejected, "interval": [0.0, 0.02]},
                           "crawlers": {"clients": 9, "rejected": 9, "interval": [0.6, 1.0]}}})
        };
        let moved =
            |clients: f64, completed: f64| json!({"clients": clients, "load": 0.1, "completed": completed});
        let mut document = json!({"span": [1, 2], "champion": figures("aa", 1), "challenger": figures("bb", 2),
            "change": {"newly_stopped": moved(31.5, 1.0), "released": moved(4.0, 0.0), "orders_known": true}});
        let read = Evaluation::read(&document).expect("understood");
        assert_eq!((read.newly_stopped, read.released), (Some(31.5), Some(4.0)));
        assert_eq!(read.completed_among_newly_stopped, Some(1.0));
        assert_eq!(
            read.challenger.false_positive_rate.map(|rate| rate.value),
            Some(0.01)
        );
        assert_eq!(
            read.challenger.rejected_crawlers.map(|share| share.value),
            Some(1.0)
        );
        assert_eq!(read.challenger.recall_at_budget, None);
        assert_eq!(
            read.champion.map(|champion| champion.digest),
            Some("aa".to_owned())
        );
        document["change"]["orders_known"] = json!(false);
        let read = Evaluation::read(&document).expect("understood");
        assert_eq!(read.completed_among_newly_stopped, None);
        document["challenger"]["digest"] = Value::Null;
        assert!(Evaluation::read(&document).is_err());
    }
}
