//! Crawlers that drive a browser: they load what a page needs, send referers, take their time, and walk the
//! catalogue from its first page to its last.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::browser::Browser;
use super::{Actor, Referer, Request, Stage, pause};
use crate::simulate::agent::Agent;
use crate::simulate::shop::{PER_PAGE, PICTURES, Page};

/// How such a crawler hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A fresh browser for every page, a few seconds on each.
    Headless,
    /// One browser with a cache, a reader's pauses, here and there a page twice.
    Walker,
}

/// One such crawler; `number` of `several` share the catalogue.
pub struct Tour {
    random: ChaCha8Rng,
    browser: Browser,
    manner: Manner,
    category: u32,
    several: u32,
    page: u32,
    /// The next product of the listing; `None` when the listing itself is next.
    place: Option<u32>,
    last: Option<Page>,
    next_page: u64,
    pages_left: u32,
    /// Latest first.
    waiting: Vec<Request>,
}

/// Pages that one address asks for, at most: such crawlers change addresses.
const MOST_PAGES: u32 = 220;

impl Tour {
    /// A crawler that begins at `at` with a share of the categories.
    pub fn new(manner: Manner, at: u64, number: u32, several: u32, agent: Agent, random: ChaCha8Rng) -> Tour {
        Tour {
            random,
            browser: Browser::new(agent),
            manner,
            category: number,
            several: several.max(1),
            page: 0,
            place: None,
            last: None,
            next_page: at,
            pages_left: MOST_PAGES,
            waiting: Vec::new(),
        }
    }

    fn step(&mut self, stage: &Stage) {
        let at = self.next_page;
        let category = self.category % stage.shop.categories;
        let listing = Page::Category {
            category,
            page: self.page,
        };
        let page = match self.place {
            None => listing,
            Some(place) => Page::Product(stage.shop.product_at(category, self.page * PER_PAGE + place)),
        };
        let referer = match (self.place, self.last) {
            (_, None) => Referer::Outside(0),
            (Some(_), _) => Referer::Page(listing),
            (None, Some(last)) => Referer::Page(last),
        };
        self.waiting
            .push(stage.get(at, page, self.browser.agent()).from(referer));
        let dwell = self.dwell();
        self.load(page, at, dwell, stage);
        self.last = Some(listing);
        self.advance(category, stage);
        self.pages_left -= 1;
        self.next_page = at + dwell;
        self.waiting.reverse();
        self.waiting.sort_by_key(|request| std::cmp::Reverse(request.at));
    }

    fn load(&mut self, page: Page, at: u64, within: u64, stage: &Stage) {
        let count = match self.manner {
            Manner::Headless => {
                self.browser.forget();
                u32::from(PICTURES) + PER_PAGE
            }
            Manner::Walker => {
                let assets = &stage.profile.assets;
                let drawn = if self.last.is_none() {
                    &assets.first
                } else {
                    &assets.later
                };
                drawn.count(self.random.random_range(0.3..0.9))
            }
        };
        self.browser.load(
            page,
            at..at + within,
            count,
            stage,
            &mut self.random,
            &mut self.waiting,
        );
    }

    /// Every product of a listing, then the next listing, then the next category of its share.
    fn advance(&mut self, category: u32, stage: &Stage) {
        let next = self.place.map_or(0, |place| place + 1);
        let shown = (stage.shop.size_of(category) - self.page * PER_PAGE).min(PER_PAGE);
        if next < shown {
            self.place = Some(next);
            return;
        }
        self.place = None;
        self.page += 1;
        if self.page >= stage.shop.pages_of(category) {
            self.page = 0;
            self.category = category + self.several;
        }
    }

    fn dwell(&mut self) -> u64 {
        match self.manner {
            Manner::Headless => pause(&mut self.random, 2.0, 5.0),
            Manner::Walker => pause(&mut self.random, 4.0, 16.0),
        }
    }
}

impl Actor for Tour {
    fn next(&mut self, stage: &Stage) -> Option<Request> {
        while self.pages_left > 0
            && self
                .waiting
                .last()
                .is_none_or(|request| request.at > self.next_page)
        {
            self.step(stage);
        }
        self.waiting.pop()
    }

    fn notes(&self) -> String {
        match self.manner {
            Manner::Headless => "renders every page with an empty cache".to_owned(),
            Manner::Walker => {
                "renders, keeps a cache, takes its time, walks the catalogue in order".to_owned()
            }
        }
    }
}
