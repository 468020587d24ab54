//! What is told of runs agrees with what was done elsewhere.

use super::*;
use crate::registry::promote::{Request, promote, rollback};

/// `sekisho model promote`, or `rollback`, beside the runs.
fn by_hand(bench: &Bench, run: &Run, action: Action, now: u32) {
    let retrain = bench.retrain();
    let (settings, connection) = (retrain.settings(), bench.store.connection());
    let request = Request {
        approver: Approver::Person("Day shift".to_owned()),
        note: "by hand".to_owned(),
        now: now.into(),
    };
    let digest = run.challenger.clone().unwrap();
    match action {
        Action::Promote => {
            let evaluation = run.account.evaluation.clone();
            promote(
                &settings,
                &settings.gates,
                connection,
                &digest,
                evaluation,
                &request,
            )
            .unwrap();
        }
        Action::Rollback => {
            rollback(&settings, connection, &request, Some(&digest)).unwrap();
        }
    }
}

#[test]
fn a_run_that_was_promoted_elsewhere_waits_for_nobody() {
    let bench = Bench::new();
    fs::write(bench.path("champion.onnx"), crate::scan::DEFAULT_MODEL).unwrap();
    let run = bench.waiting();
    let state = || {
        let overview = view::overview(&bench.store).unwrap();
        let status = view::status(&bench.store).unwrap();
        assert_eq!(overview["run"], status["runs"][0]);
        let table = view::table(&bench.store).unwrap();
        let state = overview["run"]["state"].as_str().unwrap().to_owned();
        assert!(table.contains(&state.replace('_', " ")), "{table}");
        (state, overview["run"]["decided_by"].clone())
    };
    assert_eq!(state(), ("waiting".to_owned(), serde_json::Value::Null));
    by_hand(&bench, &run, Action::Promote, NOW + 25 * HOUR);
    assert_eq!(state(), ("promoted".to_owned(), "Day shift".into()));
    by_hand(&bench, &run, Action::Rollback, NOW + 26 * HOUR);
    assert_eq!(state(), ("rolled_back".to_owned(), "Day shift".into()));
    assert_eq!(bench.run().state, State::Waiting, "reading writes nothing");
}

#[test]
fn gates_judge_whom_the_thresholds_did_not_see() {
    let bench = Bench::new();
    let run = bench.waiting();
    let evaluation = run.account.evaluation.unwrap();
    let judged = |class: &str| {
        evaluation["challenger"]["all"][class]["clients"]
            .as_f64()
            .unwrap()
    };
    let cuts = run.account.thresholds.unwrap();
    assert_eq!((cuts.zones.len(), cuts.zones[0].people), (1, 75.0));
    assert_eq!((judged("humans"), judged("crawlers")), (75.0, 75.0));
    let from = evaluation["span"][0].as_u64().unwrap();
    let half = (run.account.cut + NOW) / 2;
    assert!(
        from.abs_diff(u64::from(half)) < 2 * u64::from(PACE),
        "{from} {half}"
    );
}
