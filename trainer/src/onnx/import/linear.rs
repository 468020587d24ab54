//! The operators of `ai.onnx.ml`: scalers, linear models, trees, and what names the classes.

use super::Labels;
use super::attributes::{Node, Numbers};
use super::column::{Row, Step};
use super::error::ImportError;
use super::graph::Graph;
use super::layers::{Activation, Affine, Layers};
use super::operators::{extract, first, join};
use super::trees::{self, Link, TWO};
use super::value::{Columns, Score, Value};

const KINDS: &str =
    "train trees, a linear model or a dense network, perhaps after StandardScaler or MinMaxScaler";

/// The operator's value, and which of its outputs that is: classifiers give their labels first.
pub(super) fn apply(
    graph: &mut Graph<'_>,
    node: &Node<'_>,
    inputs: Vec<Value>,
) -> Result<(Value, usize), ImportError> {
    match node.op() {
        "ZipMap" => {
            read_labels(graph, node, "classlabels_int64s", "classlabels_strings")?;
            graph.note("ZipMap dropped: probabilities are a plain matrix");
            Ok((first(node, inputs)?, 0))
        }
        "FeatureVectorizer" => Ok((join(node, inputs)?, 0)),
        "ArrayFeatureExtractor" => Ok((extract(node, inputs)?, 0)),
        "Scaler" => Ok((Value::Row(scaler(graph, node, features(node, inputs)?)?), 0)),
        "Imputer" => Ok((Value::Row(imputer(graph, node, features(node, inputs)?)?), 0)),
        "Normalizer" => Err(node.fault(
            "divides a row by its own length, which cannot be folded into a model",
            "train without Normalizer; StandardScaler and MinMaxScaler can be folded",
        )),
        "LinearClassifier" => Ok((linear_classifier(graph, node, inputs)?, 1)),
        "LinearRegressor" => Ok((linear_regressor(node, inputs)?, 0)),
        "TreeEnsembleClassifier" => {
            read_labels(graph, node, "classlabels_int64s", "classlabels_strings")?;
            tell_of_trees(graph, node)?;
            let (trees, link) = trees::classifier(node, &features(node, inputs)?)?;
            Ok((Value::Score(Score::trees(trees, link), Columns::Both), 1))
        }
        "TreeEnsembleRegressor" => {
            tell_of_trees(graph, node)?;
            let (trees, link) = trees::regressor(node, &features(node, inputs)?)?;
            let value = match link {
                Some(link) => Value::Score(Score::trees(trees, link), Columns::Second),
                None => Value::Sum(trees),
            };
            graph.note("TreeEnsembleRegressor turned into a classifier");
            Ok((value, 0))
        }
        "TreeEnsemble" => Err(node.fault(
            "is the form of operator set ai.onnx.ml 5",
            "export again with target_opset={'': 15, 'ai.onnx.ml': 3}",
        )),
        _ => Err(node.fault("is not supported", KINDS)),
    }
}

fn features(node: &Node<'_>, inputs: Vec<Value>) -> Result<Row, ImportError> {
    match first(node, inputs)? {
        Value::Row(row) => Ok(row),
        other => Err(node.fault(format!("reads {} instead of features", other.name()), KINDS)),
    }
}

fn tell_of_trees(graph: &mut Graph<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    if node.ints("nodes_missing_value_tracks_true").contains(&1) {
        graph.note("branches for missing values dropped: features are never missing");
    }
    if !node.numbers("base_values")?.is_empty() {
        graph.note("base value folded into the leaves of the first tree");
    }
    if !node.numbers("nodes_hitrates")?.is_empty() {
        graph.note("hit rates dropped");
    }
    Ok(())
}

/// What the two classes are called.
fn read_labels(
    graph: &mut Graph<'_>,
    node: &Node<'_>,
    numbers: &str,
    texts: &str,
) -> Result<(), ImportError> {
    let mut names: Vec<String> = node.ints(numbers).iter().map(i64::to_string).collect();
    if names.is_empty() {
        names = node.texts(texts);
    }
    match <[String; 2]>::try_from(names) {
        Ok(names) => graph.name_classes(node, Labels(names)),
        Err(names) => Err(node.fault(format!("has {} classes", names.len()), TWO)),
    }
}

fn scaler(graph: &mut Graph<'_>, node: &Node<'_>, row: Row) -> Result<Row, ImportError> {
    node.only(&["offset", "scale"])?;
    let width = row.columns.len();
    let list = |name: &str, default: f64| -> Result<Vec<f64>, ImportError> {
        let numbers = node.numbers(name)?;
        match numbers.as_slice() {
            [] => Ok(vec![default; width]),
            [one] => Ok(vec![*one; width]),
            _ if numbers.len() == width && numbers.iter().all(|number| number.is_finite()) => Ok(numbers),
            _ => Err(node.attribute_fault(name, "does not fit the features", "export the model again")),
        }
    };
    let offsets: Vec<Step> = list("offset", 0.0)?.into_iter().map(Step::Subtract).collect();
    let scales: Vec<Step> = list("scale", 1.0)?.into_iter().map(Step::Multiply).collect();
    graph.note("scaling of the features folded into the model");
    let scaled = row.stepped(&offsets).and_then(|row| row.stepped(&scales));
    scaled.ok_or_else(|| node.fault("does not fit the features", "export the model again"))
}

fn imputer(graph: &mut Graph<'_>, node: &Node<'_>, row: Row) -> Result<Row, ImportError> {
    if !node.number_or("replaced_value_float", f64::NAN).is_nan()
        || node.int_or("replaced_value_int64", 0) != 0
    {
        return Err(node.attribute_fault(
            "replaced_value_float",
            "replaces a number that features can have",
            "train with NaN as the missing value",
        ));
    }
    graph.note("Imputer dropped: features are never missing");
    Ok(row)
}

/// Weights for `outputs` sums of the features, one output after the other in the file.
fn sums(node: &Node<'_>, inputs: Vec<Value>, weights: &str) -> Result<Layers, ImportError> {
    let row = features(node, inputs)?;
    let (weights, bias) = (node.numbers(weights)?, node.numbers("intercepts")?);
    let width = row.columns.len();
    let outputs = weights.len() / width.max(1);
    let bias = if bias.is_empty() { vec![0.0; outputs] } else { bias };
    if outputs > 2 || bias.len() > 2 {
        return Err(node.fault(format!("has {} sums", bias.len()), TWO));
    }
    let by_input = Numbers {
        shape: vec![outputs, width],
        values: weights,
    };
    let turned = |at: usize| by_input.values[(at % outputs) * width + at / outputs];
    let layer = (outputs > 0 && outputs * width == by_input.values.len()).then(|| Affine {
        inputs: width,
        outputs,
        weights: (0..width * outputs).map(turned).collect(),
        bias,
    });
    let layers = layer.and_then(|layer| Layers::from(&row).affine(layer));
    layers.ok_or_else(|| {
        let what = format!("has {} coefficients for {width} features", by_input.values.len());
        node.fault(what, "train on the features that `sekisho model features` lists")
    })
}

fn linear_classifier(
    graph: &mut Graph<'_>,
    node: &Node<'_>,
    inputs: Vec<Value>,
) -> Result<Value, ImportError> {
    node.only(&[
        "classlabels_ints",
        "classlabels_strings",
        "coefficients",
        "intercepts",
        "multi_class",
        "post_transform",
    ])?;
    read_labels(graph, node, "classlabels_ints", "classlabels_strings")?;
    let sums = sums(node, inputs, "coefficients")?;
    let post = node.text_or("post_transform", "NONE");
    let second = |sums: Layers| {
        sums.affine(Affine {
            inputs: 2,
            outputs: 1,
            weights: vec![0.0, 1.0],
            bias: vec![0.0],
        })
    };
    let margin = match (post.as_str(), sums.width) {
        ("LOGISTIC", 1) => Some(sums),
        ("LOGISTIC", 2) => second(sums),
        ("SOFTMAX", 2) => sums.difference(),
        _ => None,
    };
    let margin = margin.ok_or_else(|| {
        let what = format!("is {post}, which makes no probability of these sums");
        node.attribute_fault("post_transform", &what, "export a logistic regression")
    })?;
    graph.note("LinearClassifier turned into one dense layer");
    Ok(Value::Score(Score::dense(margin), Columns::Both))
}

fn linear_regressor(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    node.only(&["coefficients", "intercepts", "post_transform", "targets"])?;
    let sums = sums(node, inputs, "coefficients")?;
    match (node.text_or("post_transform", "NONE").as_str(), sums.width) {
        ("NONE", 1) => Ok(Value::Layers(sums)),
        ("LOGISTIC", 1) => Ok(Value::Layers(sums.activation(Activation::Sigmoid))),
        (post, _) => {
            let what = format!("is {post}, or it has several targets");
            Err(node.attribute_fault(
                "post_transform",
                &what,
                "export with NONE or LOGISTIC and one target",
            ))
        }
    }
}

/// The score that a graph's output is, of the class that is called `positive`.
pub(super) fn score_of(
    output: Value,
    labels: Option<&Labels>,
    positive: Option<&str>,
) -> Result<Score, ImportError> {
    let name = output.name();
    let score = match output {
        Value::Sum(trees) => Some((Score::trees(trees, Link::Identity), Columns::Second)),
        other => other.score(),
    };
    let (score, columns) = score.ok_or_else(|| {
        ImportError::graph(
            format!("the output is {name}, not a probability"),
            "end the graph in a Sigmoid, a Softmax of two or a classifier",
        )
    })?;
    if !score.is_probability() {
        return Err(ImportError::graph(
            "the sum of the trees can leave 0 to 1, so it is no probability",
            "export a classifier with post_transform LOGISTIC, or put a Sigmoid after the trees",
        ));
    }
    let second = match (labels, positive) {
        // Nothing is named: the output is the probability, or one of two of which the second counts.
        (None, None) => columns != Columns::First,
        (Some(labels), None) if labels.0 == ["0", "1"] => true,
        (Some(labels), None) => {
            return Err(ImportError::graph(
                format!("the classes are {} and {}", labels.0[0], labels.0[1]),
                "say with --positive which one is automated",
            ));
        }
        (None, Some(_)) => {
            return Err(ImportError::graph(
                "the model names no classes, so --positive cannot choose one",
                "leave it out; the second class is taken",
            ));
        }
        (Some(labels), Some(positive)) => match labels.0.iter().position(|label| label == positive) {
            Some(at) => at == 1,
            None => {
                return Err(ImportError::graph(
                    format!(
                        "the classes are {} and {}, not {positive}",
                        labels.0[0], labels.0[1]
                    ),
                    "name one of them with --positive",
                ));
            }
        },
    };
    Ok(if second { score } else { score.complement() })
}
