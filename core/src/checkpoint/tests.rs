//! The path of a request, as data.

use super::*;
use crate::key::Seed;
use crate::url::Method;

pub(super) const POLICY: Policy = Policy {
    suspect: 0.5,
    reject: 0.9,
    min_requests: 10,
    ban_seconds: 600,
    ban_max: 86_400,
};

/// Sends `requests` one a second, each scored `score`; the numbers of those that were scored.
pub(super) fn drive(record: &mut Record, from: u32, requests: u32, score: f32) -> (Vec<u32>, Standing) {
    let (mut scored, mut last) = (Vec::new(), None);
    for number in 0..requests {
        let target = format!("/item/{from}/{number}");
        let visit = Visit::new(Seed::FIXED, Method::Get, target.as_bytes(), None);
        last = Some(
            match arrive(record, from + number, &visit, Rating::Unrated, &POLICY) {
                Arrival::Settled(standing) => standing,
                Arrival::Score => {
                    scored.push(record.requests());
                    settle(record, from + number, score, &POLICY)
                }
            },
        );
    }
    (scored, last.expect("at least one request"))
}

#[test]
fn scores_are_due_when_the_evidence_changed() {
    let mut record = Record::fresh(1, 100);
    let (scored, _) = drive(&mut record, 100, 120, 0.1);
    assert_eq!(scored, [10, 16, 24, 32, 64, 96]);
}

#[test]
fn a_group_is_scored_from_where_it_can_be_judged() {
    let patient = Policy {
        min_requests: 100,
        ..POLICY
    };
    let (mut record, mut scored) = (Record::fresh(1, 100), Vec::new());
    for number in 1..=140 {
        let visit = Visit::new(Seed::FIXED, Method::Get, b"/", None);
        if let Arrival::Score = arrive(&mut record, 100 + number, &visit, Rating::Unrated, &patient) {
            scored.push(number);
            settle(&mut record, 100 + number, 0.1, &patient);
        }
    }
    assert_eq!(scored, [100, 132]);
}

#[test]
fn time_alone_brings_no_score() {
    let mut record = Record::fresh(1, 100);
    let mut scored = Vec::new();
    for number in 1..=50 {
        let visit = Visit::new(Seed::FIXED, Method::Get, b"/", None);
        let at = 100 + number * 3600;
        if let Arrival::Score = arrive(&mut record, at, &visit, Rating::Unrated, &POLICY) {
            scored.push(number);
            settle(&mut record, at, 0.1, &POLICY);
        }
    }
    assert_eq!(scored, [10, 16, 24, 32]);
}

#[test]
fn a_verdict_follows_score_and_patience() {
    #[track_caller]
    fn check(requests: u32, score: f32, verdict: Verdict, evidence: u32) {
        let (_, standing) = drive(&mut Record::fresh(1, 100), 100, requests, score);
        assert_eq!(
            (standing.verdict, standing.evidence),
            (verdict, evidence),
            "{requests} at {score}"
        );
    }
    check(3, 0.99, Verdict::Passed, 0);
    check(9, 0.99, Verdict::Passed, 0);
    check(10, 0.99, Verdict::Rejected, 10);
    check(20, 0.6, Verdict::Suspect, 10);
    check(20, 0.4, Verdict::Passed, 16);
}

#[test]
fn a_ban_ends_and_the_client_starts_anew() {
    let mut record = Record::fresh(1, 100);
    assert_eq!(drive(&mut record, 100, 20, 0.99).1.verdict, Verdict::Rejected);
    assert_eq!(
        drive(&mut record, 700, 1, 0.99).1.verdict,
        Verdict::Rejected,
        "still within ten minutes"
    );
    let after = drive(&mut record, 709, 9, 0.99).1;
    assert_eq!(
        (after.verdict, after.requests, after.evidence),
        (Verdict::Passed, 30, 21)
    );
    assert_eq!(
        drive(&mut record, 718, 1, 0.99).1.verdict,
        Verdict::Rejected,
        "ten new requests"
    );
    assert_eq!(record.bans, 1);
}

#[test]
fn reasons_are_asked_for_when_a_verdict_turns() {
    let mut record = Record::fresh(1, 100);
    assert!(
        !drive(&mut record, 100, 9, 0.6).1.turned,
        "too early for a verdict"
    );
    assert!(drive(&mut record, 109, 1, 0.6).1.turned);
    explain(&mut record, [1, 2, 255]);
    let standing = drive(&mut record, 110, 1, 0.6).1;
    assert_eq!((standing.turned, standing.reasons), (false, [1, 2, 255]));
    assert!(drive(&mut record, 111, 5, 0.99).1.verdict == Verdict::Rejected);
}

#[test]
fn two_policies_on_one_record_turn_it_once() {
    let mut record = Record::fresh(1, 100);
    drive(&mut record, 100, 10, 0.7);
    let strict = Policy {
        suspect: 0.1,
        reject: 0.2,
        ..POLICY
    };
    let visit = Visit::new(Seed::FIXED, Method::Get, b"/", None);
    let mut turns = 0;
    for number in 0..20 {
        let policy = if number % 2 == 0 { &strict } else { &POLICY };
        let standing = match arrive(&mut record, 110 + number, &visit, Rating::Unrated, policy) {
            Arrival::Settled(standing) => standing,
            Arrival::Score => settle(&mut record, 110 + number, 0.7, policy),
        };
        turns += u32::from(standing.turned);
    }
    assert_eq!(turns, 1);
}

#[test]
fn a_turn_is_told_once() {
    let mut record = Record::fresh(1, 100);
    assert!(!drive(&mut record, 100, 9, 0.99).1.turned);
    assert!(drive(&mut record, 109, 1, 0.99).1.turned);
    assert!(!drive(&mut record, 110, 1, 0.99).1.turned);
}
