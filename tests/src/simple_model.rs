//! A model small enough to predict: who never sends a referer is automated.

use sekisho_core::feature::{COUNT, FEATURES, index, schema_hash};
use sekisho_core::model::{Card, Thresholds, Tree, TreeNode, encode, seal};

/// Score of a client that sends no referer, about 0.95.
pub const CRAWLER: f32 = 3.0;

/// The card of a model for this build's schema.
pub fn card() -> Card {
    Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: Thresholds {
            suspect: 0.6,
            reject: 0.9,
            suspect_fpr: 0.01,
            reject_fpr: 0.001,
        },
        baseline: vec![0.0; COUNT],
        data: "made for tests".to_owned(),
        score_stats: "{}".to_owned(),
    }
}

/// The file of a model that splits on the share of requests without a referer.
pub fn file(card: &Card) -> Vec<u8> {
    file_scoring(card, CRAWLER)
}

/// The same, with this for a client that sends no referer: log-odds, and their opposite for one that does.
pub fn file_scoring(card: &Card, crawler: f32) -> Vec<u8> {
    let feature = index("missing_referer_share").expect("a feature of the schema");
    let split = TreeNode::Split {
        feature,
        threshold: 0.5,
        yes: 1,
        no: 2,
    };
    let nodes = vec![
        split,
        TreeNode::Leaf { value: -crawler },
        TreeNode::Leaf { value: crawler },
    ];
    seal(encode(&[Tree { nodes }], card))
}
