//! What a model is made of, for people who compare two.

use sekisho_core::feature::FEATURES;
use sekisho_core::model::{Tree, TreeNode};
use serde::Serialize;

use super::error::RegistryError;
use crate::onnx::import::{Options, Score, convert};

/// The parts of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anatomy {
    /// Trees, or a dense network.
    pub kind: &'static str,
    /// Trees; 0 for a dense network.
    pub trees: usize,
    /// Splits from a root to the deepest leaf.
    pub depth: usize,
    /// Leaves of all trees.
    pub leaves: usize,
    /// What each feature weighs, largest first, features of no weight left out.
    pub importances: Vec<Importance>,
}

/// How much a model looks at a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Importance {
    /// The feature.
    pub feature: &'static str,
    /// Its share of all, 0 to 1. For trees: of the splits, a split counting half as much each level further down,
    /// since half as many clients come there. For a dense network: of the absolute weights of the first layer.
    pub share: f64,
}

/// Takes one of our model files apart.
pub fn dissect(bytes: &[u8], name: &str) -> Result<Anatomy, RegistryError> {
    let converted = convert(bytes, &Options::default()).map_err(|source| RegistryError::Import {
        path: name.into(),
        source: Box::new(source),
    })?;
    Ok(of(&converted.score))
}

fn of(score: &Score) -> Anatomy {
    let trees = score.forest();
    let weights = if trees.is_empty() {
        score.first_weights()
    } else {
        split_weights(trees)
    };
    let leaf = |node: &&TreeNode| matches!(node, TreeNode::Leaf { .. });
    Anatomy {
        kind: if trees.is_empty() { "dense" } else { "trees" },
        trees: trees.len(),
        depth: trees
            .iter()
            .map(|tree| levels(tree).into_iter().max().unwrap_or(0))
            .max()
            .unwrap_or(0),
        leaves: trees.iter().flat_map(|tree| &tree.nodes).filter(leaf).count(),
        importances: importances(&weights),
    }
}

fn importances(weights: &[f64]) -> Vec<Importance> {
    let whole: f64 = weights.iter().sum();
    let share = |(feature, weight): (&sekisho_core::feature::Feature, &f64)| Importance {
        feature: feature.name,
        share: weight / whole,
    };
    let mut shares: Vec<Importance> = FEATURES
        .iter()
        .zip(weights)
        .map(share)
        .filter(|i| i.share > 0.0)
        .collect();
    shares.sort_by(|left, right| right.share.total_cmp(&left.share));
    shares
}

/// Each node's distance from the root. Children come after their parents: the import numbers them so.
fn levels(tree: &Tree) -> Vec<usize> {
    let mut levels = vec![0; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate() {
        if let TreeNode::Split { yes, no, .. } = *node {
            (levels[yes], levels[no]) = (levels[at] + 1, levels[at] + 1);
        }
    }
    levels
}

fn split_weights(trees: &[Tree]) -> Vec<f64> {
    let mut weights = vec![0.0; FEATURES.len()];
    for tree in trees {
        for (node, level) in tree.nodes.iter().zip(levels(tree)) {
            if let TreeNode::Split { feature, .. } = *node {
                weights[feature] += 0.5f64.powi(level as i32);
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_model_is_what_its_card_says() {
        let anatomy = dissect(include_bytes!("../../../models/default.onnx"), "default").expect("ours");
        assert_eq!((anatomy.kind, anatomy.trees, anatomy.depth), ("trees", 48, 5));
        let whole: f64 = anatomy
            .importances
            .iter()
            .map(|importance| importance.share)
            .sum();
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");
        let mut sorted = anatomy.importances.clone();
        sorted.sort_by(|left, right| right.share.total_cmp(&left.share));
        assert_eq!(anatomy.importances, sorted);
    }
}
