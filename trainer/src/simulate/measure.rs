//! Measures how people behave in a real log: what `--measure` prints.

use std::collections::HashMap;

use sekisho_core::key::{Seed, key_hash};
use sekisho_core::logline::Entry;
use sekisho_core::url::Method;

use super::agent::{Agents, Browser};
use super::profile::{Assets, Bytes, Profile, ShopHabits, StatusMix, VISIT_GAP, Visits};
use super::quantiles::{Bounded, Quantiles, Share};
use crate::dataset::{Label, Signs, UserAgents};

/// Clients that are followed; of a log with more, later ones are left out.
const MAX_CLIENTS: usize = 1_000_000;
/// Pages of one client that are measured: nobody may outweigh the others.
const MAX_PAGES: usize = 300;
/// Assets of one client that are measured.
const MAX_ASSETS: usize = 3000;
/// Steps of a measured distribution.
const STEPS: usize = 50;
/// People and pauses that a profile needs.
const LEAST_PEOPLE: usize = 20;
const LEAST_PAUSES: usize = 50;
/// An asset that comes later after its page belongs to it no more, in seconds.
const ASSET_GAP: u32 = 60;
/// Pages from the most popular one on that show how popularity falls, and the least requests of each.
const RANKS: usize = 100;
const LEAST_REQUESTS: u32 = 3;

const SCRIPTS: [&[u8]; 4] = [b"css", b"js", b"mjs", b"map"];
const PICTURES: [&[u8]; 16] = [
    b"png", b"jpg", b"jpeg", b"gif", b"webp", b"avif", b"svg", b"ico", b"bmp", b"woff", b"woff2", b"ttf",
    b"otf", b"eot", b"mp4", b"swf",
];

/// There is too little to measure.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// Few people.
    #[error(
        "{people} likely people and {pauses} pauses between their pages are too few to measure; give a log with {LEAST_PEOPLE} and {LEAST_PAUSES} or more, which records assets, referers and user agents"
    )]
    TooFew {
        /// Clients that are likely people.
        people: usize,
        /// Pauses between two pages.
        pauses: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Page,
    Script,
    Picture,
}

fn what(target: &[u8]) -> What {
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let Some(dot) = memchr::memrchr(b'.', name) else {
        return What::Page;
    };
    let is = |known: &&[u8]| name[dot + 1..].eq_ignore_ascii_case(known);
    match () {
        () if SCRIPTS.iter().any(is) => What::Script,
        () if PICTURES.iter().any(is) => What::Picture,
        () => What::Page,
    }
}

/// Where a client is in a visit.
#[derive(Default)]
struct Visit {
    pages: u32,
    last: u32,
    /// Time of the last page; `None` after a form, a redirect or an error, whose pauses are no reading.
    read: Option<u32>,
    assets: u32,
}

/// What one client did, until it is known whether it is a person.
#[derive(Default)]
struct Seen {
    signs: Signs,
    visit: Option<Visit>,
    visits: u32,
    pages: Vec<f64>,
    think: Vec<f64>,
    away: Vec<f64>,
    assets: [Vec<f64>; 2],
    delay: Vec<f64>,
    bytes: [Vec<f64>; 3],
    paths: Vec<u64>,
    status: [u64; 5],
    browsers: [u64; 6],
    referers: [Part; 3],
    not_modified: Part,
}

/// How many of how many.
#[derive(Clone, Copy, Default)]
struct Part {
    of: u64,
    are: u64,
}

impl Part {
    fn note(&mut self, is: bool) {
        self.of += 1;
        self.are += u64::from(is);
    }

    fn add(&mut self, other: Part) {
        self.of += other.of;
        self.are += other.are;
    }

    fn share(self) -> Share {
        Share::of((self.are as f64 / self.of.max(1) as f64 * 1e4).round() / 1e4)
    }
}

impl Seen {
    fn note(&mut self, entry: &Entry<'_>) {
        let new = self
            .visit
            .as_ref()
            .is_none_or(|visit| entry.at.saturating_sub(visit.last) > VISIT_GAP);
        if new {
            if let Some(visit) = self.visit.take() {
                self.away.push(f64::from(entry.at.saturating_sub(visit.last)));
                self.close(&visit);
            }
            self.visit = Some(Visit::default());
        }
        let mut visit = self.visit.take().unwrap_or_default();
        visit.last = visit.last.max(entry.at);
        match what(&entry.target) {
            What::Page => self.page(entry, &mut visit),
            asset => self.asset(entry, asset, &mut visit),
        }
        self.visit = Some(visit);
    }

    fn page(&mut self, entry: &Entry<'_>, visit: &mut Visit) {
        let class = match entry.status {
            200..300 => 0,
            304 => 2,
            300..400 => 1,
            400..500 => 3,
            _ => 4,
        };
        if entry.method != Method::Get {
            visit.read = None;
            return;
        }
        self.status[class] += 1;
        if !matches!(class, 0 | 2) {
            visit.read = None;
            return;
        }
        if self.paths.len() == MAX_PAGES {
            return;
        }
        if visit.pages > 0 {
            self.assets[usize::from(visit.pages > 1)].push(f64::from(visit.assets));
        }
        if let Some(read) = visit.read {
            self.think
                .push(f64::from(entry.at.saturating_sub(read).min(VISIT_GAP)));
        }
        self.referers[usize::from(visit.pages > 0)].note(entry.referer.is_some());
        visit.pages += 1;
        visit.assets = 0;
        visit.read = Some(entry.at);
        let path = entry
            .target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        self.paths.push(key_hash(Seed::FIXED, path));
        // No body says nothing of sizes: some logs have 0 for what was cut off.
        if class == 0 && entry.bytes > 0 {
            self.bytes[0].push(entry.bytes as f64);
        }
    }

    fn asset(&mut self, entry: &Entry<'_>, asset: What, visit: &mut Visit) {
        if self.delay.len() >= MAX_ASSETS {
            return;
        }
        visit.assets += 1;
        if let Some(read) = visit.read
            && entry.at.saturating_sub(read) <= ASSET_GAP
        {
            self.delay.push(f64::from(entry.at.saturating_sub(read)));
        }
        self.referers[2].note(entry.referer.is_some());
        self.not_modified.note(entry.status == 304);
        if entry.status == 200 && entry.bytes > 0 {
            self.bytes[if asset == What::Script { 1 } else { 2 }].push(entry.bytes as f64);
        }
    }

    fn close(&mut self, visit: &Visit) {
        if visit.pages == 0 {
            return;
        }
        self.visits += 1;
        self.pages.push(f64::from(visit.pages));
        self.assets[usize::from(visit.pages > 1)].push(f64::from(visit.assets));
    }
}

/// Reads a log, line by line.
pub struct Measure {
    agents: UserAgents,
    clients: HashMap<Box<[u8]>, usize>,
    seen: Vec<Seen>,
}

impl Measure {
    /// Nothing read yet.
    pub fn new(agents: UserAgents) -> Measure {
        Measure {
            agents,
            clients: HashMap::new(),
            seen: Vec::new(),
        }
    }

    /// Takes one line, in the log's order.
    pub fn push(&mut self, entry: &Entry<'_>) {
        if !entry.well_formed {
            return;
        }
        let index = match self.clients.get(entry.client) {
            Some(&index) => index,
            None if self.seen.len() == MAX_CLIENTS => return,
            None => {
                self.clients.insert(entry.client.into(), self.seen.len());
                self.seen.push(Seen::default());
                self.seen.len() - 1
            }
        };
        let agent = self.agents.class(&entry.user_agent);
        let seen = &mut self.seen[index];
        let hash = key_hash(Seed::FIXED, &entry.user_agent);
        seen.signs
            .note(agent, hash, &entry.target, entry.referer.is_some());
        if seen.browsers.iter().all(|&count| count == 0) {
            seen.browsers[Agents::place(Browser::told_by(&entry.user_agent))] = 1;
        }
        seen.note(entry);
    }

    /// What likely people did.
    pub fn finish(self, source: String) -> Result<Profile, MeasureError> {
        let mut all = Seen::default();
        let mut people = 0;
        for mut seen in self
            .seen
            .into_iter()
            .filter(|seen| seen.signs.label() == Some(Label::Human))
        {
            if let Some(visit) = seen.visit.take() {
                seen.close(&visit);
            }
            people += usize::from(seen.visits > 0);
            join(&mut all, seen);
        }
        let error = MeasureError::TooFew {
            people,
            pauses: all.think.len(),
        };
        if people < LEAST_PEOPLE || all.think.len() < LEAST_PAUSES {
            return Err(error);
        }
        profile(all, people, source).ok_or(error)
    }
}

fn join(all: &mut Seen, seen: Seen) {
    all.visits += seen.visits;
    all.pages.extend(seen.pages);
    all.think.extend(seen.think);
    all.away.extend(seen.away);
    all.delay.extend(seen.delay);
    all.paths.extend(seen.paths);
    for (sum, part) in all.assets.iter_mut().zip(seen.assets) {
        sum.extend(part);
    }
    for (sum, part) in all.bytes.iter_mut().zip(seen.bytes) {
        sum.extend(part);
    }
    for (sum, part) in all.status.iter_mut().zip(seen.status) {
        *sum += part;
    }
    for (sum, part) in all.browsers.iter_mut().zip(seen.browsers) {
        *sum += part;
    }
    for (sum, part) in all.referers.iter_mut().zip(seen.referers) {
        sum.add(part);
    }
    all.not_modified.add(seen.not_modified);
}

/// `None` when people did nothing of some kind at all.
fn profile(all: Seen, people: usize, source: String) -> Option<Profile> {
    let [first, later] = all.assets;
    let [page, script, picture] = all.bytes;
    let [first_referer, later_referer, asset_referer] = all.referers;
    let again = u64::from(all.visits).saturating_sub(people as u64);
    let returning = Part {
        of: all.visits.into(),
        are: again,
    };
    let total: u64 = all.status.iter().sum();
    let [ok, redirect, not_modified, client_error, server_error] =
        all.status.map(|are| Part { of: total, are }.share());
    // Where nobody came again, a day is as good as any other pause: no share of people takes it.
    let away = Quantiles::of(all.away, STEPS).or_else(|| Quantiles::of(vec![86_400.0], 1))?;
    Some(Profile {
        source,
        visits: Visits {
            pages: Quantiles::of(all.pages, STEPS)?,
            think: Quantiles::of(all.think, STEPS)?,
            returning: returning.share(),
            away,
            first_referer: first_referer.share(),
            later_referer: later_referer.share(),
            popularity: Bounded::nearest(exponent(&all.paths)),
        },
        assets: Assets {
            first: Quantiles::of(first, STEPS)?,
            later: Quantiles::of(later, STEPS)?,
            delay: Quantiles::of(all.delay, STEPS)?,
            referer: asset_referer.share(),
            not_modified: all.not_modified.share(),
        },
        bytes: Bytes {
            page: Quantiles::of(page, STEPS)?,
            script: Quantiles::of(script, STEPS)?,
            picture: Quantiles::of(picture, STEPS)?,
        },
        status: StatusMix {
            ok,
            redirect,
            not_modified,
            client_error,
            server_error,
        },
        agents: Agents::counted(all.browsers),
        shop: ShopHabits::default(),
    })
}

/// Zipf's exponent: least squares of log requests on log rank, over the most popular pages. 1 where too few pages
/// are popular to tell.
fn exponent(paths: &[u64]) -> f64 {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for &path in paths {
        *counts.entry(path).or_default() += 1;
    }
    let mut counts: Vec<u32> = counts
        .into_values()
        .filter(|&count| count >= LEAST_REQUESTS)
        .collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.truncate(RANKS);
    if counts.len() < 3 {
        return 1.0;
    }
    let points = counts.iter().enumerate();
    let points: Vec<(f64, f64)> = points
        .map(|(rank, &count)| ((rank as f64 + 1.0).ln(), f64::from(count).ln()))
        .collect();
    let many = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / many, y + point.1 / many)
    });
    let (up, down) = points.iter().fold((0.0, 0.0), |(up, down), point| {
        (up + (point.0 - x) * (point.1 - y), down + (point.0 - x).powi(2))
    });
    (-up / down * 1000.0).round() / 1000.0
}
