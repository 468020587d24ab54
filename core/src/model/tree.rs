//! One decision tree, and the check that it is one.

use super::{Limits, ModelError};

/// A node of a tree; node 0 is the root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TreeNode {
    /// Goes to `yes` when the feature is below the threshold, else to `no`.
    Split {
        /// Index of the feature.
        feature: usize,
        /// Finite, or infinity for "always below" (a finite `BRANCH_LEQ` bound of `f32::MAX`).
        threshold: f32,
        /// Index of the child for values below the threshold.
        yes: usize,
        /// Index of the child for all other values.
        no: usize,
    },
    /// Adds `value` to the sum of the ensemble.
    Leaf {
        /// Log-odds for a logistic ensemble.
        value: f32,
    },
}

/// A binary decision tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The nodes, root first.
    pub nodes: Vec<TreeNode>,
}

impl Tree {
    /// Splits from the root to the deepest leaf, after checking that the nodes are one tree: children
    /// exist, every node but the root has exactly one parent (so there is no cycle and nothing is shared),
    /// nothing lies apart.
    pub(super) fn depth(&self, index: usize, limits: &Limits) -> Result<usize, ModelError> {
        let fault = |node, reason| ModelError::Tree {
            tree: index,
            node,
            reason,
        };
        if self.nodes.is_empty() {
            return Err(fault(0, "the tree has no node"));
        }
        let mut seen = vec![false; self.nodes.len()];
        seen[0] = true;
        let mut level = vec![0];
        let mut depth = 0;
        loop {
            let mut below = Vec::new();
            for node in level {
                let TreeNode::Split { yes, no, .. } = self.nodes[node] else {
                    continue;
                };
                for child in [yes, no] {
                    match seen.get_mut(child) {
                        None => return Err(fault(node, "a child does not exist")),
                        Some(true) => {
                            return Err(fault(node, "a child is reached twice: a cycle, or shared"));
                        }
                        Some(fresh) => *fresh = true,
                    }
                    below.push(child);
                }
            }
            if below.is_empty() {
                break;
            }
            depth += 1;
            if depth > limits.max_depth {
                return Err(fault(below[0], "the tree is deeper than the limit"));
            }
            level = below;
        }
        match seen.iter().position(|&reached| !reached) {
            Some(apart) => Err(fault(apart, "the node has no parent")),
            None => Ok(depth),
        }
    }
}
