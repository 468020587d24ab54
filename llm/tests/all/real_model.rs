//! A real model on this machine answers within the schema.

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use crate::asking::{chain, config, question};
use crate::local_model::LocalModel;

#[tokio::test]
async fn a_real_model_answers_by_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = LocalModel::start(&root);
    let mut config = config(
        &["http://127.0.0.1".to_owned()],
        "[[prices]]\nmodel = 'smollm2-135m'\nsince = '2026-01-01'\ninput = 0.0\noutput = 0.0",
    );
    let target = &mut config.targets[0];
    target.base_url = model.base_url();
    target.model = LocalModel::MODEL.to_owned();
    target.timeout_seconds = 60.0;
    target.extra.insert("temperature".to_owned(), json!(0));
    target
        .extra
        .insert("x-guidance".to_owned(), json!({"whitespace_flexible": false}));
    let (chain, ledger) = chain(config);
    let mut asked = question(60_000);
    asked.system = "You classify web clients. Answer in JSON.".to_owned();
    asked.user = "A client asked for 900 different product pages in 5 minutes.".to_owned();
    let outcome = chain.ask(asked, SystemTime::now()).await;
    let answer = outcome.answer().unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(answer.value["category"].is_string(), "{answer:?}");
    assert_eq!(answer.served.as_deref(), Some(LocalModel::MODEL));
    assert!(answer.tokens_in.is_some_and(|tokens| tokens > 20), "{answer:?}");
    assert_eq!(answer.cost, sekisho_llm::Cost::Nanos(0));
    assert_eq!(ledger.entries().len(), 1);
    println!("{:?} in {:?}", answer.value, outcome.duration);
}
