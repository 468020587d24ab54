//! What each foreign operator makes of its inputs.

use super::attributes::{Node, Numbers};
use super::column::Step;
use super::error::ImportError;
use super::graph::{Graph, MAX_WIDTH};
use super::layers::{Activation, Affine, Layers};
use super::linear;
use super::trees::{self, Link};
use super::value::{Columns, Score, Value};

const KINDS: &str = "a model is one ensemble of trees, a linear model or a chain of dense layers, perhaps after scalers; \
                     export such a one";
const SHAPES: &str = "export the model again, without steps between its layers";

/// The operator's value, and which of its outputs that is.
pub(super) fn apply(
    graph: &mut Graph<'_>,
    node: &Node<'_>,
    inputs: Vec<Value>,
) -> Result<(Value, usize), ImportError> {
    let domain = node.proto.domain.as_str();
    if domain == "ai.onnx.ml" {
        return linear::apply(graph, node, inputs);
    }
    if !matches!(domain, "" | "ai.onnx") {
        return Err(node.fault("is not known", KINDS));
    }
    let value = match node.op() {
        "Identity" | "Dropout" => first(node, inputs)?,
        "Cast" => cast(node, first(node, inputs)?)?,
        "Constant" => constant(node)?,
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => arithmetic(graph, node, inputs)?,
        "MatMul" | "Gemm" => product(node, inputs)?,
        "Relu" => activation(node, inputs, Activation::Relu)?,
        "Tanh" => activation(node, inputs, Activation::Tanh)?,
        "Sigmoid" => match first(node, inputs)? {
            Value::Sum(trees) => {
                graph.note("trees and the Sigmoid after them joined to a classifier");
                Value::Score(Score::trees(trees, Link::Logistic), Columns::Second)
            }
            other => activation(node, vec![other], Activation::Sigmoid)?,
        },
        "Softmax" => softmax(graph, node, first(node, inputs)?)?,
        "Concat" => concat(node, inputs)?,
        "Gather" => column(node, inputs)?,
        // The one column stays the one column, whatever its shape.
        "Squeeze" | "Unsqueeze" | "Flatten" | "Reshape" => match first(node, inputs)? {
            Value::Layers(layers) if layers.width == 1 => Value::Layers(layers),
            Value::Score(score, columns) if columns != Columns::Both => Value::Score(score, columns),
            Value::Sum(trees) => Value::Sum(trees),
            Value::Row(row) if node.op() == "Flatten" => Value::Row(row),
            other => return Err(node.fault(format!("changes the shape of {}", other.name()), SHAPES)),
        },
        _ => return Err(node.fault("is not supported", KINDS)),
    };
    Ok((value, 0))
}

/// The first input.
pub(super) fn first(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    inputs
        .into_iter()
        .next()
        .ok_or_else(|| node.fault("has no input", "export the model again"))
}

fn two(node: &Node<'_>, inputs: Vec<Value>) -> Result<(Value, Value), ImportError> {
    let mut inputs = inputs.into_iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(left), Some(right), None) => Ok((left, right)),
        _ => Err(node.fault("has not two inputs", "export the model again")),
    }
}

fn cast(node: &Node<'_>, value: Value) -> Result<Value, ImportError> {
    match (node.int_or("to", 0), value) {
        (1, Value::Row(row)) => Ok(Value::Row(row.cast(false))),
        (11, Value::Row(row)) => Ok(Value::Row(row.cast(true))),
        (1 | 11, value) => Ok(value),
        (to, value) => {
            let what = format!("turns {} into ONNX type {to}", value.name());
            Err(node.fault(what, "export with float inputs and outputs"))
        }
    }
}

fn constant(node: &Node<'_>) -> Result<Value, ImportError> {
    let numbers = match node.tensor("value") {
        Some(tensor) => Numbers::read(tensor),
        None => Some(Numbers {
            shape: Vec::new(),
            values: vec![node.number_or("value_float", node.number_or("value_int", f64::NAN))],
        }),
    };
    let finite = numbers.filter(|numbers| numbers.values.iter().all(|value| value.is_finite()));
    finite
        .map(Value::Numbers)
        .ok_or_else(|| node.fault("holds no finite numbers", "export the model again"))
}

fn arithmetic(graph: &mut Graph<'_>, node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    if inputs.len() != 2 && node.op() == "Sum" {
        let mut sum = Vec::new();
        for input in inputs {
            match input {
                Value::Sum(trees) => sum.extend(trees),
                other => return Err(node.fault(format!("adds {}", other.name()), KINDS)),
            }
        }
        return Ok(Value::Sum(sum));
    }
    match two(node, inputs)? {
        (value, Value::Numbers(numbers)) => with_constant(graph, node, value, &numbers, false),
        (Value::Numbers(numbers), value) => with_constant(graph, node, value, &numbers, true),
        (Value::Sum(mut left), Value::Sum(right)) if matches!(node.op(), "Add" | "Sum") => {
            graph.note("several ensembles joined to one");
            left.extend(right);
            Ok(Value::Sum(left))
        }
        (left, right) => Err(node.fault(format!("combines {} and {}", left.name(), right.name()), KINDS)),
    }
}

/// Arithmetic with a constant on the right, or on the left when `turned`.
fn with_constant(
    graph: &mut Graph<'_>,
    node: &Node<'_>,
    value: Value,
    numbers: &Numbers,
    turned: bool,
) -> Result<Value, ImportError> {
    let unchanged = match node.op() {
        "Mul" => numbers.values.iter().all(|&number| number == 1.0),
        "Div" if !turned => numbers.values.iter().all(|&number| number == 1.0),
        "Add" | "Sum" => numbers.values.iter().all(|&number| number == 0.0),
        "Sub" if !turned => numbers.values.iter().all(|&number| number == 0.0),
        _ => false,
    };
    if unchanged {
        return Ok(value);
    }
    let step = |by: f64| match (node.op(), turned) {
        ("Sub", false) => Some(Step::Subtract(by)),
        ("Sub", true) => Some(Step::SubtractFrom(by)),
        ("Mul", _) => Some(Step::Multiply(by)),
        ("Div", false) if by != 0.0 => Some(Step::Divide(by)),
        ("Div", _) => None,
        _ => Some(Step::Add(by)),
    };
    let fault = || {
        node.fault(
            "divides by the features, or by 0",
            "scale with subtraction and multiplication",
        )
    };
    let steps: Option<Vec<Step>> = numbers.values.iter().map(|&by| step(by)).collect();
    let steps = steps.ok_or_else(fault)?;
    let misfit = |name| node.fault(format!("has as many numbers as do not fit {name}"), SHAPES);
    match value {
        Value::Row(row) => {
            let steps = spread(steps, row.columns.len()).ok_or_else(|| misfit("the features"))?;
            graph.note("scaling of the features folded into the model");
            row.stepped(&steps)
                .map(Value::Row)
                .ok_or_else(|| misfit("the features"))
        }
        Value::Score(score, columns) if turned && node.op() == "Sub" && numbers.single() == Some(1.0) => {
            opposite(columns)
                .map(|columns| Value::Score(score, columns))
                .ok_or_else(|| misfit("both probabilities"))
        }
        Value::Layers(layers) if layers.is_probability() => {
            let (score, columns) = Value::Layers(layers).score().ok_or_else(|| misfit("a layer"))?;
            with_constant(graph, node, Value::Score(score, columns), numbers, turned)
        }
        Value::Layers(layers) => {
            let steps = spread(steps, layers.width).ok_or_else(|| misfit("a layer"))?;
            let (factors, summands): (Vec<f64>, Vec<f64>) = steps.iter().map(affine).unzip();
            layers
                .scale(&factors, &summands)
                .map(Value::Layers)
                .ok_or_else(|| misfit("a layer"))
        }
        other => Err(node.fault(format!("changes {}", other.name()), KINDS)),
    }
}

/// One step for each column: given so many, or one for all.
fn spread(steps: Vec<Step>, width: usize) -> Option<Vec<Step>> {
    match steps.as_slice() {
        [one] => Some(vec![*one; width]),
        _ => (steps.len() == width).then_some(steps),
    }
}

fn affine(step: &Step) -> (f64, f64) {
    match *step {
        Step::Add(by) => (1.0, by),
        Step::Subtract(by) => (1.0, -by),
        Step::SubtractFrom(from) => (-1.0, from),
        Step::Multiply(by) => (by, 0.0),
        Step::Divide(by) => (1.0 / by, 0.0),
        Step::Round => (1.0, 0.0),
    }
}

fn opposite(columns: Columns) -> Option<Columns> {
    match columns {
        Columns::First => Some(Columns::Second),
        Columns::Second => Some(Columns::First),
        Columns::Both => None,
    }
}

fn product(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    let gemm = node.op() == "Gemm";
    let mut inputs = inputs.into_iter();
    let (Some(value), Some(Value::Numbers(weights)), bias) = (inputs.next(), inputs.next(), inputs.next())
    else {
        return Err(node.fault("does not multiply values with constant weights", KINDS));
    };
    if gemm && node.int_or("transA", 0) != 0 {
        return Err(node.attribute_fault("transA", "is 1", SHAPES));
    }
    let bias = match bias {
        None => None,
        Some(Value::Numbers(bias)) => Some(bias.values),
        Some(other) => return Err(node.fault(format!("adds {}", other.name()), KINDS)),
    };
    let (alpha, beta) = (node.number_or("alpha", 1.0), node.number_or("beta", 1.0));
    let layer = dense_layer(&weights, gemm && node.int_or("transB", 0) != 0, alpha, bias, beta);
    let layers = value
        .layers()
        .zip(layer)
        .and_then(|(layers, layer)| layers.affine(layer));
    layers
        .map(Value::Layers)
        .ok_or_else(|| node.fault("its weights do not fit the values before it", SHAPES))
}

fn dense_layer(
    weights: &Numbers,
    turned: bool,
    alpha: f64,
    bias: Option<Vec<f64>>,
    beta: f64,
) -> Option<Affine> {
    let (rows, columns) = weights.matrix()?;
    let (inputs, outputs) = if turned { (columns, rows) } else { (rows, columns) };
    if inputs.max(outputs) > MAX_WIDTH || outputs == 0 {
        return None;
    }
    let stored = |input: usize, output: usize| {
        weights.values[if turned {
            output * columns + input
        } else {
            input * columns + output
        }]
    };
    let bias = match bias {
        None => vec![0.0; outputs],
        Some(bias) if bias.len() == outputs => bias.iter().map(|number| number * beta).collect(),
        Some(bias) if bias.len() == 1 => vec![bias[0] * beta; outputs],
        Some(_) => return None,
    };
    Some(Affine {
        inputs,
        outputs,
        weights: (0..inputs * outputs)
            .map(|at| stored(at / outputs, at % outputs) * alpha)
            .collect(),
        bias,
    })
}

fn activation(node: &Node<'_>, inputs: Vec<Value>, activation: Activation) -> Result<Value, ImportError> {
    let value = first(node, inputs)?;
    let name = value.name();
    let layers = value
        .layers()
        .ok_or_else(|| node.fault(format!("follows {name}"), KINDS))?;
    Ok(Value::Layers(layers.activation(activation)))
}

fn softmax(graph: &mut Graph<'_>, node: &Node<'_>, value: Value) -> Result<Value, ImportError> {
    if !matches!(node.int_or("axis", -1), 1 | -1) {
        return Err(node.attribute_fault("axis", "is not that of the classes", SHAPES));
    }
    let margin = value
        .layers()
        .filter(|layers| layers.width == 2)
        .and_then(Layers::difference);
    let margin = margin.ok_or_else(|| node.fault("has not two classes", trees::TWO))?;
    graph.note("Softmax of two values turned into the Sigmoid of their difference");
    Ok(Value::Score(Score::dense(margin), Columns::Both))
}

fn concat(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    if !matches!(node.int_or("axis", 0), 1 | -1) {
        return Err(node.attribute_fault("axis", "is not that of the columns", SHAPES));
    }
    join(node, inputs)
}

/// Columns side by side.
pub(super) fn join(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    let mut joined = None;
    for input in inputs {
        joined = Some(match (joined, input) {
            (None, value) => value,
            (Some(Value::Row(mut left)), Value::Row(right)) if left.double == right.double => {
                left.columns.extend(right.columns);
                Value::Row(left)
            }
            (Some(left), right) => {
                let names = format!("joins {} and {}", left.name(), right.name());
                match (left.score(), right.score()) {
                    (Some((left, Columns::First)), Some((right, Columns::Second))) if left == right => {
                        Value::Score(left, Columns::Both)
                    }
                    _ => return Err(node.fault(names, KINDS)),
                }
            }
        });
    }
    joined.ok_or_else(|| node.fault("has no input", "export the model again"))
}

/// One column of two probabilities.
fn column(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    match two(node, inputs)? {
        (Value::Score(score, Columns::Both), Value::Numbers(at))
            if node.op() != "Gather" || node.int_or("axis", 0) == 1 =>
        {
            match at.single() {
                Some(0.0) => Ok(Value::Score(score, Columns::First)),
                Some(1.0 | -1.0) => Ok(Value::Score(score, Columns::Second)),
                _ => Err(node.fault("takes another column than 0 or 1", SHAPES)),
            }
        }
        (value, _) => Err(node.fault(format!("takes a part of {}", value.name()), KINDS)),
    }
}

/// `ArrayFeatureExtractor`: columns by number.
pub(super) fn extract(node: &Node<'_>, inputs: Vec<Value>) -> Result<Value, ImportError> {
    match two(node, inputs)? {
        (Value::Row(mut row), Value::Numbers(at)) => {
            let columns: Option<Vec<_>> = at
                .values
                .iter()
                .map(|&at| row.columns.get(at as usize).cloned())
                .collect();
            row.columns = columns
                .filter(|columns| columns.len() <= MAX_WIDTH)
                .ok_or_else(|| node.fault("takes a column that is not there", SHAPES))?;
            Ok(Value::Row(row))
        }
        (value, at) => column(node, vec![value, at]),
    }
}
