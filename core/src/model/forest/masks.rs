//! Trees as sets of leaves that are still possible.
//!
//! Every test that fails makes the leaves on its other side impossible; when all failed tests are known, the
//! leaf that a row falls into is the leftmost one left. See Lucchese et al., QuickScorer (SIGIR 2015). A
//! feature's tests fail in the order of their thresholds, so what remains possible depends only on how many of
//! them lie at or below the value: it is looked up for all trees at once, and no walk from node to node, each
//! step waiting for the one before, is left.

use super::super::limits::ROW;
use super::super::tree::{Tree, TreeNode};
use super::LANES;

/// Leaves of a tree: bits of its set.
pub(super) const LEAVES: usize = 32;
/// Trees of one block, whose sets fill twelve of the sixteen vector registers that every x86-64 has. The bundled
/// model is one block.
const BLOCK: usize = 48;
/// Memory for the tables of one model. The bundled one takes 70 KiB; far beyond that a walk is faster, because
/// the tables no longer stay in the cache.
const TABLE_BYTES: usize = 512 * 1024;
/// Features whose thresholds are counted together.
const TOGETHER: usize = 4;

/// For each tree of a block the leaves that are possible.
type Alive = [u32; BLOCK];

/// Thresholds of four features, ascending. A value reaches a threshold when its [`ordered`] is greater than the
/// number kept here; no value reaches a place without one.
#[derive(Debug)]
struct Cuts {
    features: [usize; TOGETHER],
    /// Row of the tables before the first of each feature.
    before: [u16; TOGETHER],
    cuts: Vec<[i32; TOGETHER]>,
}

/// Up to [`BLOCK`] trees.
#[derive(Debug)]
struct Block {
    /// What is possible when that many thresholds of a feature are reached; row 0 belongs to none.
    rows: Vec<Alive>,
    leaves: [[f32; LEAVES]; BLOCK],
}

/// A compiled ensemble of small trees.
#[derive(Debug)]
pub(super) struct Masks {
    cuts: Vec<Cuts>,
    blocks: Vec<Block>,
}

/// A test of one tree, and the leaves on the side for values below its threshold.
struct Test {
    tree: usize,
    feature: usize,
    threshold: f32,
    below: u32,
}

impl Masks {
    /// Compiles trees; `None` when one has more than [`LEAVES`] leaves or the tables would be too large.
    pub fn new(trees: &[&Tree]) -> Option<Masks> {
        let mut tests = Vec::new();
        let mut leaves = Vec::new();
        for (index, tree) in trees.iter().enumerate() {
            let mut own = Vec::new();
            collect(tree, 0, index, &mut own, &mut tests);
            if own.len() > LEAVES {
                return None;
            }
            own.resize(LEAVES, 0.0);
            leaves.push(own);
        }
        let features = thresholds(&tests);
        let rows = 1 + features.iter().map(|(_, cuts)| cuts.len()).sum::<usize>();
        let blocks = trees.len().div_ceil(BLOCK);
        if rows > usize::from(u16::MAX) || rows * blocks * size_of::<Alive>() > TABLE_BYTES {
            return None;
        }
        let table = |block: usize| Block {
            rows: table(&features, &tests, block),
            leaves: std::array::from_fn(|lane| {
                let own = leaves.get(block * BLOCK + lane);
                own.map_or([0.0; LEAVES], |own| std::array::from_fn(|leaf| own[leaf]))
            }),
        };
        Some(Masks {
            blocks: (0..blocks).map(table).collect(),
            cuts: together(&features),
        })
    }

    /// Adds the leaves that `row`, which must be finite, falls into: tree `n` to the lane `n % LANES`.
    pub fn sums(&self, row: &[f32; ROW]) -> [f32; LANES] {
        let (mut reached, mut count) = ([0u16; ROW], 0);
        for cuts in &self.cuts {
            for (before, rank) in cuts.before.iter().zip(cuts.ranks(row)) {
                reached[count % ROW] = before.wrapping_add(rank as u16);
                count += usize::from(rank > 0);
            }
        }
        let reached = &reached[..count.min(ROW)];
        let mut sums = [0.0f32; LANES];
        for block in &self.blocks {
            let alive = block.alive(reached);
            for group in (0..BLOCK).step_by(LANES) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    // One is always alive; the last bit tells the compiler so.
                    let leaf = (alive[group + lane] | 1 << (LEAVES - 1)).trailing_zeros();
                    *sum += block.leaves[group + lane][leaf as usize];
                }
            }
        }
        sums
    }
}

impl Cuts {
    /// How many thresholds of each feature the row reaches.
    fn ranks(&self, row: &[f32; ROW]) -> [u32; TOGETHER] {
        let values = self.features.map(|feature| ordered(row[feature % ROW]));
        let mut ranks = [0; TOGETHER];
        for cut in &self.cuts {
            for lane in 0..TOGETHER {
                ranks[lane] += u32::from(cut[lane] < values[lane]);
            }
        }
        ranks
    }
}

/// An integer in the order of the numbers, none of which may be NaN: the compiler turns comparisons of four
/// integers, unlike those of four floats, into one instruction.
fn ordered(value: f32) -> i32 {
    // Both zeros are one number.
    let bits = (value + 0.0).to_bits() as i32;
    bits ^ (bits >> 31 & i32::MAX)
}

impl Block {
    /// Not inlined: while the sets are in vector registers, the compiler would look for their lowest bits there
    /// too, at eight times the cost.
    #[inline(never)]
    fn alive(&self, reached: &[u16]) -> Alive {
        let mut alive = [!0; BLOCK];
        for &row in reached {
            let Some(row) = self.rows.get(usize::from(row)) else {
                continue;
            };
            for (alive, row) in alive.iter_mut().zip(row) {
                *alive &= row;
            }
        }
        alive
    }
}

/// Numbers the leaves below `node` from left to right, the side below a threshold first, and notes every test.
fn collect(tree: &Tree, node: usize, index: usize, leaves: &mut Vec<f32>, tests: &mut Vec<Test>) {
    match tree.nodes[node] {
        TreeNode::Leaf { value } => leaves.push(value),
        TreeNode::Split {
            feature,
            threshold,
            yes,
            no,
        } => {
            let first = leaves.len();
            collect(tree, yes, index, leaves, tests);
            // Bits beyond the last belong to a tree that is refused afterwards.
            let bits = |count: usize| (1u64 << count.min(LEAVES)) - 1;
            tests.push(Test {
                tree: index,
                feature,
                threshold,
                below: (bits(leaves.len()) & !bits(first)) as u32,
            });
            collect(tree, no, index, leaves, tests);
        }
    }
}

/// Features that are asked for, each with its distinct thresholds in ascending order; most thresholds first.
/// A threshold that no finite value reaches never fails.
fn thresholds(tests: &[Test]) -> Vec<(usize, Vec<f32>)> {
    let mut features: Vec<(usize, Vec<f32>)> = Vec::new();
    for test in tests.iter().filter(|test| test.threshold.is_finite()) {
        match features.iter_mut().find(|(feature, _)| *feature == test.feature) {
            Some((_, cuts)) => cuts.push(test.threshold),
            None => features.push((test.feature, vec![test.threshold])),
        }
    }
    for (_, cuts) in &mut features {
        cuts.sort_by(f32::total_cmp);
        cuts.dedup();
    }
    features.sort_by_key(|(feature, cuts)| (std::cmp::Reverse(cuts.len()), *feature));
    features
}

fn table(features: &[(usize, Vec<f32>)], tests: &[Test], block: usize) -> Vec<Alive> {
    let mut rows = vec![[!0; BLOCK]];
    for (feature, cuts) in features {
        for cut in cuts {
            let mut alive: Alive = [!0; BLOCK];
            let failed = tests.iter().filter(|test| {
                test.tree / BLOCK == block && test.feature == *feature && test.threshold <= *cut
            });
            for test in failed {
                alive[test.tree % BLOCK] &= !test.below;
            }
            rows.push(alive);
        }
    }
    rows
}

fn together(features: &[(usize, Vec<f32>)]) -> Vec<Cuts> {
    let mut before = 0;
    let quad = |features: &[(usize, Vec<f32>)]| {
        let mut quad = Cuts {
            features: [0; TOGETHER],
            before: [0; TOGETHER],
            cuts: vec![[i32::MAX; TOGETHER]; features.iter().map(|(_, cuts)| cuts.len()).max().unwrap_or(0)],
        };
        for (lane, (feature, cuts)) in features.iter().enumerate() {
            quad.features[lane] = *feature;
            quad.before[lane] = before;
            before += cuts.len() as u16;
            for (place, cut) in quad.cuts.iter_mut().zip(cuts) {
                place[lane] = ordered(*cut) - 1;
            }
        }
        quad
    };
    features.chunks(TOGETHER).map(quad).collect()
}
