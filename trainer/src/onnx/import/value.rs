//! What flows between the operators of a foreign graph, as far as it can become a model of ours.

use sekisho_core::model::{Tree, TreeNode};

use super::attributes::Numbers;
use super::column::Row;
use super::layers::{Affine, Layer, Layers};
use super::trees::{Link, bounds};

/// Sums may leave the range of probabilities by this much, through rounding.
const ROUNDING: f64 = 1e-4;

/// A value of the graph.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Features, perhaps scaled.
    Row(Row),
    /// What a chain of dense layers gives.
    Layers(Layers),
    /// The sum of trees, not yet known to be anything.
    Sum(Vec<Tree>),
    /// Probabilities.
    Score(Score, Columns),
    /// Constants.
    Numbers(Numbers),
}

/// Which probabilities a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// Of the first class.
    First,
    /// Of the second class.
    Second,
    /// Of both.
    Both,
}

/// A model's probability of the second class.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub(super) body: Body,
}

/// How a score is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Trees, and what their sum is.
    Trees(Vec<Tree>, Link),
    /// A dense chain whose one value is in log-odds.
    Dense(Layers),
}

impl Score {
    pub(super) fn trees(trees: Vec<Tree>, link: Link) -> Score {
        Score {
            body: Body::Trees(trees, link),
        }
    }

    pub(super) fn dense(margin: Layers) -> Score {
        Score {
            body: Body::Dense(margin),
        }
    }

    /// The trees; none for a dense model.
    pub fn forest(&self) -> &[Tree] {
        match &self.body {
            Body::Trees(trees, _) => trees,
            Body::Dense(_) => &[],
        }
    }

    /// Sum of the absolute weights that each feature has in the first layer; none for trees.
    pub fn first_weights(&self) -> Vec<f64> {
        match &self.body {
            Body::Dense(Layers { layers, .. }) => match layers.first() {
                Some(Layer::Affine(Affine { outputs, weights, .. })) => {
                    let rows = weights.chunks_exact(*outputs);
                    rows.map(|row| row.iter().map(|weight| weight.abs()).sum())
                        .collect()
                }
                _ => Vec::new(),
            },
            Body::Trees(..) => Vec::new(),
        }
    }

    /// Whether this can be a probability at all.
    pub(super) fn is_probability(&self) -> bool {
        match &self.body {
            Body::Trees(trees, Link::Identity) => {
                let (least, most) = bounds(trees);
                least >= -ROUNDING && most <= 1.0 + ROUNDING
            }
            Body::Trees(_, Link::Logistic) | Body::Dense(_) => true,
        }
    }

    /// The probability of the other class.
    pub(super) fn complement(self) -> Score {
        match self.body {
            Body::Trees(mut trees, link) => {
                for (number, tree) in trees.iter_mut().enumerate() {
                    let whole = if number == 0 && link == Link::Identity {
                        1.0
                    } else {
                        0.0
                    };
                    for node in &mut tree.nodes {
                        if let TreeNode::Leaf { value } = node {
                            *value = whole - *value;
                        }
                    }
                }
                Score::trees(trees, link)
            }
            Body::Dense(mut margin) => {
                if let Some(Layer::Affine(last)) = margin.layers.last_mut() {
                    last.weights
                        .iter_mut()
                        .chain(&mut last.bias)
                        .for_each(|number| *number = -*number);
                }
                Score::dense(margin)
            }
        }
    }
}

impl Value {
    /// What this is, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Value::Row(_) => "features",
            Value::Layers(_) => "the values of a layer",
            Value::Sum(_) => "a sum of trees",
            Value::Score(_, Columns::Both) => "probabilities",
            Value::Score(..) => "a probability",
            Value::Numbers(_) => "constants",
        }
    }

    /// As dense layers, where it can be.
    pub fn layers(self) -> Option<Layers> {
        match self {
            Value::Row(row) => Some(Layers::from(&row)),
            Value::Layers(layers) => Some(layers),
            _ => None,
        }
    }

    /// As probabilities, where they are.
    pub fn score(self) -> Option<(Score, Columns)> {
        match self {
            Value::Score(score, columns) => Some((score, columns)),
            Value::Layers(layers) if layers.is_probability() => {
                let margin = layers.before_activation();
                // The margin must end in an affine layer, or there is nothing to turn round.
                let margin = match margin.layers.last() {
                    Some(Layer::Affine(_)) => margin,
                    _ => margin.scale(&[1.0], &[0.0])?,
                };
                Some((Score::dense(margin), Columns::Second))
            }
            _ => None,
        }
    }
}
