//! `TreeEnsembleClassifier` of the `ai.onnx.ml` operator sets 1 to 3, binary only: reading it and writing
//! it.
//!
//! Which number is the probability of class 1 depends on the class ids in the leaves. tract and onnxruntime
//! agree in these cases, and only these are accepted:
//! - leaves vote for both classes: the sum of the votes for class 1 counts;
//! - all leaves vote for one class id and some weights are negative: the sum of the votes counts. (With
//!   weights that are all positive onnxruntime takes the sum for a probability and leaves out the logistic
//!   function; tract does not.)

use super::attributes::Attributes;
use super::limits::TREE_NODES;
use super::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use super::tree::{Tree, TreeNode};
use super::{Limits, ModelError};

/// Name of the operator.
pub(super) const OPERATOR: &str = "TreeEnsembleClassifier";
/// Its domain.
pub(super) const DOMAIN: &str = "ai.onnx.ml";

/// Largest leaf weight. Log-odds of a million mean nothing, and sums of f32 stay far from overflow.
const MAX_WEIGHT: f32 = 1e6;

const KNOWN: [&str; 15] = [
    "class_ids",
    "class_nodeids",
    "class_treeids",
    "class_weights",
    "classlabels_int64s",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "post_transform",
];

/// How the sum of the leaves becomes a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The sum is in log-odds.
    Logistic,
    /// The sum is the probability.
    Identity,
}

/// The trees of an ensemble with the sum's meaning.
#[derive(Debug)]
pub(super) struct Ensemble {
    pub trees: Vec<Tree>,
    pub link: Link,
}

/// Reads the ensemble out of `node` and checks every index, number and mode in it.
pub(super) fn read(node: &NodeProto, features: usize, limits: &Limits) -> Result<Ensemble, ModelError> {
    let attributes = Attributes::new(OPERATOR, node, &KNOWN)?;
    if attributes.ints("classlabels_int64s")? != [0, 1] {
        return Err(attributes.fault("classlabels_int64s", "must be [0, 1]"));
    }
    let link = match attributes.string_or("post_transform", b"NONE")? {
        b"LOGISTIC" => Link::Logistic,
        b"NONE" => Link::Identity,
        _ => return Err(attributes.fault("post_transform", "must be LOGISTIC or NONE")),
    };
    let mut trees = read_nodes(&attributes, features, limits)?;
    read_leaves(&attributes, link, &mut trees)?;
    Ok(Ensemble { trees, link })
}

/// The position of each node: tree ids must count up from 0, node ids from 0 within each tree. tract
/// silently takes the order for granted.
fn read_shape(attributes: &Attributes<'_>, limits: &Limits) -> Result<Vec<usize>, ModelError> {
    let tree_ids = attributes.indices("nodes_treeids", limits.max_nodes)?;
    let node_ids = attributes.indices("nodes_nodeids", TREE_NODES)?;
    if tree_ids.is_empty() || tree_ids.len() != node_ids.len() {
        return Err(attributes.fault("nodes_nodeids", "must be as long as nodes_treeids, and not empty"));
    }
    too_many("tree nodes", tree_ids.len(), limits.max_nodes)?;
    let mut sizes: Vec<usize> = Vec::new();
    for (&tree, &node) in tree_ids.iter().zip(&node_ids) {
        if tree == sizes.len() {
            sizes.push(0);
        }
        let current = tree + 1 == sizes.len();
        match sizes.last_mut() {
            Some(size) if current && *size == node => *size += 1,
            _ => {
                return Err(ModelError::Tree {
                    tree,
                    node,
                    reason: "ids must count up from 0 without gaps",
                });
            }
        }
    }
    too_many("trees", sizes.len(), limits.max_trees)?;
    let largest = sizes.iter().copied().max().unwrap_or(0);
    too_many(
        "nodes in one tree",
        largest,
        limits.max_tree_nodes.min(TREE_NODES),
    )?;
    Ok(sizes)
}

/// Reads splits; leaves keep NaN until [`read_leaves`] gives them a value.
fn read_nodes(
    attributes: &Attributes<'_>,
    features: usize,
    limits: &Limits,
) -> Result<Vec<Tree>, ModelError> {
    let sizes = read_shape(attributes, limits)?;
    let count: usize = sizes.iter().sum();
    let feature_ids = attributes.indices("nodes_featureids", features.saturating_sub(1))?;
    let yes = attributes.indices("nodes_truenodeids", TREE_NODES)?;
    let no = attributes.indices("nodes_falsenodeids", TREE_NODES)?;
    let values = attributes.floats("nodes_values")?;
    let modes = attributes.strings("nodes_modes")?;
    for (name, len) in [
        ("nodes_featureids", feature_ids.len()),
        ("nodes_truenodeids", yes.len()),
        ("nodes_falsenodeids", no.len()),
        ("nodes_values", values.len()),
        ("nodes_modes", modes.len()),
    ] {
        if len != count {
            return Err(attributes.fault(name, "must be as long as nodes_treeids"));
        }
    }
    check_unused(attributes, count)?;
    let mut trees = Vec::with_capacity(sizes.len());
    let mut at = 0;
    for (tree, size) in sizes.into_iter().enumerate() {
        let mut nodes = Vec::with_capacity(size);
        for (node, at) in (at..at + size).enumerate() {
            let split = |threshold| TreeNode::Split {
                feature: feature_ids[at],
                threshold,
                yes: yes[at],
                no: no[at],
            };
            nodes.push(match modes[at].as_slice() {
                b"BRANCH_LT" => split(values[at]),
                // For finite numbers, at most x is the same as below the next number after x.
                b"BRANCH_LEQ" => split(values[at].next_up()),
                b"LEAF" => TreeNode::Leaf { value: f32::NAN },
                _ => {
                    let reason = "the mode must be BRANCH_LT, BRANCH_LEQ or LEAF";
                    return Err(ModelError::Tree { tree, node, reason });
                }
            });
        }
        at += size;
        let tree_read = Tree { nodes };
        tree_read.depth(tree, limits)?;
        trees.push(tree_read);
    }
    Ok(trees)
}

/// Attributes that change nothing here (features are finite, so no value is ever missing) but reach tract.
fn check_unused(attributes: &Attributes<'_>, count: usize) -> Result<(), ModelError> {
    if attributes.has("nodes_missing_value_tracks_true") {
        let tracks = attributes.indices("nodes_missing_value_tracks_true", 1)?;
        if tracks.len() != count {
            return Err(attributes.fault(
                "nodes_missing_value_tracks_true",
                "must be as long as nodes_treeids",
            ));
        }
    }
    if attributes.has("nodes_hitrates") {
        attributes.floats("nodes_hitrates")?;
    }
    Ok(())
}

/// Gives every leaf its weight for class 1.
fn read_leaves(attributes: &Attributes<'_>, link: Link, trees: &mut [Tree]) -> Result<(), ModelError> {
    let class_ids = attributes.indices("class_ids", 1)?;
    let tree_ids = attributes.indices("class_treeids", trees.len() - 1)?;
    let node_ids = attributes.indices("class_nodeids", TREE_NODES)?;
    let weights = attributes.floats("class_weights")?;
    let count = class_ids.len();
    if tree_ids.len() != count || node_ids.len() != count || weights.len() != count {
        return Err(attributes.fault("class_ids", "must be as long as the other class lists"));
    }
    if weights.iter().any(|weight| weight.abs() > MAX_WEIGHT) {
        return Err(attributes.fault("class_weights", "has a number beyond a million"));
    }
    let both = class_ids.contains(&0) && class_ids.contains(&1);
    if !both && (link == Link::Identity || weights.iter().all(|&weight| weight >= 0.0)) {
        return Err(attributes.fault(
            "class_ids",
            "must name both classes: this form means different things to different runtimes",
        ));
    }
    let mut last = None;
    for at in 0..count {
        let (tree, node) = (tree_ids[at], node_ids[at]);
        let fault = |reason| Err(ModelError::Tree { tree, node, reason });
        let here = (tree, node, class_ids[at]);
        if last.is_some_and(|last| last >= here) {
            return fault("leaf weights must come in order, one for each class");
        }
        last = Some(here);
        let Some(TreeNode::Leaf { value }) = trees[tree].nodes.get_mut(node) else {
            return fault("a weight names a node that is not a leaf");
        };
        if value.is_nan() {
            *value = 0.0;
        }
        if !both || class_ids[at] == 1 {
            *value = weights[at];
        }
    }
    for (tree, nodes) in trees.iter().enumerate() {
        let bare = |node: &TreeNode| matches!(node, TreeNode::Leaf { value } if value.is_nan());
        if let Some(node) = nodes.nodes.iter().position(bare) {
            return Err(ModelError::Tree {
                tree,
                node,
                reason: "the leaf has no weight",
            });
        }
    }
    Ok(())
}

fn too_many(what: &'static str, count: usize, max: usize) -> Result<(), ModelError> {
    if count > max {
        Err(ModelError::TooMany { what, count, max })
    } else {
        Ok(())
    }
}

/// The operator for an ensemble whose leaves are in log-odds. Each leaf votes its value for class 1 and the
/// opposite for class 0, the only form that needs no special case in any runtime.
pub(super) fn write(trees: &[Tree], input: &str, label: &str, probabilities: &str) -> NodeProto {
    let mut columns = Columns::default();
    for (tree, nodes) in trees.iter().enumerate() {
        for (node, parts) in nodes.nodes.iter().enumerate() {
            columns.push(tree as i64, node as i64, parts);
        }
    }
    let ints = |name: &str, ints| attribute(name, AttributeType::Ints, |a| a.ints = ints);
    let floats = |name: &str, floats| attribute(name, AttributeType::Floats, |a| a.floats = floats);
    NodeProto {
        input: vec![input.to_owned()],
        output: vec![label.to_owned(), probabilities.to_owned()],
        name: "trees".to_owned(),
        op_type: OPERATOR.to_owned(),
        domain: DOMAIN.to_owned(),
        attribute: vec![
            ints("class_ids", columns.class_ids),
            ints("class_nodeids", columns.class_nodes),
            ints("class_treeids", columns.class_trees),
            floats("class_weights", columns.class_weights),
            ints("classlabels_int64s", vec![0, 1]),
            ints("nodes_falsenodeids", columns.no),
            ints("nodes_featureids", columns.features),
            attribute("nodes_modes", AttributeType::Strings, |a| {
                a.strings = columns.modes
            }),
            ints("nodes_nodeids", columns.nodes),
            ints("nodes_treeids", columns.trees),
            ints("nodes_truenodeids", columns.yes),
            floats("nodes_values", columns.thresholds),
            attribute("post_transform", AttributeType::String, |a| {
                a.s = b"LOGISTIC".to_vec()
            }),
        ],
        doc_string: String::new(),
    }
}

fn attribute(name: &str, kind: AttributeType, fill: impl FnOnce(&mut AttributeProto)) -> AttributeProto {
    let mut attribute = AttributeProto {
        name: name.to_owned(),
        r#type: kind as i32,
        ..AttributeProto::default()
    };
    fill(&mut attribute);
    attribute
}

/// The operator's parallel lists.
#[derive(Default)]
struct Columns {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    features: Vec<i64>,
    thresholds: Vec<f32>,
    yes: Vec<i64>,
    no: Vec<i64>,
    modes: Vec<Vec<u8>>,
    class_trees: Vec<i64>,
    class_nodes: Vec<i64>,
    class_ids: Vec<i64>,
    class_weights: Vec<f32>,
}

impl Columns {
    fn push(&mut self, tree: i64, node: i64, parts: &TreeNode) {
        let (feature, threshold, yes, no, mode) = match *parts {
            TreeNode::Split {
                feature,
                threshold,
                yes,
                no,
            } => (feature as i64, threshold, yes as i64, no as i64, "BRANCH_LT"),
            TreeNode::Leaf { value } => {
                for (class, weight) in [(0, -value), (1, value)] {
                    self.class_trees.push(tree);
                    self.class_nodes.push(node);
                    self.class_ids.push(class);
                    self.class_weights.push(weight);
                }
                (0, 0.0, 0, 0, "LEAF")
            }
        };
        self.trees.push(tree);
        self.nodes.push(node);
        self.features.push(feature);
        self.thresholds.push(threshold);
        self.yes.push(yes);
        self.no.push(no);
        self.modes.push(mode.as_bytes().to_vec());
    }
}
