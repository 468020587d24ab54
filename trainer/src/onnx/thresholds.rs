//! Other thresholds for a model that is there: same graph, same scores, another file.

use prost::Message;
use sekisho_core::model::pb::ModelProto;
use sekisho_core::model::{Card, Limits, Model, ModelError, Thresholds, encode, seal};

/// The sealed file of the model in `bytes` with these thresholds; everything else is as it was. The result has been
/// loaded once.
///
/// # Errors
/// When `bytes` are no model, or the thresholds are none.
pub fn with_thresholds(bytes: &[u8], thresholds: Thresholds) -> Result<(Vec<u8>, Model), ModelError> {
    let old = Model::load(bytes, &Limits::DEFAULT)?;
    let card = Card {
        thresholds,
        ..old.card().clone()
    };
    // What has been loaded decodes.
    let mut proto = ModelProto::decode(bytes).unwrap_or_default();
    proto.metadata_props = encode(&[], &card).metadata_props;
    let sealed = seal(proto);
    let model = Model::load(&sealed, &Limits::DEFAULT)?;
    Ok((sealed, model))
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::*;
    use crate::scan::DEFAULT_MODEL;

    const THRESHOLDS: Thresholds = Thresholds {
        suspect: 0.25,
        reject: 0.75,
        suspect_fpr: 0.05,
        reject_fpr: 0.01,
    };

    #[test]
    fn only_the_thresholds_are_others() {
        let old = Model::load(DEFAULT_MODEL, &Limits::DEFAULT).unwrap();
        let (bytes, model) = with_thresholds(DEFAULT_MODEL, THRESHOLDS).unwrap();
        assert_eq!(model.thresholds(), THRESHOLDS);
        assert_ne!(model.digest(), old.digest());
        let expected = Card {
            thresholds: THRESHOLDS,
            ..old.card().clone()
        };
        assert_eq!(model.card(), &expected);
        for value in [0.0, 0.3, 7.5] {
            assert_eq!(model.score(&[value; COUNT]), old.score(&[value; COUNT]));
        }
        let (again, _) = with_thresholds(&bytes, old.thresholds()).unwrap();
        assert_eq!(again, DEFAULT_MODEL, "the way back gives the first file");
    }

    #[test]
    fn what_is_no_model_or_no_threshold_is_refused() {
        assert!(with_thresholds(b"", THRESHOLDS).is_err());
        let mut damaged = DEFAULT_MODEL.to_vec();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        assert!(with_thresholds(&damaged, THRESHOLDS).is_err());
        let reversed = Thresholds {
            suspect: 0.9,
            reject: 0.1,
            ..THRESHOLDS
        };
        assert!(with_thresholds(DEFAULT_MODEL, reversed).is_err());
    }
}
