//! Writing a trained booster as a model file.
//!
//! forust sums the base score and one leaf of each tree in f64 and splits on `value < threshold` in f64.
//! The file holds f32: a threshold becomes the next f32 at or above it, which sends every f32 value the
//! same way, and the base score goes into the leaves of the first tree, because runtimes disagree about
//! `base_values`.

use forust_ml::GradientBooster;
use forust_ml::objective::ObjectiveType;
use forust_ml::tree::Tree as ForustTree;
use sekisho_core::model::{Card, Limits, ModelError, Schema, Scorer, Tree, TreeNode, encode, seal};

pub mod import;
mod thresholds;

pub use thresholds::with_thresholds;

#[cfg(test)]
mod python;
#[cfg(test)]
mod tests;

/// Why a booster cannot be written as a model.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The booster does not compute log-odds.
    #[error("the booster was not trained with logistic loss: its sums are no log-odds")]
    Objective,
    /// The booster treats some finite number as missing.
    #[error("the booster takes {0} for a missing value: train with NaN as missing, features never are")]
    Missing(f64),
    /// A split has a third child for missing values.
    #[error("tree {tree} has a separate branch for missing values: train with create_missing_branch off")]
    MissingBranch {
        /// Index of the tree.
        tree: usize,
    },
    /// The booster has no tree.
    #[error("the booster has no trees: was it trained?")]
    NoTrees,
    /// What was written does not load; the message says why.
    #[error("the model that was written would not load: {0}")]
    Refused(#[from] ModelError),
}

/// Writes `booster` and `card` as a sealed model file. The same booster and card give the same bytes.
/// Whatever is returned has been loaded once, so it is within [`Limits::DEFAULT`] and tract computes the
/// same scores.
///
/// # Errors
/// When the booster is not a binary classifier on finite features, or the card does not fit it.
pub fn write(booster: &GradientBooster, card: &Card) -> Result<Vec<u8>, WriteError> {
    if !matches!(booster.objective_type, ObjectiveType::LogLoss) {
        return Err(WriteError::Objective);
    }
    if !booster.missing.is_nan() {
        return Err(WriteError::Missing(booster.missing));
    }
    let used = booster
        .prediction_iteration
        .unwrap_or(booster.trees.len())
        .min(booster.trees.len());
    let mut base = booster.base_score;
    let mut trees = Vec::with_capacity(used);
    for (index, tree) in booster.trees[..used].iter().enumerate() {
        trees.push(convert(tree, base).ok_or(WriteError::MissingBranch { tree: index })?);
        base = 0.0;
    }
    if trees.is_empty() {
        return Err(WriteError::NoTrees);
    }
    let bytes = seal(encode(&trees, card));
    let names: Vec<&str> = card.features.iter().map(String::as_str).collect();
    Scorer::load(
        &bytes,
        &Schema {
            hash: &card.schema,
            names: &names,
        },
        &Limits::DEFAULT,
    )?;
    Ok(bytes)
}

/// The tree with `base` added to its leaves, numbered from the root level by level. `None` when a split has
/// a branch of its own for missing values.
fn convert(tree: &ForustTree, base: f64) -> Option<Tree> {
    let mut queue = vec![0];
    let mut nodes = Vec::with_capacity(tree.nodes.len());
    while let Some(&source) = queue.get(nodes.len()) {
        let node = &tree.nodes[source];
        nodes.push(if node.is_leaf {
            TreeNode::Leaf {
                value: (f64::from(node.weight_value) + base) as f32,
            }
        } else if node.has_missing_branch() {
            return None;
        } else {
            let yes = queue.len();
            queue.extend([node.left_child, node.right_child]);
            TreeNode::Split {
                feature: node.split_feature,
                threshold: at_or_above(node.split_value),
                yes,
                no: yes + 1,
            }
        });
    }
    Some(Tree { nodes })
}

/// The smallest f32 that is not below `value`.
fn at_or_above(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value {
        near.next_up()
    } else {
        near
    }
}
