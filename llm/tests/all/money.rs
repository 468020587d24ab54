//! What is spent is booked, and stops where the budget ends.

use std::sync::Arc;
use std::time::Duration;

use sekisho_llm::{Chain, Cost, Entry, Ledger, LedgerError, MemoryLedger, Period, Reason, Spend};

use crate::asking::{GOOD, chain, config, now, question};
use crate::gateway::{Act, Gateway, chat, chat_ending};

/// 100 tokens in at 10 a million and 20 out at 50 make 0.002.
const PRICES: &str = "[[prices]]\nmodel = 'served'\nsince = '1994-01-01'\ninput = 10.0\noutput = 50.0\n";

#[tokio::test]
async fn the_serving_model_makes_the_price() {
    let gateway = Gateway::start(vec![chat("served", GOOD), chat("another", GOOD)]);
    let (chain, ledger) = chain(config(&[gateway.url()], PRICES));
    let first = chain.ask(question(3000), now()).await;
    let answer = first.answer().expect("an answer");
    assert_eq!(
        (answer.model.as_str(), answer.served.as_deref()),
        ("model-a", Some("served"))
    );
    assert_eq!(answer.cost, Cost::Nanos(2_000_000));
    let second = chain.ask(question(3000), now()).await;
    assert_eq!(second.answer().expect("an answer").cost, Cost::Unpriced);
    let expected = Spend {
        nanos: 2_000_000,
        tokens: 240,
        attempts: 2,
        unpriced: 1,
    };
    assert_eq!(ledger.spent(0).expect("a sum"), expected);
    assert_eq!(chain.status(now()).unpriced_models, ["another"]);
}

#[tokio::test]
async fn useless_answers_cost_the_same() {
    let gateway = Gateway::start(vec![chat_ending("served", "{", "length"), Act::Cut]);
    let (chain, ledger) = chain(config(&[gateway.url()], PRICES));
    chain.ask(question(3000), now()).await;
    chain.ask(question(3000), now()).await;
    let costs: Vec<Cost> = ledger.entries().iter().map(|entry| entry.cost).collect();
    assert_eq!(costs, [Cost::Nanos(2_000_000), Cost::Unpriced]);
}

#[tokio::test]
async fn budgets_end_in_the_callers_text() {
    for (budget, period) in [
        ("run = { cost = 0.003 }", Period::Run),
        ("day = { cost = 0.003 }", Period::Day),
        ("month = { cost = 0.003 }", Period::Month),
        ("run = { tokens = 200 }", Period::Run),
        ("day = { tokens = 200 }", Period::Day),
        ("month = { tokens = 200 }", Period::Month),
    ] {
        let gateway = Gateway::start(vec![chat("served", GOOD)]);
        let (chain, _) = chain(config(&[gateway.url()], &format!("{PRICES}[budget]\n{budget}")));
        for _ in 0..2 {
            assert!(
                chain.ask(question(3000), now()).await.answer().is_some(),
                "{budget}"
            );
        }
        let outcome = chain.ask(question(3000), now()).await;
        assert_eq!(outcome.reason(), Some(Reason::Budget(period)), "{budget}");
        assert_eq!(gateway.seen().len(), 2, "{budget}");
        // Each begins anew: the run by a call, the day and the month by the calendar.
        chain.begin_run();
        let later = now() + Duration::from_secs(86_400 * if period == Period::Month { 31 } else { 1 });
        assert!(
            chain.ask(question(3000), later).await.answer().is_some(),
            "{budget}"
        );
    }
}

#[tokio::test]
async fn spending_survives_a_restart() {
    let gateway = Gateway::start(vec![chat("served", GOOD)]);
    let config = config(&[gateway.url()], &format!("{PRICES}[budget.day]\ntokens = 100"));
    let ledger = Arc::new(MemoryLedger::default());
    let start = || Chain::new(config.clone(), ledger.clone(), now()).expect("a chain");
    assert!(start().ask(question(3000), now()).await.answer().is_some());
    assert_eq!(
        start().ask(question(3000), now()).await.reason(),
        Some(Reason::Budget(Period::Day))
    );
}

#[derive(Default)]
struct Broken {
    can_read: bool,
}

impl Ledger for Broken {
    fn record(&self, _: &Entry) -> Result<(), LedgerError> {
        Err(LedgerError("the disk is full".to_owned()))
    }

    fn spent(&self, _: u64) -> Result<Spend, LedgerError> {
        if self.can_read {
            Ok(Spend::default())
        } else {
            Err(LedgerError("it is locked".to_owned()))
        }
    }
}

#[tokio::test]
async fn without_a_ledger_budgets_hold_all_the_same() {
    let gateway = Gateway::start(vec![chat("served", GOOD)]);
    let config = config(&[gateway.url()], "[budget.day]\ntokens = 100");
    let blind = Chain::new(config.clone(), Arc::new(Broken::default()), now()).expect("a chain");
    assert_eq!(
        blind.ask(question(3000), now()).await.reason(),
        Some(Reason::Ledger)
    );
    assert!(blind.status(now()).periods[1].error.is_some());
    let forgetful = Chain::new(config, Arc::new(Broken { can_read: true }), now()).expect("a chain");
    assert!(forgetful.ask(question(3000), now()).await.answer().is_some());
    assert_eq!(
        forgetful.ask(question(3000), now()).await.reason(),
        Some(Reason::Budget(Period::Day))
    );
}

/// A ledger whose disk hangs.
struct Hanging;

impl Ledger for Hanging {
    fn record(&self, _: &Entry) -> Result<(), LedgerError> {
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    fn spent(&self, _: u64) -> Result<Spend, LedgerError> {
        Ok(Spend::default())
    }
}

#[tokio::test]
async fn a_hanging_ledger_does_not_hold_up_the_answer() {
    let gateway = Gateway::start(vec![chat("served", GOOD)]);
    let chain = Chain::new(config(&[gateway.url()], ""), Arc::new(Hanging), now()).expect("a chain");
    let outcome = chain.ask(question(600), now()).await;
    assert!(outcome.answer().is_some(), "{outcome:?}");
    assert!(outcome.duration < Duration::from_millis(1500), "{outcome:?}");
}
