//! What a calibration says, to people and to programs.

use std::fmt::Write;

use serde::Serialize;

use super::choose::{Budgets, CONFIDENCE, Counted, Cut, Held};
use super::people::People;
use crate::figures::{self, grouped};
use crate::learn::Judged;
use crate::visible::masked;

/// Clients and load at a threshold or above.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Share {
    /// Clients, weighed.
    pub clients: f64,
    /// Share of all clients.
    pub of_clients: f64,
    /// Share of all requests: those from the one on at which the threshold was reached.
    pub of_requests: f64,
    /// Of the clients, those labelled human.
    pub humans: f64,
    /// Of the clients, those labelled crawler.
    pub crawlers: f64,
}

impl Share {
    /// Counts.
    pub fn from(clients: &[Judged<'_>], threshold: f32) -> Share {
        let (mut share, mut all, mut requests, mut load) = (Share::default(), 0.0, 0.0, 0.0);
        for judged in clients {
            let weight = judged.client.weight;
            all += weight;
            requests += weight * f64::from(judged.client.requests);
            if judged.reached(threshold).is_some() {
                share.clients += weight;
                load += weight * f64::from(judged.load_from(threshold));
                share.humans += weight * f64::from(u8::from(judged.client.is_human()));
                share.crawlers += weight * f64::from(u8::from(judged.client.is_crawler()));
            }
        }
        share.of_clients = share.clients / f64::max(all, 1.0);
        share.of_requests = load / f64::max(requests, 1.0);
        share
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The zone that the directive names.
    pub zone: String,
    /// SHA-256 of the model's file.
    pub model: String,
    /// Requests before which nobody is judged.
    pub min_requests: u32,
    /// Asked for.
    pub budgets: Budgets,
    /// Who was taken for a person.
    pub people: People,
    /// Chosen on the earlier half.
    pub reject: Cut,
    /// Chosen on the earlier half.
    pub suspect: Cut,
    /// Measured on the later half.
    pub later: Held,
    /// Of all clients.
    pub would_reject: Share,
    /// Of all clients, the rejected among them.
    pub would_suspect: Share,
    /// Share of people rejected if all clients without a label that would be rejected are people.
    pub at_worst: f64,
}

impl Report {
    /// The directive to paste.
    pub fn directive(&self) -> String {
        format!(
            "sekisho zone={} threshold={:.4} suspect={:.4};",
            masked(&self.zone),
            self.reject.threshold,
            self.suspect.threshold
        )
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.directive());
        let mut line = |name: &str, threshold: f32, budget: f64, people: &Counted, later: &Counted| {
            let _ = writeln!(
                text,
                "{name} from {threshold:.4}: budget {} of people\n  earlier half  {}\n  later half    {}",
                percent(budget),
                counted(people),
                counted(later)
            );
        };
        let (reject, suspect) = (&self.reject, &self.suspect);
        line(
            "reject ",
            reject.threshold,
            self.budgets.reject,
            &reject.people,
            &self.later.reject,
        );
        line(
            "suspect",
            suspect.threshold,
            self.budgets.suspect,
            &suspect.people,
            &self.later.suspect,
        );
        let _ = writeln!(
            text,
            "\nThis would reject {}, and suspect {} more. Clients of fewer than {} requests are never judged.",
            share(&self.would_reject),
            grouped((self.would_suspect.clients - self.would_reject.clients).round() as u64),
            self.min_requests
        );
        let _ = writeln!(
            text,
            "Assumed: {}. If every client without a label that would be rejected is a person, {} of people are.",
            self.people.assumption(),
            percent(self.at_worst)
        );
        let _ = writeln!(
            text,
            "Thresholds are chosen on the earlier half so that the budget holds with {:.0} % confidence; the later half, \
             with none of the earlier networks, only checks them. Intervals are Clopper-Pearson's at {:.0} %.",
            CONFIDENCE * 100.0,
            CONFIDENCE * 100.0
        );
        text
    }
}

fn counted(people: &Counted) -> String {
    format!(
        "{} of {} people, {} ({} to {})",
        grouped(people.above.round() as u64),
        grouped(people.judged.round() as u64),
        percent(people.rate),
        percent(people.interval.0),
        percent(people.interval.1)
    )
}

fn share(share: &Share) -> String {
    format!(
        "{} ({} of all clients, {} of all requests; {} are labelled crawler, {} human)",
        figures::counted(share.clients.round() as u64, "client"),
        percent(share.of_clients),
        percent(share.of_requests),
        grouped(share.crawlers.round() as u64),
        grouped(share.humans.round() as u64)
    )
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
