//! What a model file may hold at most.
//!
//! A model is loaded while nginx tests or reloads its configuration, and its evaluator then runs in every
//! worker, so the size of a model is the size of a promise about time. Each default leaves room for models
//! about ten times the bundled one (48 trees of depth 5) and refuses what can only be a mistake.

/// The longest row of features an evaluator reads. Rows live in a stack buffer of this length, and a power
/// of two lets the tree walk mask an index instead of checking it.
pub const ROW: usize = 64;

/// The widest dense layer an evaluator can hold: two stack buffers of this many floats are 1 KiB.
pub const WIDTH: usize = 128;

/// The most nodes one tree can have: eight trees are walked together and share 16-bit node indices.
pub const TREE_NODES: usize = 2_048;

/// Upper bounds checked before anything is compiled or handed to tract. A value above the evaluator's own
/// capacity ([`WIDTH`], [`TREE_NODES`]) counts as that capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes. The bundled model has about 60 KB; decoding a file costs a few times its
    /// size.
    pub max_bytes: usize,
    /// Operators in the graph. A tree model has one, a small dense one about ten.
    pub max_operators: usize,
    /// Trees in an ensemble. tract, which checks the compiled model at load, needs time that grows with
    /// trees times leaves: at this bound and at [`Limits::max_nodes`] the check takes a second or two, at
    /// the size of the bundled model some tens of milliseconds.
    pub max_trees: usize,
    /// Tree nodes in total, splits and leaves.
    pub max_nodes: usize,
    /// Nodes of one tree.
    pub max_tree_nodes: usize,
    /// Splits from a root to its deepest leaf. Bounds the time of one walk.
    pub max_depth: usize,
    /// Values in one dense layer.
    pub max_width: usize,
    /// Numbers in all tensors of a dense graph together. Bounds the time of one evaluation.
    pub max_weights: usize,
}

impl Limits {
    /// The limits used when nobody asks for others.
    pub const DEFAULT: Limits = Limits {
        max_bytes: 4 << 20,
        max_operators: 32,
        max_trees: 512,
        max_nodes: 32_768,
        max_tree_nodes: 1_023,
        max_depth: 16,
        max_width: WIDTH,
        max_weights: 65_536,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
