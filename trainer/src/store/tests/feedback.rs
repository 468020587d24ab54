//! Feedback: only added, one judgement a snapshot, gone with its client.

use super::*;

const SNAPSHOT: &str = "aa";

/// A store with one client, of whom snapshot [`SNAPSHOT`] is kept.
fn explained() -> Bench {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[sample("192.0.2.1", 1, NOW)]);
    keep(&bench, SNAPSHOT, NOW);
    bench
}

fn keep(bench: &Bench, id: &str, at: u32) {
    let client = bench.named("192.0.2.1").id;
    let kept = Kept {
        id,
        clients: &[client],
        document: "{\"features\":{\"requests\":3.5},\"window\":{\"from\":7,\"to\":9}}",
        lists: &[],
        explanation: ("rules", "{\"explanation\":{\"category\":\"price_watch\"}}"),
    };
    bench.store.keep_snapshot(kept, at).unwrap();
}

fn feedback<'a>(verdict: &'a str, right: Option<bool>, votes: &'a [(String, bool)]) -> NewFeedback<'a> {
    NewFeedback {
        snapshot: SNAPSHOT,
        verdict,
        told: "price_watch",
        said: (verdict == "wrong_category").then_some("monitoring"),
        votes,
        author: "ana",
        actor: "root",
        note: "",
        judgement: right.map(|right| (0.9, right)),
        label: match verdict {
            "correct" => Some((Class::Crawler, "feedback")),
            "false_positive" => Some((Class::Human, "feedback")),
            _ => None,
        },
    }
}

#[test]
fn the_same_word_is_taken_once_and_the_last_one_judges() {
    let bench = explained();
    let votes = [("{\"b\":1}".to_owned(), true), ("{\"a\":1}".to_owned(), false)];
    let right = feedback("correct", Some(true), &votes);
    let (first, added) = bench.store.add_feedback(&right, NOW).unwrap();
    assert!(added);
    assert_eq!(bench.store.add_feedback(&right, NOW + 1).unwrap(), (first, false));
    assert_eq!(
        bench.store.judgements().unwrap(),
        [("price_watch".to_owned(), 0.9, true)]
    );
    assert_eq!(bench.named("192.0.2.1").class, Some(Class::Crawler));

    bench
        .store
        .add_feedback(&feedback("unclear", None, &[]), NOW + 2)
        .unwrap();
    assert_eq!(bench.store.judgements().unwrap(), []);
    assert_eq!(
        bench.named("192.0.2.1").class,
        Some(Class::Crawler),
        "unclear takes no label back"
    );
    bench
        .store
        .add_feedback(&feedback("false_positive", Some(false), &[]), NOW + 3)
        .unwrap();
    assert_eq!(
        bench.store.judgements().unwrap(),
        [("price_watch".to_owned(), 0.9, false)]
    );
    assert_eq!(bench.named("192.0.2.1").class, Some(Class::Human));
    bench.store.add_feedback(&right, NOW + 4).unwrap();
    assert_eq!(bench.store.judgements().unwrap().len(), 1);

    let all = bench.store.feedback(Some(SNAPSHOT), 10).unwrap();
    let verdicts: Vec<&str> = all.iter().map(|each| each.verdict.as_str()).collect();
    assert_eq!(verdicts, ["correct", "unclear", "false_positive", "correct"]);
    assert_eq!(
        all[0].votes,
        [("{\"a\":1}".to_owned(), false), ("{\"b\":1}".to_owned(), true)]
    );
    assert_eq!(bench.store.feedback(None, 1).unwrap()[0].id, all[3].id);
    assert_eq!(
        bench.count("audit WHERE action = 'feedback' AND subject LIKE 'client:%'"),
        4
    );
    assert_eq!(bench.count("audit WHERE action = 'label'"), 3);
    assert!(!bench.holds("192.0.2.1 is"), "no audit line names a client");
}

#[test]
fn feedback_is_never_changed_and_needs_its_snapshot() {
    let bench = explained();
    bench
        .store
        .add_feedback(&feedback("correct", Some(true), &[]), NOW)
        .unwrap();
    let connection = bench.store.connection();
    let error = connection
        .execute("UPDATE feedback SET verdict = 'unclear'", [])
        .unwrap_err();
    assert!(error.to_string().contains("never changed"), "{error}");
    let gone = NewFeedback {
        snapshot: "bb",
        ..feedback("correct", Some(true), &[])
    };
    assert!(bench.store.add_feedback(&gone, NOW).is_err());
    assert_eq!(
        (bench.count("feedback"), bench.count("judgement")),
        (1, 1),
        "nothing half"
    );
}

#[test]
fn a_forgotten_client_leaves_no_word_and_an_old_one_only_a_number() {
    let votes = [("{}".to_owned(), true)];
    let bench = explained();
    bench
        .store
        .add_feedback(&feedback("correct", Some(true), &votes), NOW)
        .unwrap();
    bench
        .store
        .forget(None, "192.0.2.1", &Names::Plain, (NOW, "ana"))
        .unwrap();
    for table in ["feedback", "feedback_claim", "judgement", "snapshot"] {
        assert_eq!(bench.count(table), 0, "{table}");
    }

    let bench = explained();
    bench
        .store
        .add_feedback(&feedback("correct", Some(true), &votes), NOW)
        .unwrap();
    let retention = Retention {
        seconds: 100,
        bytes: u64::MAX,
    };
    bench.store.prune(retention, NOW + 101).unwrap();
    for table in ["feedback", "feedback_claim", "snapshot", "sample"] {
        assert_eq!(bench.count(table), 0, "{table}");
    }
    assert_eq!(bench.store.judgements().unwrap().len(), 1, "it names nobody");
}

#[test]
fn past_cases_are_what_people_spoke_of_in_the_same_zone() {
    let mut bench = explained();
    bench.put(&[sample("192.0.2.2", 2, NOW)]);
    keep(&bench, "bb", NOW + 1);
    let ids = |bench: &Bench, zone: &str, except: &str| -> Vec<String> {
        let cases = bench.store.past_cases(zone, except, 10).unwrap();
        cases.into_iter().map(|case| case.snapshot).collect()
    };
    assert_eq!(
        ids(&bench, "clients", ""),
        Vec::<String>::new(),
        "nobody has said anything"
    );
    bench
        .store
        .add_feedback(&feedback("unclear", None, &[]), NOW)
        .unwrap();
    assert_eq!(ids(&bench, "clients", ""), [SNAPSHOT]);
    assert_eq!(ids(&bench, "networks", ""), Vec::<String>::new());
    assert_eq!(
        ids(&bench, "clients", SNAPSHOT),
        Vec::<String>::new(),
        "not the one that is explained"
    );
    let label = StoredLabel {
        zone: "clients".into(),
        client: "192.0.2.1".into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: NOW,
        note: String::new(),
    };
    bench
        .store
        .add_labels(&[label], &Names::Plain, false, (NOW, "ana"))
        .unwrap();
    let cases = bench.store.past_cases("clients", "", 10).unwrap();
    let ids: Vec<(&str, bool, Option<Class>)> = cases
        .iter()
        .map(|case| (case.snapshot.as_str(), case.feedback.is_some(), case.class))
        .collect();
    assert_eq!(
        ids,
        [
            (SNAPSHOT, true, Some(Class::Human)),
            ("bb", false, Some(Class::Human))
        ]
    );
    let compared = |case: &CaseRow| (case.until, case.features.clone(), case.told.clone());
    let expected = (9, "{\"requests\":3.5}".to_owned(), Some("price_watch".to_owned()));
    assert_eq!(compared(&cases[1]), expected);
    assert_eq!(
        bench.store.newest_snapshot(cases[0].client).unwrap().as_deref(),
        Some("bb")
    );
}

#[test]
fn an_older_store_gets_its_past_cases() {
    let bench = explained();
    bench
        .store
        .add_feedback(&feedback("correct", Some(true), &[]), NOW)
        .unwrap();
    let answered =
        "{\"explanation\":{\"category\":\"price_watch\"},\"verified\":{\"category\":\"monitoring\"}}";
    let kept = Kept {
        id: SNAPSHOT,
        clients: &[],
        document: "{}",
        lists: &[],
        explanation: ("a model", answered),
    };
    bench.store.keep_snapshot(kept, NOW).unwrap();
    let before = bench.store.past_cases("clients", "", 10).unwrap();
    assert_eq!(
        before[0].told.as_deref(),
        Some("monitoring"),
        "the newest explanation"
    );
    let undo = "DROP TABLE past; DROP TRIGGER past_begins; DROP TRIGGER past_is_told";
    bench.store.connection().execute_batch(undo).unwrap();
    let step = migrate::MIGRATIONS
        .iter()
        .find(|step| step.name == "011_past")
        .unwrap();
    bench.store.connection().execute_batch(step.sql).unwrap();
    assert_eq!(bench.store.past_cases("clients", "", 10).unwrap(), before);
}
