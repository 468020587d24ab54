//! The whole simulation, looked at from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use sekisho_core::logline::Format;

use super::cast::{Cast, Kind, Preset};
use super::engine::{Simulation, Sink};
use super::line::{Line, LineFormat, LineWriter};
use super::measure::{Measure, MeasureError};
use super::profile::{self, Profile};
use super::run::stage;
use super::truth::{Class, Row};
use crate::dataset::UserAgents;

const START: u32 = 1_767_592_800;

/// What a simulation told.
struct Told {
    lines: LineWriter,
    text: Vec<u8>,
    rows: Vec<Row>,
    clients: BTreeSet<String>,
    most_at_once: usize,
}

impl Told {
    fn new(format: LineFormat) -> Told {
        Told {
            lines: LineWriter::new(format),
            text: Vec::new(),
            rows: Vec::new(),
            clients: BTreeSet::new(),
            most_at_once: 0,
        }
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.text).unwrap()
    }

    fn of(&self, class: Class) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.class == class)
    }
}

impl Sink for Told {
    fn line(&mut self, line: &Line<'_>) -> io::Result<bool> {
        self.lines.write(line, &mut self.text);
        self.clients.insert(line.client.to_owned());
        self.most_at_once = self.most_at_once.max(self.clients.len() - self.rows.len());
        Ok(true)
    }

    fn left(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }
}

fn profile() -> Profile {
    Profile::load(profile::DEFAULT).unwrap()
}

fn play(profile: Profile, people: u32, sale: f64, crawlers: &str, seconds: u32, seed: u64) -> Told {
    let crawlers = crawlers.split_whitespace().map(|part| part.parse().unwrap());
    let cast = Cast::new(people, sale, &crawlers.collect::<Vec<_>>()).unwrap();
    let mut told = Told::new(LineFormat::Combined);
    Simulation::new(stage(profile, START, seconds), &cast, seed)
        .play(&mut told)
        .unwrap();
    told
}

const EVERYBODY: &str = "googlebot=2 bingbot=2 naive=2 polite=2 headless=2 walker=2 prices=2 facets=2 swarm=200 stuffing=2 \
                         scan=2 uptime=2";

#[test]
fn the_same_seed_gives_the_same_log_and_another_another() {
    let run = |seed| play(profile(), 100, 0.3, EVERYBODY, 3600, seed);
    let (one, same, other) = (run(1), run(1), run(2));
    assert!(one.text == same.text && one.rows == same.rows);
    assert!(one.text != other.text);
}

#[test]
fn who_comes_later_comes_from_elsewhere() {
    let run = |skip| {
        let cast = Cast::new(60, 0.0, &Preset::Loop.crawlers()).unwrap();
        let mut told = Told::new(LineFormat::Combined);
        let simulation = Simulation::new(stage(profile(), START, 1800), &cast, 1);
        simulation.skipping(skip).play(&mut told).unwrap();
        let clients: Vec<(&str, String)> = told
            .rows
            .iter()
            .map(|row| (row.actor.as_str(), row.client.clone()))
            .collect();
        let lines = told
            .text()
            .lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect::<Vec<_>>();
        (
            clients
                .iter()
                .map(|(actor, client)| format!("{actor} {client}"))
                .collect::<BTreeSet<_>>(),
            lines,
        )
    };
    let (first, later) = (run(0), run(300));
    assert_eq!(first.1, later.1, "they do the same");
    let same: Vec<&String> = first.0.intersection(&later.0).collect();
    assert!(
        same.iter().all(|client| client.starts_with("googlebot")
            || client.contains("bingbot")
            || client.contains("uptime")),
        "search engines have a hundred addresses, others more than three hundred, or 250: {same:?}"
    );
    assert_eq!(same.len(), 6);
}

#[test]
fn more_crawlers_do_not_change_what_people_do() {
    let people = |crawlers| {
        let told = play(profile(), 60, 0.0, crawlers, 3600, 1);
        told.text()
            .lines()
            .filter(|line| line.starts_with("198.1") || line.starts_with("2001:"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (few, many) = (people("swarm=10"), people("swarm=500"));
    assert!(!few.is_empty() && few == many);
}

#[test]
fn every_line_parses_in_order_and_the_truth_adds_up() {
    for format in [LineFormat::Combined, LineFormat::Json] {
        let cast = Cast::new(200, 0.4, &Preset::Day.crawlers()).unwrap();
        let mut told = Told::new(format);
        Simulation::new(stage(profile(), START, 5400), &cast, 3)
            .play(&mut told)
            .unwrap();
        let mut counts: BTreeMap<String, (u64, u32, u32)> = BTreeMap::new();
        let mut before = START;
        for line in told
            .text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let entry = Format::Auto.read(line).unwrap();
            assert!(entry.at >= before, "times go back");
            before = entry.at;
            let client = str::from_utf8(entry.client).unwrap().to_owned();
            let count = counts.entry(client).or_insert((0, entry.at, entry.at));
            *count = (count.0 + 1, count.1, entry.at);
        }
        assert!(before < START + 5400);
        assert_eq!(told.rows.len(), counts.len(), "each client is in the truth once");
        for row in &told.rows {
            let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second() as u32;
            assert_eq!(
                (row.requests, at(&row.first), at(&row.last)),
                counts[&row.client],
                "{row:?}"
            );
        }
    }
}

#[test]
fn a_swarm_takes_no_memory() {
    let told = play(profile(), 0, 0.0, "swarm=70000", 3600, 1);
    assert_eq!(told.rows.len(), 70_000);
    assert!(
        told.rows
            .iter()
            .all(|row| row.requests == 1 && row.actor == "swarm")
    );
    assert!(told.most_at_once <= 2, "{} at once", told.most_at_once);
}

#[test]
fn everybody_comes_and_is_what_the_truth_says() {
    let told = play(profile(), 400, 0.3, EVERYBODY, 7200, 4);
    let found: BTreeSet<&str> = told.rows.iter().map(|row| row.actor.as_str()).collect();
    let named = EVERYBODY
        .split_whitespace()
        .map(|part| part.split('=').next().unwrap());
    let wanted: BTreeSet<&str> = named
        .chain(["shopper", "mobile", "returning", "office", "sale", "sale-office"])
        .collect();
    assert_eq!(found, wanted);
    for row in told.of(Class::Crawler) {
        assert_eq!(
            row.disguised,
            matches!(row.actor.as_str(), "headless" | "walker").into(),
            "{row:?}"
        );
    }
}

/// What a client asked for: method, target, referer, status.
fn asked<'a>(told: &'a Told, actor: &str) -> Vec<Vec<[&'a str; 4]>> {
    let rows = told.rows.iter().filter(|row| row.actor == actor);
    let of = |client: &str| {
        let start = format!("{client} ");
        let lines = told.text().lines().filter(|line| line.starts_with(&start));
        lines
            .map(|line| {
                let parts: Vec<&str> = line.split('"').collect();
                let mut request = parts[1].split(' ');
                let (method, target) = (request.next().unwrap(), request.next().unwrap());
                [
                    method,
                    target,
                    parts[3],
                    parts[2].split_whitespace().next().unwrap(),
                ]
            })
            .collect()
    };
    rows.map(|row| of(&row.client)).collect()
}

#[test]
fn actors_do_what_they_are_for() {
    let told = play(profile(), 0, 0.0, EVERYBODY, 7200, 4);
    #[track_caller]
    fn all(told: &Told, actor: &str, what: impl Fn(&[[&str; 4]]) -> bool) {
        let clients = asked(told, actor);
        assert!(!clients.is_empty(), "no {actor}");
        for client in clients {
            assert!(what(&client), "{actor}: {:?}", &client[..client.len().min(30)]);
        }
    }
    let is_asset = |target: &str| target.starts_with("/static/") || target.starts_with("/media/");
    all(&told, "naive", |lines| {
        lines.len() > 5000 && lines.iter().all(|line| line[2] == "-")
    });
    all(&told, "polite", |lines| {
        lines[0][1] == "/robots.txt" && lines.iter().all(|line| line[2] == "-")
    });
    all(&told, "googlebot", |lines| {
        lines[0][1] == "/robots.txt" && lines.iter().any(|line| line[3] == "304")
    });
    for disguised in ["headless", "walker"] {
        all(&told, disguised, |lines| {
            let assets = lines.iter().filter(|line| is_asset(line[1])).count();
            assets > lines.len() / 3 && lines.iter().filter(|line| line[2] == "-").count() * 10 < lines.len()
        });
    }
    all(&told, "prices", |lines| {
        lines[..40] == lines[40..80] && lines[0][2] == "-"
    });
    all(&told, "facets", |lines| {
        let targets: BTreeSet<&str> = lines.iter().map(|line| line[1]).collect();
        targets.len() * 10 > lines.len() * 8 && targets.iter().all(|target| target.contains('?'))
    });
    all(&told, "stuffing", |lines| {
        lines[1..]
            .iter()
            .all(|line| line[0] == "POST" && line[1] == "/login")
            && ["401", "403"]
                .iter()
                .all(|status| lines.iter().any(|line| line[3] == *status))
    });
    all(&told, "scan", |lines| {
        lines.len() == 300 && lines.iter().all(|line| line[3].starts_with('4'))
    });
    all(&told, "uptime", |lines| {
        lines.iter().all(|line| line[0] == "HEAD" && line[1] == "/")
    });
}

#[test]
fn people_shop() {
    let told = play(profile(), 500, 0.2, "", 7200, 5);
    let text = told.text();
    for what in [
        "\"GET / HTTP",
        "\"GET /search?q=",
        "\"GET /shop/",
        "?colour=",
        "\"POST /basket/add HTTP/1.1\" 302",
        "\"GET /basket ",
        "\"GET /checkout ",
        "\"POST /checkout/order HTTP/1.1\" 302",
        "/thanks HTTP/1.1\" 200",
        "\"GET /sale HTTP",
        "\" 304 0 ",
        "\" 301 0 ",
        "\" 404 ",
        "iPhone",
        "2001:db8:",
    ] {
        assert!(text.contains(what), "nobody did {what}");
    }
    let offices = told.rows.iter().filter(|row| row.actor == "sale-office");
    assert!(offices.clone().count() > 0 && offices.clone().all(|row| row.requests > 300));
    assert!(
        offices
            .clone()
            .all(|row| row.notes == "20 people behind one address")
    );
    // A page is never loaded without the browser's cache: a picture comes once.
    for client in asked(&told, "shopper") {
        let pictures: Vec<&str> = client
            .iter()
            .filter(|line| line[1].starts_with("/media/") && line[3] == "200")
            .map(|line| line[1])
            .collect();
        if pictures.len() < 90 {
            assert_eq!(pictures.iter().collect::<BTreeSet<_>>().len(), pictures.len());
        }
    }
}

/// The profile of what a simulation told.
fn measured(told: &Told) -> Result<Profile, MeasureError> {
    let mut measure = Measure::new(UserAgents::bundled().unwrap());
    for line in told
        .text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        measure.push(&Format::Auto.read(line).unwrap());
    }
    measure.finish(profile().source)
}

/// The greatest distance of two distributions of counts (Kolmogorov and Smirnov).
fn distance(one: impl Into<Vec<f64>>, other: impl Into<Vec<f64>>) -> f64 {
    let (one, other) = (one.into(), other.into());
    let below = |values: &[f64], most: f64| {
        values.iter().filter(|value| **value <= most).count() as f64 / values.len() as f64
    };
    let places = one.iter().chain(&other);
    places
        .map(|&at| (below(&one, at + 0.5) - below(&other, at + 0.5)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn simulated_people_measure_as_real_ones() {
    let wanted = profile();
    let mut landed = wanted.clone();
    landed.shop.depth = super::quantiles::Bounded::nearest(1.0);
    let found = measured(&play(landed, 6000, 0.0, "", 86_400, 1)).unwrap();
    #[track_caller]
    fn near(what: &str, found: f64, wanted: f64, tolerance: f64) {
        assert!(
            (found - wanted).abs() <= tolerance,
            "{what}: {found}, measured {wanted}"
        );
    }
    let (assets, visits) = (&found.assets, &found.visits);
    near(
        "think",
        distance(visits.think.clone(), wanted.visits.think.clone()),
        0.0,
        0.06,
    );
    near(
        "pages",
        distance(visits.pages.clone(), wanted.visits.pages.clone()),
        0.0,
        0.06,
    );
    near(
        "first assets",
        distance(assets.first.clone(), wanted.assets.first.clone()),
        0.0,
        0.08,
    );
    near(
        "later assets",
        distance(assets.later.clone(), wanted.assets.later.clone()),
        0.0,
        0.06,
    );
    near(
        "delay",
        distance(assets.delay.clone(), wanted.assets.delay.clone()),
        0.0,
        0.12,
    );
    near(
        "asset referers",
        assets.referer.value(),
        wanted.assets.referer.value(),
        0.02,
    );
    near(
        "first referers",
        visits.first_referer.value(),
        wanted.visits.first_referer.value(),
        0.03,
    );
    near(
        "later referers",
        visits.later_referer.value(),
        wanted.visits.later_referer.value(),
        0.04,
    );
    near(
        "redirects",
        found.status.redirect.value(),
        wanted.status.redirect.value(),
        0.02,
    );
    near(
        "errors",
        found.status.client_error.value(),
        wanted.status.client_error.value(),
        0.01,
    );
}

#[test]
fn a_log_without_people_is_not_measured() {
    let error = measured(&play(profile(), 0, 0.0, "naive=5 swarm=300", 3600, 1)).unwrap_err();
    assert_eq!(error, MeasureError::TooFew { people: 0, pauses: 0 });
    assert!(error.to_string().contains("give a log with 20 and 50 or more"));
}

#[test]
fn a_hostile_profile_stays_in_its_line() {
    let mut hostile = profile();
    hostile.shop.origin = "https://x\"\r\n\u{1b}[31m\\<script>\u{202e}".to_owned();
    let told = play(hostile, 30, 0.0, "scan=2", 3600, 1);
    assert!(
        told.text
            .iter()
            .all(|&byte| byte == b'\n' || (b' '..0x7f).contains(&byte))
    );
    for line in told.text().lines() {
        Format::Auto.read(line.as_bytes()).unwrap();
    }
    assert!(
        told.text()
            .contains("\"https://x\\x22\\x0D\\x0A\\x1B[31m\\x5C<script>\\xE2\\x80\\xAE/")
    );
}

#[test]
fn the_loop_is_small_and_has_one_disguised_crawler() {
    let cast = Cast::new(
        Preset::Loop.people(),
        Preset::Loop.sale(),
        &Preset::Loop.crawlers(),
    )
    .unwrap();
    let disguised: Vec<Kind> = cast
        .clients
        .iter()
        .map(|part| part.kind)
        .filter(|kind| kind.is_disguised())
        .collect();
    assert_eq!(disguised, [Kind::Walker]);
    let mut told = Told::new(LineFormat::Combined);
    Simulation::new(stage(profile(), START, Preset::Loop.seconds()), &cast, 1)
        .play(&mut told)
        .unwrap();
    let lines = told.text().lines().count();
    assert!((10_000..60_000).contains(&lines), "{lines} lines");
}
