//! What is kept of language models, over real stores.

use std::collections::BTreeMap;

use sekisho_llm::{Cost, Entry, Ledger, Spend};
use tempfile::TempDir;

use super::ledger::StoreLedger;
use super::*;

const AT: u32 = 1_800_000_000;

fn entry(at: u64, outcome: &str, duration_ms: u64, cost: Cost) -> Entry {
    Entry {
        at,
        operation: "explain".into(),
        provider: "lm".into(),
        model: "m".into(),
        served: None,
        outcome: outcome.into(),
        duration_ms,
        tokens_in: Some(100),
        tokens_out: None,
        cost,
    }
}

#[test]
fn what_was_spent_outlives_the_process() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s.db");
    drop(Store::open(&path).unwrap());
    let ledger = StoreLedger::open(&path).unwrap();
    ledger.record(&entry(1000, "ok", 40, Cost::Nanos(7))).unwrap();
    ledger.record(&entry(2000, "ok", 90, Cost::Unpriced)).unwrap();
    ledger
        .record(&entry(3000, "timeout", 500, Cost::Nothing))
        .unwrap();
    drop(ledger);
    let ledger = StoreLedger::open(&path).unwrap();
    let spend = |nanos, tokens, attempts, unpriced| Spend {
        nanos,
        tokens,
        attempts,
        unpriced,
    };
    assert_eq!(ledger.spent(0).unwrap(), spend(7, 300, 3, 1));
    assert_eq!(ledger.spent(2000).unwrap(), spend(0, 200, 2, 1));
    assert_eq!(ledger.spent(4000).unwrap(), Spend::default());
    let store = Store::open(&path).unwrap();
    let seen = store.attempts("lm", "m", 0).unwrap();
    assert_eq!(
        (seen.attempts, seen.failures, seen.last_error.as_deref()),
        (3, 1, Some("timeout"))
    );
    assert_eq!((seen.half_ms, seen.most_ms), (Some(90), Some(500)));
    assert_eq!(store.attempts("other", "m", 0).unwrap().half_ms, None);
}

#[test]
fn the_oldest_attempts_go() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    store.book(&entry(1000, "ok", 1, Cost::Nothing)).unwrap();
    store
        .book(&entry(1000 + 401 * 86_400, "ok", 1, Cost::Nothing))
        .unwrap();
    assert_eq!(store.spent(0).unwrap().attempts, 1);
}

#[test]
fn an_answer_is_found_by_what_was_asked_or_by_what_is_alike() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    store
        .connection()
        .execute("INSERT INTO snapshot VALUES ('s1', 1, 0, '{}')", [])
        .unwrap();
    let keys = |exact: &str, likeness: &str| Keys {
        exact: exact.into(),
        likeness: likeness.into(),
    };
    store
        .keep_answer(&keys("a", "x"), "s1", ("lm", "m", "{}"), AT)
        .unwrap();
    #[track_caller]
    fn check(store: &Store, keys: &Keys, now: u32, expected: Option<bool>) {
        let found = store.kept_answer(keys, now).unwrap();
        assert_eq!(found.map(|answer| answer.exact), expected);
    }
    let day = 86_400;
    check(&store, &keys("a", "x"), AT, Some(true));
    check(&store, &keys("a", "y"), AT + 29 * day, Some(true));
    check(&store, &keys("a", "x"), AT + 31 * day, None);
    check(&store, &keys("b", "x"), AT, Some(false));
    check(&store, &keys("b", "x"), AT + 8 * day, None);
    check(&store, &keys("b", "y"), AT, None);
    store.connection().execute("DELETE FROM snapshot", []).unwrap();
    check(&store, &keys("a", "x"), AT, None);
}

#[test]
fn claims_are_counted_by_model_and_reason() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let outcomes =
        |kept, false_ones| BTreeMap::from([(KEPT.to_owned(), kept), ("false".to_owned(), false_ones)]);
    store.count_claims("lm", "m", &outcomes(2, 1)).unwrap();
    store.count_claims("lm", "m", &outcomes(1, 4)).unwrap();
    assert_eq!(store.claims_of("lm", "m").unwrap(), outcomes(3, 5));
    assert!(store.claims_of("lm", "n").unwrap().is_empty());
}
