//! Lines of a client's page. Texts of clients and of others are made visible; templates escape them.

use super::super::door::escaped;
use super::super::words::{Clients, OneClient};
use super::rows::{class_word, origin_word};
use crate::store::{DecisionRow, End, SampleRow, StoredLabel};
use crate::visible;

/// Characters of a client's text.
const SHOWN: usize = 256;

/// A ban as a line.
pub struct DecisionLine {
    /// Which nginx has it.
    pub nginx: String,
    /// When it began, Unix seconds.
    pub begun: u32,
    /// When it ends or would have ended.
    pub until: u32,
    /// Who began it.
    pub origin: String,
    /// Why.
    pub why: String,
    /// When it ended.
    pub ended: Option<u32>,
    /// How, in words.
    pub end: &'static str,
}

/// A label as a line.
pub struct LabelLine {
    /// What it says, in words.
    pub class: &'static str,
    /// Who says so, in words.
    pub origin: &'static str,
    /// By name.
    pub author: String,
    /// When, Unix seconds.
    pub at: u32,
    /// Why.
    pub note: String,
}

/// A sample as a line.
pub struct SampleLine {
    /// Its reference id.
    pub id: String,
    /// Where it is looked up.
    pub address: String,
    /// When it was written, Unix seconds.
    pub at: u32,
    /// Requests so far.
    pub requests: u32,
    /// Its score.
    pub score: Option<f64>,
    /// Its verdict.
    pub verdict: String,
    /// The request that it was written at.
    pub request: String,
}

/// A ban.
pub fn decision_line(row: &DecisionRow, words: &OneClient) -> DecisionLine {
    let text = |text: &str| visible::escaped(text.as_bytes(), SHOWN);
    let origin = match row.author.as_str() {
        "" => text(&row.origin),
        author => text(&format!("{}: {author}", row.origin)),
    };
    let why = match row.note.as_str() {
        "" => text(&row.reasons.join(", ")),
        note => text(note),
    };
    DecisionLine {
        nginx: text(&row.nginx),
        begun: row.begun,
        until: row.expires,
        origin,
        why,
        ended: row.ended,
        end: match row.end {
            None if row.held => words.held,
            None => match row.dry_run {
                Some(false) => words.in_force,
                Some(true) => words.dry_run,
                None => words.not_known,
            },
            Some(End::Expired) => words.end_expired,
            Some(End::Lifted) => words.end_lifted,
            Some(End::Replaced) => words.end_replaced,
            Some(End::Gone) => words.end_gone,
        },
    }
}

/// A label.
pub fn label_line(label: &StoredLabel, words: &Clients) -> LabelLine {
    LabelLine {
        class: class_word(label.class, words),
        origin: origin_word(label.origin, words),
        author: visible::escaped(label.author.as_bytes(), SHOWN),
        at: label.at,
        note: visible::escaped(label.note.as_bytes(), SHOWN),
    }
}

/// A sample.
pub fn sample_line(sample: &SampleRow) -> SampleLine {
    let request = format!("{} {}", sample.method, sample.target);
    SampleLine {
        id: visible::escaped(sample.id.as_bytes(), SHOWN),
        address: format!("/look-up?id={}", escaped(&sample.id)),
        at: sample.at,
        requests: sample.requests,
        score: sample.score,
        verdict: visible::escaped(sample.verdict.as_bytes(), SHOWN),
        request: visible::escaped(request.as_bytes(), SHOWN),
    }
}
