//! The walk from node to node, for trees of any size.
//!
//! One tree is a chain of dependent loads; eight walked in step keep the processor busy while each waits.
//! Children are neighbours in the array, so a step is one addition instead of a branch that cannot be
//! predicted.

use super::super::limits::ROW;
use super::super::tree::{Tree, TreeNode};
use super::LANES;

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
pub(super) struct Group {
    nodes: Vec<Node>,
    /// The value of the leaf with the same index.
    values: Vec<f32>,
    roots: [u16; LANES],
    depth: usize,
}

impl Group {
    /// Adds the leaf of each tree to its sum.
    pub fn add(&self, row: &[f32; ROW], sums: &mut [f32; LANES]) {
        let mut at = self.roots;
        for _ in 0..self.depth {
            for place in &mut at {
                let node = self.node(*place);
                let below = row[usize::from(node.feature) % ROW] < node.threshold;
                *place = node.child.wrapping_add(u16::from(!below));
            }
        }
        for (sum, place) in sums.iter_mut().zip(at) {
            *sum += self.values.get(usize::from(place)).copied().unwrap_or(0.0);
        }
    }

    /// Adds to each feature's place what the leaves are worth more than those that `row` would fall into with
    /// that one feature taken from `typical`.
    pub fn occlude(&self, row: &[f32; ROW], typical: &[f32; ROW], added: &mut [f32; ROW]) {
        let mut others = [0.0; ROW];
        for root in self.roots {
            let (mut at, mut turned) = (root, 0u64);
            for _ in 0..self.depth {
                let node = self.node(at);
                if node.child == at {
                    break;
                }
                let feature = usize::from(node.feature) % ROW;
                let below = row[feature] < node.threshold;
                let typically = typical[feature] < node.threshold;
                // From the first node where the typical value goes the other way, the paths part for good.
                if below != typically && turned & (1 << feature) == 0 {
                    turned |= 1 << feature;
                    let start = node.child.wrapping_add(u16::from(!typically));
                    let source = |asked| if asked == feature { typical } else { row };
                    others[feature] = self.walk(start, |asked| source(asked)[asked]);
                }
                at = node.child.wrapping_add(u16::from(!below));
            }
            let value = self.values.get(usize::from(at)).copied().unwrap_or(0.0);
            while turned != 0 {
                let feature = turned.trailing_zeros() as usize;
                turned &= turned - 1;
                added[feature] += value - others[feature];
            }
        }
    }

    fn node(&self, at: u16) -> Node {
        self.nodes.get(usize::from(at)).copied().unwrap_or(Node::leaf(at))
    }

    /// The value of the leaf that a tree leads to from `root`; `value` is asked for features below [`ROW`].
    fn walk(&self, root: u16, mut value: impl FnMut(usize) -> f32) -> f32 {
        let mut at = root;
        for _ in 0..self.depth {
            let node = self.node(at);
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
pub(super) struct Flat {
    nodes: Vec<Node>,
    values: Vec<f32>,
    /// Splits from the root to the deepest leaf.
    pub depth: usize,
}

impl Flat {
    /// Lays out a tree.
    pub fn new(tree: &Tree) -> Flat {
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
    /// Joins up to eight trees.
    pub fn new(trees: &[Flat]) -> Group {
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
