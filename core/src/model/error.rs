//! Why a model file was refused.

use std::fmt;

/// Longest piece of text from a model file that an error repeats.
const QUOTED: usize = 160;

/// Why a model was refused. The text says what to do about it; names that come from the file are escaped
/// and cut.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The file is larger than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error("the model has {bytes} bytes, the limit is {max}: is this the right file?")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are no protobuf message of the ONNX schema.
    #[error("not an ONNX model, or cut short: {reason}")]
    NotOnnx {
        /// The decoder's words.
        reason: Quoted,
    },
    /// There is no checksum entry, so the file was not written by `sekisho train`.
    #[error("the model carries no sekisho.checksum: write models with `sekisho train`")]
    Unsealed,
    /// The content does not match the checksum it carries.
    #[error(
        "the model is damaged: it states checksum {stated} but its content gives {computed}; copy it again"
    )]
    Damaged {
        /// What the file says.
        stated: Quoted,
        /// What its content gives.
        computed: String,
    },
    /// A metadata entry is missing, doubled or malformed.
    #[error("metadata {key}: {reason}; train the model again")]
    Metadata {
        /// The entry's key.
        key: &'static str,
        /// What is wrong with it.
        reason: Quoted,
    },
    /// The model was trained on other features than this build computes.
    #[error(
        "the model is for feature schema {model} but this build computes schema {ours}: \
         train it again with this version, or install the version it was trained with"
    )]
    Schema {
        /// The hash in the file.
        model: Quoted,
        /// The hash of this build.
        ours: String,
    },
    /// The schema hash fits but the list of names does not.
    #[error("the model has the right schema hash but other feature names ({model}): train it again")]
    FeatureNames {
        /// The names in the file.
        model: Quoted,
    },
    /// A count is over its limit.
    #[error("the model has {count} {what}, the limit is {max}: train a smaller one")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// An operator set version that was not tested.
    #[error(
        "operator set {domain} version {version} is not supported, only {oldest} to {newest}: export it again"
    )]
    Opset {
        /// Domain of the operator set.
        domain: Quoted,
        /// Version in the file.
        version: i64,
        /// Oldest version accepted.
        oldest: i64,
        /// Newest version accepted.
        newest: i64,
    },
    /// An operator outside the two supported kinds of graph.
    #[error(
        "operator {op} is not supported: a model is one TreeEnsembleClassifier, or a chain of Gemm, MatMul, Add, \
         Relu, Tanh and Sigmoid"
    )]
    Operator {
        /// The operator, with its domain.
        op: Quoted,
    },
    /// The graph's inputs, outputs or wiring are not those of the contract.
    #[error("graph: {reason}")]
    Graph {
        /// What was expected and what was found.
        reason: Quoted,
    },
    /// An attribute of an operator is missing, doubled, unknown or has a value that is not supported.
    #[error("{op}: attribute {name} {reason}")]
    Attribute {
        /// The operator.
        op: &'static str,
        /// The attribute.
        name: Quoted,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A tree is malformed.
    #[error("tree {tree}, node {node}: {reason}")]
    Tree {
        /// Index of the tree.
        tree: usize,
        /// Index of the node in it.
        node: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A tensor of a dense graph is malformed.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// Name of the initializer.
        name: Quoted,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// tract, the reference implementation, could not run the model.
    #[error("the reference evaluator refused the model: {reason}")]
    Reference {
        /// tract's words.
        reason: Quoted,
    },
    /// The compiled evaluator and tract do not agree.
    #[error(
        "probe {probe}: the evaluator gives {ours}, the reference {reference}, more than {max} apart; report this"
    )]
    Parity {
        /// Number of the probe row.
        probe: usize,
        /// Score of the compiled evaluator.
        ours: f32,
        /// Score of tract.
        reference: f32,
        /// Largest difference accepted.
        max: f32,
    },
}

/// Text from a model file, made safe for a terminal or a log: control characters escaped, length bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Escapes and cuts `text`.
    pub fn new(text: &str) -> Quoted {
        let mut safe: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
        if text.chars().nth(QUOTED).is_some() {
            safe.push_str("...");
        }
        Quoted(safe)
    }
}

impl From<&str> for Quoted {
    fn from(text: &str) -> Quoted {
        Quoted::new(text)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
