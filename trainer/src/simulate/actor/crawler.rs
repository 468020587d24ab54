//! Crawlers that fetch pages and nothing else, and monitors.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actor, Request, Stage, pause, waiting};
use crate::simulate::agent::Agent;
use crate::simulate::cast::Kind;
use crate::simulate::shop::Page;

/// Pages that one address asks for, at most: a run of weeks stays a log that can be read.
const MOST_PAGES: u32 = 20_000;
/// How often a price scraper comes, in milliseconds.
const SCHEDULE: u64 = 15 * 60 * 1000;
/// Products whose prices it reads.
const WATCHED: u32 = 40;
/// How often a monitor asks, in milliseconds.
const PROBE: u64 = 60 * 1000;
/// Requests after which a search engine reads robots.txt again.
const ROBOTS: u32 = 400;
/// Colours, sizes and sort orders of the filter that a faceted crawl multiplies.
const FACETS: [u32; 3] = [9, 6, 5];

/// One such client.
pub struct Crawler {
    kind: Kind,
    random: ChaCha8Rng,
    agent: Agent,
    at: u64,
    begin: u64,
    done: u32,
    offset: u32,
}

impl Crawler {
    /// A crawler that begins at `at`; `number` tells it from others of its kind.
    pub fn new(kind: Kind, at: u64, number: u32, agent: Agent, random: ChaCha8Rng) -> Crawler {
        Crawler {
            kind,
            random,
            agent,
            at,
            begin: at,
            done: 0,
            offset: number,
        }
    }

    fn request(&mut self, stage: &Stage) -> Option<Request> {
        let request = match self.kind {
            Kind::Googlebot | Kind::Bingbot => self.index(stage),
            Kind::Naive => {
                let product = (self.offset * 97 + self.done) % (stage.shop.products + 40);
                let page = stage.get(self.at, Page::Product(product), self.agent);
                page.answered(if product < stage.shop.products { 200 } else { 404 })
            }
            Kind::Polite if self.done == 0 => stage.get(self.at, Page::Robots, self.agent),
            Kind::Polite => stage.get(self.at, self.anywhere(stage), self.agent),
            Kind::Prices => {
                let item = self.done % WATCHED;
                let product = (item * 61 + self.offset * 7) % stage.shop.products;
                stage.get(self.at, Page::Product(product), self.agent)
            }
            Kind::Facets => stage.get(self.at, self.combination(stage), self.agent),
            Kind::Uptime => stage.get(self.at, Page::Home, self.agent).by("HEAD"),
            _ => stage.get(
                self.at,
                Page::Product(self.random.random_range(0..stage.shop.products)),
                self.agent,
            ),
        };
        Some(request)
    }

    /// What a search engine fetches: mostly pages, some of them gone or unchanged.
    fn index(&mut self, stage: &Stage) -> Request {
        if self.done.is_multiple_of(ROBOTS) {
            return stage.get(self.at, Page::Robots, self.agent);
        }
        let (page, status) = match self.random.random_range(0..100) {
            0..6 => (Page::Old(self.random.random_range(0..500)), 404),
            6..10 => (Page::Old(self.random.random_range(0..500)), 301),
            10..13 => (Page::Shared(self.random.random_range(0..5)), 200),
            13..16 => (Page::Sitemap, 200),
            16..30 => (self.anywhere(stage), 304),
            _ => (self.anywhere(stage), 200),
        };
        stage.get(self.at, page, self.agent).answered(status)
    }

    fn anywhere(&mut self, stage: &Stage) -> Page {
        let shop = &stage.shop;
        match self.random.random_range(0..10) {
            0..2 => {
                let category = self.random.random_range(0..shop.categories);
                let page = self.random.random_range(0..shop.pages_of(category));
                Page::Category { category, page }
            }
            _ => Page::Product(self.random.random_range(0..shop.products)),
        }
    }

    /// Every combination of every filter of one category after the other.
    fn combination(&self, stage: &Stage) -> Page {
        let mut number = self.done;
        let facets = FACETS.map(|choices| {
            let choice = number % choices;
            number /= choices;
            choice as u8
        });
        let category = (self.offset * 5 + number / 4) % stage.shop.categories;
        Page::Filter {
            category,
            facets,
            page: number % 4,
        }
    }

    fn after(&mut self) -> u64 {
        match self.kind {
            Kind::Googlebot | Kind::Bingbot => self.at + 500 + waiting(&mut self.random, 12.0),
            Kind::Naive => self.at + 1000,
            Kind::Polite => self.at + pause(&mut self.random, 5.0, 25.0),
            Kind::Prices if self.done.is_multiple_of(WATCHED) => {
                self.begin + u64::from(self.done / WATCHED) * SCHEDULE
            }
            Kind::Prices => self.at + pause(&mut self.random, 1.0, 2.0),
            Kind::Facets => self.at + pause(&mut self.random, 0.4, 2.0),
            _ => self.begin + u64::from(self.done) * PROBE,
        }
    }

    fn is_over(&self) -> bool {
        self.done >= if self.kind == Kind::Swarm { 1 } else { MOST_PAGES }
    }
}

impl Actor for Crawler {
    fn next(&mut self, stage: &Stage) -> Option<Request> {
        if self.is_over() {
            return None;
        }
        let request = self.request(stage);
        self.done += 1;
        self.at = self.after();
        request
    }

    fn notes(&self) -> String {
        let notes = match self.kind {
            Kind::Googlebot | Kind::Bingbot | Kind::Uptime => "a good bot: allow it by its network",
            Kind::Naive => "products by number, no referer",
            Kind::Polite => "says who it is, keeps to robots.txt, waits with jitter",
            Kind::Prices => "the same products every 15 minutes",
            Kind::Facets => "every combination of every filter",
            _ => "one request",
        };
        notes.to_owned()
    }
}
