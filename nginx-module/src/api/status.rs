//! `v1/status`: how this nginx and its zones are doing, for people and programs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::Answer;
use super::scan::{Occupancy, occupancy};
use crate::ffi::api::{Call, NGINX_VERSION, NamedZone};
use crate::ffi::shm::Zone;
use crate::workers::WorkerStatus;

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    nginx_version: &'static str,
    now: u32,
    configured_at: u32,
    uptime_seconds: u32,
    workers: Vec<Worker>,
    totals: BTreeMap<&'static str, u64>,
    zones: Vec<ZoneStatus<'a>>,
}

/// What a worker runs. Times are unix seconds.
#[derive(Serialize)]
pub struct Worker {
    /// Process id.
    pub pid: u32,
    /// Number of the configuration it works by: one more with each reload.
    pub generation: u32,
    /// When it started.
    pub started_at: u32,
    /// Digest of its model; `None` when it has none.
    pub model: Option<String>,
    /// When it took its model.
    pub loaded_at: u32,
    /// Digest of the model that only scores beside it.
    pub challenger: Option<String>,
    /// Models that took over from others, and that were refused.
    pub swaps: u32,
    /// Models that were refused.
    pub refusals: u32,
}

#[derive(Serialize)]
struct GuardStatus {
    /// Until when the breaker keeps enforcement off.
    open_until: Option<u32>,
    clients_share: Option<u32>,
    requests_share: Option<u32>,
    proxy_share: Option<u32>,
}

#[derive(Serialize)]
struct ZoneStatus<'a> {
    name: &'a str,
    key: String,
    bytes: u64,
    since: u64,
    /// Whether no location that asks it acts on verdicts.
    dry_run: bool,
    clients: Occupancy,
    counters: BTreeMap<&'static str, u64>,
    guards: GuardStatus,
}

/// All workers of this nginx, those of a configuration that is being left too.
pub fn workers(call: &Call<'_>) -> Vec<Worker> {
    let of = |worker: WorkerStatus| Worker {
        pid: worker.pid,
        generation: worker.generation,
        started_at: worker.started_at,
        model: worker.champion.map(|digest| digest.to_string()),
        loaded_at: worker.champion_at,
        challenger: worker.challenger.map(|digest| digest.to_string()),
        swaps: worker.swaps,
        refusals: worker.refusals,
    };
    call.main_conf().workers().map(of).collect()
}

/// What all workers count that belongs to no zone.
pub fn totals(call: &Call<'_>) -> BTreeMap<&'static str, u64> {
    let board = call.main_conf().board();
    board.into_iter().flat_map(|board| board.totals.all()).collect()
}

/// All that a zone counts.
pub fn numbers(zone: Zone<'_>) -> BTreeMap<&'static str, u64> {
    let guards = &zone.header().guards;
    let guards = [("breaker_trips", &guards.trips), ("proxies", &guards.proxies)];
    let guards = guards.map(|(name, count)| (name, count.load(Relaxed)));
    zone.counters().all().into_iter().chain(guards).collect()
}

fn of_zone<'a>(zone: &NamedZone<'a>, now: u32) -> ZoneStatus<'a> {
    let guards = &zone.zone.header().guards;
    let (clients_share, requests_share) = guards.shares();
    let counters = zone.zone.counters();
    ZoneStatus {
        name: &zone.data.name,
        key: zone.data.shown_key(),
        bytes: zone.bytes,
        since: counters.since.load(Relaxed),
        dry_run: zone.data.is_dry_run(),
        clients: occupancy(zone.zone),
        counters: numbers(zone.zone),
        guards: GuardStatus {
            open_until: guards.is_open(now).then(|| guards.open_until()),
            clients_share,
            requests_share,
            proxy_share: guards.proxy_share(),
        },
    }
}

/// The answer.
pub fn answer(call: &Call<'_>) -> Answer {
    let zones = call.zones();
    let now = call.now();
    let zones: Vec<ZoneStatus<'_>> = zones.iter().map(|zone| of_zone(zone, now)).collect();
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
        totals: totals(call),
        zones,
    })
}
