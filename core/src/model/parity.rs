//! The check that a compiled evaluator computes what the model file says: the same probe rows through
//! tract.

use super::pb::ModelProto;
use super::{ModelError, Quoted};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::prelude::*;

/// Largest difference between the two scores of a probe. Summing a few hundred f32 in another order costs
/// about 1e-7, tract's approximated sigmoid as much.
pub const PARITY: f32 = 1e-5;

/// Probe rows. tract needs a millisecond or less for each, and this runs on every load.
const PROBES: usize = 64;

/// Rows of `features` values that exercise a model: for every feature, each row takes one of its `values`
/// ([`PROBES`] rows, always the same). The first rows are the typical human and all zeros.
pub(super) fn probes(values: &[Vec<f32>], baseline: &[f32]) -> Vec<Vec<f32>> {
    let mut state = 0;
    let mut draw = |from: &[f32]| {
        // SplitMix64, Steele, Lea and Flood 2014.
        state += 0x9e37_79b9_7f4a_7c15_u128;
        let mut word = state as u64;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from.get((word ^ (word >> 31)) as usize % from.len().max(1))
            .copied()
            .unwrap_or(0.0)
    };
    let mut rows = vec![baseline.to_vec(), vec![0.0; baseline.len()]];
    rows.resize_with(PROBES, || values.iter().map(|values| draw(values)).collect());
    rows
}

/// Compares `score` with tract on every row; the first difference over [`PARITY`] is an error.
pub(super) fn check(
    reference: &ModelProto,
    rows: &[Vec<f32>],
    score: impl Fn(&[f32]) -> f32,
) -> Result<(), ModelError> {
    // tract is large and not written for hostile graphs; whatever slips past validation must not take a
    // worker down.
    let run = catch_unwind(AssertUnwindSafe(|| run(reference, rows)));
    let scores = match run {
        Ok(Ok(scores)) => scores,
        Ok(Err(error)) => return Err(refused(&format!("{error:#}"))),
        Err(_) => return Err(refused("it panicked")),
    };
    if scores.len() != rows.len() {
        return Err(refused("it gives another number of scores"));
    }
    for (probe, (row, reference)) in rows.iter().zip(scores).enumerate() {
        let ours = score(row);
        let apart = (ours - reference).abs();
        if apart.is_nan() || apart > PARITY {
            return Err(ModelError::Parity {
                probe,
                ours,
                reference,
                max: PARITY,
            });
        }
    }
    Ok(())
}

fn refused(reason: &str) -> ModelError {
    ModelError::Reference {
        reason: Quoted::new(reason),
    }
}

/// The last column of the model's output, for all rows at once.
fn run(reference: &ModelProto, rows: &[Vec<f32>]) -> TractResult<Vec<f32>> {
    let features = rows.first().map_or(0, Vec::len);
    let input = Tensor::from_shape(&[rows.len(), features], &rows.concat())?;
    let fact = InferenceFact::dt_shape(f32::datum_type(), [rows.len(), features]);
    let model = tract_onnx::onnx()
        .model_for_proto_model(reference)?
        .with_input_fact(0, fact)?
        .into_optimized()?
        .into_runnable()?;
    let outputs = model.run(tvec!(input.into()))?;
    let output = outputs[0].to_plain_array_view::<f32>()?;
    let columns = output.len() / rows.len().max(1);
    Ok(output
        .iter()
        .skip(columns.saturating_sub(1))
        .step_by(columns.max(1))
        .copied()
        .collect())
}
