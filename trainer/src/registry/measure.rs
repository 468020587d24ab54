//! What an imported model costs, and how far it is from the reference evaluator.

use std::hint::black_box;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sekisho_core::feature::{COUNT, FEATURES, Features};
use sekisho_core::model::{Model, TreeNode};
use serde::Serialize;
use tract_onnx::prelude::*;

use crate::onnx::import::Score;

/// Rows that both evaluators score. tract needs about a millisecond for each.
const ROWS: usize = 256;
/// Times that all rows are scored for one figure of the cost, and figures of which the middle one counts.
const ROUNDS: usize = 40;
const FIGURES: usize = 9;
/// Features without an upper bound are drawn up to this.
const LARGEST: f32 = 32.0;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Nanoseconds a score, the median of several runs, on this machine.
    pub nanoseconds: f64,
    /// Largest difference to tract.
    pub parity: f32,
    /// Rows that were compared.
    pub rows: usize,
}

/// Scores the same rows with the compiled model and with tract.
pub fn measure(bytes: &[u8], model: &Model, score: &Score) -> TractResult<Measured> {
    let rows = probes(score);
    let reference = reference(bytes, &rows)?;
    let apart = rows
        .iter()
        .zip(&reference)
        .map(|(row, reference)| (model.score(row) - reference).abs());
    Ok(Measured {
        nanoseconds: cost(model, &rows),
        parity: apart.fold(0.0, f32::max),
        rows: reference.len(),
    })
}

/// Rows over the features' ranges; every other value at a split of the model, or just beside one.
fn probes(score: &Score) -> Vec<Features> {
    let mut splits: Vec<Vec<f32>> = vec![Vec::new(); COUNT];
    for node in score.forest().iter().flat_map(|tree| &tree.nodes) {
        if let TreeNode::Split {
            feature, threshold, ..
        } = *node
        {
            splits[feature].push(threshold);
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut value = |feature: usize| {
        let (low, high) = FEATURES[feature].range;
        let at_split = !splits[feature].is_empty() && random.random::<bool>();
        if at_split {
            let split = splits[feature][random.random_range(0..splits[feature].len())];
            [split.next_down(), split, split.next_up()][random.random_range(0..3)]
        } else {
            let (low, high) = (low.max(-LARGEST), high.min(LARGEST));
            low + (high - low) * random.random::<f32>()
        }
    };
    (0..ROWS).map(|_| std::array::from_fn(&mut value)).collect()
}

/// tract's scores: the last column of its one output.
fn reference(bytes: &[u8], rows: &[Features]) -> TractResult<Vec<f32>> {
    let fact = InferenceFact::dt_shape(f32::datum_type(), [rows.len(), COUNT]);
    let model = tract_onnx::onnx()
        .model_for_read(&mut &*bytes)?
        .with_input_fact(0, fact)?
        .into_optimized()?
        .into_runnable()?;
    let input = Tensor::from_shape(&[rows.len(), COUNT], rows.as_flattened())?;
    let outputs = model.run(tvec!(input.into()))?;
    let output = outputs[0].to_plain_array_view::<f32>()?;
    let columns = (output.len() / rows.len().max(1)).max(1);
    Ok(output
        .iter()
        .skip(columns - 1)
        .step_by(columns)
        .copied()
        .collect())
}

fn cost(model: &Model, rows: &[Features]) -> f64 {
    let mut figures: Vec<f64> = (0..FIGURES)
        .map(|_| {
            let start = Instant::now();
            for row in (0..ROUNDS).flat_map(|_| rows) {
                black_box(model.score(black_box(row)));
            }
            start.elapsed().as_nanos() as f64 / (ROUNDS * rows.len()) as f64
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    figures[FIGURES / 2]
}
