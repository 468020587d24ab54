//! Graphs built by hand: what exporters write rarely, and what nobody should write.

use proptest::prelude::*;
use prost::Message;
use sekisho_core::model::pb::attribute_proto::AttributeType;
use sekisho_core::model::pb::tensor_proto::DataType;
use sekisho_core::model::pb::{AttributeProto, NodeProto};

use super::parts::*;
use super::*;

fn row(third: f32) -> [f32; COUNT] {
    let mut row = [0.0; COUNT];
    row[3] = third;
    row
}

fn logistic(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

/// Scores for feature 3 just below, at and just above 0.5.
#[track_caller]
fn check(model: &ModelProto, expected: [f32; 3]) {
    let imported = import(&model.encode_to_vec(), &Options::default()).expect("taken over");
    let scores = [0.5f32.next_down(), 0.5, 0.5f32.next_up()].map(|value| imported.score(&row(value)));
    for (score, expected) in scores.iter().zip(expected) {
        assert!((score - expected).abs() < 1e-5, "{scores:?} for {expected}");
    }
}

#[test]
fn every_way_to_ask_is_understood() {
    // Node 2 is the yes leaf, with the second weight.
    let (no, yes) = (logistic(-1.0), logistic(2.0));
    let one = |mode: &str| model(vec![classifier(mode, "LOGISTIC", [-1.0, 2.0])], vec![]);
    check(&one("BRANCH_LEQ"), [yes, yes, no]);
    check(&one("BRANCH_LT"), [yes, no, no]);
    check(&one("BRANCH_GTE"), [no, yes, yes]);
    check(&one("BRANCH_GT"), [no, no, yes]);
    let one = |mode: &str| model(vec![classifier(mode, "NONE", [0.25, 0.75])], vec![]);
    check(&one("BRANCH_LEQ"), [0.75, 0.75, 0.25]);
}

#[test]
fn weights_that_are_all_positive_are_log_odds_nevertheless() {
    let one = model(vec![classifier("BRANCH_LT", "LOGISTIC", [0.5, 1.5])], vec![]);
    check(&one, [logistic(1.5), logistic(0.5), logistic(0.5)]);
}

#[test]
fn thresholds_in_f64_are_rounded_so_that_no_row_flips() {
    let at = |threshold: f64, mode: &str| {
        let mut tree = classifier(mode, "LOGISTIC", [-1.0, 2.0]);
        tree.attribute
            .retain(|attribute| attribute.name != "nodes_values");
        tree.attribute
            .push(doubles("nodes_values_as_tensor", &[threshold, 0.0, 0.0]));
        let mut whole = model(vec![tree], vec![]);
        graph(&mut whole).input = vec![info("X", DataType::Double, COUNT)];
        whole
    };
    let (no, yes) = (logistic(-1.0), logistic(2.0));
    check(&at(0.5 - 1e-12, "BRANCH_LEQ"), [yes, no, no]);
    check(&at(0.5 + 1e-12, "BRANCH_LEQ"), [yes, yes, no]);
    check(&at(0.5 + 1e-12, "BRANCH_LT"), [yes, yes, no]);
    check(&at(0.5 - 1e-12, "BRANCH_LT"), [yes, no, no]);
    check(&at(f64::INFINITY, "BRANCH_LEQ"), [yes, yes, yes]);
    check(&at(-1e300, "BRANCH_LT"), [no, no, no]);
}

#[test]
fn two_votes_a_leaf_and_softmax_are_understood() {
    let mut tree = classifier("BRANCH_LT", "SOFTMAX", [0.0, 0.0]);
    for (name, list) in [
        ("class_treeids", [7; 4]),
        ("class_nodeids", [2, 2, 4, 4]),
        ("class_ids", [0, 1, 0, 1]),
    ] {
        tree = replaced(tree, ints(name, &list));
    }
    let tree = replaced(tree, floats("class_weights", &[-1.0, 1.0, 0.5, -0.25]));
    let (yes, no) = (logistic(2.0), logistic(-0.75));
    check(&model(vec![tree.clone()], vec![]), [yes, no, no]);
    let tree = replaced(tree, text("post_transform", "LOGISTIC"));
    check(
        &model(vec![tree], vec![]),
        [logistic(1.0), logistic(-0.25), logistic(-0.25)],
    );
}

#[test]
fn regressors_become_classifiers_where_they_are_probabilities() {
    let regressor = |weights, output: &str, more: Vec<AttributeProto>| {
        let mut attributes = stump("BRANCH_LT", "target", weights);
        attributes.extend(more);
        node("TreeEnsembleRegressor", &["X"], &[output], attributes)
    };
    let sigmoid = node("Sigmoid", &["sum"], &["p"], vec![]);
    let (yes, no) = (logistic(2.0), logistic(-1.0));
    check(
        &model(
            vec![regressor([-1.0, 2.0], "sum", vec![]), sigmoid.clone()],
            vec![],
        ),
        [yes, no, no],
    );
    check(
        &model(vec![regressor([0.25, 0.75], "p", vec![])], vec![]),
        [0.75, 0.25, 0.25],
    );
    let average = vec![
        text("aggregate_function", "AVERAGE"),
        floats("base_values", &[0.1]),
    ];
    check(
        &model(vec![regressor([0.25, 0.75], "p", average)], vec![]),
        [0.85, 0.35, 0.35],
    );
    let two = ["a", "b"]
        .map(|output| regressor([-1.0, 2.0], output, vec![]))
        .to_vec();
    let sum = node("Add", &["a", "b"], &["sum"], vec![]);
    check(
        &model([two, vec![sum, sigmoid]].concat(), vec![]),
        [logistic(4.0), logistic(-2.0), logistic(-2.0)],
    );
    let unbounded = model(vec![regressor([-1.0, 2.0], "p", vec![])], vec![]);
    let said = refusal(&unbounded.encode_to_vec(), &Options::default());
    assert!(
        said.contains("can leave 0 to 1") && said.contains("Sigmoid"),
        "{said}"
    );
}

#[test]
fn dense_graphs_of_other_shapes_are_understood() {
    // Two sums of feature 3, and a Softmax of them: as frameworks export networks.
    let mut weights = vec![0.0; COUNT * 2];
    (weights[6], weights[7]) = (1.0, 3.0);
    let tensors = vec![
        constant("w", &[COUNT as i64, 2], &weights),
        constant("b", &[2], &[0.0, -1.0]),
    ];
    let gemm = node("Gemm", &["X", "w", "b"], &["sums"], vec![]);
    let softmax = node("Softmax", &["sums"], &["p"], vec![]);
    check(&model(vec![gemm.clone(), softmax], tensors.clone()), [0.5; 3]);
    // One sum through Tanh, then the probability of class 0 alone.
    let column: Vec<f32> = (0..COUNT)
        .map(|feature| if feature == 3 { 2.0 } else { 0.0 })
        .collect();
    let tensors = [
        tensors,
        vec![
            constant("v", &[COUNT as i64, 1], &column),
            constant("one", &[], &[1.0]),
        ],
    ]
    .concat();
    let chain = vec![
        node("MatMul", &["X", "v"], &["sum"], vec![]),
        node("Tanh", &["sum"], &["bent"], vec![]),
        node("Sigmoid", &["bent"], &["q"], vec![]),
        node("Sub", &["one", "q"], &["p"], vec![]),
    ];
    check(&model(chain, tensors), [1.0 - logistic(1f32.tanh()); 3]);
}

#[test]
fn odd_graphs_are_refused_with_place_and_remedy() {
    let stump = || classifier("BRANCH_LT", "LOGISTIC", [-1.0, 2.0]);
    let mut told = String::new();
    let mut tell = |name: &str, model: ModelProto| {
        told.push_str(&format!(
            "{name}: {}\n",
            refusal(&model.encode_to_vec(), &Options::default())
        ));
    };
    let of = |nodes: Vec<NodeProto>| model(nodes, vec![]);
    let with = |change: &dyn Fn(&mut ModelProto)| {
        let mut whole = of(vec![stump()]);
        change(&mut whole);
        whole
    };
    tell("no graph", with(&|model| model.graph = None));
    tell("opset 1", with(&|model| model.opset_import[0].version = 1));
    tell(
        "text input",
        with(&|model| graph(model).input = vec![info("X", DataType::String, COUNT)]),
    );
    tell(
        "whole numbers",
        with(&|model| graph(model).input = vec![info("X", DataType::Int64, COUNT)]),
    );
    tell(
        "30 columns",
        with(&|model| graph(model).input = vec![info("X", DataType::Float, COUNT + 1)]),
    );
    tell("no output", with(&|model| graph(model).output.clear()));
    tell("labels only", with(&|model| graph(model).output.truncate(1)));
    tell(
        "output from nowhere",
        with(&|model| graph(model).output[1].name = "elsewhere".to_owned()),
    );
    tell(
        "two numbers",
        with(&|model| {
            graph(model).output = vec![info("a", DataType::Float, 2), info("b", DataType::Float, 2)];
        }),
    );
    tell(
        "three classes",
        of(vec![replaced(stump(), ints("classlabels_int64s", &[0, 1, 2]))]),
    );
    tell(
        "classes 1 and 2",
        of(vec![replaced(stump(), ints("classlabels_int64s", &[1, 2]))]),
    );
    tell(
        "categories",
        of(vec![replaced(stump(), modes(&["BRANCH_EQ", "LEAF", "LEAF"]))]),
    );
    tell(
        "unknown mode",
        of(vec![replaced(
            stump(),
            modes(&["BRANCH\u{202e}", "LEAF", "LEAF"]),
        )]),
    );
    tell(
        "cycle",
        of(vec![replaced(stump(), ints("nodes_truenodeids", &[10, 0, 0]))]),
    );
    tell(
        "missing child",
        of(vec![replaced(stump(), ints("nodes_truenodeids", &[9, 0, 0]))]),
    );
    tell(
        "feature 29",
        of(vec![replaced(stump(), ints("nodes_featureids", &[29, 0, 0]))]),
    );
    tell(
        "negative feature",
        of(vec![replaced(stump(), ints("nodes_featureids", &[-1, 0, 0]))]),
    );
    tell(
        "short list",
        of(vec![replaced(stump(), ints("nodes_featureids", &[3]))]),
    );
    tell(
        "node twice",
        of(vec![replaced(stump(), ints("nodes_nodeids", &[10, 10, 2]))]),
    );
    tell(
        "NaN",
        of(vec![replaced(
            stump(),
            floats("nodes_values", &[f32::NAN, 0.0, 0.0]),
        )]),
    );
    tell(
        "infinite leaf",
        of(vec![replaced(
            stump(),
            floats("class_weights", &[f32::INFINITY, 0.0]),
        )]),
    );
    tell(
        "PROBIT",
        of(vec![replaced(stump(), text("post_transform", "PROBIT"))]),
    );
    tell(
        "two base values",
        of(vec![replaced(stump(), floats("base_values", &[0.1, 0.2]))]),
    );
    tell(
        "unknown attribute",
        of(vec![replaced(stump(), text("mood", "good"))]),
    );
    tell(
        "no probability",
        of(vec![classifier("BRANCH_LT", "NONE", [-1.0, 2.0])]),
    );
    tell(
        "foreign operator",
        of(vec![NodeProto {
            domain: "com.example".to_owned(),
            ..stump()
        }]),
    );
    tell("convolution", of(vec![node("Conv", &["X"], &["p"], vec![])]));
    tell("normalizer", of(vec![node("Normalizer", &["X"], &["p"], vec![])]));
    tell(
        "features alone",
        of(vec![node("Identity", &["X"], &["p"], vec![])]),
    );
    tell(
        "zero as missing",
        of(vec![node(
            "Imputer",
            &["X"],
            &["p"],
            vec![AttributeProto {
                f: 0.0,
                ..attribute("replaced_value_float", AttributeType::Float)
            }],
        )]),
    );
    tell(
        "operator set 5",
        of(vec![node("TreeEnsemble", &["X"], &["p"], vec![])]),
    );
    tell(
        "too many operators",
        of(vec![node("Identity", &["X"], &["p"], vec![]); 257]),
    );
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    let good = model(vec![classifier("BRANCH_LT", "LOGISTIC", [-1.0, 2.0])], vec![]).encode_to_vec();
    assert!(refusal(&good[..good.len() - 3], &Options::default()).contains("cut short"));
    assert!(refusal(b"GIF89a", &Options::default()).contains("not an ONNX model"));
    assert!(refusal(&[], &Options::default()).contains("no graph"));
    assert!(refusal(&vec![0; MAX_BYTES + 1], &Options::default()).contains("the limit is"));
}

#[test]
fn columns_are_found_by_name() {
    let bytes = model(vec![classifier("BRANCH_LT", "LOGISTIC", [-1.0, 2.0])], vec![]).encode_to_vec();
    let mut names: Vec<String> = FEATURES.iter().map(|feature| feature.name.to_owned()).collect();
    names.swap(3, 8);
    fn options(names: &[String]) -> Options<'_> {
        Options {
            features: Some(names),
            ..Options::default()
        }
    }
    let imported = import(&bytes, &options(&names)).expect("taken over");
    let mut low = [1.0; COUNT];
    low[8] = 0.0;
    let scores = [
        imported.score(&low),
        imported.score(&row(0.0)),
        imported.score(&[1.0; COUNT]),
    ];
    let expected = [2.0, 2.0, -1.0].map(logistic);
    assert!(
        scores
            .iter()
            .zip(expected)
            .all(|(score, expected)| (score - expected).abs() < 1e-6),
        "{scores:?}"
    );
    names[0] = "user\u{1b}agent".to_owned();
    let said = refusal(&bytes, &options(&names));
    assert!(
        said.contains("is no feature of the schema") && !said.contains('\u{1b}'),
        "{said}"
    );
}

proptest! {
    /// Whatever a file holds, it is taken over or refused, and what is taken over loads.
    #[test]
    fn damaged_files_never_panic(at in 0usize..2_000, bit in 0u8..8, cut: bool) {
        let tensors = vec![constant("w", &[COUNT as i64, 2], &[0.5; COUNT * 2])];
        let nodes = vec![
            classifier("BRANCH_LEQ", "LOGISTIC", [-1.0, 2.0]),
            node("MatMul", &["X", "w"], &["sums"], vec![]),
            node("ZipMap", &["p"], &["z"], vec![ints("classlabels_int64s", &[0, 1])]),
        ];
        let mut bytes = model(nodes, tensors).encode_to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if cut {
            bytes.truncate(at + 1);
        }
        let _ = import(&bytes, &Options::default());
    }
}
