//! Those who want in: stuffers of stolen passwords, and scanners for holes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actor, Referer, Request, Stage, pause};
use crate::simulate::agent::Agent;
use crate::simulate::cast::Kind;
use crate::simulate::shop::Page;

/// Passwords that one address tries.
const TRIES: u32 = 400;
/// Tries after which the shop answers 403.
const PATIENCE: u32 = 60;
/// Requests of one scan.
const PROBES: u32 = 300;

/// One such client.
pub struct Intruder {
    kind: Kind,
    random: ChaCha8Rng,
    agent: Agent,
    at: u64,
    done: u32,
}

impl Intruder {
    /// An intruder that begins at `at`.
    pub fn new(kind: Kind, at: u64, agent: Agent, random: ChaCha8Rng) -> Intruder {
        Intruder {
            kind,
            random,
            agent,
            at,
            done: 0,
        }
    }

    fn stuff(&mut self, stage: &Stage) -> Request {
        let request = stage.get(self.at, Page::Login, self.agent);
        if self.done == 0 {
            return request;
        }
        let status = match self.random.random_range(0..1000) {
            0..3 => 302,
            _ if self.done > PATIENCE => 403,
            _ => 401,
        };
        request
            .by("POST")
            .answered(status)
            .from(Referer::Page(Page::Login))
    }

    fn probe(&mut self, stage: &Stage) -> Request {
        let page = Page::Probe(self.random.random_range(0..Page::PROBES));
        let status = match self.random.random_range(0..10) {
            _ if page.is_malformed() => 400,
            0 => 403,
            _ => 404,
        };
        let method = match self.random.random_range(0..8) {
            0 => "HEAD",
            1 => "POST",
            2 => "OPTIONS",
            _ => "GET",
        };
        stage.get(self.at, page, self.agent).by(method).answered(status)
    }
}

impl Actor for Intruder {
    fn next(&mut self, stage: &Stage) -> Option<Request> {
        let (most, low, high) = match self.kind {
            Kind::Stuffing => (TRIES, 0.8, 4.0),
            _ => (PROBES, 0.1, 1.0),
        };
        if self.done == most {
            return None;
        }
        let request = match self.kind {
            Kind::Stuffing => self.stuff(stage),
            _ => self.probe(stage),
        };
        self.done += 1;
        self.at += pause(&mut self.random, low, high);
        Some(request)
    }

    fn notes(&self) -> String {
        match self.kind {
            Kind::Stuffing => "stolen passwords".to_owned(),
            _ => "looks for known holes".to_owned(),
        }
    }
}
