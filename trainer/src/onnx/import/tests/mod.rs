mod graphs;
mod libraries;
mod parts;

use super::*;
use sekisho_core::feature::{COUNT, FEATURES, schema_hash};
use sekisho_core::model::{Card, Model, Thresholds};

fn card() -> Card {
    Card {
        schema: schema_hash().to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        thresholds: Thresholds {
            suspect: 0.5,
            reject: 0.9,
            suspect_fpr: 1.0,
            reject_fpr: 1.0,
        },
        baseline: vec![0.25; COUNT],
        data: "made up".to_owned(),
        score_stats: "{}".to_owned(),
    }
}

/// The model as it loads from the file that is written for it.
fn import(bytes: &[u8], options: &Options<'_>) -> Result<Model, ImportError> {
    let converted = convert(bytes, options)?;
    write(&converted.score, &card()).map(|(_, model)| model)
}

#[track_caller]
fn refusal(bytes: &[u8], options: &Options<'_>) -> String {
    import(bytes, options).expect_err("refused").to_string()
}
