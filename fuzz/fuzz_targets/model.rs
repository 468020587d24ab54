//! Model files: whatever the bytes, loading ends in an error or in a model that scores from 0 to 1.
//!
//! Each input is used three ways: as a file; as a file whose checksum is repaired, as anybody could do; and as a
//! list of changes to a valid model, which reaches the deep checks without a corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use sekisho_core::model::{
    Card, Limits, Schema, Scorer, Thresholds, Tree, TreeNode, encode, pb::ModelProto, seal,
};
use std::sync::LazyLock;

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const SCHEMA: Schema<'static> = Schema {
    hash: "00112233445566ff",
    names: &NAMES,
};

/// Small limits: a fuzzer wants many short runs.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 16,
    max_trees: 16,
    max_nodes: 256,
    ..Limits::DEFAULT
};

static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let split = |feature, threshold, yes, no| TreeNode::Split {
        feature,
        threshold,
        yes,
        no,
    };
    let leaf = |value| TreeNode::Leaf { value };
    let deep = vec![
        split(0, 0.5, 1, 2),
        split(1, 0.25, 3, 4),
        leaf(0.5),
        leaf(-1.0),
        leaf(1.0),
    ];
    let trees = [
        Tree { nodes: deep },
        Tree {
            nodes: vec![split(3, 2.0, 1, 2), leaf(-0.5), leaf(2.0)],
        },
    ];
    let card = Card {
        schema: SCHEMA.hash.to_owned(),
        features: NAMES.map(str::to_owned).to_vec(),
        thresholds: Thresholds {
            suspect: 0.6,
            reject: 0.9,
            suspect_fpr: 0.05,
            reject_fpr: 0.01,
        },
        baseline: vec![0.0; NAMES.len()],
        data: String::new(),
        score_stats: String::new(),
    };
    encode(&trees, &card).encode_to_vec()
});

fn try_file(bytes: &[u8]) {
    let Ok(model) = Scorer::load(bytes, &SCHEMA, &LIMITS) else {
        return;
    };
    for row in [[0.0; 4], [1.0; 4], [-1e30; 4], [f32::MAX; 4], [f32::NAN; 4]] {
        let score = model.score(&row);
        assert!((0.0..=1.0).contains(&score), "{score}");
        assert!(
            model
                .contributions(&row)
                .iter()
                .all(|part| part.feature < NAMES.len())
        );
    }
}

fn try_sealed(bytes: &[u8]) {
    if let Ok(proto) = ModelProto::decode(bytes) {
        try_file(&seal(proto));
    }
}

fuzz_target!(|data: &[u8]| {
    try_file(data);
    try_sealed(data);
    let mut changed = VALID.clone();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    try_sealed(&changed);
});
