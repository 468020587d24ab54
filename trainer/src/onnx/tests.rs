use super::python::{python, run, script};
use super::*;
use forust_ml::Matrix;
use sekisho_core::model::Thresholds;
use std::process::Command;
use tract_onnx::prelude::*;

const FEATURES: usize = 24;
const ROWS: usize = 10_000;
/// Largest difference to another implementation of ONNX.
const SAME: f32 = 1e-5;

/// SplitMix64: the same numbers on every run.
struct Draw(u64);

impl Draw {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to 1, a quarter of them on a grid, as shares of small counts are.
    fn share(&mut self) -> f32 {
        let word = self.word();
        if word.is_multiple_of(4) {
            (word >> 8) as u8 as f32 / 255.0
        } else {
            (word >> 40) as f32 / 16_777_216.0
        }
    }

    fn row(&mut self) -> [f32; FEATURES] {
        let mut row = [(); FEATURES].map(|()| self.share());
        row[3] *= 1_000.0;
        row[5] = row[5] * 20.0 - 10.0;
        row
    }
}

fn card() -> Card {
    Card {
        schema: "0011223344556677".to_owned(),
        features: (0..FEATURES).map(|n| format!("feature_{n}")).collect(),
        thresholds: Thresholds {
            suspect: 0.5,
            reject: 0.9,
            suspect_fpr: 0.05,
            reject_fpr: 0.01,
        },
        baseline: vec![0.25; FEATURES],
        data: "made up".to_owned(),
        score_stats: "{}".to_owned(),
    }
}

fn load(bytes: &[u8]) -> Scorer {
    let card = card();
    let names: Vec<&str> = card.features.iter().map(String::as_str).collect();
    let schema = Schema {
        hash: &card.schema,
        names: &names,
    };
    Scorer::load(bytes, &schema, &Limits::DEFAULT).expect("a valid model")
}

/// Rows one after the other, and the same as forust wants them: f64, column by column.
fn rows(seed: u64) -> (Vec<[f32; FEATURES]>, Vec<f64>) {
    let mut draw = Draw(seed);
    let rows: Vec<[f32; FEATURES]> = (0..ROWS).map(|_| draw.row()).collect();
    let columns = (0..FEATURES)
        .flat_map(|column| rows.iter().map(move |row| f64::from(row[column])))
        .collect();
    (rows, columns)
}

fn booster(trees: usize, edit: impl FnOnce(GradientBooster) -> GradientBooster) -> GradientBooster {
    let (rows, columns) = rows(1);
    let mut draw = Draw(2);
    let label = |row: &[f32; FEATURES]| {
        let odds = row[0] * row[1] + row[3] / 2_000.0 + (row[5] > 2.0) as u8 as f32 * row[7];
        f64::from(u8::from(odds + 0.3 * draw.share() > 1.0))
    };
    let labels: Vec<f64> = rows.iter().map(label).collect();
    let plain = GradientBooster::default()
        .set_iterations(trees)
        .set_max_depth(5)
        .set_parallel(false);
    let mut booster = edit(plain.set_initialize_base_score(true));
    booster
        .fit_unweighted(&Matrix::new(&columns, ROWS, FEATURES), &labels, None)
        .expect("training works");
    booster
}

/// Rows the model was not trained on, a tenth of them with values exactly on thresholds.
fn probes(booster: &GradientBooster) -> Vec<[f32; FEATURES]> {
    let splits: Vec<(usize, f64)> = booster
        .trees
        .iter()
        .flat_map(|tree| &tree.nodes)
        .filter(|n| !n.is_leaf)
        .map(|node| (node.split_feature, node.split_value))
        .collect();
    let (mut rows, _) = rows(77);
    let mut draw = Draw(3);
    for row in rows.iter_mut().step_by(10) {
        for _ in 0..8 {
            let (feature, value) = splits[draw.word() as usize % splits.len()];
            let edge = at_or_above(value);
            row[feature] = [edge.next_down(), edge, edge.next_up()][draw.word() as usize % 3];
        }
    }
    rows
}

fn largest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_written_model_scores_as_forust_does() {
    let booster = booster(64, |b| b);
    let model = load(&write(&booster, &card()).expect("writes"));
    let rows = probes(&booster);
    let columns: Vec<f64> = (0..FEATURES)
        .flat_map(|column| rows.iter().map(move |row| f64::from(row[column])))
        .collect();
    let forust = booster.predict(&Matrix::new(&columns, ROWS, FEATURES), false);
    let forust: Vec<f32> = forust
        .iter()
        .map(|odds| (1.0 / (1.0 + (-odds).exp())) as f32)
        .collect();
    let ours: Vec<f32> = rows.iter().map(|row| model.score(row)).collect();
    let apart = largest_difference(&ours, &forust);
    assert!(apart <= 2e-6, "{apart}");
    let (low, high) = ours
        .iter()
        .fold((1.0f32, 0.0f32), |(low, high), &s| (low.min(s), high.max(s)));
    assert!(
        low < 0.05 && high > 0.95,
        "the model must have learnt something: {low} to {high}"
    );
}

#[test]
fn a_written_model_scores_the_same_in_tract() {
    let booster = booster(64, |b| b);
    let bytes = write(&booster, &card()).expect("writes");
    // A tenth of the rows: tract needs a millisecond or more for each.
    let rows: Vec<[f32; FEATURES]> = probes(&booster).into_iter().step_by(10).collect();
    let fact = InferenceFact::dt_shape(f32::datum_type(), [rows.len(), FEATURES]);
    let tract = tract_onnx::onnx()
        .model_for_read(&mut bytes.as_slice())
        .expect("reads");
    let tract = tract
        .with_input_fact(0, fact)
        .and_then(|m| m.into_optimized())
        .and_then(|m| m.into_runnable());
    let input = Tensor::from_shape(&[rows.len(), FEATURES], rows.as_flattened()).expect("a tensor");
    let output = tract.expect("compiles").run(tvec!(input.into())).expect("runs");
    let view = output[0].to_plain_array_view::<f32>().expect("numbers");
    let theirs: Vec<f32> = view.iter().skip(1).step_by(2).copied().collect();
    let model = load(&bytes);
    let ours: Vec<f32> = rows.iter().map(|row| model.score(row)).collect();
    let apart = largest_difference(&ours, &theirs);
    assert!(apart <= SAME, "{apart}");
}

/// The case in which onnxruntime drops the logistic function if the leaves vote for one class only.
fn positive_leaves() -> GradientBooster {
    let gentle = |b: GradientBooster| b.set_initialize_base_score(false).set_base_score(3.0);
    let booster = booster(1, |b| gentle(b).set_learning_rate(0.01));
    let leaves = booster.trees[0].nodes.iter().filter(|node| node.is_leaf);
    assert!(leaves.clone().count() > 1 && leaves.clone().all(|leaf| leaf.weight_value > -3.0));
    booster
}

#[test]
fn a_written_model_scores_the_same_in_onnxruntime() {
    let python = python();
    let script = script("onnxruntime_parity.py");
    let cases = [
        ("64 trees", booster(64, |b| b)),
        ("one tree", booster(1, |b| b)),
        ("positive leaves", positive_leaves()),
        ("a single leaf", booster(1, |b| b.set_max_depth(0))),
    ];
    for (name, booster) in cases {
        let bytes = write(&booster, &card()).expect(name);
        let rows = if name == "a single leaf" {
            rows(77).0
        } else {
            probes(&booster)
        };
        let directory = tempfile::tempdir().expect("a directory");
        let path = |file: &str| directory.path().join(file);
        let table: Vec<u8> = rows
            .iter()
            .flatten()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        std::fs::write(path("model.onnx"), &bytes).expect("writes");
        std::fs::write(path("rows"), table).expect("writes");
        let files = [
            path("model.onnx"),
            path("rows"),
            FEATURES.to_string().into(),
            path("scores"),
        ];
        run(Command::new(&python).arg(&script).args(files));
        let scores = std::fs::read(path("scores")).expect("reads");
        let word = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let theirs: Vec<f32> = scores.chunks_exact(4).map(word).collect();
        let model = load(&bytes);
        let ours: Vec<f32> = rows.iter().map(|row| model.score(row)).collect();
        let apart = largest_difference(&ours, &theirs);
        assert!(apart <= SAME, "{name}: {apart}");
    }
}

#[test]
fn the_same_booster_gives_the_same_bytes() {
    let first = write(&booster(16, |b| b), &card()).expect("writes");
    let second = write(&booster(16, |b| b), &card()).expect("writes");
    assert_eq!(first, second);
}

#[test]
fn only_the_trees_that_predict_are_written() {
    let (all, three) = (
        booster(16, |b| b),
        booster(16, |b| b).set_prediction_iteration(Some(3)),
    );
    let sizes = [all, three].map(|booster| write(&booster, &card()).expect("writes").len());
    assert!(sizes[1] < sizes[0] / 3, "{sizes:?}");
}

#[test]
fn boosters_that_are_no_classifiers_are_refused() {
    let check = |booster: &GradientBooster, expected: &str| {
        let error = write(booster, &card()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &booster(2, |b| b.set_objective_type(ObjectiveType::SquaredLoss)),
        "logistic loss",
    );
    check(&booster(2, |b| b.set_missing(-1.0)), "-1 for a missing value");
    check(
        &booster(2, |b| b.set_create_missing_branch(true)),
        "branch for missing values",
    );
    check(&GradientBooster::default(), "no trees");
    check(&booster(600, |b| b.set_max_depth(1)), "the limit is 512");
    let mut short = card();
    short.features.truncate(20);
    short.baseline.truncate(20);
    let refused = write(&booster(64, |b| b), &short)
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("out of range"), "{refused}");
}

#[test]
fn thresholds_are_rounded_up() {
    let check = |value: f64, expected: f32| assert_eq!(at_or_above(value), expected, "{value}");
    check(0.5, 0.5);
    check(0.1, 0.1);
    check(f64::from(0.1f32) + 1e-12, 0.1f32.next_up());
    check(f64::from(0.1f32) - 1e-12, 0.1);
    check(-0.1, (-0.1f32).next_up());
    check(0.0, 0.0);
    check(1e-60, f32::from_bits(1));
}

/// tract must not leave threads behind in a worker, nor start any.
#[test]
fn loading_a_model_starts_no_thread() {
    let bytes = write(&booster(8, |b| b), &card()).expect("writes");
    let threads = || std::fs::read_dir("/proc/self/task").expect("Linux").count();
    let before = threads();
    let model = load(&bytes);
    model.score(&[0.0; FEATURES]);
    assert_eq!(threads(), before);
}
