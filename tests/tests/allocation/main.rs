//! A request asks for no memory: not when it is accounted, not when it is scored, not at its response.

mod counting;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::sync::atomic::AtomicU16;

use flate2::read::GzDecoder;
use sekisho_core::checkpoint::{self, Arrival, Policy};
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::Format;
use sekisho_core::model::{Limits, Model, top_reasons};
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::{Admission, Geometry, Set, set_index};
use sekisho_core::url::Visit;
use sekisho_tests::source::root;

use counting::allocations;

/// Requests of a real log that are driven through.
const REQUESTS: usize = 20_000;
/// So few clients fit that some are evicted.
const CLIENTS: usize = 16;
const SEED: Seed = Seed::FIXED;

/// What happened while the requests were driven through.
#[derive(Debug, Default)]
struct Seen {
    scores: u32,
    flagged: u32,
    evictions: u32,
}

/// The first lines of a real log.
fn lines() -> Vec<String> {
    let file = File::open(root().join("models/data/airis.log.gz")).expect("models/data has the log");
    BufReader::new(GzDecoder::new(file))
        .lines()
        .take(REQUESTS)
        .map(|line| line.expect("it is text"))
        .collect()
}

fn model() -> Model {
    let bytes = std::fs::read(root().join("models/default.onnx")).expect("make model made it");
    Model::load(&bytes, &Limits::DEFAULT).expect("it is a model")
}

fn drive(lines: &[String], model: &Model, sets: &mut [Set], popularity: &Popularity<'_>) -> Seen {
    let thresholds = model.thresholds();
    let policy = Policy::new(thresholds.suspect, thresholds.reject);
    let mut seen = Seen::default();
    for line in lines {
        let Ok(entry) = Format::Combined.read(line.as_bytes()) else {
            continue;
        };
        let client = client_key(std::str::from_utf8(entry.client).unwrap_or_default());
        let hash = key_hash(SEED, client.as_bytes());
        let visit = Visit::new(SEED, entry.method, &entry.target, entry.referer.as_deref());
        let rating = popularity.visit(visit.url());
        let set = &mut sets[set_index(hash, sets.len() as u32) as usize];
        let (way, admission) = set.admit(hash, entry.at);
        let record = set.record_mut(way);
        if let Arrival::Score = checkpoint::arrive(record, entry.at, &visit, rating, &policy) {
            let features = record.features();
            let score = model.score(&features);
            let standing = checkpoint::settle(record, entry.at, score, &policy);
            checkpoint::explain(record, top_reasons(model, &features));
            seen.scores += 1;
            seen.flagged += u32::from(standing.verdict != checkpoint::Verdict::Passed);
        }
        checkpoint::depart(record, entry.status, entry.bytes);
        seen.evictions += u32::from(admission == Admission::Evicted);
    }
    seen
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Vec::<u8>::with_capacity(1)))), 1);
    assert_eq!(allocations(|| drop(black_box(vec![0u8; 9]))), 1);
    let mut grown = vec![0u8; 9];
    assert_eq!(allocations(|| grown.reserve(1000)), 1);
    let mut sum = 0;
    assert_eq!(allocations(|| sum = black_box([1u8; 9]).iter().sum()), 0);
    assert_eq!(sum, 9);
}

#[test]
fn the_hot_path_allocates_nothing() {
    let (lines, model, geometry) = (lines(), model(), Geometry::for_clients(CLIENTS));
    let plain: Vec<String> = lines.into_iter().filter(|line| !line.contains('\\')).collect();
    let mut sets = vec![Set::default(); geometry.sets as usize];
    let mut cells = Vec::new();
    cells.resize_with(geometry.cells(), AtomicU16::default);
    let state = PopularityState::default();
    let popularity = Popularity::new(&state, &cells);

    let mut seen = Seen::default();
    let count = allocations(|| seen = drive(&plain, &model, &mut sets, &popularity));

    assert!(plain.len() > REQUESTS / 2, "{} lines", plain.len());
    assert!(
        seen.scores > 200 && seen.flagged > 10 && seen.evictions > 10,
        "not the whole path was taken: {seen:?}"
    );
    assert_eq!(
        count,
        0,
        "allocations while {} requests were driven through",
        plain.len()
    );
}
