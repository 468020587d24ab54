use super::*;
use crate::model::forest::Forest;
use proptest::prelude::*;

/// The sum of the leaves, by the book.
fn naive(trees: &[Tree], row: &[f32]) -> f32 {
    let leaf = |tree: &Tree| {
        let mut at = 0;
        loop {
            match tree.nodes[at] {
                TreeNode::Leaf { value } => return value,
                TreeNode::Split {
                    feature,
                    threshold,
                    yes,
                    no,
                } => {
                    at = if row[feature] < threshold { yes } else { no };
                }
            }
        }
    };
    trees.iter().map(leaf).sum()
}

proptest! {
    #[test]
    fn the_flat_walk_equals_the_naive_walk(seed: u64, count in 1usize..40, depth in 0usize..8) {
        let mut draw = Draw(seed);
        let trees = draw.trees(count, depth);
        let forest = Forest::new(&trees);
        for _ in 0..20 {
            let mut row = [0.0; 64];
            row[..6].copy_from_slice(&draw.row());
            prop_assert_eq!(forest.sum(&row), naive(&trees, &row));
        }
    }

    #[test]
    fn a_model_scores_as_its_trees_do(seed: u64, count in 1usize..20, depth in 0usize..6) {
        let mut draw = Draw(seed);
        let trees = draw.trees(count, depth);
        let model = load(encode(&trees, &card())).expect("a valid model");
        for _ in 0..20 {
            let row = draw.row();
            prop_assert_eq!(model.log_odds(&row), naive(&trees, &row));
            prop_assert_eq!(model.score(&row), logistic(naive(&trees, &row)));
        }
    }
}

#[test]
fn at_most_means_the_threshold_itself_goes_left() {
    let tree = Tree {
        nodes: vec![
            TreeNode::Split {
                feature: 2,
                threshold: 0.5,
                yes: 1,
                no: 2,
            },
            TreeNode::Leaf { value: -1.0 },
            TreeNode::Leaf { value: 1.0 },
        ],
    };
    let check = |mode: &[u8], expected| {
        let mut proto = encode(std::slice::from_ref(&tree), &card());
        attribute(&mut proto, "nodes_modes").strings[0] = mode.to_vec();
        let model = load(proto).expect("a valid model");
        assert_eq!(model.log_odds(&[0.0, 0.0, 0.5, 0.0, 0.0, 0.0]), expected);
        assert_eq!(
            model.log_odds(&[0.0, 0.0, 0.5f32.next_down(), 0.0, 0.0, 0.0]),
            -1.0
        );
        assert_eq!(model.log_odds(&[0.0, 0.0, 0.5f32.next_up(), 0.0, 0.0, 0.0]), 1.0);
    };
    check(b"BRANCH_LT", 1.0);
    check(b"BRANCH_LEQ", -1.0);
}

/// Keeps the votes for one class and names it `class`, as converters from other libraries do.
fn one_class(proto: &mut pb::ModelProto, class: i64) {
    for name in ["class_treeids", "class_nodeids"] {
        let ints = &mut attribute(proto, name).ints;
        *ints = ints.iter().copied().step_by(2).collect();
    }
    let weights = &mut attribute(proto, "class_weights").floats;
    *weights = weights.iter().copied().skip(1).step_by(2).collect();
    let count = weights.len();
    attribute(proto, "class_ids").ints = vec![class; count];
}

#[test]
fn votes_for_one_class_only_score_the_same() {
    for class in [0, 1] {
        let mut proto = small();
        one_class(&mut proto, class);
        let (model, plain) = (
            load(proto).expect("a valid model"),
            load(small()).expect("a valid model"),
        );
        let mut draw = Draw(7);
        for _ in 0..100 {
            let row = draw.row();
            assert_eq!(model.score(&row), plain.score(&row), "class {class}");
        }
    }
}

#[test]
fn a_sum_can_be_the_probability_itself() {
    let mut proto = small();
    attribute(&mut proto, "post_transform").s = b"NONE".to_vec();
    let weights = &mut attribute(&mut proto, "class_weights").floats;
    weights
        .iter_mut()
        .for_each(|weight| *weight = (*weight + 2.0) / 20.0);
    let model = load(proto).expect("a valid model");
    let row = Draw(3).row();
    let score = model.score(&row);
    assert!(score > 0.0 && score < 1.0, "{score}");
    assert!((logistic(model.log_odds(&row)) - score).abs() < 1e-5);
}

#[test]
fn the_card_survives_the_file() {
    let mut card = card();
    card.thresholds.suspect = 0.123_456_79;
    card.baseline[4] = f32::MIN_POSITIVE;
    card.baseline[5] = 16_777_217.0;
    let bytes = seal(encode(&Draw(1).trees(5, 3), &card));
    let model = Scorer::load(&bytes, &SCHEMA, &Limits::DEFAULT).expect("a valid model");
    assert_eq!(*model.card(), card);
    assert_eq!(model.digest().len(), 64);
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let first = seal(small());
    assert_eq!(first, seal(small()));
    let again = seal(<pb::ModelProto as prost::Message>::decode(first.as_slice()).expect("a message"));
    assert_eq!(first, again, "sealing twice changes nothing");
}

#[test]
fn odd_rows_do_not_matter() {
    let model = load(small()).expect("a valid model");
    let zero = model.score(&[0.0; 6]);
    assert_eq!(model.score(&[f32::NAN; 6]), zero);
    assert_eq!(model.score(&[f32::INFINITY; 6]), zero);
    assert_eq!(model.score(&[]), zero);
    assert_eq!(model.score(&[0.0; 1000]), zero);
}

#[test]
fn contributions_are_differences_from_the_typical_human() {
    let split = |feature, threshold, value| Tree {
        nodes: vec![
            TreeNode::Split {
                feature,
                threshold,
                yes: 1,
                no: 2,
            },
            TreeNode::Leaf { value: 0.0 },
            TreeNode::Leaf { value },
        ],
    };
    let trees = [split(0, 0.5, 1.0), split(3, 0.5, 2.0), split(4, 2.0, -0.5)];
    let model = load(encode(&trees, &card())).expect("a valid model");
    let found = model.contributions(&[0.9, 0.5, 0.0, 0.9, 9.0, 3.0]);
    let parts = found.map(|c| (c.feature, c.value, c.baseline, c.contribution));
    let expected = [
        (3, 0.9, 0.25, 2.0),
        (0, 0.9, 0.1, 1.0),
        (1, 0.5, 0.5, 0.0),
        (2, 0.0, 0.0, 0.0),
        (5, 3.0, 3.0, 0.0),
        (4, 9.0, 1.5, -0.5),
    ];
    assert_eq!(parts, expected);
    let reasons = model.reasons(&[0.9, 0.5, 0.0, 0.9, 9.0, 3.0]);
    assert_eq!(reasons, [3, 0, crate::record::NO_REASON]);
}

#[test]
fn contributions_are_what_leaving_a_feature_out_changes() {
    let mut draw = Draw(11);
    let model = load(encode(&draw.trees(40, 5), &card())).expect("a valid model");
    for _ in 0..200 {
        let row = draw.row();
        for part in model.contributions(&row) {
            let mut without = row;
            without[part.feature] = part.baseline;
            let change = model.log_odds(&row) - model.log_odds(&without);
            assert!(
                (part.contribution - change).abs() < 1e-3,
                "{part:?}, expected {change}"
            );
        }
    }
}
