//! Plays all actors at once: a heap of those who are there, ordered by what each asks for next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::actor::{
    Actor, Crawler, Errand, Intruder, Manner, OUTSIDE, Office, Person, Referer, Request, Stage, Tour,
};
use super::address::Range;
use super::agent::{Agent, Browser};
use super::arrival::{Arrivals, Curve};
use super::cast::{Cast, Kind, OFFICE, SALE_OFFICE};
use super::line::Line;
use super::truth::{Class, Row};

/// People of an office come within so many milliseconds of the first.
const OFFICE_HOURS: u64 = 3_600_000;
/// The same where they wait for a sale.
const SALE_MINUTES: u64 = 120_000;

/// Takes what a simulation tells.
pub trait Sink {
    /// One request; times never go back. Answers whether there should be more.
    fn line(&mut self, line: &Line<'_>) -> io::Result<bool>;

    /// A client that makes no more requests.
    fn left(&mut self, row: &Row) -> io::Result<()>;
}

/// A client that is there.
struct Playing {
    kind: Kind,
    client: String,
    actor: Box<dyn Actor>,
    next: Request,
    seen: Option<(u32, u32)>,
    requests: u64,
}

/// Those of one kind who are still to come.
struct Source {
    kind: Kind,
    count: u32,
    arrivals: Arrivals,
    come: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client of this source comes.
    Arrive(usize),
    /// The client at this place asks.
    Ask(usize),
}

/// A simulation that has not begun.
pub struct Simulation {
    stage: Stage,
    seed: u64,
    sources: Vec<Source>,
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    playing: Vec<Option<Playing>>,
    free: Vec<usize>,
    addresses: HashMap<Range, u32>,
    /// Addresses of each range that nobody gets.
    skip: u32,
}

impl Simulation {
    /// Prepares everybody; the same arguments give the same log.
    pub fn new(stage: Stage, cast: &Cast, seed: u64) -> Simulation {
        let mut sources = Vec::new();
        let mut heap = BinaryHeap::new();
        for part in &cast.clients {
            let curve = curve(part.kind, &stage);
            // Clients' streams count up from 1: this one is the source's own.
            let mut arrivals = Arrivals::new(curve, part.count, stream(seed, part.kind.stream()));
            if let Some(at) = arrivals.next(stage.begin, stage.end) {
                heap.push(Reverse((at, sources.len() as u64, Event::Arrive(sources.len()))));
            }
            sources.push(Source {
                kind: part.kind,
                count: part.count,
                arrivals,
                come: 0,
            });
        }
        Simulation {
            stage,
            seed,
            sources,
            heap,
            playing: Vec::new(),
            free: Vec::new(),
            addresses: HashMap::new(),
            skip: 0,
        }
    }

    /// Passes over the first addresses of each range; past the end of a range they come again.
    pub fn skipping(self, skip: u32) -> Simulation {
        Simulation { skip, ..self }
    }

    /// Plays to the end of the run, or until the sink has enough. Then everybody leaves.
    pub fn play(mut self, sink: &mut impl Sink) -> io::Result<()> {
        let (mut target, mut referer) = (Vec::new(), Vec::new());
        while let Some(Reverse((at, _, event))) = self.heap.pop() {
            if at >= self.stage.end {
                break;
            }
            let place = match event {
                Event::Arrive(source) => {
                    self.arrive(source, at);
                    continue;
                }
                Event::Ask(place) => place,
            };
            let Some(playing) = self.playing[place].as_mut() else {
                continue;
            };
            let second = (playing.next.at / 1000) as u32;
            target.clear();
            self.stage.shop.write(playing.next.page, &mut target);
            spell_referer(playing.next.referer, &self.stage, &mut referer);
            let more = sink.line(&line(playing, second, &target, &referer))?;
            playing.requests += 1;
            playing.seen = Some((playing.seen.map_or(second, |seen| seen.0), second));
            if !more {
                break;
            }
            self.go_on(place, sink)?;
        }
        for playing in self.playing.into_iter().flatten() {
            leave(&playing, sink)?;
        }
        Ok(())
    }

    /// Asks a client what comes next, or sees it off.
    fn go_on(&mut self, place: usize, sink: &mut impl Sink) -> io::Result<()> {
        let Some(playing) = self.playing[place].as_mut() else {
            return Ok(());
        };
        match playing.actor.next(&self.stage) {
            Some(next) => {
                playing.next = next;
                self.heap
                    .push(Reverse((next.at, place as u64, Event::Ask(place))));
            }
            None => {
                if let Some(playing) = self.playing[place].take() {
                    leave(&playing, sink)?;
                }
                self.free.push(place);
            }
        }
        Ok(())
    }

    /// The next client of a source comes, and the source knows when the one after it will.
    fn arrive(&mut self, index: usize, at: u64) {
        let source = &mut self.sources[index];
        let number = source.come;
        source.come += 1;
        if let Some(next) = source.arrivals.next(self.stage.begin, self.stage.end) {
            self.heap
                .push(Reverse((next, index as u64, Event::Arrive(index))));
        }
        let random = stream(self.seed, source.kind.stream() + 1 + u64::from(number));
        let (kind, mut actor) = make(source.kind, at, number, source.count, &self.stage, random);
        let taken = self.addresses.entry(kind.range()).or_insert(self.skip);
        let client = kind.range().address(*taken).to_string();
        *taken += 1;
        let Some(next) = actor.next(&self.stage) else {
            return;
        };
        let playing = Some(Playing {
            kind,
            client,
            actor,
            next,
            seen: None,
            requests: 0,
        });
        let place = match self.free.pop() {
            Some(place) => {
                self.playing[place] = playing;
                place
            }
            None => {
                self.playing.push(playing);
                self.playing.len() - 1
            }
        };
        self.heap
            .push(Reverse((next.at, place as u64, Event::Ask(place))));
    }
}

fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    random
}

fn curve(kind: Kind, stage: &Stage) -> Curve {
    match kind {
        Kind::Sale | Kind::SaleOffice => Curve::Sale,
        _ if kind.is_human() => Curve::hours(stage.begin, stage.end),
        Kind::Swarm => Curve::Even(1.0),
        Kind::Stuffing | Kind::Scan => Curve::Even(0.6),
        Kind::Headless | Kind::Walker => Curve::Even(0.3),
        _ => Curve::Even(0.05),
    }
}

/// Makes a client, and says what it turned out to be.
fn make(
    kind: Kind,
    at: u64,
    number: u32,
    several: u32,
    stage: &Stage,
    mut random: ChaCha8Rng,
) -> (Kind, Box<dyn Actor>) {
    let browser = stage.profile.agents.draw(&mut random);
    let agent = browser.agent(random.random_range(0..4));
    match kind {
        Kind::Shopper | Kind::Sale => {
            let person = Person::new(at, agent, errand(kind), stage, random);
            let kind = match kind {
                Kind::Sale => kind,
                _ if person.returns() => Kind::Returning,
                _ if browser.is_mobile() => Kind::Mobile,
                _ => kind,
            };
            (kind, Box::new(person))
        }
        Kind::Office | Kind::SaleOffice => (kind, Box::new(office(kind, at, stage, random))),
        Kind::Headless => (kind, tour(Manner::Headless, at, number, several, random)),
        Kind::Walker => (kind, tour(Manner::Walker, at, number, several, random)),
        Kind::Stuffing => (kind, Box::new(Intruder::new(kind, at, agent, random))),
        Kind::Scan => (kind, Box::new(Intruder::new(kind, at, Agent::SCANNER, random))),
        _ => {
            let agent = match kind {
                Kind::Googlebot => Agent::GOOGLEBOT,
                Kind::Bingbot => Agent::BINGBOT,
                Kind::Naive => Agent::SCRIPT,
                Kind::Polite => Agent::ARCHIVER,
                Kind::Uptime => Agent::MONITOR,
                _ => agent,
            };
            (kind, Box::new(Crawler::new(kind, at, number, agent, random)))
        }
    }
}

/// Crawlers that hide say they are the browser that most people have.
fn tour(manner: Manner, at: u64, number: u32, several: u32, mut random: ChaCha8Rng) -> Box<dyn Actor> {
    let agent = Browser::Chrome.agent(random.random_range(0..4));
    Box::new(Tour::new(manner, at, number, several, agent, random))
}

/// What somebody wants; the product on sale is always the first.
fn errand(kind: Kind) -> Errand {
    match kind {
        Kind::Sale | Kind::SaleOffice => Errand::Sale(0),
        _ => Errand::Browse,
    }
}

fn office(kind: Kind, at: u64, stage: &Stage, mut random: ChaCha8Rng) -> Office {
    let (people, within) = match kind {
        Kind::SaleOffice => (SALE_OFFICE, SALE_MINUTES),
        _ => (OFFICE, OFFICE_HOURS),
    };
    let person = |number: u32| {
        let late = if number == 0 {
            0
        } else {
            random.random_range(0..within)
        };
        let browser = stage.profile.agents.draw(&mut random);
        let agent = browser.agent(random.random_range(0..4));
        let own = ChaCha8Rng::seed_from_u64(random.random());
        Person::new(at + late, agent, errand(kind), stage, own)
    };
    Office::new((0..people).map(person).collect(), stage)
}

fn spell_referer(referer: Referer, stage: &Stage, out: &mut Vec<u8>) {
    out.clear();
    match referer {
        Referer::Missing => {}
        Referer::Outside(number) => {
            out.extend_from_slice(OUTSIDE[usize::from(number) % OUTSIDE.len()].as_bytes())
        }
        Referer::Page(page) => {
            out.extend_from_slice(stage.shop.origin.as_bytes());
            stage.shop.write(page, out);
        }
    }
}

fn line<'a>(playing: &'a Playing, at: u32, target: &'a [u8], referer: &'a [u8]) -> Line<'a> {
    let next = &playing.next;
    Line {
        at,
        client: &playing.client,
        method: next.method,
        target,
        status: next.status,
        bytes: next.bytes,
        referer,
        agent: next.agent.text().as_bytes(),
    }
}

fn leave(playing: &Playing, sink: &mut impl Sink) -> io::Result<()> {
    let Some((first, last)) = playing.seen else {
        return Ok(());
    };
    let time = |at: u32| Timestamp::from_second(at.into()).unwrap_or_default().to_string();
    let class = if playing.kind.is_human() {
        Class::Human
    } else {
        Class::Crawler
    };
    sink.left(&Row {
        client: playing.client.clone(),
        actor: playing.kind.name().to_owned(),
        class,
        disguised: playing.kind.is_disguised().into(),
        first: time(first),
        last: time(last),
        requests: playing.requests,
        notes: playing.actor.notes(),
    })
}
