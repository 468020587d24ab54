//! Claim: accounting a request costs under a microsecond, scores included as often as they are due.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sekisho_benches::checkpoint::{Collector, Evaluator, Nobody, Zone};
use sekisho_benches::traffic::{Request, log_text, requests};
use sekisho_core::key::Seed;
use sekisho_core::model::{Limits, Model};
use sekisho_core::url::Visit;
use sekisho_tests::source::root;

/// Requests of the log that one round drives through.
const ROUND: usize = 50_000;
/// A table that holds every client of the log.
const CLIENTS: usize = 10_000;

fn traffic() -> Vec<Request> {
    let mut all = requests(&log_text().expect("models/data has the log"));
    all.truncate(ROUND);
    all
}

fn model() -> Model {
    let bytes = std::fs::read(root().join("models/default.onnx")).expect("make model made it");
    Model::load(&bytes, &Limits::DEFAULT).expect("it is a model")
}

/// The whole path of the log's requests in their order, and its first step alone.
fn request(c: &mut Criterion) {
    let (traffic, model) = (traffic(), model());
    let mut group = c.benchmark_group("request");
    group
        .throughput(Throughput::Elements(traffic.len() as u64))
        .sample_size(20);
    group.bench_function("digest of method, target and referer", |b| {
        b.iter(|| {
            for request in &traffic {
                black_box(Visit::new(
                    Seed::FIXED,
                    request.method,
                    &request.target,
                    request.referer.as_deref(),
                ));
            }
        });
    });
    group.bench_function("update without model", |b| {
        let fresh = || Zone::for_clients(CLIENTS);
        b.iter_batched_ref(
            fresh,
            |zone| drive(zone, &traffic, &mut Nobody),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("update and scores when due", |b| {
        let fresh = || Zone::for_clients(CLIENTS);
        let mut judge = Evaluator { model: &model };
        b.iter_batched_ref(
            fresh,
            |zone| drive(zone, &traffic, &mut judge),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// Many clients at once: their records do not stay in the processor's caches.
fn table(c: &mut Criterion) {
    let traffic = traffic();
    let mut group = c.benchmark_group("table");
    group
        .throughput(Throughput::Elements(traffic.len() as u64))
        .sample_size(20);
    for clients in [1_000u64, 100_000] {
        let mut zone = Zone::for_clients(clients as usize);
        let mut state = 0u64;
        // Clients in no order, evenly: the worst that a cache can be given.
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let client = (state >> 33) % clients;
            (client + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let mut at = 1_455_944_445;
        let mut round = || {
            for (number, request) in traffic.iter().enumerate() {
                at += u32::from(number % 100 == 0);
                zone.pass(request, next(), at, &mut Nobody);
            }
        };
        (0..8).for_each(|_| round());
        group.bench_function(BenchmarkId::new("update, clients", clients), |b| {
            b.iter(&mut round)
        });
    }
    group.finish();
}

/// From a record to the numbers that a model is asked about.
fn features(c: &mut Criterion) {
    let traffic = traffic();
    let mut zone = Zone::for_clients(CLIENTS);
    drive(&mut zone, &traffic, &mut Collector::default());
    let mut hashes: Vec<u64> = traffic.iter().map(|request| request.hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let mut group = c.benchmark_group("features");
    group.throughput(Throughput::Elements(hashes.len() as u64));
    group.bench_function("of each client of the log", |b| {
        b.iter(|| {
            hashes
                .iter()
                .filter(|&&hash| black_box(zone.features(hash)).is_some())
                .count()
        });
    });
    group.finish();
}

fn drive(zone: &mut Zone, traffic: &[Request], judge: &mut impl sekisho_benches::checkpoint::Judge) {
    for request in traffic {
        black_box(zone.pass(request, request.hash, request.at, judge));
    }
}

criterion_group!(benches, request, table, features);
criterion_main!(benches);
