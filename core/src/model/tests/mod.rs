//! Tests of the model file, on made-up schemas and ensembles.

mod bad;
mod damage;
mod dense;
mod trees;

use super::*;

/// Six features, enough for every shape of graph.
const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
const SCHEMA: Schema<'static> = Schema {
    hash: "00112233445566ff",
    names: &NAMES,
};

fn card() -> Card {
    Card {
        schema: SCHEMA.hash.to_owned(),
        features: NAMES.map(str::to_owned).to_vec(),
        thresholds: Thresholds {
            suspect: 0.6,
            reject: 0.9,
            suspect_fpr: 0.05,
            reject_fpr: 0.01,
        },
        baseline: vec![0.1, 0.5, 0.0, 0.25, 1.5, 3.0],
        data: "made up".to_owned(),
        score_stats: "{}".to_owned(),
    }
}

/// SplitMix64: the same numbers on every run.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    /// A multiple of 1/64 from -2 to 2: sums of these are exact in f32.
    fn value(&mut self) -> f32 {
        self.below(257) as f32 / 64.0 - 2.0
    }

    pub(super) fn row(&mut self) -> [f32; 6] {
        [(); 6].map(|()| self.value())
    }

    /// A tree that stops splitting at `depth`, or earlier at one node in eight.
    fn tree(&mut self, depth: usize) -> Tree {
        let mut nodes = vec![TreeNode::Leaf { value: self.value() }];
        let mut open = vec![(0, depth)];
        while let Some((node, left)) = open.pop() {
            if left == 0 || self.below(8) == 0 {
                continue;
            }
            let (yes, no) = (nodes.len(), nodes.len() + 1);
            nodes[node] = TreeNode::Split {
                feature: self.below(6) as usize,
                threshold: self.value(),
                yes,
                no,
            };
            for child in [yes, no] {
                nodes.push(TreeNode::Leaf { value: self.value() });
                open.push((child, left - 1));
            }
        }
        Tree { nodes }
    }

    pub(super) fn trees(&mut self, count: usize, depth: usize) -> Vec<Tree> {
        (0..count).map(|_| self.tree(depth)).collect()
    }
}

/// A small tree model.
fn small() -> pb::ModelProto {
    encode(&Draw(1).trees(5, 3), &card())
}

/// Seals `proto` and loads it.
fn load(proto: pb::ModelProto) -> Result<Scorer, ModelError> {
    Scorer::load(&seal(proto), &SCHEMA, &Limits::DEFAULT)
}

fn graph(proto: &mut pb::ModelProto) -> &mut pb::GraphProto {
    proto.graph.as_mut().expect("a graph")
}

fn attribute<'a>(proto: &'a mut pb::ModelProto, name: &str) -> &'a mut pb::AttributeProto {
    let attributes = &mut graph(proto).node[0].attribute;
    attributes
        .iter_mut()
        .find(|attribute| attribute.name == name)
        .expect("the attribute")
}
