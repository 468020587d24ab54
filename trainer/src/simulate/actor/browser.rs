//! What a browser does with a page: it pulls in what the page needs and it does not have.

use std::ops::Range;

use rand::RngExt;

use super::{Referer, Request, Stage};
use crate::simulate::agent::Agent;
use crate::simulate::shop::{PER_PAGE, PICTURES, Page, SHARED};

/// Pictures that a browser remembers to have; a real cache holds more, but a visit hardly comes back to older ones.
const REMEMBERED: usize = 96;
/// No answer arrives earlier after its page, in milliseconds.
const LEAST_DELAY: u64 = 20;

/// A browser with its cache.
#[derive(Clone, Debug)]
pub struct Browser {
    agent: Agent,
    /// Bits of [`SHARED`].
    shared: u16,
    pictures: [(u32, u8); REMEMBERED],
    next: usize,
}

const _: () = assert!(SHARED.len() <= 16, "a bit for each");

impl Browser {
    /// A browser with an empty cache.
    pub fn new(agent: Agent) -> Browser {
        Browser {
            agent,
            shared: 0,
            pictures: [(u32::MAX, 0); REMEMBERED],
            next: 0,
        }
    }

    /// Who it says it is.
    pub fn agent(&self) -> Agent {
        self.agent
    }

    /// Forgets everything, as a browser that is started anew for each page.
    pub fn forget(&mut self) {
        *self = Browser::new(self.agent);
    }

    /// Requests up to `count` assets of a page that came at the begin of `when`. Its end is the next page: what was
    /// not there by then comes no more, so what is measured to come between two pages comes between two pages.
    pub fn load(
        &mut self,
        page: Page,
        when: Range<u64>,
        count: u32,
        stage: &Stage,
        random: &mut impl RngExt,
        out: &mut Vec<Request>,
    ) {
        let mut place = 0;
        for _ in 0..count {
            let asset = match self.stale(stage, random) {
                Some(asset) => Some((asset, 304)),
                None => self.missing(page, &mut place, stage).map(|asset| (asset, 200)),
            };
            let Some((asset, status)) = asset else { break };
            let delay = (stage.profile.assets.delay.at(random.random()) * 1000.0) as u64;
            let mut at = when.start + delay.max(LEAST_DELAY);
            if at >= when.end {
                at = random.random_range(when.start..when.end.max(when.start + 1));
            }
            let referer = match random.random_bool(stage.profile.assets.referer.value()) {
                true => Referer::Page(page),
                false => Referer::Missing,
            };
            let request = stage.get(at, asset, self.agent);
            out.push(request.answered(status).from(referer));
        }
    }

    /// Something that it has and asks about, as often as the profile says.
    fn stale(&self, stage: &Stage, random: &mut impl RngExt) -> Option<Page> {
        if self.shared == 0 || !random.random_bool(stage.profile.assets.not_modified.value()) {
            return None;
        }
        let chosen = random.random_range(0..self.shared.count_ones());
        let known = (0..SHARED.len() as u8).filter(|number| self.shared >> number & 1 == 1);
        known.map(Page::Shared).nth(chosen as usize)
    }

    /// The next asset of the page that it does not have.
    fn missing(&mut self, page: Page, place: &mut u32, stage: &Stage) -> Option<Page> {
        let shared = self.shared.trailing_ones() as usize;
        if shared < SHARED.len() {
            self.shared |= 1 << shared;
            return Some(Page::Shared(shared as u8));
        }
        // A page that needs nothing but pictures that the browser has ends here.
        for _ in 0..REMEMBERED {
            let (product, number) = picture(page, *place, stage)?;
            *place += 1;
            if !self.pictures.contains(&(product, number)) {
                self.pictures[self.next] = (product, number);
                self.next = (self.next + 1) % REMEMBERED;
                return Some(Page::Picture { product, number });
            }
        }
        None
    }
}

/// The picture at a place of a page: the product's own first, then small ones of products that it shows.
fn picture(page: Page, place: u32, stage: &Stage) -> Option<(u32, u8)> {
    let shop = &stage.shop;
    let own = u32::from(PICTURES);
    let listed =
        |category: u32, first: u32| (place < PER_PAGE).then(|| (shop.product_at(category, first + place), 0));
    match page {
        Page::Product(product) if place < own => Some((product, place as u8 + 1)),
        Page::Product(product) if place < own + PER_PAGE => {
            let related = shop.product_at(product, product / shop.categories + 1 + place - own);
            Some((related, 0))
        }
        Page::Category { category, page } => listed(category, page * PER_PAGE),
        Page::Filter {
            category,
            facets,
            page,
        } => {
            let first = facets.iter().map(|&facet| u32::from(facet)).sum::<u32>() * 7;
            listed(category, first + page * PER_PAGE)
        }
        Page::Search { term, page } => listed(u32::from(term), u32::from(term) + page * PER_PAGE),
        // What others looked at, or what was looked at before.
        _ => listed((page.fingerprint() % u64::from(shop.categories)) as u32, 0),
    }
}
