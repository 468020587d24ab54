//! What is told where the simulated crawlers have no example.

use std::fmt::Write;

use super::super::category::by_rule;
use super::super::claim::Claim;
use super::super::confidence::{History, Parts, margin};
use super::super::explanation::explain;
use super::super::snapshot::{Counterfactual, Snapshot};
use super::super::words::{self, Lang};
use super::recorded;

fn told(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let confidence = History::default().confidence(Parts {
        margin: margin(snapshot),
        ..Parts::default()
    });
    for lang in [Lang::En, Lang::Ja] {
        let text = words::text(lang, snapshot, by_rule(snapshot), &explain(snapshot), &confidence);
        writeln!(out, "{}\n{}", text.headline, text.sentences.join("\n")).unwrap();
        writeln!(out, "{}\n{}\n", text.action, text.confidence).unwrap();
        assert!((2..=5).contains(&text.sentences.len()), "{out}");
    }
    out
}

#[test]
fn what_fits_no_kind() {
    let mut snapshot = recorded("catalogue_scrape");
    snapshot.features.insert("query_share".into(), 0.55);
    snapshot.counterfactual = Counterfactual::Nothing;
    insta::assert_snapshot!(told(&snapshot));
}

#[test]
fn who_walked_into_a_trap_among_others() {
    let mut snapshot = recorded("passed");
    snapshot.marks = vec!["trap".into()];
    snapshot.verdict = "TRAPPED".into();
    snapshot.alike.clients.total = 4;
    insta::assert_snapshot!(told(&snapshot));
}

#[test]
fn who_claims_to_be_a_bot_by_another_model() {
    let mut snapshot = recorded("faceted_crawl");
    snapshot.marks = vec!["false_bot_claim".into()];
    snapshot.policy.exact = false;
    insta::assert_snapshot!(told(&snapshot));
}

#[test]
fn who_was_let_pass() {
    insta::assert_snapshot!(told(&recorded("passed")));
}

#[test]
fn many_at_once() {
    let mut snapshot = recorded("swarm_member");
    snapshot.subject.members = 11;
    insta::assert_snapshot!(told(&snapshot));
}

#[test]
fn every_claim() {
    let mut snapshot = recorded("credential_stuffing");
    snapshot.alike.clients.total = 4;
    let e = || "e1".to_owned();
    let claims = [
        Claim::AboveBaseline { e: "e10".into() },
        Claim::BelowBaseline { e: e() },
        Claim::RatioOf {
            e: "e5".into(),
            at_least: 2.0,
        },
        Claim::CoOccurs {
            e1: "e1".into(),
            e2: "e5".into(),
        },
        Claim::DrivesScore { e: e() },
        Claim::Decides { e: e() },
        Claim::Periodic {},
        Claim::ManyAlike { at_least: 3.0 },
        Claim::PathShare {
            template: "p1".into(),
            at_least: 0.5,
        },
    ];
    snapshot.evidence[4].baseline.median = 0.01;
    let mut out = String::new();
    for lang in [Lang::En, Lang::Ja] {
        for claim in &claims {
            let text = words::claim(lang, &snapshot, by_rule(&snapshot), claim).unwrap();
            writeln!(out, "{text}").unwrap();
        }
    }
    insta::assert_snapshot!(out);
}
