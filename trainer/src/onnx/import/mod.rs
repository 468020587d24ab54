//! Models trained elsewhere: an ONNX graph that an exporter wrote, turned into one of ours.
//!
//! The graph is read operator by operator, from the features to the output that holds the probability. What only
//! makes labels is never looked at. What scales features is folded into splits (exactly: see [`column`]) or into
//! weights. What cannot be folded is refused, with its place and what to do. Nothing of the file is kept but
//! numbers: the result is written anew, and loaded once before anybody gets it.

mod attributes;
mod column;
mod error;
mod graph;
mod layers;
mod linear;
mod operators;
mod trees;
mod value;
mod write;

#[cfg(test)]
mod tests;

use prost::Message;
use sekisho_core::model::{Quoted, pb::ModelProto};

pub use error::ImportError;
pub use value::Score;
pub use write::write;

/// Largest file that is read. A thousand trees that no model may have any more take some 30 MB.
pub const MAX_BYTES: usize = 32 << 20;

/// What cannot be read out of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Names of the columns the model was trained on, in order; else they are the schema's.
    pub features: Option<&'a [String]>,
    /// What the class of automated clients is called; else the classes must be 0 and 1.
    pub positive: Option<&'a str>,
    /// The output that holds the probability, where several could.
    pub output: Option<&'a str>,
}

/// What the two classes are called, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Labels([String; 2]);

/// A graph that was understood.
#[derive(Debug)]
pub struct Converted {
    /// How it scores.
    pub score: Score,
    /// What was changed on the way, in words.
    pub changes: Vec<String>,
    /// Who wrote the file, as it says itself.
    pub producer: Quoted,
}

/// Understands the model in `bytes`.
///
/// # Errors
/// The first thing that cannot be taken over, with its place and what to do.
pub fn convert(bytes: &[u8], options: &Options<'_>) -> Result<Converted, ImportError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImportError::TooLarge {
            bytes: bytes.len(),
            max: MAX_BYTES,
        });
    }
    let model =
        ModelProto::decode(bytes).map_err(|error| ImportError::NotOnnx(Quoted::new(&error.to_string())))?;
    if !model.functions.is_empty() {
        return Err(ImportError::graph(
            "the model defines functions of its own",
            "export without functions",
        ));
    }
    let mut graph = graph::Graph::new(&model, options)?;
    let output = graph.run()?;
    let score = linear::score_of(output, graph.labels.as_ref(), options.positive)?;
    let versions: Vec<String> = model
        .opset_import
        .iter()
        .map(|import| {
            format!(
                "{} {}",
                if import.domain.is_empty() {
                    "ai.onnx"
                } else {
                    &import.domain
                },
                import.version
            )
        })
        .collect();
    graph.note(format!(
        "operator sets {} rewritten as ai.onnx 18 and ai.onnx.ml 3",
        versions.join(", ")
    ));
    Ok(Converted {
        score,
        changes: graph.changes,
        producer: Quoted::new(format!("{} {}", model.producer_name, model.producer_version).trim()),
    })
}
