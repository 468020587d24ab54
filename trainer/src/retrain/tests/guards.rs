//! What keeps a model from being led astray, and from staying when it was.

use super::going::crash;
use super::*;

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

/// A model that a person approved, then one that the policy put into force an hour after `now`: the bench, the digest of
/// the first, and `now`.
fn promoted_by_the_policy() -> (Bench, Option<String>, u32) {
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
    (bench, first.challenger, now)
}

#[test]
fn what_jumps_is_taken_back_once_and_then_a_person_must_act() {
    let (bench, first, now) = promoted_by_the_policy();
    let look = |now| watch::look(&bench.retrain(), now).unwrap();
    bench.live(now + 2 * HOUR, 40, 40);
    assert_eq!(look(now + 2 * HOUR).said, "within the forecast");
    bench.live(now + 3 * HOUR, 500, 0);
    let said = look(now + 3 * HOUR).said;
    assert!(said.contains("was taken back: it stopped"), "{said}");
    assert_eq!((bench.champion(), bench.run().state), (first, State::RolledBack));
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
