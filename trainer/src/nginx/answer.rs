//! What the API answers, as far as it is used. Fields that are not known are passed over: within `v1` some may be added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::prometheus;

/// The histogram of what decisions cost.
const COST: &str = "sekisho_decision_seconds";

/// `v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Of the module.
    pub version: String,
    /// Of nginx.
    pub nginx_version: String,
    /// Its clock, unix seconds.
    pub now: u32,
    /// When the configuration in force was read.
    pub configured_at: u32,
    /// Since the oldest zone was made.
    pub uptime_seconds: u32,
    /// Who runs which model.
    pub workers: Vec<Worker>,
    /// What belongs to no zone.
    pub totals: Totals,
    /// Every zone.
    pub zones: Vec<Zone>,
}

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Its process.
    pub pid: u32,
    /// Number of the configuration it works by.
    pub generation: u32,
    /// When it started, unix seconds.
    pub started_at: u32,
    /// SHA-256 of the model in force.
    pub model: Option<String>,
    /// Of the one that only scores beside it.
    pub challenger: Option<String>,
    /// Since when it has its model, unix seconds.
    pub loaded_at: u32,
    /// Models that took over from others.
    pub swaps: u32,
    /// Models that were refused.
    pub refusals: u32,
}

/// Counted since nginx started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Samples written.
    pub samples_written: u64,
    /// Samples lost.
    pub samples_dropped: u64,
    /// Times the sample file took less than all.
    pub sample_failures: u64,
    /// Model files that took over.
    pub model_swaps: u64,
    /// Model files that were refused.
    pub models_refused: u64,
    /// Times the challenger was asked.
    pub challenger_scores: u64,
    /// Of these, those that it alone would reject.
    pub challenger_alone: u64,
    /// And those that the champion alone rejects.
    pub champion_alone: u64,
}

/// One zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its key, as configured.
    pub key: String,
    /// Its memory.
    pub bytes: u64,
    /// When counting began, unix seconds by nginx's clock.
    pub since: u32,
    /// Whether nothing is done about its bans: no server or location that asks it enforces. Older modules do not tell.
    pub dry_run: Option<bool>,
    /// How full it is.
    pub clients: Occupancy,
    /// What it counts, by name.
    pub counters: BTreeMap<String, u64>,
    /// What holds enforcement back.
    pub guards: Guards,
}

impl Zone {
    /// Whether the breaker keeps enforcement off at this second of nginx's clock.
    pub fn is_open(&self, now: u32) -> bool {
        self.guards.open_until.is_some_and(|until| until > now)
    }
}

/// Records of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Occupancy {
    /// That fit.
    pub capacity: u64,
    /// That there are.
    pub held: u64,
    /// Whether `held` is an estimate.
    pub estimated: bool,
}

/// The guards of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guards {
    /// Until when the breaker keeps enforcement off, unix seconds by nginx's clock.
    pub open_until: Option<u32>,
    /// Percent of recent clients that enforcement hits.
    pub clients_share: Option<u32>,
    /// Percent of recent requests.
    pub requests_share: Option<u32>,
    /// Percent of requests that one key carries.
    pub proxy_share: Option<u32>,
}

/// A ban.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Whom, by the API's name.
    pub client: String,
    /// Who began it: `model`, `trap` or `operator`.
    pub origin: String,
    /// When it ends, unix seconds by nginx's clock.
    pub until: u32,
    /// Names of the features that spoke most for it.
    pub reasons: Vec<String>,
    /// Reference id.
    pub id: String,
}

/// `v1/decisions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    pub decisions: Vec<Decision>,
    pub next: Option<u32>,
    pub seen: Seen,
}

/// Which places of the table an answer is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    pub busy_sets: u64,
}

/// What the decisions of a zone cost since nginx started; one request in 64 is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// The zone.
    pub zone: String,
    /// Decisions that were measured.
    pub count: u64,
    /// Seconds that they took together.
    pub sum: f64,
    /// Half of them took no longer than so many seconds: the bound of a bucket.
    pub half: Option<f64>,
    /// 99 of 100 took no longer.
    pub most: Option<f64>,
}

/// Reads the costs out of a page of metrics.
pub(super) fn costs(text: &str) -> Result<Vec<Cost>, String> {
    let mut zones: BTreeMap<String, (Cost, Vec<(f64, u64)>)> = BTreeMap::new();
    for reading in prometheus::read(text)? {
        let Some(rest) = reading.series.strip_prefix(COST) else {
            continue;
        };
        let Some(zone) = label(rest, "zone") else { continue };
        let (cost, buckets) = zones.entry(zone.to_owned()).or_default();
        match rest.split('{').next().unwrap_or_default() {
            "_count" => cost.count = reading.value as u64,
            "_sum" => cost.sum = reading.value,
            "_bucket" => {
                let bound = label(rest, "le").and_then(|bound| bound.parse().ok());
                buckets.extend(bound.map(|bound| (bound, reading.value as u64)));
            }
            _ => {}
        }
    }
    let cost = |(zone, (cost, buckets)): (String, (Cost, Vec<(f64, u64)>))| Cost {
        zone,
        half: quantile(&buckets, cost.count, 0.5),
        most: quantile(&buckets, cost.count, 0.99),
        ..cost
    };
    Ok(zones.into_iter().map(cost).collect())
}

/// A label's value; none of ours holds a quote.
fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let rest = series.split_once(&format!("{name}=\""))?.1;
    rest.split('"').next()
}

/// The bound of the first cumulative bucket that holds this share of all; `None` without any, or beyond the last bound.
fn quantile(buckets: &[(f64, u64)], count: u64, share: f64) -> Option<f64> {
    let wanted = share * count as f64;
    let holds = |(_, below): &&(f64, u64)| count > 0 && *below as f64 >= wanted;
    let bound = buckets.iter().find(holds).map(|(bound, _)| *bound)?;
    bound.is_finite().then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_from_the_histogram() {
        let text = "# TYPE sekisho_decision_seconds histogram\n\
            sekisho_decision_seconds_bucket{zone=\"clients\",le=\"0.000000064\"} 10\n\
            sekisho_decision_seconds_bucket{zone=\"clients\",le=\"0.000000128\"} 95\n\
            sekisho_decision_seconds_bucket{zone=\"clients\",le=\"0.000001024\"} 99\n\
            sekisho_decision_seconds_bucket{zone=\"clients\",le=\"+Inf\"} 100\n\
            sekisho_decision_seconds_sum{zone=\"clients\"} 0.000012\n\
            sekisho_decision_seconds_count{zone=\"clients\"} 100\n\
            sekisho_decision_seconds_count{zone=\"none\"} 0\n\
            sekisho_score_count{zone=\"clients\"} 7\n";
        let costs = costs(text).unwrap();
        let of = |zone: &str| costs.iter().find(|cost| cost.zone == zone).unwrap().clone();
        let clients = of("clients");
        assert_eq!((clients.count, clients.sum), (100, 0.000_012));
        assert_eq!(
            (clients.half, clients.most),
            (Some(0.000_000_128), Some(0.000_001_024))
        );
        assert_eq!((of("none").half, costs.len()), (None, 2));
    }

    #[test]
    fn a_status_of_a_newer_module_is_read() {
        let text = r#"{"version":"0.9.0","now":7,"workers":[{"pid":1,"colour":"red"}],"totals":{"samples_written":8},
            "zones":[{"name":"clients","since":5,"clients":{"capacity":10,"held":3},"counters":{"requests":9,"new":1},
            "guards":{"open_until":null,"clients_share":2}}],"more":[1]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        let zone = &status.zones[0];
        assert_eq!(
            (
                status.now,
                zone.since,
                zone.counters["requests"],
                zone.clients.held
            ),
            (7, 5, 9, 3)
        );
        assert_eq!(
            (zone.guards.clients_share, status.totals.samples_written),
            (Some(2), 8)
        );
    }
}
