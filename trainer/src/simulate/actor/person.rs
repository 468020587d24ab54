//! A person: comes from somewhere, looks around, searches, goes back, compares in tabs, sometimes buys.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Geometric};

use super::browser::Browser;
use super::{Actor, OUTSIDE, Referer, Request, Stage};
use crate::simulate::agent::Agent;
use crate::simulate::shop::{Page, TERMS};

/// Tabs that a person keeps open.
const MOST_TABS: usize = 4;
/// Pages that one tab can go back to.
const MOST_HISTORY: usize = 16;
/// Visits of one person.
const MOST_VISITS: u32 = 6;
/// Pages of one visit.
const MOST_PAGES: u64 = 2000;
/// How often somebody at a sale loads the page again at most.
const RELOADS: u32 = 8;
/// A form's answer sends the browser on within this many milliseconds.
const REDIRECT: u64 = 120;

/// What brings a person here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To look around.
    Browse,
    /// To buy this product the moment it goes on sale.
    Sale(u32),
}

/// One person with one browser.
pub struct Person {
    random: ChaCha8Rng,
    browser: Browser,
    errand: Errand,
    tabs: Vec<Vec<Page>>,
    tab: usize,
    visits: u32,
    pages: u32,
    first: bool,
    reloads: u32,
    next_page: Option<u64>,
    /// Latest first.
    waiting: Vec<Request>,
}

impl Person {
    /// A person who comes at `at`.
    pub fn new(at: u64, agent: Agent, errand: Errand, stage: &Stage, mut random: ChaCha8Rng) -> Person {
        let mut visits = 1;
        while visits < MOST_VISITS && random.random_bool(stage.profile.visits.returning.value()) {
            visits += 1;
        }
        let mut person = Person {
            random,
            browser: Browser::new(agent),
            errand,
            tabs: Vec::new(),
            tab: 0,
            visits,
            pages: 0,
            first: true,
            reloads: 0,
            next_page: Some(at),
            waiting: Vec::new(),
        };
        person.arrive(stage);
        person
    }

    /// Whether the person means to come again.
    pub fn returns(&self) -> bool {
        self.visits > 1
    }

    fn arrive(&mut self, stage: &Stage) {
        let measured = stage.profile.visits.pages.count(self.random.random()).max(1);
        let pages = self.depth(measured, stage);
        self.pages = match self.errand {
            Errand::Browse => pages,
            Errand::Sale(_) => pages.max(4),
        };
        self.tabs = vec![Vec::new()];
        self.tab = 0;
        self.first = true;
        self.reloads = 0;
    }

    /// Pages of a visit to a shop: geometric with the profile's mean for each page that a visit elsewhere has.
    fn depth(&mut self, measured: u32, stage: &Stage) -> u32 {
        let mean = stage.profile.shop.depth.value();
        if mean <= 1.0 {
            return measured;
        }
        let more = Geometric::new(1.0 / mean).map_or(0, |pages| pages.sample(&mut self.random));
        (u64::from(measured) * (more + 1)).min(MOST_PAGES) as u32
    }

    /// Loads the page that is due, and knows when the next one is.
    fn step(&mut self, at: u64, stage: &Stage) {
        let from = self.tabs[self.tab].last().copied();
        let (page, referer) = match from {
            None => (self.landing(stage), self.outside(stage)),
            Some(_) => {
                let from = self.wander(stage);
                let sent = self
                    .random
                    .random_bool(stage.profile.visits.later_referer.value());
                let referer = if sent {
                    Referer::Page(from)
                } else {
                    Referer::Missing
                };
                (self.follow(from, stage), referer)
            }
        };
        let think = (self.pages > 1).then(|| self.think(stage));
        self.show(page, referer, at, think.unwrap_or(u64::MAX), stage);
        self.pages -= 1;
        self.first = false;
        self.next_page = match think {
            Some(think) => Some(at + think),
            None => self.come_again(at, stage),
        };
        // Popped from the end: the earliest is last, and of equals the one that was planned first.
        self.waiting.reverse();
        self.waiting.sort_by_key(|request| std::cmp::Reverse(request.at));
    }

    fn think(&mut self, stage: &Stage) -> u64 {
        let seconds = match self.errand {
            Errand::Sale(_) if self.reloads > 0 => self.random.random_range(2.0..20.0),
            _ => stage.profile.visits.think.at(self.random.random()),
        };
        (seconds * 1000.0) as u64
    }

    /// A run shorter than people's pauses would never see them again: none takes longer than a third of it.
    fn come_again(&mut self, at: u64, stage: &Stage) -> Option<u64> {
        self.visits -= 1;
        if self.visits == 0 {
            return None;
        }
        let away = (stage.profile.visits.away.at(self.random.random()) * 1000.0) as u64;
        let longest = (stage.end - stage.begin) / 3;
        let share = self.random.random_range(0.5..1.0);
        let away = if away > longest {
            (longest as f64 * share) as u64
        } else {
            away
        };
        self.errand = Errand::Browse;
        self.arrive(stage);
        Some(at + away)
    }

    fn landing(&mut self, stage: &Stage) -> Page {
        if let Errand::Sale(_) = self.errand {
            return Page::Sale;
        }
        match self.random.random_range(0..10) {
            0..4 => Page::Home,
            4..8 => Page::Product(stage.shop.popular_product(&mut self.random)),
            _ => Page::Category {
                category: stage.shop.popular_category(&mut self.random),
                page: 0,
            },
        }
    }

    fn outside(&mut self, stage: &Stage) -> Referer {
        match self
            .random
            .random_bool(stage.profile.visits.first_referer.value())
        {
            true => Referer::Outside(self.random.random_range(0..OUTSIDE.len() as u8)),
            false => Referer::Missing,
        }
    }

    /// Goes back, or to another tab, both of which ask the server for nothing; returns the page it ends on.
    fn wander(&mut self, stage: &Stage) -> Page {
        let habits = &stage.profile.shop;
        if self.tabs.len() > 1 && self.random.random_bool(habits.tabs.value()) {
            self.tab = self.random.random_range(0..self.tabs.len());
        }
        let history = &mut self.tabs[self.tab];
        while history.len() > 1 && self.random.random_bool(habits.back.value()) {
            history.pop();
        }
        history.last().copied().unwrap_or(Page::Home)
    }

    /// The link that is followed from a page.
    fn follow(&mut self, from: Page, stage: &Stage) -> Page {
        let habits = &stage.profile.shop;
        if let Some(page) = self.hurry(from) {
            return page;
        }
        let (search, filter) = (habits.search.value(), habits.filter.value());
        match from {
            Page::Product(_) if self.random.random_bool(habits.basket.value()) => Page::Basket,
            Page::Basket if self.random.random_bool(habits.order.value()) => Page::Checkout,
            Page::Checkout if self.random.random_bool(habits.order.value()) => {
                Page::Thanks(self.random.random_range(0..100_000_000))
            }
            _ if self.random.random_bool(search) => Page::Search {
                term: self.popular_term(),
                page: 0,
            },
            Page::Category { category, .. } | Page::Filter { category, .. }
                if self.random.random_bool(filter) =>
            {
                let facets = [5, 4, 4].map(|choices| self.random.random_range(0..choices));
                Page::Filter {
                    category,
                    facets,
                    page: 0,
                }
            }
            _ => self.look_around(from, stage),
        }
    }

    /// Somebody at a sale reloads until the product is there, and buys it.
    fn hurry(&mut self, from: Page) -> Option<Page> {
        let Errand::Sale(product) = self.errand else {
            return None;
        };
        match from {
            Page::Sale => Some(Page::Product(product)),
            Page::Product(_) if self.reloads < RELOADS && self.random.random_bool(0.6) => {
                self.reloads += 1;
                self.pages += 1;
                Some(Page::Product(product))
            }
            Page::Product(_) => Some(Page::Basket),
            Page::Basket => Some(Page::Checkout),
            Page::Checkout => Some(Page::Thanks(self.random.random_range(0..100_000_000))),
            _ => None,
        }
    }

    fn look_around(&mut self, from: Page, stage: &Stage) -> Page {
        let shop = &stage.shop;
        let luck = self.random.random_range(0..100);
        match from {
            Page::Category { category, page } if luck < 20 && page + 1 < shop.pages_of(category) => {
                Page::Category {
                    category,
                    page: page + 1,
                }
            }
            Page::Category { category, .. } | Page::Filter { category, .. } if luck < 85 => {
                // The best places of a listing are looked at most.
                let place = (self.random.random::<f64>().powi(2) * f64::from(shop.size_of(category))) as u32;
                Page::Product(shop.product_at(category, place))
            }
            Page::Product(product) if luck < 45 => Page::Category {
                category: shop.category_of(product),
                page: 0,
            },
            _ if luck < 90 => Page::Product(shop.popular_product(&mut self.random)),
            _ if luck < 93 => Page::Info(self.random.random_range(0..Page::INFOS)),
            _ if luck < 95 => Page::Home,
            _ => Page::Category {
                category: shop.popular_category(&mut self.random),
                page: 0,
            },
        }
    }

    /// Few things are searched for by many.
    fn popular_term(&mut self) -> u16 {
        (self.random.random::<f64>().powi(3) * f64::from(TERMS)) as u16
    }

    /// Requests a page with what belongs to it within so many milliseconds, and remembers where the person is.
    fn show(&mut self, page: Page, referer: Referer, at: u64, within: u64, stage: &Stage) {
        let agent = self.browser.agent();
        let request = stage.get(at, page, agent).from(referer);
        // What a form led to is preceded by the form itself.
        let form = match page {
            Page::Basket => Some(Page::Add),
            Page::Thanks(_) => Some(Page::Order),
            _ => None,
        };
        let (status, old) = (self.status(stage), Page::Old(self.random.random_range(0..500)));
        let mut shown = at;
        match (form, status) {
            (Some(form), _) => {
                let sent = stage.get(at, form, agent).from(referer);
                self.waiting.push(sent.by("POST").answered(302));
                shown = at + REDIRECT;
                self.waiting.push(Request { at: shown, ..request });
            }
            (None, 301) => {
                let moved = stage.get(at, old, agent).from(referer);
                self.waiting.push(moved.answered(301));
                shown = at + REDIRECT;
                self.waiting.push(Request { at: shown, ..request });
            }
            (None, 404) => {
                let gone = stage.get(at, old, agent).from(referer);
                self.waiting.push(gone.answered(404));
            }
            (None, _) => self.waiting.push(request.answered(status)),
        }
        let assets = &stage.profile.assets;
        let drawn = if self.first { &assets.first } else { &assets.later };
        let count = drawn.count(self.random.random());
        let when = shown..at.saturating_add(within);
        self.browser
            .load(page, when, count, stage, &mut self.random, &mut self.waiting);
        self.remember(page, stage);
    }

    fn remember(&mut self, page: Page, stage: &Stage) {
        let opens = self.tabs.len() < MOST_TABS && self.random.random_bool(stage.profile.shop.tabs.value());
        if opens && !self.first {
            self.tabs.push(vec![page]);
            self.tab = self.tabs.len() - 1;
            return;
        }
        let history = &mut self.tabs[self.tab];
        if history.len() == MOST_HISTORY {
            history.remove(0);
        }
        history.push(page);
    }

    fn status(&mut self, stage: &Stage) -> u16 {
        let mix = &stage.profile.status;
        let parts = [
            (200, mix.ok),
            (301, mix.redirect),
            (304, mix.not_modified),
            (404, mix.client_error),
            (503, mix.server_error),
        ];
        let total: f64 = parts.iter().map(|(_, part)| part.value()).sum();
        let mut rest = self.random.random::<f64>() * total;
        for (status, part) in parts {
            if rest < part.value() {
                return status;
            }
            rest -= part.value();
        }
        200
    }
}

impl Actor for Person {
    fn next(&mut self, stage: &Stage) -> Option<Request> {
        loop {
            let earliest = self.waiting.last().map(|request| request.at);
            match (earliest, self.next_page) {
                (Some(at), Some(page)) if at > page => self.step(page, stage),
                (Some(_), _) => return self.waiting.pop(),
                (None, Some(page)) => self.step(page, stage),
                (None, None) => return None,
            }
        }
    }
}
