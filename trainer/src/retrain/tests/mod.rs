//! Runs as an operator has them, with the time as an argument.

mod going;
mod guards;
mod told;

use std::fs;
use std::path::PathBuf;

use rusqlite::params;
use sekisho_core::feature::{COUNT, Features, index, schema_hash};
use sekisho_core::model::{Limits, Model};
use tempfile::TempDir;

use super::runs::{self, Run, State};
use super::steps::{Progress, Retrain};
use super::{RetrainError, decide, drifting, on, view, watch};
use crate::config::{Config, Policy};
use crate::learn::caps::Holder;
use crate::registry::history::{Action, History};
use crate::registry::promote::Approver;
use crate::registry::shelf::digest_of;
use crate::store::Store;

/// 15 January 2027.
const START: u32 = 1_800_000_000;
/// Seconds between two clients.
const PACE: u32 = 1_440;
/// People, and as many crawlers: over twenty days.
const PEOPLE: u32 = 600;
/// The run begins after the last of them.
const NOW: u32 = START + 2 * PEOPLE * PACE;
const HOUR: u32 = 3_600;

struct Bench {
    dir: TempDir,
    store: Store,
    config: Config,
}

fn features(number: u32, person: bool) -> Features {
    let mut features = [0.0; COUNT];
    let mut set = |name: &str, value: f32| features[index(name).unwrap()] = value;
    let shade = (number % 17) as f32 / 100.0;
    set("requests", 4.0 + shade);
    if person {
        set("asset_share", 0.6 + shade);
        set("assets_per_page", 3.0 + shade);
        set("trail_referer_share", 0.5 + shade);
        set("missing_referer_share", 0.1 + shade);
    } else {
        set("missing_referer_share", 0.8 + shade);
        set("distinct_url_ratio", 0.8 + shade);
        set("long_tail_share", 0.7 + shade);
    }
    features
}

impl Bench {
    /// With nobody.
    fn empty() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.path = dir.path().join("s.db");
        config.models.directory = dir.path().join("models");
        config.models.champion = Some(dir.path().join("champion.onnx"));
        config.models.challenger = Some(dir.path().join("challenger.onnx"));
        config.calibrate.budget = 0.05;
        let store = Store::open(&config.store.path).unwrap();
        Bench { dir, store, config }
    }

    /// With people who ordered and crawlers that were trapped, in turn.
    fn new() -> Bench {
        let bench = Bench::empty();
        bench.people(0..PEOPLE);
        bench.crawlers(0..PEOPLE);
        bench
    }

    fn people(&self, numbers: std::ops::Range<u32>) {
        self.many(numbers, |number| {
            let name = format!("10.{}.{}.1", number / 250, number % 250);
            self.client(
                &name,
                START + 2 * number * PACE,
                number,
                true,
                Some(("human", "conversion")),
            );
        });
    }

    fn crawlers(&self, numbers: std::ops::Range<u32>) {
        self.many(numbers, |number| {
            let name = format!("172.{}.{}.1", 16 + number / 250, number % 250);
            let at = START + (2 * number + 1) * PACE;
            self.client(&name, at, number, false, Some(("crawler", "trap")));
        });
    }

    fn many(&self, numbers: std::ops::Range<u32>, each: impl Fn(u32)) {
        let transaction = self.store.write().unwrap();
        numbers.for_each(each);
        transaction.commit().unwrap();
    }

    /// One client with one sample, and what is said of it.
    fn client(&self, name: &str, at: u32, number: u32, person: bool, label: Option<(&str, &str)>) -> i64 {
        let connection = self.store.connection();
        let network = name.rsplit_once('.').map(|(prefix, _)| format!("{prefix}.0/24"));
        connection
            .execute(
                "INSERT INTO client (zone, name, network, first, last, samples, requests, class, origin)
                 VALUES ('clients', ?1, ?2, ?3, ?3, 1, 16, ?4, ?5)",
                params![
                    name,
                    network,
                    at,
                    label.map(|label| label.0),
                    label.map(|label| label.1)
                ],
            )
            .unwrap();
        let id = connection.last_insert_rowid();
        if let Some((class, origin)) = label {
            let sql =
                "INSERT INTO label (client, class, origin, author, at) VALUES (?1, ?2, ?3, 'nginx', ?4)";
            connection.execute(sql, params![id, class, origin, at]).unwrap();
        }
        self.sample(id, at, &features(number, person), ("PASSED", "ab"), None);
        id
    }

    /// A sample under a model, and what the challenger said.
    fn sample(
        &self,
        client: i64,
        at: u32,
        features: &Features,
        (verdict, model): (&str, &str),
        challenger: Option<(&str, f32)>,
    ) {
        let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.store
            .connection()
            .execute(
                "INSERT INTO sample (digest, client, id, at, aged, kind, requests, verdict, reasons, schema, features,
                     model, challenger, challenger_score, method, target)
                 VALUES (randomblob(16), ?1, 'a', ?2, ?2, 'flagged', 16, ?3, '[]', ?4, ?5, ?6, ?7, ?8, 'GET', '/')",
                params![
                    client,
                    at,
                    verdict,
                    schema_hash(),
                    bytes,
                    model,
                    challenger.map(|of| of.0),
                    challenger.map(|of| f64::from(of.1))
                ],
            )
            .unwrap();
    }

    fn retrain(&self) -> Retrain<'_> {
        Retrain {
            store: &self.store,
            config: &self.config,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self) -> Run {
        runs::latest(&self.store).unwrap().unwrap()
    }

    fn champion(&self) -> Option<String> {
        digest_of(&self.path("champion.onnx")).unwrap()
    }

    /// Steps until something is waited for, or the run ends.
    fn on(&self, now: u32) -> String {
        on(&self.retrain(), now, || false).unwrap()
    }

    /// A run that waits, its challenger having judged people as it should.
    fn waiting(&self) -> Run {
        self.on(NOW);
        let run = self.run();
        assert_eq!(run.state, State::Shadowing, "{}", run.why);
        let digest = run.challenger.clone().unwrap();
        for number in 0..40 {
            let (client, at) = (i64::from(number) + 1, NOW + 60 + number);
            let sample = features(number, true);
            self.sample(client, at, &sample, ("PASSED", "ab"), Some((&digest, 0.01)));
        }
        self.on(NOW + 24 * HOUR);
        self.run()
    }

    fn approve(&self, run: &mut Run, now: u32) -> Result<(), RetrainError> {
        let person = Approver::Person("Night shift".to_owned());
        decide::approve(&self.retrain(), run, &person, "looks right", now)
    }

    fn promotions(&self) -> Vec<(Action, String)> {
        let changes = History::of(self.store.connection()).changes().unwrap();
        changes
            .into_iter()
            .map(|change| (change.action, change.actor))
            .collect()
    }

    /// Clients that the champion stops, and others.
    fn live(&self, now: u32, stopped: i64, passed: i64) {
        let digest = self.champion().unwrap();
        for client in 1..=stopped + passed {
            let verdict = if client <= stopped { "REJECTED" } else { "PASSED" };
            self.sample(client, now, &features(1, true), (verdict, &digest), None);
        }
    }
}
