//! What operators and Prometheus are shown.

use std::time::Duration;

use sekisho_llm::Status;

use crate::asking::{GOOD, chain, config, now, question};
use crate::gateway::{Act, Gateway, chat};

const MORE: &str = "[[prices]]\nmodel = 'served'\nsince = '1994-01-01'\ninput = 10.0\noutput = 50.0\n\
                    [budget.day]\ncost = 0.002\ntokens = 100000\n[breaker]\nfailures = 1\n";

/// A chain whose first target failed, and whose second answered twice.
async fn used() -> (sekisho_llm::Chain, [Gateway; 2]) {
    let failing = Gateway::start(vec![Act::Reply(500, Vec::new(), String::new())]);
    let good = Gateway::start(vec![chat("served", GOOD), chat("evil\u{202e}name", GOOD)]);
    let more = MORE.replace("0.002", "0.003");
    let mut config = config(&[failing.url(), good.url()], &more);
    config.targets[1].local_only = true;
    let (chain, _) = chain(config);
    for _ in 0..2 {
        chain.ask(question(3000), now()).await;
    }
    chain.claims("b", "model-b", 3, 1);
    (chain, [failing, good])
}

/// Durations and times differ from run to run.
fn steady(mut status: Status) -> Status {
    for target in &mut status.targets {
        target.p50_ms = target.p50_ms.map(|_| 12);
        target.p95_ms = target.p95_ms.map(|_| 1234);
        target.open_until = target.open_until.map(|_| 784_111_807);
    }
    (status.p50_ms, status.p95_ms) = (Some(15), Some(1240));
    status
}

#[tokio::test]
async fn the_status_says_it_all() {
    let (chain, _gateways) = used().await;
    let status = steady(chain.status(now()));
    insta::assert_snapshot!(status.to_string());
    let json = serde_json::to_string(&status).expect("JSON");
    assert_eq!(serde_json::from_str::<Status>(&json).expect("a status"), status);
}

#[tokio::test]
async fn a_used_up_budget_is_shown() {
    let gateway = Gateway::start(vec![chat("served", GOOD)]);
    let (chain, _) = chain(config(&[gateway.url()], MORE));
    chain.ask(question(3000), now()).await;
    let text = chain.status(now()).to_string();
    let day = text
        .lines()
        .find(|line| line.starts_with("this day"))
        .expect("a line");
    assert!(day.ends_with("used up"), "{text}");
    let tomorrow = chain.status(now() + Duration::from_secs(86_400)).to_string();
    assert!(!tomorrow.contains("used up"), "{tomorrow}");
}

#[tokio::test]
async fn without_targets_the_status_says_so() {
    let (chain, _) = chain(config(&[], ""));
    insta::assert_snapshot!(chain.status(now()).to_string());
}

#[tokio::test]
async fn prometheus_reads_it() {
    let (chain, _gateways) = used().await;
    let text = chain.render(now());
    for line in text.lines() {
        let well_formed = line.starts_with("# HELP sekisho_llm_")
            || line.starts_with("# TYPE sekisho_llm_")
            || line.split_once("} ").is_some_and(|(name, value)| {
                name.starts_with("sekisho_llm_") && name.contains('{') && value.parse::<f64>().is_ok()
            });
        assert!(well_formed, "{line}");
    }
    // Which bucket a duration falls into, and the sums, differ from run to run.
    let steady =
        |line: &&str| !line.contains("_sum{") && (!line.contains("_bucket{") || line.contains("+Inf"));
    insta::assert_snapshot!(text.lines().filter(steady).collect::<Vec<_>>().join("\n"));
}
