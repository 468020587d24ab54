//! Who acts: each actor is one client and hands out its requests in the order of their times.

mod browser;
mod crawler;
mod intruder;
mod office;
mod person;
mod tour;

use rand::RngExt;

use super::agent::Agent;
use super::profile::Profile;
use super::shop::{Body, Page, Shop};

pub use crawler::Crawler;
pub use intruder::Intruder;
pub use office::Office;
pub use person::{Errand, Person};
pub use tour::{Manner, Tour};

/// Where a browser came from when it came from another site.
pub const OUTSIDE: [&str; 4] = [
    "https://search.example/",
    "https://social.example/feed",
    "https://prices.example/compare",
    "https://mail.example/",
];

/// What all actors share. Times are milliseconds since 1970.
#[derive(Debug)]
pub struct Stage {
    /// How people behave.
    pub profile: Profile,
    /// Where they are.
    pub shop: Shop,
    /// When the log begins.
    pub begin: u64,
    /// When it ends.
    pub end: u64,
}

/// The referer of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referer {
    /// None is sent.
    Missing,
    /// A page of the shop.
    Page(Page),
    /// One of [`OUTSIDE`].
    Outside(u8),
}

/// One request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since 1970.
    pub at: u64,
    /// The method.
    pub method: &'static str,
    /// What is asked for.
    pub page: Page,
    /// Where it came from.
    pub referer: Referer,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: u64,
    /// Who it says it is.
    pub agent: Agent,
}

/// One client.
pub trait Actor {
    /// Its next request, never before the one that it gave last; `None` when it has gone.
    fn next(&mut self, stage: &Stage) -> Option<Request>;

    /// What the ground truth notes of it.
    fn notes(&self) -> String {
        String::new()
    }
}

impl Stage {
    /// Bytes of a body: drawn from the profile, the same whenever the same is asked for.
    pub fn bytes(&self, page: Page) -> u64 {
        let at = page.fingerprint() as f64 / u64::MAX as f64;
        let bytes = &self.profile.bytes;
        let size = match page.body() {
            Body::Page => bytes.page.at(at),
            Body::Script => bytes.script.at(at),
            Body::Picture => bytes.picture.at(at),
        };
        size as u64
    }

    /// A plain GET that is answered with 200.
    pub fn get(&self, at: u64, page: Page, agent: Agent) -> Request {
        Request {
            at,
            method: "GET",
            page,
            referer: Referer::Missing,
            status: 200,
            bytes: self.bytes(page),
            agent,
        }
    }
}

impl Request {
    /// The same with another status; what has no body then has no bytes, and errors are short.
    pub fn answered(mut self, status: u16) -> Request {
        self.status = status;
        self.bytes = match status {
            300..400 => 0,
            400.. => self.bytes.min(153),
            _ => self.bytes,
        };
        self
    }

    /// The same with a referer.
    pub fn from(mut self, referer: Referer) -> Request {
        self.referer = referer;
        self
    }

    /// The same with another method.
    pub fn by(mut self, method: &'static str) -> Request {
        self.method = method;
        if method == "HEAD" {
            self.bytes = 0;
        }
        self
    }
}

/// A pause between `low` and `high` seconds, in milliseconds.
fn pause(random: &mut impl RngExt, low: f64, high: f64) -> u64 {
    (random.random_range(low..high) * 1000.0) as u64
}

/// An exponential pause with this mean in seconds, at most ten times it, in milliseconds.
fn waiting(random: &mut impl RngExt, mean: f64) -> u64 {
    let drawn = -(1.0 - random.random::<f64>()).ln();
    (drawn.min(10.0) * mean * 1000.0) as u64
}
