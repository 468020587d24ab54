//! Files that were cut or changed on the way.

use super::*;
use prost::Message;

/// Rows to tell two models apart.
fn scores(model: &Scorer) -> Vec<f32> {
    let mut draw = Draw(99);
    (0..50).map(|_| model.score(&draw.row())).collect()
}

#[test]
fn a_truncated_file_is_refused() {
    let bytes = seal(small());
    for length in (0..bytes.len()).step_by(64).chain([bytes.len() - 1]) {
        let error = Scorer::load(&bytes[..length], &SCHEMA, &Limits::DEFAULT);
        assert!(
            matches!(error, Err(ModelError::NotOnnx { .. } | ModelError::Unsealed)),
            "{length}: {error:?}"
        );
    }
}

#[test]
fn a_flipped_bit_never_changes_a_score() {
    let bytes = seal(small());
    let expected = scores(&load(small()).expect("a valid model"));
    let (mut refused, mut harmless) = (0, 0);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            match Scorer::load(&flipped, &SCHEMA, &Limits::DEFAULT) {
                Err(_) => refused += 1,
                Ok(model) => {
                    assert_eq!(scores(&model), expected, "byte {at}, bit {bit}");
                    harmless += 1;
                }
            }
        }
    }
    assert!(refused > 5_000, "{refused} refused, {harmless} harmless");
    assert!(harmless < 100, "{refused} refused, {harmless} harmless");
}

/// Whoever can write the file can also seal it: a flipped and sealed model is either refused, or a model
/// whose compiled form agrees with tract. What must not happen is a crash in tract.
#[test]
fn a_flipped_and_sealed_model_is_refused_or_valid() {
    let bytes = small().encode_to_vec();
    let mut draw = Draw(4);
    let (mut refused, mut valid) = (0, 0);
    for _ in 0..4_000 {
        let mut flipped = bytes.clone();
        flipped[draw.below(bytes.len() as u64) as usize] ^= 1 << draw.below(8);
        let Ok(proto) = pb::ModelProto::decode(flipped.as_slice()) else {
            continue;
        };
        match load(proto) {
            Err(_) => refused += 1,
            Ok(model) => {
                assert!(scores(&model).iter().all(|score| (0.0..=1.0).contains(score)));
                valid += 1;
            }
        }
    }
    assert!(refused > 500 && valid > 500, "{refused} refused, {valid} valid");
}

#[test]
fn rubbish_is_refused() {
    let mut draw = Draw(8);
    for length in [0usize, 1, 2, 10, 1_000, 100_000] {
        let bytes: Vec<u8> = (0..length).map(|_| draw.below(256) as u8).collect();
        assert!(Scorer::load(&bytes, &SCHEMA, &Limits::DEFAULT).is_err());
    }
}

#[test]
fn nested_messages_end_at_the_decoders_limit() {
    // Graph in attribute in node in graph ..., far deeper than the stack.
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..5_000 {
        for tag in [0x32, 0x2a, 0x0a] {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.append(&mut bytes);
            bytes = outer;
        }
    }
    let mut model = vec![0x3a];
    prost::encoding::encode_varint(bytes.len() as u64, &mut model);
    model.append(&mut bytes);
    assert!(matches!(
        Scorer::load(&model, &SCHEMA, &Limits::DEFAULT),
        Err(ModelError::NotOnnx { .. })
    ));
}
