//! Spans and metrics over OTLP, by the semantic conventions for generative AI. No text of a question or an answer is
//! in them.

mod sender;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use reqwest::Url;
use thiserror::Error;

use crate::config::{Config, Otlp};
use crate::outcome::{Attempt, Ended, Outcome};
use crate::price::Cost;
use crate::question::Question;
use crate::transport::ClientError;
use sender::Sender;

/// How long the collector may take for one export.
const EXPORT: Duration = Duration::from_secs(5);
/// Bucket bounds of the semantic conventions: seconds of one request.
const REQUEST_SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// The same for tokens of one request.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// The same for seconds of a whole workflow, and two below: a local answer takes less than a second.
const WORKFLOW_SECONDS: [f64; 13] = [
    0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
];

/// Spans and metrics of one chain.
pub struct Telemetry {
    traces: SdkTracerProvider,
    meters: SdkMeterProvider,
    tracer: SdkTracer,
    instruments: Instruments,
    /// Outlives the exporters: they send through it.
    sender: Arc<Sender>,
}

struct Instruments {
    requests: Histogram<f64>,
    tokens: Histogram<u64>,
    workflows: Histogram<f64>,
    cost: Counter<f64>,
    unpriced: Counter<u64>,
    fallbacks: Counter<u64>,
    claims: Counter<u64>,
}

/// Why nothing can be exported.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No thread for the exporters.
    #[error("no thread for telemetry can be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The exporters refuse llm.otlp or an OTEL_ variable of the environment.
    #[error("telemetry cannot be exported with llm.otlp and the environment's OTEL_ variables: {0}")]
    Exporter(#[from] ExporterBuildError),
}

impl Telemetry {
    /// Starts exporting. What cannot be sent at once is dropped (sums of metrics come again with the next export):
    /// it never holds up an answer.
    pub fn new(otlp: &Otlp) -> Result<Telemetry, TelemetryError> {
        let sender = Arc::new(Sender::new(EXPORT)?);
        let base = otlp.endpoint.trim_end_matches('/');
        let resource = Resource::builder()
            .with_service_name(otlp.service_name.clone())
            .build();
        let spans = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(sender.clone())
            .with_endpoint(format!("{base}/v1/traces"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT)
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_shared_http_client(sender.clone())
            .with_endpoint(format!("{base}/v1/metrics"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT)
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let reader = PeriodicReader::builder(metrics)
            .with_interval(Duration::from_secs(otlp.every_seconds))
            .build();
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_resource(resource.clone())
            .build();
        let meters = SdkMeterProvider::builder()
            .with_reader(reader)
            .with_resource(resource)
            .build();
        Ok(Telemetry {
            tracer: traces.tracer("sekisho-llm"),
            instruments: Instruments::new(&meters),
            traces,
            meters,
            sender,
        })
    }

    /// Records an operation that began at `now`.
    pub fn record(&self, question: &Question, outcome: &Outcome, now: SystemTime, config: &Config) {
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "invoke_workflow"),
            KeyValue::new("gen_ai.workflow.name", question.operation),
        ];
        let reason = match &outcome.ended {
            Ended::Answered(_) => None,
            Ended::Unanswered(reason) => Some(reason.label()),
        };
        attributes.extend(reason.map(|reason| KeyValue::new("error.type", reason)));
        self.instruments
            .workflows
            .record(outcome.duration.as_secs_f64(), &attributes);
        if let Some(fallback) = outcome.fallback {
            let to = if reason.is_some() { "text" } else { "target" };
            let labels = [KeyValue::new("reason", fallback), KeyValue::new("to", to)];
            self.instruments.fallbacks.add(1, &labels);
            attributes.push(KeyValue::new("sekisho.llm.fallback", fallback));
        }
        attributes.push(KeyValue::new(
            "sekisho.llm.attempts",
            outcome.attempts.len() as i64,
        ));
        let name = format!("invoke_workflow {}", question.operation);
        let mut span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(now)
            .with_attributes(attributes)
            .start(&self.tracer);
        if let Some(reason) = reason {
            span.set_status(Status::error(reason));
        }
        let context = Context::new().with_span(span);
        for attempt in &outcome.attempts {
            self.record_attempt(question, attempt, now, config, &context);
        }
        context.span().end_with_timestamp(now + outcome.duration);
    }

    fn record_attempt(
        &self,
        question: &Question,
        attempt: &Attempt,
        now: SystemTime,
        config: &Config,
        parent: &Context,
    ) {
        let attributes = common(attempt, config);
        self.instruments.count(attempt, &attributes, &config.currency);
        let mut more = attributes;
        more.extend(details(question, attempt, &config.currency));
        let began = now + attempt.began;
        let mut span = self
            .tracer
            .span_builder(format!("chat {}", attempt.model))
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(more)
            .start_with_context(&self.tracer, parent);
        if attempt.error.is_some() {
            span.set_status(Status::error(attempt.label()));
        }
        span.end_with_timestamp(began + attempt.duration);
    }

    /// Counts claims of a model.
    pub fn claims(&self, provider: &str, model: &str, kept: u64, dropped: u64) {
        for (outcome, count) in [("kept", kept), ("dropped", dropped)] {
            let attributes = [
                KeyValue::new("sekisho.llm.target", provider.to_owned()),
                KeyValue::new("gen_ai.request.model", model.to_owned()),
                KeyValue::new("outcome", outcome),
            ];
            self.instruments.claims.add(count, &attributes);
        }
    }

    /// Sends what waits. The exporters block, so this happens on a thread that may.
    pub async fn flush(&self) {
        let (traces, meters) = (self.traces.clone(), self.meters.clone());
        let flushed = tokio::task::spawn_blocking(move || (traces.force_flush(), meters.force_flush())).await;
        match flushed {
            Ok((Ok(()), Ok(()))) => {}
            other => tracing::warn!(?other, "telemetry could not be sent"),
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // What was not flushed is given up first: a collector that hangs must not hold up whoever drops this.
        self.sender.stop();
        let _ = self.traces.shutdown_with_timeout(EXPORT);
        let _ = self.meters.shutdown_with_timeout(EXPORT);
    }
}

impl Instruments {
    fn new(meters: &SdkMeterProvider) -> Instruments {
        let meter = meters.meter("sekisho-llm");
        Instruments {
            requests: meter
                .f64_histogram("gen_ai.client.operation.duration")
                .with_unit("s")
                .with_description("GenAI operation duration.")
                .with_boundaries(REQUEST_SECONDS.to_vec())
                .build(),
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Number of input and output tokens used.")
                .with_boundaries(TOKENS.to_vec())
                .build(),
            workflows: meter
                .f64_histogram("gen_ai.workflow.duration")
                .with_unit("s")
                .with_description("Whole operation: all targets, waits and retries.")
                .with_boundaries(WORKFLOW_SECONDS.to_vec())
                .build(),
            cost: meter
                .f64_counter("sekisho.llm.cost")
                .with_description("Cost of what has a price.")
                .build(),
            unpriced: meter
                .u64_counter("sekisho.llm.unpriced")
                .with_unit("{request}")
                .build(),
            fallbacks: meter
                .u64_counter("sekisho.llm.fallbacks")
                .with_unit("{operation}")
                .build(),
            claims: meter
                .u64_counter("sekisho.llm.claims")
                .with_unit("{claim}")
                .build(),
        }
    }

    fn count(&self, attempt: &Attempt, attributes: &[KeyValue], currency: &str) {
        self.requests.record(attempt.duration.as_secs_f64(), attributes);
        for (direction, tokens) in [("input", attempt.tokens_in), ("output", attempt.tokens_out)] {
            if let Some(tokens) = tokens {
                let mut attributes = attributes.to_vec();
                attributes.retain(|attribute| attribute.key.as_str() != "error.type");
                attributes.push(KeyValue::new("gen_ai.token.type", direction));
                self.tokens.record(tokens, &attributes);
            }
        }
        match attempt.cost {
            Cost::Nothing => {}
            Cost::Nanos(_) => {
                let mut attributes = attributes.to_vec();
                attributes.push(KeyValue::new("currency", currency.to_owned()));
                self.cost.add(attempt.cost.known(), &attributes);
            }
            Cost::Unpriced => self.unpriced.add(1, attributes),
        }
    }
}

/// Attributes of an attempt's span and of its metrics.
fn common(attempt: &Attempt, config: &Config) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", "chat"),
        KeyValue::new("gen_ai.provider.name", attempt.kind.label()),
        KeyValue::new("gen_ai.request.model", attempt.model.clone()),
        KeyValue::new("sekisho.llm.target", attempt.provider.clone()),
    ];
    attributes.extend(
        attempt
            .served
            .clone()
            .map(|served| KeyValue::new("gen_ai.response.model", served)),
    );
    attributes.extend(
        attempt
            .error
            .map(|class| KeyValue::new("error.type", class.label())),
    );
    let target = config
        .targets
        .iter()
        .find(|target| target.name == attempt.provider);
    if let Some(url) = target.and_then(|target| Url::parse(&target.base_url).ok()) {
        let host = url.host_str().unwrap_or_default().to_owned();
        attributes.push(KeyValue::new("server.address", host));
        attributes.extend(
            url.port_or_known_default()
                .map(|port| KeyValue::new("server.port", i64::from(port))),
        );
    }
    attributes
}

/// What only the span says.
fn details(question: &Question, attempt: &Attempt, currency: &str) -> Vec<KeyValue> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("gen_ai.output.type", "json"),
        KeyValue::new("gen_ai.request.max_tokens", i64::from(question.max_tokens)),
    ];
    let optional = [
        ("gen_ai.usage.input_tokens", attempt.tokens_in.map(number)),
        ("gen_ai.usage.output_tokens", attempt.tokens_out.map(number)),
        ("http.response.status_code", attempt.status.map(i64::from)),
    ];
    attributes.extend(
        optional
            .into_iter()
            .filter_map(|(key, value)| Some(KeyValue::new(key, value?))),
    );
    if let Some(finish) = &attempt.finish {
        let reasons = Value::Array(Array::String(vec![StringValue::from(finish.clone())]));
        attributes.push(KeyValue::new("gen_ai.response.finish_reasons", reasons));
    }
    match attempt.cost {
        Cost::Nothing => {}
        Cost::Nanos(_) => {
            attributes.push(KeyValue::new("sekisho.llm.cost", attempt.cost.known()));
            attributes.push(KeyValue::new("sekisho.llm.currency", currency.to_owned()));
        }
        Cost::Unpriced => attributes.push(KeyValue::new("sekisho.llm.unpriced", true)),
    }
    attributes
}
