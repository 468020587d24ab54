//! What is remembered of a client beside its record, to report on it.

use sekisho_core::checkpoint::{Standing, Verdict};
use sekisho_core::feature::Features;

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

/// A client's highest score, and the features it had then.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
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
    /// `None` until the first score: most clients of a log never get one.
    pub peak: Option<Box<Peak>>,
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
            peak: None,
        }
    }
}

impl Slot {
    /// A client's first request.
    pub fn new(name: &[u8], allowed: bool) -> Slot {
        Slot {
            name: name[..name.len().min(MAX_NAME)].into(),
            allowed,
            ..Slot::default()
        }
    }

    /// Whether a client is in it.
    pub fn taken(&self) -> bool {
        !self.name.is_empty()
    }

    /// Keeps a score if it is the highest.
    pub fn scored(&mut self, score: f32, features: &Features) {
        self.last_score = Some(score);
        match &mut self.peak {
            Some(peak) if peak.score >= score => {}
            Some(peak) => {
                **peak = Peak {
                    score,
                    features: *features,
                }
            }
            None => {
                self.peak = Some(Box::new(Peak {
                    score,
                    features: *features,
                }))
            }
        }
    }

    /// Accounts a request.
    pub fn count(&mut self, at: u32, standing: &Standing) {
        self.requests += 1;
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
        let score = |peak: &Option<Box<Peak>>| peak.as_ref().map_or(-1.0, |peak| peak.score);
        if score(&earlier.peak) > score(&self.peak) {
            self.peak = earlier.peak;
        }
    }
}
