//! Models that the libraries themselves trained and exported.

use std::fs;
use std::path::Path;
use std::process::Command;

use sekisho_core::feature::Features;
use tempfile::TempDir;

use super::super::super::python::{python, run, script};
use super::*;

/// Largest difference to the library that trained a model.
const SAME: f32 = 1e-5;
const ROWS: usize = 2_000;

/// A directory with what `tests/python/foreign_models.py` makes.
fn made(kind: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let names = FEATURES.map(|feature| feature.name).join(",");
    let mut command = Command::new(python());
    run(command
        .arg(script("foreign_models.py"))
        .arg(kind)
        .arg(directory.path())
        .arg(names));
    directory
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).expect("written");
    bytes
        .chunks_exact(4)
        .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}

/// Names and contents of the models in a directory, by name.
fn models(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory)
        .expect("own directory")
        .map(|file| file.expect("own directory").path());
    let onnx = files.filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    let mut models: Vec<(String, Vec<u8>)> = onnx
        .map(|path| {
            (
                path.file_stem().expect("a name").to_string_lossy().into_owned(),
                fs::read(path).expect("readable"),
            )
        })
        .collect();
    models.sort();
    models
}

#[test]
fn imported_models_score_as_the_libraries_that_trained_them() {
    let directory = made("good");
    let rows: Vec<Features> = floats(&directory.path().join("rows"))
        .chunks_exact(COUNT)
        .map(|row| row.try_into().expect("a row"))
        .collect();
    assert_eq!(rows.len(), ROWS);
    let models = models(directory.path());
    let mut failures = Vec::new();
    for (name, bytes) in &models {
        let model = match import(bytes, &Options::default()) {
            Ok(model) => model,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let theirs = floats(&directory.path().join(format!("{name}.scores")));
        let apart: Vec<f32> = rows
            .iter()
            .zip(&theirs)
            .map(|(row, score)| (model.score(row) - score).abs())
            .collect();
        let (most, off) = (
            apart.iter().copied().fold(0.0, f32::max),
            apart.iter().filter(|&&by| by > SAME).count(),
        );
        if off > 0 {
            failures.push(format!("{name}: {off} rows differ, by up to {most}"));
        }
        let low = theirs.iter().copied().fold(1.0, f32::min);
        let high = theirs.iter().copied().fold(0.0, f32::max);
        assert!(high - low > 0.5, "{name} has learnt nothing: {low} to {high}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(models.len(), 26);
}

#[test]
fn what_cannot_be_taken_over_is_named_with_a_remedy() {
    let directory = made("bad");
    let mut told = String::new();
    for (name, bytes) in models(directory.path()) {
        let said = match import(&bytes, &Options::default()) {
            Ok(_) => "taken over".to_owned(),
            Err(error) => error.to_string(),
        };
        told.push_str(&format!("{name}: {said}\n"));
    }
    insta::assert_snapshot!(told);
    let text = fs::read(directory.path().join("text_classes.onnx")).expect("written");
    let options = |positive| Options {
        positive: Some(positive),
        ..Options::default()
    };
    let (bot, human) = (import(&text, &options("bot")), import(&text, &options("human")));
    let (bot, human) = (bot.expect("named"), human.expect("named"));
    for row in [[0.5; COUNT], [0.0; COUNT]] {
        let sum = bot.score(&row) + human.score(&row);
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    let narrow = fs::read(directory.path().join("too_narrow.onnx")).expect("written");
    let names: Vec<String> = FEATURES[1..]
        .iter()
        .map(|feature| feature.name.to_owned())
        .collect();
    let named = Options {
        features: Some(&names),
        ..Options::default()
    };
    assert!(
        import(&narrow, &named).is_ok(),
        "fewer columns are enough when they are named"
    );
}
