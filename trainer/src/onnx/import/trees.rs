//! Tree ensembles of other libraries, as trees over our features.
//!
//! What the sums mean follows onnxruntime, which the exporters are written against:
//! - leaves that all vote for one class id give one sum: the log-odds (`LOGISTIC`) or the probability (`NONE`)
//!   of the second class, whichever id they name;
//! - leaves that vote for both classes give two sums, and the second class's counts.

use std::collections::{HashMap, HashSet};

use sekisho_core::model::{Tree, TreeNode};

use super::attributes::Node;
use super::column::{Cut, Row, Rule};
use super::error::ImportError;

/// What a sum of leaves is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Log-odds.
    Logistic,
    /// The probability.
    Identity,
}

const SHAPE: [&str; 11] = [
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_hitrates_as_tensor",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "nodes_values_as_tensor",
];
const BROKEN: &str = "export the model again";

/// The trees of a `TreeEnsembleClassifier`, and what their sum is. More than two classes are refused by whoever
/// reads the class labels.
pub(super) fn classifier(node: &Node<'_>, row: &Row) -> Result<(Vec<Tree>, Link), ImportError> {
    let own = [
        "base_values",
        "base_values_as_tensor",
        "class_ids",
        "class_nodeids",
        "class_treeids",
        "class_weights",
        "class_weights_as_tensor",
        "classlabels_int64s",
        "classlabels_strings",
        "post_transform",
    ];
    node.only(&[&SHAPE[..], &own[..]].concat())?;
    let votes = Votes::read(node, "class")?;
    let (zero, one) = (votes.names(0), votes.names(1));
    if votes.ids.iter().any(|&id| id > 1) {
        return Err(node.attribute_fault("class_ids", "names a third class", TWO));
    }
    let base = node.numbers("base_values")?;
    let post = node.text_or("post_transform", "NONE");
    let both = zero && one;
    let weight = |id: i64, weight: f64| match (both, post.as_str()) {
        (true, "SOFTMAX") => weight * if id == 1 { 1.0 } else { -1.0 },
        (true, _) if id == 0 => 0.0,
        _ => weight,
    };
    let link = match post.as_str() {
        "LOGISTIC" => Link::Logistic,
        "SOFTMAX" if both => Link::Logistic,
        "NONE" => Link::Identity,
        other => {
            let what = format!("is {other}, which is no probability of one of two classes here");
            return Err(node.attribute_fault("post_transform", &what, "export with LOGISTIC or NONE"));
        }
    };
    let base = match base.as_slice() {
        [] => 0.0,
        [base] if !both && zero => *base,
        _ => {
            return Err(node.attribute_fault(
                "base_values",
                "means different things to different runtimes in this form",
                "export again with one base value and leaves for class 0 only, or without base values",
            ));
        }
    };
    Ok((votes.trees(node, row, weight, base)?, link))
}

/// What to do about more than two classes.
pub(super) const TWO: &str = "train on two classes: 0 for people and 1 for automated clients";

/// The trees of a `TreeEnsembleRegressor`, whose sum is whatever the rest of the graph makes of it, or
/// log-odds where the operator itself applies the logistic function.
pub(super) fn regressor(node: &Node<'_>, row: &Row) -> Result<(Vec<Tree>, Option<Link>), ImportError> {
    let own = [
        "aggregate_function",
        "base_values",
        "base_values_as_tensor",
        "n_targets",
        "post_transform",
        "target_ids",
        "target_nodeids",
        "target_treeids",
        "target_weights",
        "target_weights_as_tensor",
    ];
    node.only(&[&SHAPE[..], &own[..]].concat())?;
    let votes = Votes::read(node, "target")?;
    if node.int_or("n_targets", 1) != 1 || votes.ids.iter().any(|&id| id != 0) {
        return Err(node.attribute_fault("n_targets", "must be 1", TWO));
    }
    let link = match node.text_or("post_transform", "NONE").as_str() {
        "NONE" => None,
        "LOGISTIC" => Some(Link::Logistic),
        other => {
            let what = format!("is {other}");
            return Err(node.attribute_fault("post_transform", &what, "export with NONE or LOGISTIC"));
        }
    };
    let share = match node.text_or("aggregate_function", "SUM").as_str() {
        "SUM" => 1.0,
        "AVERAGE" => 1.0 / votes.tree_count(node) as f64,
        other => {
            let what = format!("is {other}");
            return Err(node.attribute_fault("aggregate_function", &what, "only SUM and AVERAGE are known"));
        }
    };
    let base = match node.numbers("base_values")?.as_slice() {
        [] => 0.0,
        [base] => *base,
        _ => return Err(node.attribute_fault("base_values", "has more than one number", BROKEN)),
    };
    Ok((votes.trees(node, row, |_, weight| weight * share, base)?, link))
}

/// Smallest and largest sum that trees can give.
pub(super) fn bounds(trees: &[Tree]) -> (f64, f64) {
    let leaves = |tree: &Tree| {
        let values = tree.nodes.iter().filter_map(|node| match node {
            TreeNode::Leaf { value } => Some(f64::from(*value)),
            TreeNode::Split { .. } => None,
        });
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    trees
        .iter()
        .map(leaves)
        .fold((0.0, 0.0), |(low, high), (least, most)| {
            (low + least, high + most)
        })
}

/// What the leaves say.
struct Votes {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    ids: Vec<i64>,
    weights: Vec<f64>,
}

impl Votes {
    fn read(node: &Node<'_>, kind: &str) -> Result<Votes, ImportError> {
        let name = |what: &str| format!("{kind}_{what}");
        let votes = Votes {
            trees: node.ints(&name("treeids")).to_vec(),
            nodes: node.ints(&name("nodeids")).to_vec(),
            ids: node.ints(&name("ids")).to_vec(),
            weights: node.numbers(&name("weights"))?,
        };
        let count = votes.weights.len();
        if count == 0
            || [&votes.trees, &votes.nodes, &votes.ids]
                .iter()
                .any(|list| list.len() != count)
        {
            return Err(node.attribute_fault(
                &name("weights"),
                "and the lists beside it differ in length",
                BROKEN,
            ));
        }
        if !votes.weights.iter().all(|weight| weight.is_finite()) {
            return Err(node.attribute_fault(&name("weights"), "has a number that is not finite", BROKEN));
        }
        Ok(votes)
    }

    fn names(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    fn tree_count(&self, node: &Node<'_>) -> usize {
        let mut ids = node.ints("nodes_treeids").to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.len().max(1)
    }

    /// The trees over our features, `base` added to the leaves of the first.
    fn trees(
        &self,
        node: &Node<'_>,
        row: &Row,
        weight: impl Fn(i64, f64) -> f64,
        base: f64,
    ) -> Result<Vec<Tree>, ImportError> {
        let mut leaves: HashMap<(i64, i64), f64> = HashMap::new();
        for at in 0..self.weights.len() {
            *leaves.entry((self.trees[at], self.nodes[at])).or_default() +=
                weight(self.ids[at], self.weights[at]);
        }
        let shape = Shape::read(node)?;
        let mut trees = Vec::with_capacity(shape.starts.len());
        for (number, &start) in shape.starts.iter().enumerate() {
            let base = if number == 0 { base } else { 0.0 };
            let leaf = |tree, node| leaves.get(&(tree, node)).copied().unwrap_or_default() + base;
            trees.push(shape.tree(node, start, row, leaf)?);
        }
        Ok(trees)
    }
}

/// The nodes of all trees, in the operator's lists.
struct Shape<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    thresholds: Vec<f64>,
    modes: Vec<String>,
    /// Position of each node, by tree and id.
    places: HashMap<(i64, i64), usize>,
    /// Position of each tree's first node, which is its root.
    starts: Vec<usize>,
}

impl<'a> Shape<'a> {
    fn read(node: &Node<'a>) -> Result<Shape<'a>, ImportError> {
        let mut shape = Shape {
            trees: node.ints("nodes_treeids"),
            nodes: node.ints("nodes_nodeids"),
            features: node.ints("nodes_featureids"),
            yes: node.ints("nodes_truenodeids"),
            no: node.ints("nodes_falsenodeids"),
            thresholds: node.numbers("nodes_values")?,
            modes: node.texts("nodes_modes"),
            places: HashMap::new(),
            starts: Vec::new(),
        };
        let count = shape.trees.len();
        let lists = [shape.nodes, shape.features, shape.yes, shape.no].map(<[i64]>::len);
        let all = lists
            .into_iter()
            .chain([shape.thresholds.len(), shape.modes.len()]);
        if count == 0 || all.into_iter().any(|len| len != count) {
            return Err(node.attribute_fault(
                "nodes_treeids",
                "and the lists beside it differ in length",
                BROKEN,
            ));
        }
        let mut seen = HashSet::new();
        for at in 0..count {
            if shape
                .places
                .insert((shape.trees[at], shape.nodes[at]), at)
                .is_some()
            {
                let what = format!("has node {} of tree {} twice", shape.nodes[at], shape.trees[at]);
                return Err(node.attribute_fault("nodes_nodeids", &what, BROKEN));
            }
            if seen.insert(shape.trees[at]) {
                shape.starts.push(at);
            }
        }
        Ok(shape)
    }

    /// One tree, numbered from the root level by level. Splits that always answer the same go.
    fn tree(
        &self,
        node: &Node<'_>,
        start: usize,
        row: &Row,
        leaf: impl Fn(i64, i64) -> f64,
    ) -> Result<Tree, ImportError> {
        let mut queue = vec![start];
        let mut nodes = Vec::new();
        let mut steps = 0;
        while let Some(&source) = queue.get(nodes.len()) {
            let mut at = source;
            let part = loop {
                steps += 1;
                if steps > self.trees.len() {
                    return Err(self.fault(node, at, "a child is reached twice: a cycle, or shared", BROKEN));
                }
                if self.modes[at] == "LEAF" {
                    let value = leaf(self.trees[at], self.nodes[at]) as f32;
                    break TreeNode::Leaf { value };
                }
                let (feature, cut) = self.split(node, at, row)?;
                let (yes, no) = (self.child(node, at, self.yes)?, self.child(node, at, self.no)?);
                let (threshold, below, above) = match cut {
                    Cut::Below(threshold) => (threshold, yes, no),
                    Cut::NotBelow(threshold) => (threshold, no, yes),
                    Cut::Constant(answer) => {
                        at = if answer { yes } else { no };
                        continue;
                    }
                };
                let yes = queue.len();
                queue.extend([below, above]);
                break TreeNode::Split {
                    feature,
                    threshold,
                    yes,
                    no: yes + 1,
                };
            };
            nodes.push(part);
        }
        Ok(Tree { nodes })
    }

    fn split(&self, node: &Node<'_>, at: usize, row: &Row) -> Result<(usize, Cut), ImportError> {
        let rule = match self.modes[at].as_str() {
            "BRANCH_LEQ" => Rule::AtMost,
            "BRANCH_LT" => Rule::Below,
            "BRANCH_GTE" => Rule::AtLeast,
            "BRANCH_GT" => Rule::Above,
            mode @ ("BRANCH_EQ" | "BRANCH_NEQ") => {
                let what = format!("attribute nodes_modes is {mode}, a split on a category");
                return Err(self.fault(node, at, &what, "train without categorical features"));
            }
            mode => {
                let what = format!("attribute nodes_modes is {mode}");
                return Err(self.fault(node, at, &what, "export it again"));
            }
        };
        let place = usize::try_from(self.features[at]).ok();
        let Some(column) = place.and_then(|place| row.columns.get(place)) else {
            let what = format!("splits on column {} of {}", self.features[at], row.columns.len());
            return Err(self.fault(
                node,
                at,
                &what,
                "train on the features of `sekisho model features`",
            ));
        };
        if self.thresholds[at].is_nan() {
            return Err(self.fault(node, at, "the threshold is not a number", BROKEN));
        }
        Ok((column.feature, column.cut(rule, self.thresholds[at])))
    }

    fn child(&self, node: &Node<'_>, at: usize, list: &[i64]) -> Result<usize, ImportError> {
        let place = self.places.get(&(self.trees[at], list[at])).copied();
        place.ok_or_else(|| self.fault(node, at, "a child does not exist", BROKEN))
    }

    fn fault(&self, node: &Node<'_>, at: usize, what: &str, remedy: &'static str) -> ImportError {
        node.fault(
            format!("tree {}, node {}: {what}", self.trees[at], self.nodes[at]),
            remedy,
        )
    }
}
