//! Runs as an operator has them, with the time as an argument.

use std::fs;
use std::path::PathBuf;

use rusqlite::params;
use sekisho_core::feature::{COUNT, Features, index, schema_hash};
use sekisho_core::model::{Limits, Model};
use tempfile::TempDir;

use super::runs::{self, Run, State};
use super::steps::{Progress, Retrain};
use super::{RetrainError, decide, drifting, view, watch};
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
        super::on(&self.retrain(), now, || false).unwrap()
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

#[test]
fn a_run_is_trained_compared_shadowed_and_waits_for_a_person() {
    let bench = Bench::new();
    let mut seen = Vec::new();
    while let Progress::Went(state) = bench.retrain().step(NOW).unwrap() {
        seen.push(state);
    }
    assert_eq!(seen, State::ALL[..5], "{}", bench.run().why);
    let run = bench.run();
    assert_eq!(digest_of(&bench.path("challenger.onnx")).unwrap(), run.challenger);
    assert_eq!(
        bench.champion(),
        None,
        "nothing is in force before somebody says so"
    );
    let waits = bench.on(NOW + 23 * HOUR);
    assert!(
        waits.contains("beside the champion for 1 h 0 min more"),
        "{waits}"
    );
    let run = bench.waiting();
    assert_eq!(run.state, State::Waiting);
    let shadow = run.account.shadow.unwrap();
    assert_eq!((shadow.clients, shadow.stopped, shadow.jumps), (40.0, 0.0, false));
    assert!(
        run.account.thresholds.as_ref().unwrap().calibrated,
        "{:?}",
        run.account.notes
    );
    assert!(
        run.report.contains("## Gates") && run.report.contains("| people | client |"),
        "{}",
        run.report
    );
    for _ in 0..3 {
        assert!(bench.on(NOW + 90 * 24 * HOUR).contains("policy is manual"));
    }
    assert_eq!(bench.champion(), None);
    let mut run = bench.run();
    bench.approve(&mut run, NOW + 25 * HOUR).unwrap();
    assert_eq!(bench.champion(), run.challenger);
    assert_eq!(bench.promotions(), [(Action::Promote, "Night shift".to_owned())]);
    let error = bench.approve(&mut run, NOW + 26 * HOUR).unwrap_err().to_string();
    assert!(
        error.contains("is promoted, so there is nothing to approve"),
        "{error}"
    );
    assert_eq!(view::overview(&bench.store).unwrap()["run"]["state"], "promoted");
}

/// What a crash leaves: the row as it was before the step, and all that the step did elsewhere.
fn crash(bench: &Bench, before: &Run) {
    let json = before.account.to_json().unwrap();
    bench
        .store
        .connection()
        .execute(
            "UPDATE run SET state = ?1, champion = ?2, challenger = ?3, model = ?4, account = ?5, report = ?6,
                 decided_at = NULL, decided_by = NULL WHERE id = ?7",
            params![
                before.state.as_str(),
                before.champion,
                before.challenger,
                before.model,
                json,
                before.report,
                before.id
            ],
        )
        .unwrap();
}

#[test]
fn a_crash_at_any_step_comes_to_the_same() {
    let bench = Bench::new();
    let straight = Bench::new();
    let expected = straight.waiting();
    bench.retrain().step(NOW).unwrap();
    for now in [NOW, NOW + 24 * HOUR] {
        loop {
            let before = bench.run();
            let progress = bench.retrain().step(now).unwrap();
            if before.state.is_open() && matches!(progress, Progress::Went(_)) {
                crash(&bench, &before);
                assert_eq!(
                    bench.retrain().step(now).unwrap(),
                    progress,
                    "after {:?}",
                    before.state
                );
            } else {
                break;
            }
        }
    }
    let mut run = bench.run();
    assert_eq!(run.state, State::Waiting);
    assert_eq!(
        (&run.challenger, &run.account.evaluation),
        (&expected.challenger, &expected.account.evaluation)
    );
    let models = fs::read_dir(bench.path("models")).unwrap();
    let kept = models.filter(|file| {
        file.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "onnx")
    });
    assert_eq!(kept.count(), 1);
    let before = run.clone();
    bench.approve(&mut run, NOW + 25 * HOUR).unwrap();
    crash(&bench, &before);
    assert_eq!(
        bench.retrain().step(NOW + 26 * HOUR).unwrap(),
        Progress::Went(State::Promoted)
    );
    assert_eq!(bench.promotions(), [(Action::Promote, "Night shift".to_owned())]);
    assert_eq!(bench.run().decided_by.as_deref(), Some("Night shift"));
}

#[test]
fn too_little_evidence_says_what_is_missing() {
    let bench = Bench::empty();
    assert!(
        bench
            .on(NOW)
            .contains("0 of 50 labelled people to learn from, 50 are missing")
    );
    bench.people(0..PEOPLE);
    let waits = bench.on(NOW);
    assert!(
        waits.contains("0 of 50 labelled crawlers to learn from") && !waits.contains("labelled people"),
        "one class only: {waits}"
    );
    assert!(runs::latest(&bench.store).unwrap().is_none(), "no run was begun");
    bench.crawlers(0..60);
    assert!(bench.on(NOW).contains("0 of 10 labelled crawlers to compare on"));
}

#[test]
fn a_directory_that_cannot_be_written_keeps_the_run_where_it_is() {
    let mut bench = Bench::new();
    let right = bench.config.models.directory.clone();
    fs::write(bench.path("file"), "").unwrap();
    bench.config.models.directory = bench.path("file").join("models");
    for _ in 0..2 {
        let error = super::on(&bench.retrain(), NOW, || false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot make"), "{error}");
        assert_eq!(bench.run().state, State::Registering);
    }
    bench.config.models.directory = right;
    bench.on(NOW);
    assert_eq!(bench.run().state, State::Shadowing);
}

#[test]
fn a_canary_that_flips_and_a_closed_gate_end_the_run() {
    let mut bench = Bench::new();
    let features = features(3, false).map(|value| value.to_string()).join(",");
    let line = format!(
        r#"{{"client":"192.0.2.9","label":"human","schema":"{}","features":[{features}]}}"#,
        schema_hash()
    );
    fs::write(bench.path("canaries"), line).unwrap();
    bench.config.retrain.canaries = Some(bench.path("canaries"));
    let said = bench.on(NOW);
    assert_eq!(said, "run 1 is refused: 1 of 1 canaries flip");
    assert!(!bench.path("challenger.onnx").exists());
    assert!(
        !bench.run().report.contains("192.0.2.9"),
        "a name could not be forgotten there"
    );
    bench.config.retrain.canaries = None;
    bench.config.gates.max_newly_stopped = Some(0);
    bench.config.gates.min_auc = 1.1;
    assert_eq!(bench.on(NOW), "run 2 is refused: a gate is closed");
    assert!(bench.run().report.contains("**closed**") && !bench.path("challenger.onnx").exists());
}

#[test]
fn a_champion_that_changed_meanwhile_ends_the_run() {
    let bench = Bench::new();
    bench.on(NOW);
    fs::write(bench.path("champion.onnx"), "another").unwrap();
    let said = bench.on(NOW + 24 * HOUR);
    assert_eq!(
        said,
        "run 1 is refused: the champion changed since it was compared"
    );
}

#[test]
fn a_person_may_reject_with_a_reason() {
    let bench = Bench::new();
    let mut run = bench.waiting();
    let reject = |run: &mut Run, by, why| decide::reject(&bench.retrain(), run, by, why, NOW + 25 * HOUR);
    assert!(matches!(
        reject(&mut run, "Night shift", " "),
        Err(RetrainError::Why { .. })
    ));
    assert!(matches!(
        reject(&mut run, "policy", "no"),
        Err(RetrainError::Registry(_))
    ));
    reject(&mut run, "Night shift", "the sale distorts it").unwrap();
    assert_eq!(bench.run().state, State::Rejected);
    assert!(matches!(
        reject(&mut run, "Night shift", "again"),
        Err(RetrainError::NotWaiting { .. })
    ));
    assert_eq!(bench.champion(), None);
}

#[test]
fn what_jumps_is_taken_back_once_and_then_a_person_must_act() {
    let mut bench = Bench::new();
    let mut first = bench.waiting();
    bench.approve(&mut first, NOW + 25 * HOUR).unwrap();
    // Another model, as there are more people.
    bench.many(0..60, |number| {
        let at = NOW + 30 * HOUR + number;
        bench.client(
            &format!("10.9.{number}.1"),
            at,
            number,
            true,
            Some(("human", "conversion")),
        );
        bench.client(
            &format!("172.30.{number}.1"),
            at,
            number + 3,
            false,
            Some(("crawler", "trap")),
        );
    });
    bench.config.retrain.policy = Policy::Automatic;
    bench.config.retrain.shadow_hours = 1;
    // The gates compare with a champion that knows what it is judged on.
    bench.config.gates.max_auc_loss = 1.0;
    let now = NOW + 60 * HOUR;
    bench.on(now);
    let second = bench.run();
    assert_eq!(second.state, State::Shadowing, "{}", second.why);
    let digest = second.challenger.clone().unwrap();
    assert!(
        bench.on(now + HOUR).contains("nobody was scored"),
        "no shadow, no promotion"
    );
    crash(&bench, &second);
    bench.sample(
        1,
        now + 60,
        &features(1, true),
        ("PASSED", "ab"),
        Some((&digest, 0.01)),
    );
    bench.on(now + HOUR);
    assert_eq!(
        (bench.champion(), bench.run().state),
        (Some(digest.clone()), State::Promoted)
    );

    let look = |now| watch::look(&bench.retrain(), now).unwrap();
    bench.live(now + 2 * HOUR, 40, 40);
    assert_eq!(look(now + 2 * HOUR).said, "within the forecast");
    bench.live(now + 3 * HOUR, 500, 0);
    let said = look(now + 3 * HOUR).said;
    assert!(said.contains("was taken back: it stopped"), "{said}");
    assert_eq!(
        (bench.champion(), bench.run().state),
        (first.challenger.clone(), State::RolledBack)
    );
    for later in 4..8 {
        bench.live(now + later * HOUR, 500, 0);
        assert_eq!(look(now + later * HOUR).said, "the last change was a rollback");
    }
    assert_eq!(bench.promotions().len(), 3);
    assert_eq!(bench.promotions()[2], (Action::Rollback, "policy".to_owned()));

    bench.on(now + 10 * HOUR);
    let third = bench.run();
    let digest = third.challenger.clone().unwrap();
    bench.sample(
        1,
        now + 10 * HOUR + 60,
        &features(1, true),
        ("PASSED", "ab"),
        Some((&digest, 0.01)),
    );
    let waits = bench.on(now + 11 * HOUR);
    assert!(waits.contains("nobody has acted since"), "{waits}");
}

#[test]
fn an_order_does_not_whitelist_a_network_and_a_flood_moves_nothing() {
    let bench = Bench::new();
    bench.many(0..40, |number| {
        let label = if number == 0 {
            ("human", "conversion")
        } else {
            ("crawler", "trap")
        };
        let name = format!("192.0.2.{number}");
        bench.client(&name, START + number * PACE * 20, number, false, Some(label));
    });
    let flood = bench.client("198.51.100.1", START, 0, false, Some(("human", "conversion")));
    bench.many(0..5_000, |number| {
        let row = features(number, false);
        bench.sample(flood, START + number, &row, ("PASSED", "ab"), None);
    });
    bench.on(NOW);
    let run = bench.run();
    assert_eq!(run.state, State::Shadowing, "{} {:?}", run.why, run.account.gates);
    let learnt = run.account.learnt.as_ref().unwrap();
    assert_eq!(
        learnt.doubted, 1,
        "the order of a crawlers' neighbour is not believed"
    );
    for capped in learnt.caps.iter().filter(|capped| capped.holder != Holder::Day) {
        assert!(
            capped.after <= capped.cap * 1.02 && capped.largest.is_empty(),
            "{capped:?}"
        );
    }
    let model = Model::load(
        &fs::read(bench.path("challenger.onnx")).unwrap(),
        &Limits::DEFAULT,
    )
    .unwrap();
    for number in 0..17 {
        let score = model.score(&features(number, false));
        assert!(score >= model.thresholds().reject, "{number}: {score}");
        assert!(model.score(&features(number, true)) < model.thresholds().suspect);
    }
}

#[test]
fn drift_is_kept_with_its_time() {
    let bench = Bench::new();
    let zones = drifting::look(&bench.store, &bench.config, NOW).unwrap();
    assert_eq!(zones.len(), 1);
    assert_eq!(
        (zones[0].zone.as_str(), zones[0].at, &zones[0].trouble),
        ("clients", NOW, &None)
    );
    assert_eq!(drifting::kept(&bench.store).unwrap(), zones);
    let other = Bench::empty();
    other.people(0..20);
    let zones = drifting::look(&other.store, &other.config, NOW).unwrap();
    assert!(
        zones[0].trouble.as_ref().unwrap().contains("it takes 50 of each"),
        "{zones:?}"
    );
}
