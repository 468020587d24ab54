//! What a collector learns of an operation.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::asking::{GOOD, chain, config, now, question};
use crate::collector::{Arrived, collector, written};
use crate::gateway::{Act, Gateway, chat, refusing};

const PRICES: &str = "[[prices]]\nmodel = 'served'\nsince = '1994-01-01'\ninput = 10.0\noutput = 50.0\n";

fn watched(urls: &[String], endpoint: &str) -> sekisho_llm::Chain {
    let otlp =
        format!("[otlp]\nendpoint = '{endpoint}'\nservice_name = 'sekisho-test'\nevery_seconds = 3600\n");
    chain(config(urls, &format!("{PRICES}{otlp}"))).0
}

#[tokio::test]
async fn an_operation_is_a_span_around_its_attempts() {
    let collector = collector();
    let failing = Gateway::start(vec![Act::Reply(500, Vec::new(), String::new())]);
    let good = Gateway::start(vec![chat("served", GOOD)]);
    let chain = watched(&[failing.url(), good.url()], &collector.url());
    let outcome = chain.ask(question(3000), now()).await;
    chain.flush().await;
    let arrived = Arrived::at(&collector);
    assert!(
        arrived
            .resources
            .iter()
            .all(|resource| written(&resource.attributes).contains("service.name=sekisho-test"))
    );
    let mut spans = arrived.spans.clone();
    spans.sort_by_key(|span| (span.start_time_unix_nano, span.name != "invoke_workflow explain"));
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["invoke_workflow explain", "chat model-a", "chat model-b"]);
    let root = &spans[0];
    assert!(
        spans[1..]
            .iter()
            .all(|span| span.parent_span_id == root.span_id && span.trace_id == root.trace_id)
    );
    assert!(
        spans[1..]
            .iter()
            .all(|span| span.end_time_unix_nano <= root.end_time_unix_nano)
    );
    let lasted = Duration::from_nanos(root.end_time_unix_nano - root.start_time_unix_nano);
    assert_eq!(lasted, outcome.duration);
    assert_eq!(root.start_time_unix_nano, 784_111_777_000_000_000);
    let codes: Vec<i32> = spans
        .iter()
        .map(|span| span.status.as_ref().map_or(0, |status| status.code))
        .collect();
    assert_eq!(codes, [0, StatusCode::Error as i32, 0]);
    insta::assert_snapshot!(
        spans
            .iter()
            .map(|span| written(&span.attributes).replace(' ', "\n"))
            .collect::<Vec<_>>()
            .join("\n\n")
    );
}

#[tokio::test]
async fn metrics_follow_the_conventions() {
    let collector = collector();
    let failing = Gateway::start(vec![Act::Reply(500, Vec::new(), String::new())]);
    let good = Gateway::start(vec![chat("served", GOOD), chat("unknown", GOOD)]);
    let chain = watched(&[failing.url(), good.url()], &collector.url());
    for _ in 0..2 {
        chain.ask(question(3000), now()).await;
    }
    chain.claims("b", "model-b", 3, 1);
    chain.flush().await;
    let arrived = Arrived::at(&collector);
    let mut text = String::new();
    for name in ["gen_ai.client.operation.duration", "gen_ai.workflow.duration"] {
        for (attributes, sum, count) in arrived.points(name) {
            assert!(sum > 0.0 && sum < 6.0, "{name} {sum}");
            text += &format!("{name} {count} {attributes}\n");
        }
    }
    for name in [
        "gen_ai.client.token.usage",
        "sekisho.llm.cost",
        "sekisho.llm.unpriced",
        "sekisho.llm.fallbacks",
        "sekisho.llm.claims",
    ] {
        for (attributes, sum, count) in arrived.points(name) {
            text += &format!("{name} {count} {sum} {attributes}\n");
        }
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn texts_are_not_exported() {
    let collector = collector();
    let good = Gateway::start(vec![chat("served", r#"{"category":"unclear","claims":[]}"#)]);
    let chain = watched(&[good.url()], &collector.url());
    let mut asked = question(3000);
    asked.user = "203.0.113.9 did something".to_owned();
    asked.system = "a secret instruction".to_owned();
    assert!(chain.ask(asked, now()).await.answer().is_some());
    chain.flush().await;
    assert!(!collector.seen().is_empty());
    for seen in collector.seen() {
        let text = String::from_utf8_lossy(&seen.body).into_owned();
        for word in ["203.0.113.9", "secret instruction", "unclear"] {
            assert!(!text.contains(word), "{word} in {}", seen.line);
        }
    }
}

#[tokio::test]
async fn a_failing_collector_delays_no_answer() {
    let good = Gateway::start(vec![chat("served", GOOD)]);
    for endpoint in [refusing(), Gateway::start(vec![Act::Hang]).url()] {
        let chain = watched(&[good.url()], &endpoint);
        let outcome = chain.ask(question(3000), now()).await;
        assert!(outcome.answer().is_some());
        assert!(outcome.duration < Duration::from_secs(2), "{outcome:?}");
    }
}

/// A real collector, which ends when this is dropped, and with the test's process.
struct Rotel(Child);

impl Drop for Rotel {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Tries again until it is there, for half a minute; a minute when something has to be installed first.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match look() {
            Some(found) => return found,
            None if Instant::now() > end => panic!("{what} did not come"),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test]
async fn a_real_collector_passes_it_on() {
    let sink = collector();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/llm-fixture.sh");
    let child = Command::new(script)
        .args(["collector", &address, &sink.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _rotel = Rotel(child.expect("the script starts"));
    until("the collector", || TcpStream::connect(&address).ok()).await;
    let good = Gateway::start(vec![chat("served", GOOD)]);
    let chain = watched(&[good.url()], &format!("http://{address}"));
    assert!(chain.ask(question(3000), now()).await.answer().is_some());
    chain.flush().await;
    let arrived = until("the export", || {
        let arrived = Arrived::at(&sink);
        (arrived.spans.len() == 2 && !arrived.metrics.is_empty()).then_some(arrived)
    });
    let arrived = arrived.await;
    let chat = arrived
        .spans
        .iter()
        .find(|span| span.name == "chat model-a")
        .expect("an attempt");
    assert!(
        written(&chat.attributes).contains("gen_ai.usage.input_tokens=100"),
        "{chat:?}"
    );
    let points = arrived.points("gen_ai.client.token.usage");
    assert_eq!(
        points.iter().map(|(_, sum, _)| *sum).collect::<Vec<_>>(),
        [100.0, 20.0]
    );
}
