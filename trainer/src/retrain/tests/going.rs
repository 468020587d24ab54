//! A run from its beginning to a decision, through crashes and what is missing.

use super::*;

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
pub(super) fn crash(bench: &Bench, before: &Run) {
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
        let error = on(&bench.retrain(), NOW, || false).unwrap_err().to_string();
        assert!(error.contains("cannot make"), "{error}");
        assert_eq!(bench.run().state, State::Registering);
    }
    bench.config.models.directory = right;
    bench.on(NOW);
    assert_eq!(bench.run().state, State::Shadowing);
}
