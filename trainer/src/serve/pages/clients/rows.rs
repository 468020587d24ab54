//! One line of a list of clients.

use super::super::door::escaped;
use super::super::words::{Clients, fill};
use crate::picture::{bar, spark};
use crate::store::{Class, ClientRow, Origin};
use crate::visible;

/// Characters of a name that are shown.
const SHOWN: usize = 128;
/// Bars of the row of small bars, one an hour.
const HOURS: usize = 24;
/// Seconds of one.
const HOUR: u32 = 3600;

/// One client as a list shows it. Texts of clients are made visible; templates escape them.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Where the clients of its zone are.
    pub zone_address: String,
    /// Its network.
    pub network: String,
    /// Where the clients of its network are.
    pub network_address: String,
    /// Newest score.
    pub score: Option<f64>,
    /// The worst verdict.
    pub worst: String,
    /// Requests.
    pub requests: u32,
    /// Unix seconds of its last sample.
    pub last: u32,
    /// What is believed of it, and who says so.
    pub label: Option<String>,
    /// Whether labels contradict each other.
    pub conflict: bool,
    /// When its samples were written.
    pub spark: String,
}

impl Row {
    /// Of a client of which samples were written at `seen`, Unix seconds of the last day before `now`.
    pub fn new(client: &ClientRow, seen: &[u32], words: &Clients, now: u32) -> Row {
        Row {
            id: client.id,
            name: visible::escaped(client.name.as_bytes(), SHOWN),
            zone: visible::escaped(client.zone.as_bytes(), SHOWN),
            zone_address: format!("/clients?zone={}", escaped(&client.zone)),
            network: visible::escaped(client.network.as_bytes(), SHOWN),
            network_address: format!("/clients?network={}", escaped(&client.network)),
            score: client.score,
            worst: visible::escaped(client.worst.as_bytes(), SHOWN),
            requests: client.requests,
            last: client.last,
            label: label(client, words),
            conflict: client.conflict,
            spark: spark(&hours(seen, now)),
        }
    }

    /// The score as a bar; nothing without one.
    pub fn bar(&self) -> Option<String> {
        self.score.map(bar)
    }
}

/// What is believed of a client, in words.
pub fn label(client: &ClientRow, words: &Clients) -> Option<String> {
    let (class, origin) = client.class.zip(client.origin)?;
    Some(fill(
        words.by,
        &[class_word(class, words), origin_word(origin, words)],
    ))
}

/// A class in words.
pub fn class_word(class: Class, words: &Clients) -> &'static str {
    match class {
        Class::Human => words.human,
        Class::Crawler => words.crawler,
    }
}

/// An origin in words.
pub fn origin_word(origin: Origin, words: &Clients) -> &'static str {
    match origin {
        Origin::Operator => words.origin_operator,
        Origin::VerifiedBot => words.origin_verified_bot,
        Origin::Trap => words.origin_trap,
        Origin::Conversion => words.origin_conversion,
        Origin::Declared => words.origin_declared,
    }
}

/// The first second that a row of small bars shows.
pub fn since(now: u32) -> u32 {
    now.saturating_sub(HOURS as u32 * HOUR)
}

/// How many of these seconds are in each of the last hours.
fn hours(seen: &[u32], now: u32) -> [u32; HOURS] {
    let mut hours = [0; HOURS];
    let from = since(now);
    for at in seen.iter().filter(|at| **at >= from) {
        let place = ((at - from) / HOUR) as usize;
        hours[place.min(HOURS - 1)] += 1;
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_counted_by_the_hour() {
        let now = 1_800_000_000;
        let mut expected = [0; HOURS];
        expected[0] = 1;
        expected[23] = 3;
        let seen = [now + 30, now, now - 3599, now - 24 * 3600, now - 24 * 3600 - 1];
        assert_eq!(hours(&seen, now), expected);
        assert_eq!(hours(&[], 0), [0; HOURS]);
    }
}
