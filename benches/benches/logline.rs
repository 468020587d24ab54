//! Claim: reading a log line costs a fraction of decompressing it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sekisho_benches::traffic::log_text;
use sekisho_core::logline::Format;

/// Lines that one round reads.
const LINES: usize = 50_000;

fn read(c: &mut Criterion) {
    let text = log_text().expect("models/data has the log");
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').take(LINES).collect();
    let mut group = c.benchmark_group("log line");
    group
        .throughput(Throughput::Elements(lines.len() as u64))
        .sample_size(30);
    for (name, format) in [
        ("combined", Format::Combined),
        ("told from its first byte", Format::Auto),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                lines
                    .iter()
                    .filter(|line| black_box(format.read(line)).is_ok())
                    .count()
            });
        });
    }
    let template = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                    \"$http_referer\" \"$http_user_agent\"";
    let template = Format::parse(template).expect("it is a log_format");
    group.bench_function("log_format of the same fields", |b| {
        b.iter(|| {
            lines
                .iter()
                .filter(|line| black_box(template.read(line)).is_ok())
                .count()
        });
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
