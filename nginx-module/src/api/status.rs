//! `v1/status`: how this nginx and its zones are doing, for people and programs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::Answer;
use super::scan::{Occupancy, occupancy};
use crate::ffi::api::{Call, NGINX_VERSION, NamedZone};
use crate::ffi::shm::Zone;

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    nginx_version: &'static str,
    now: u32,
    configured_at: u32,
    uptime_seconds: u32,
    workers: Vec<Worker>,
    zones: Vec<ZoneStatus<'a>>,
}

/// What a worker runs.
#[derive(Serialize)]
pub struct Worker {
    /// Process id.
    pub pid: u32,
    /// Digest of its model; `None` when it has none.
    pub model: Option<String>,
    /// Digest of the model that only scores beside it.
    pub challenger: Option<String>,
    /// When it took its model, unix seconds.
    pub loaded_at: u32,
}

#[derive(Serialize)]
struct ZoneStatus<'a> {
    name: &'a str,
    key: String,
    bytes: u64,
    since: u64,
    clients: Occupancy,
    counters: BTreeMap<&'static str, u64>,
}

/// The workers, as far as this one knows.
pub fn workers(call: &Call<'_>) -> Vec<Worker> {
    let main = call.main_conf();
    vec![Worker {
        pid: std::process::id(),
        model: main.scorer.as_ref().map(|scorer| scorer.digest().to_owned()),
        challenger: None,
        loaded_at: main.configured_at,
    }]
}

/// All that a zone counts.
pub fn numbers(zone: Zone<'_>) -> BTreeMap<&'static str, u64> {
    let guards = &zone.header().guards;
    let guards = [("breaker_trips", &guards.trips), ("proxies", &guards.proxies)];
    let guards = guards.map(|(name, count)| (name, count.load(Relaxed)));
    zone.counters().all().into_iter().chain(guards).collect()
}

fn of_zone<'a>(zone: &NamedZone<'a>) -> ZoneStatus<'a> {
    let counters = zone.zone.counters();
    ZoneStatus {
        name: &zone.data.name,
        key: zone.data.shown_key(),
        bytes: zone.bytes,
        since: counters.since.load(Relaxed),
        clients: occupancy(zone.zone),
        counters: numbers(zone.zone),
    }
}

/// The answer.
pub fn answer(call: &Call<'_>) -> Answer {
    let zones = call.zones();
    let now = call.now();
    let zones: Vec<ZoneStatus<'_>> = zones.iter().map(of_zone).collect();
    let configured_at = call.main_conf().configured_at;
    // A zone outlives reloads, so the oldest has seen most of this nginx's life.
    let began = zones.iter().map(|zone| zone.since).min();
    let began = began
        .map_or(configured_at, |since| since as u32)
        .min(configured_at);
    Answer::json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        nginx_version: NGINX_VERSION,
        now,
        configured_at,
        uptime_seconds: now.saturating_sub(began),
        workers: workers(call),
        zones,
    })
}
