//! Why a model trained elsewhere cannot be taken over.

use sekisho_core::model::{ModelError, Quoted};

/// Why there is no model. Each says where it is, what it is, and what to do about it; text from the file is
/// escaped and cut.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is larger than any model that could be taken over.
    #[error("the file has {bytes} bytes, the limit is {max}: train fewer or smaller trees")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are no ONNX message.
    #[error("not an ONNX model, or cut short: {0}; export it again")]
    NotOnnx(Quoted),
    /// An operator, or something about it, is outside what can be converted.
    #[error("{place}: {what}; {remedy}")]
    Node {
        /// Operator, number in the graph, and name.
        place: Quoted,
        /// What is not supported.
        what: Quoted,
        /// What to do.
        remedy: &'static str,
    },
    /// Something about the graph as a whole.
    #[error("{what}; {remedy}")]
    Graph {
        /// What is not supported.
        what: Quoted,
        /// What to do.
        remedy: &'static str,
    },
    /// The graph could be converted, but the result breaks a limit or does not load.
    #[error("the converted model is refused: {reason}{remedy}")]
    Refused {
        /// The limit, or the difference to the reference.
        reason: ModelError,
        /// What to do about it in the words of training libraries.
        remedy: &'static str,
    },
}

impl ImportError {
    pub(super) fn graph(what: impl AsRef<str>, remedy: &'static str) -> ImportError {
        ImportError::Graph {
            what: Quoted::new(what.as_ref()),
            remedy,
        }
    }
}

impl From<ModelError> for ImportError {
    fn from(reason: ModelError) -> ImportError {
        let remedy = match &reason {
            ModelError::Tree { reason: what, .. } if what.contains("deeper") => {
                " (16 levels): train with max_depth=16 or less"
            }
            ModelError::TooMany { what, .. } if what.contains("tree") => {
                ": n_estimators, max_depth and num_leaves bound the size"
            }
            _ => "",
        };
        ImportError::Refused { reason, remedy }
    }
}
