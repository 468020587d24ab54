//! What is remembered of a client beside its record, to report on it.

use sekisho_core::checkpoint::{Standing, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::key::shown_client;

/// Longest client name that is kept, in bytes: no address is longer than 45.
const MAX_NAME: usize = 128;

/// The moment a client was first flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Number of the request, from 1.
    pub request: u64,
    /// Its time, unix seconds.
    pub at: u32,
}

/// A score, and the features it was given for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The score, 0 to 1.
    pub score: f32,
    /// In schema order.
    pub features: Features,
}

/// One client. A slot belongs to the record at the same set and way.
#[derive(Clone, Debug)]
pub struct Slot {
    /// As the log shows it; empty marks a free slot.
    pub name: Box<[u8]>,
    /// Requests of this client.
    pub requests: u64,
    /// Requests that would have been stopped.
    pub stopped: u64,
    /// Least and greatest time, unix seconds.
    pub seen: (u32, u32),
    /// The worst verdict so far.
    pub worst: Verdict,
    /// On the allow-list.
    pub allowed: bool,
    /// First time suspect or worse.
    pub flag: Option<Flag>,
    /// Last score.
    pub last_score: Option<f32>,
    /// The score in force; `None` until the first: most clients of a log never get one.
    latest: Option<Box<Scored>>,
    /// The highest score that was in force once the client could be judged, or until then the highest.
    pub peak: Option<Box<Scored>>,
    judged: bool,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            name: Box::default(),
            requests: 0,
            stopped: 0,
            seen: (u32::MAX, 0),
            worst: Verdict::Passed,
            allowed: false,
            flag: None,
            last_score: None,
            latest: None,
            peak: None,
            judged: false,
        }
    }
}

impl Slot {
    /// A client's first request.
    pub fn new(name: &[u8], allowed: bool) -> Slot {
        Slot {
            name: shown(&name[..name.len().min(MAX_NAME)]),
            allowed,
            ..Slot::default()
        }
    }

    /// Whether a client is in it.
    pub fn taken(&self) -> bool {
        !self.name.is_empty()
    }

    /// Keeps a new score.
    pub fn scored(&mut self, score: f32, features: &Features) {
        self.last_score = Some(score);
        let scored = Scored {
            score,
            features: *features,
        };
        match &mut self.latest {
            Some(latest) => **latest = scored,
            None => self.latest = Some(Box::new(scored)),
        }
    }

    /// Accounts a request. Scores count for the highest from `min_requests` requests on: an earlier one had
    /// no consequence, and little behind it.
    pub fn count(&mut self, at: u32, standing: &Standing, min_requests: u32) {
        self.requests += 1;
        if standing.score.is_some() {
            self.raise(self.requests >= u64::from(min_requests));
        }
        self.seen = (self.seen.0.min(at), self.seen.1.max(at));
        let verdict = standing.verdict;
        self.stopped += u64::from(verdict == Verdict::Rejected && !self.allowed);
        if verdict > Verdict::Passed && self.flag.is_none() {
            self.flag = Some(Flag {
                request: self.requests,
                at,
            });
        }
        self.worst = self.worst.max(verdict);
    }

    fn raise(&mut self, judged: bool) {
        let Some(latest) = &self.latest else { return };
        let rank = (judged, latest.score);
        match &mut self.peak {
            Some(peak) if (self.judged, peak.score) >= rank => {}
            Some(peak) => **peak = **latest,
            None => self.peak = self.latest.clone(),
        }
        self.judged |= judged;
    }

    /// Joins what was remembered of the same client before its record was evicted.
    pub fn absorb(&mut self, earlier: Slot) {
        let flag = |slot: &Slot, before: u64| {
            slot.flag.map(|flag| Flag {
                request: flag.request + before,
                ..flag
            })
        };
        self.flag = flag(&earlier, 0).or(flag(self, earlier.requests));
        self.requests += earlier.requests;
        self.stopped += earlier.stopped;
        self.seen = (self.seen.0.min(earlier.seen.0), self.seen.1.max(earlier.seen.1));
        self.worst = self.worst.max(earlier.worst);
        self.last_score = self.last_score.or(earlier.last_score);
        let rank = |slot: &Slot| slot.peak.as_ref().map(|peak| (slot.judged, peak.score));
        if rank(&earlier) > rank(self) {
            self.peak = earlier.peak;
        }
        self.judged |= earlier.judged;
    }
}
/// An IPv4 address or a name as it is, an IPv6 address as the network that is one client.
fn shown(name: &[u8]) -> Box<[u8]> {
    match std::str::from_utf8(name) {
        Ok(text) if text.contains(':') => shown_client(text).into_bytes().into(),
        _ => name.into(),
    }
}
