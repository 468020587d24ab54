//! Reads what a collector is sent over OTLP: by the protocol's own messages, and nothing else is let pass.

use std::io::Read;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::gateway::{Act, Gateway};

/// A collector that takes everything: an empty message says so.
pub fn collector() -> Gateway {
    let kind = vec![("Content-Type", "application/x-protobuf".to_owned())];
    Gateway::start(vec![Act::Reply(200, kind, String::new())])
}

/// What arrived.
#[derive(Default)]
pub struct Arrived {
    /// All spans.
    pub spans: Vec<Span>,
    /// The metrics of the last export that had any.
    pub metrics: Vec<Metric>,
    /// Of either.
    pub resources: Vec<Resource>,
}

impl Arrived {
    /// Decodes it.
    pub fn at(gateway: &Gateway) -> Arrived {
        let mut arrived = Arrived::default();
        for seen in gateway.seen() {
            assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
            let mut body = seen.body.clone();
            if seen.header("content-encoding") == Some("gzip") {
                body.clear();
                GzDecoder::new(&seen.body[..])
                    .read_to_end(&mut body)
                    .expect("gzip");
            }
            match seen.line.as_str() {
                "POST /v1/traces" => {
                    let request = ExportTraceServiceRequest::decode(&body[..]).expect("traces");
                    for group in request.resource_spans {
                        arrived.resources.extend(group.resource);
                        arrived
                            .spans
                            .extend(group.scope_spans.into_iter().flat_map(|scope| scope.spans));
                    }
                }
                "POST /v1/metrics" => {
                    let request = ExportMetricsServiceRequest::decode(&body[..]).expect("metrics");
                    for group in request.resource_metrics {
                        arrived.resources.extend(group.resource);
                        arrived.metrics = group
                            .scope_metrics
                            .into_iter()
                            .flat_map(|scope| scope.metrics)
                            .collect();
                    }
                }
                line => panic!("{line} is not of the protocol"),
            }
        }
        arrived
    }

    /// The points of a metric, as attributes with sum and count.
    pub fn points(&self, name: &str) -> Vec<(String, f64, u64)> {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is missing in {:?}", self.metrics));
        let mut points: Vec<(String, f64, u64)> = match metric.data.as_ref().expect("data") {
            Data::Histogram(histogram) => histogram
                .data_points
                .iter()
                .map(|point| {
                    (
                        written(&point.attributes),
                        point.sum.unwrap_or_default(),
                        point.count,
                    )
                })
                .collect(),
            Data::Sum(sum) => sum
                .data_points
                .iter()
                .map(|point| (written(&point.attributes), number(point.value.as_ref()), 1))
                .collect(),
            other => panic!("{name} is {other:?}"),
        };
        points.sort_by(|one, other| one.0.cmp(&other.0));
        points
    }
}

fn number(value: Option<&opentelemetry_proto::tonic::metrics::v1::number_data_point::Value>) -> f64 {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    match value {
        Some(Value::AsDouble(number)) => *number,
        Some(Value::AsInt(number)) => *number as f64,
        None => f64::NAN,
    }
}

/// Attributes as text, sorted; ports differ from run to run.
pub fn written(attributes: &[KeyValue]) -> String {
    let mut lines: Vec<String> = attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            match value {
                Some(Value::IntValue(_)) if attribute.key == "server.port" => {
                    format!("{}=PORT", attribute.key)
                }
                Some(Value::StringValue(text)) => format!("{}={text}", attribute.key),
                Some(Value::IntValue(number)) => format!("{}={number}", attribute.key),
                Some(Value::DoubleValue(number)) => format!("{}={number}", attribute.key),
                Some(Value::BoolValue(value)) => format!("{}={value}", attribute.key),
                Some(Value::ArrayValue(array)) => format!("{}=[{}]", attribute.key, array.values.len()),
                other => format!("{}={other:?}", attribute.key),
            }
        })
        .collect();
    lines.sort();
    lines.join(" ")
}
