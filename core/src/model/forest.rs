//! The evaluator for tree ensembles: flat arrays, eight trees walked at once.
//!
//! One tree is a chain of dependent loads; eight walked in step keep the processor busy while each waits.
//! Children are neighbours in the array, so a step is one addition instead of a branch that cannot be
//! predicted.

use super::limits::ROW;
use super::tree::{Tree, TreeNode};

/// Trees walked together.
const LANES: usize = 8;

/// Eight bytes: going on from a node costs one load.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f32,
    feature: u16,
    /// The child for values below the threshold; the other one follows it. A leaf leads to itself.
    child: u16,
}

impl Node {
    fn leaf(at: u16) -> Node {
        Node {
            threshold: f32::INFINITY,
            feature: 0,
            child: at,
        }
    }
}

/// Up to eight trees in one array.
#[derive(Debug)]
struct Group {
    nodes: Vec<Node>,
    /// The value of the leaf with the same index.
    values: Vec<f32>,
    roots: [u16; LANES],
    depth: usize,
}

/// A compiled ensemble.
#[derive(Debug)]
pub(super) struct Forest {
    groups: Vec<Group>,
}

impl Forest {
    /// Compiles trees that passed [`Tree::depth`], with at most [`TREE_NODES`](super::limits::TREE_NODES)
    /// nodes each. Trees of one depth share a group, so that few steps are spent standing on a leaf.
    pub fn new(trees: &[Tree]) -> Forest {
        let mut placed: Vec<Flat> = trees.iter().map(Flat::new).collect();
        placed.sort_by_key(|flat| flat.depth);
        Forest {
            groups: placed.chunks(LANES).map(Group::new).collect(),
        }
    }

    /// The sum of the leaves that `row`, which must be finite, falls into.
    pub fn sum(&self, row: &[f32; ROW]) -> f32 {
        let mut sums = [0.0f32; LANES];
        for group in &self.groups {
            let mut at = group.roots;
            for _ in 0..group.depth {
                for place in &mut at {
                    let node = group
                        .nodes
                        .get(usize::from(*place))
                        .copied()
                        .unwrap_or(Node::leaf(*place));
                    let below = row[usize::from(node.feature) % ROW] < node.threshold;
                    *place = node.child.wrapping_add(u16::from(!below));
                }
            }
            for (sum, place) in sums.iter_mut().zip(at) {
                *sum += group.values.get(usize::from(place)).copied().unwrap_or(0.0);
            }
        }
        let [a, b, c, d, e, f, g, h] = sums;
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }
}

impl Forest {
    /// What each feature adds to [`Forest::sum`]: the sum for `row` minus the sum with that one feature taken
    /// from `typical`. Only trees that ask for a feature on the row's path can differ, so this costs a few
    /// sums, not one for each feature.
    pub fn occlusions(&self, row: &[f32; ROW], typical: &[f32; ROW]) -> [f32; ROW] {
        let mut added = [0.0; ROW];
        for group in &self.groups {
            for root in group.roots {
                let mut asked = 0u64;
                let value = group.walk(root, |feature| {
                    asked |= 1 << feature;
                    row[feature]
                });
                while asked != 0 {
                    let occluded = asked.trailing_zeros() as usize;
                    asked &= asked - 1;
                    if row[occluded] == typical[occluded] {
                        continue;
                    }
                    let source = |feature| if feature == occluded { typical } else { row };
                    added[occluded] += value - group.walk(root, |feature| source(feature)[feature]);
                }
            }
        }
        added
    }
}

impl Group {
    /// The value of the leaf that a tree leads to; `value` is asked for features below [`ROW`].
    fn walk(&self, root: u16, mut value: impl FnMut(usize) -> f32) -> f32 {
        let mut at = root;
        for _ in 0..self.depth {
            let node = self.nodes.get(usize::from(at)).copied().unwrap_or(Node::leaf(at));
            if node.child == at {
                break;
            }
            let below = value(usize::from(node.feature) % ROW) < node.threshold;
            at = node.child.wrapping_add(u16::from(!below));
        }
        self.values.get(usize::from(at)).copied().unwrap_or(0.0)
    }
}

/// One tree with siblings made neighbours, indices from 0.
struct Flat {
    nodes: Vec<Node>,
    values: Vec<f32>,
    depth: usize,
}

impl Flat {
    fn new(tree: &Tree) -> Flat {
        let mut flat = Flat {
            nodes: Vec::new(),
            values: Vec::new(),
            depth: 0,
        };
        let mut queue = vec![(0, 0)];
        let mut next = 0;
        while let Some(&(source, depth)) = queue.get(next) {
            let (node, value) = match tree.nodes[source] {
                TreeNode::Leaf { value } => (Node::leaf(next as u16), value),
                TreeNode::Split {
                    feature,
                    threshold,
                    yes,
                    no,
                } => {
                    let child = queue.len() as u16;
                    queue.extend([(yes, depth + 1), (no, depth + 1)]);
                    (
                        Node {
                            threshold,
                            feature: feature as u16,
                            child,
                        },
                        0.0,
                    )
                }
            };
            flat.nodes.push(node);
            flat.values.push(value);
            flat.depth = flat.depth.max(depth);
            next += 1;
        }
        flat
    }
}

impl Group {
    fn new(trees: &[Flat]) -> Group {
        // Lanes without a tree stand on a leaf worth nothing.
        let mut group = Group {
            nodes: vec![Node::leaf(0)],
            values: vec![0.0],
            roots: [0; LANES],
            depth: 0,
        };
        for (root, flat) in group.roots.iter_mut().zip(trees) {
            let base = group.nodes.len() as u16;
            *root = base;
            group.nodes.extend(flat.nodes.iter().map(|node| Node {
                child: base + node.child,
                ..*node
            }));
            group.values.extend(&flat.values);
            group.depth = group.depth.max(flat.depth);
        }
        group
    }
}
