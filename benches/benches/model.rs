//! Claim: the compiled evaluator needs under a microsecond where the reference needs hundreds.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sekisho_benches::checkpoint::{Collector, Zone};
use sekisho_benches::traffic::{log_text, requests};
use sekisho_core::feature::{COUNT, Features};
use sekisho_core::model::{Limits, Model, top_reasons};
use sekisho_tests::source::root;
use tract_onnx::prelude::*;

/// Rows that one round scores.
const ROWS: usize = 512;
const CLIENTS: usize = 10_000;

/// Features of real clients, taken whenever a score was due, evenly over the log.
fn rows() -> Vec<Features> {
    let mut collector = Collector::default();
    let mut zone = Zone::for_clients(CLIENTS);
    for request in requests(&log_text().expect("models/data has the log")) {
        zone.pass(&request, request.hash, request.at, &mut collector);
    }
    let step = (collector.rows.len() / ROWS).max(1);
    collector.rows.into_iter().step_by(step).take(ROWS).collect()
}

fn score(c: &mut Criterion) {
    let bytes = std::fs::read(root().join("models/default.onnx")).expect("make model made it");
    let model = Model::load(&bytes, &Limits::DEFAULT).expect("it is a model");
    let rows = rows();
    let mut group = c.benchmark_group("score");
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("evaluator", |b| {
        b.iter(|| rows.iter().map(|row| model.score(black_box(row))).sum::<f32>());
    });
    group.bench_function("reasons", |b| {
        b.iter(|| {
            rows.iter().for_each(|row| {
                black_box(top_reasons(&model, row));
            })
        });
    });
    group.finish();

    let runnable = tract_onnx::onnx()
        .model_for_read(&mut bytes.as_slice())
        .and_then(|graph| graph.with_input_fact(0, f32::fact([1, COUNT]).into()))
        .and_then(|graph| graph.into_optimized())
        .and_then(|graph| graph.into_runnable())
        .expect("tract reads the model");
    let mut group = c.benchmark_group("score");
    group
        .throughput(Throughput::Elements(rows.len() as u64))
        .sample_size(10);
    group.bench_function("tract, one row at a time", |b| {
        b.iter(|| {
            for row in &rows {
                let input = Tensor::from_shape(&[1, COUNT], row).expect("a row has this shape");
                black_box(runnable.run(tvec!(input.into())).expect("tract runs the model"));
            }
        });
    });
    group.finish();
}

fn load(c: &mut Criterion) {
    let bytes = std::fs::read(root().join("models/default.onnx")).expect("make model made it");
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("validate, compile and compare with tract", |b| {
        b.iter(|| Model::load(black_box(&bytes), &Limits::DEFAULT).is_ok());
    });
    group.finish();
}

criterion_group!(benches, score, load);
criterion_main!(benches);
