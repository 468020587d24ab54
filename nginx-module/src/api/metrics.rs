//! `v1/metrics`: the zones' numbers for Prometheus. No label is anything that a visitor chose.

use std::collections::BTreeMap;

use super::Answer;
use super::exposition::{KIND, Page};
use super::scan::{Occupancy, occupancy};
use super::status::{Worker, numbers, totals, workers};
use crate::ffi::api::{Call, NGINX_VERSION, NamedZone};
use crate::measures::{COST_BOUNDS, Costs, SCORE_BOUNDS};

/// The verdicts: counters and label values.
const VERDICTS: [&str; 6] = [
    "passed",
    "suspect",
    "rejected",
    "rejected_dry_run",
    "allowed",
    "trapped",
];

/// Counters that are a family each.
const COUNTERS: [(&str, &str, &str); 13] = [
    (
        "requests",
        "sekisho_accounted_requests_total",
        "Requests accounted to a client.",
    ),
    ("scores", "sekisho_scores_total", "Times the model was asked."),
    (
        "restrained",
        "sekisho_restrained_total",
        "Requests not stopped because a guard held enforcement back.",
    ),
    ("delayed", "sekisho_delayed_total", "Requests delayed."),
    (
        "undelayed",
        "sekisho_undelayed_total",
        "Requests not delayed because too many were.",
    ),
    (
        "evictions",
        "sekisho_evictions_total",
        "Records of active clients that made room for others.",
    ),
    (
        "lock_failures",
        "sekisho_lock_failures_total",
        "Times a set's lock was not to be had and the request went on without.",
    ),
    (
        "stolen_locks",
        "sekisho_lock_steals_total",
        "Locks taken over from dead workers.",
    ),
    (
        "panics",
        "sekisho_panics_total",
        "Faults of the module that its guard caught.",
    ),
    (
        "state_saves",
        "sekisho_state_saves_total",
        "Times the zone was saved to its state file.",
    ),
    (
        "state_failures",
        "sekisho_state_failures_total",
        "Times saving the zone failed.",
    ),
    (
        "breaker_trips",
        "sekisho_breaker_trips_total",
        "Times the breaker put enforcement off.",
    ),
    (
        "proxies",
        "sekisho_proxies_total",
        "Keys that were taken for a proxy, and so not enforced on.",
    ),
];

/// What belongs to no zone, in the same form.
const TOTALS: [(&str, &str, &str); 10] = [
    (
        "samples_written",
        "sekisho_samples_written_total",
        "Samples written.",
    ),
    (
        "samples_dropped",
        "sekisho_samples_dropped_total",
        "Samples lost: the buffer of a worker was full.",
    ),
    (
        "sample_bytes",
        "sekisho_sample_bytes_total",
        "Bytes of samples written.",
    ),
    (
        "sample_failures",
        "sekisho_sample_failures_total",
        "Times the sample file took less than all.",
    ),
    (
        "model_swaps",
        "sekisho_model_swaps_total",
        "Models that took over in a worker.",
    ),
    (
        "models_refused",
        "sekisho_models_refused_total",
        "Changed model files that a worker refused.",
    ),
    (
        "panics_elsewhere",
        "sekisho_housekeeping_panics_total",
        "Faults of the module beside requests that its guard caught.",
    ),
    (
        "challenger_scores",
        "sekisho_challenger_scores_total",
        "Times the challenger was asked.",
    ),
    (
        "challenger_alone",
        "sekisho_challenger_alone_total",
        "Scores that the challenger would reject and the champion does not.",
    ),
    (
        "champion_alone",
        "sekisho_champion_alone_total",
        "Scores that the champion rejects and the challenger would not.",
    ),
];

struct Zone<'a> {
    name: &'a str,
    bytes: u64,
    clients: Occupancy,
    numbers: BTreeMap<&'static str, u64>,
    open: bool,
    zone: crate::ffi::shm::Zone<'a>,
}

impl<'a> Zone<'a> {
    fn read(zone: &NamedZone<'a>, now: u32) -> Zone<'a> {
        Zone {
            name: &zone.data.name,
            bytes: zone.bytes,
            clients: occupancy(zone.zone),
            numbers: numbers(zone.zone),
            open: zone.zone.header().guards.is_open(now),
            zone: zone.zone,
        }
    }

    fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or(0)
    }
}

/// The answer.
pub fn answer(call: &Call<'_>) -> Answer {
    let zones: Vec<Zone<'_>> = call
        .zones()
        .iter()
        .map(|zone| Zone::read(zone, call.now()))
        .collect();
    let mut page = Page::default();
    about(&mut page, &workers(call));
    counters(&mut page, &zones);
    let totals = totals(call);
    for (counter, family, help) in TOTALS {
        page.family(family, "counter", help);
        page.sample(&[], totals.get(counter).copied().unwrap_or(0));
    }
    gauges(&mut page, &zones);
    histograms(&mut page, &zones);
    Answer::text(KIND, page.finish())
}

fn about(page: &mut Page, workers: &[Worker]) {
    page.family(
        "sekisho_build_info",
        "gauge",
        "The module and the nginx it was built for.",
    );
    let build = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("nginx_version", NGINX_VERSION),
    ];
    page.sample(&build, 1);
    let mut models: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for worker in workers {
        let roles = [("champion", &worker.model), ("challenger", &worker.challenger)];
        for (role, digest) in roles {
            if let Some(digest) = digest {
                *models.entry((role, digest)).or_default() += 1;
            }
        }
    }
    page.family(
        "sekisho_model_info",
        "gauge",
        "Workers that run a model, by its digest and role.",
    );
    for ((role, digest), count) in models {
        page.sample(&[("role", role), ("digest", digest)], count);
    }
}

fn counters(page: &mut Page, zones: &[Zone<'_>]) {
    page.family(
        "sekisho_requests_total",
        "counter",
        "Requests by the verdict on them.",
    );
    for zone in zones {
        for verdict in VERDICTS {
            page.sample(&[("zone", zone.name), ("verdict", verdict)], zone.number(verdict));
        }
    }
    for (counter, family, help) in COUNTERS {
        page.family(family, "counter", help);
        for zone in zones {
            page.sample(&[("zone", zone.name)], zone.number(counter));
        }
    }
}

fn gauges(page: &mut Page, zones: &[Zone<'_>]) {
    type Read = fn(&Zone<'_>) -> u64;
    let families: [(&str, &str, Read); 4] = [
        (
            "sekisho_breaker_open",
            "1 while the breaker keeps enforcement off.",
            |zone| u64::from(zone.open),
        ),
        (
            "sekisho_zone_clients",
            "Clients that the zone holds, estimated for a large one.",
            |zone| zone.clients.held,
        ),
        (
            "sekisho_zone_capacity_clients",
            "Clients that fit into the zone.",
            |zone| zone.clients.capacity,
        ),
        ("sekisho_zone_size_bytes", "Shared memory of the zone.", |zone| {
            zone.bytes
        }),
    ];
    for (family, help, read) in families {
        page.family(family, "gauge", help);
        for zone in zones {
            page.sample(&[("zone", zone.name)], read(zone));
        }
    }
}

fn histograms(page: &mut Page, zones: &[Zone<'_>]) {
    page.family(
        "sekisho_score",
        "histogram",
        "Scores that the model gave, 0 to 1.",
    );
    for zone in zones {
        let (counts, sum) = zone.zone.counters().score.read();
        let bounds = SCORE_BOUNDS.iter().map(f32::to_string);
        page.histogram(&[("zone", zone.name)], bounds, &counts, sum);
    }
    page.family(
        "sekisho_decision_seconds",
        "histogram",
        "What a decision cost, measured at one request in 64 of each worker.",
    );
    for zone in zones {
        let (counts, sum) = zone.zone.counters().cost.read();
        let bounds = (0..COST_BOUNDS).map(|bucket| seconds(Costs::bound(bucket)));
        page.histogram(&[("zone", zone.name)], bounds, &counts, seconds(sum));
    }
}

fn seconds(nanoseconds: u64) -> String {
    let (whole, part) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let text = format!("{whole}.{part:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
