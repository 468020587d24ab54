//! Validation of a whole model: from a protobuf message of any content to an evaluator, or a reason why
//! not.

use super::dense::{self, Dense};
use super::ensemble::{self, Ensemble};
use super::pb::tensor_proto::DataType;
use super::pb::tensor_shape_proto::{Dimension, dimension::Value as Size};
use super::pb::type_proto::{Tensor, Value as Kind};
use super::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use super::{Limits, ModelError, Quoted};

/// Name of the one input of every model.
pub(super) const INPUT: &str = "features";

/// Versions of the default operator set that tract is tested against.
const OPSET: (i64, i64) = (9, 18);
/// Versions of `ai.onnx.ml` in which `TreeEnsembleClassifier` has the attributes that are read here.
const ML_OPSET: (i64, i64) = (1, 3);

const DENSE_OPERATORS: [&str; 6] = ["Add", "Gemm", "MatMul", "Relu", "Sigmoid", "Tanh"];

/// What a valid graph computes.
#[derive(Debug)]
pub(super) enum Body {
    Trees(Ensemble),
    Dense(Dense),
}

/// A valid model.
#[derive(Debug)]
pub(super) struct Valid {
    pub body: Body,
    /// The same graph for tract, without any text that was not checked. Its only output is the probability:
    /// column 1 of two for trees, the only column for a dense graph.
    pub reference: ModelProto,
}

/// Checks everything about the graph of `proto` that an evaluator or tract will rely on.
pub(super) fn validate(proto: &ModelProto, features: usize, limits: &Limits) -> Result<Valid, ModelError> {
    let graph = proto
        .graph
        .as_ref()
        .ok_or_else(|| fault("the model has no graph"))?;
    if !proto.functions.is_empty() || !proto.training_info.is_empty() {
        return Err(fault("functions and training graphs are not supported"));
    }
    if !graph.sparse_initializer.is_empty() || !graph.quantization_annotation.is_empty() {
        return Err(fault("sparse and quantised tensors are not supported"));
    }
    let (count, max) = (graph.node.len(), limits.max_operators);
    if count > max {
        return Err(ModelError::TooMany {
            what: "operators",
            count,
            max,
        });
    }
    check_opsets(proto)?;
    check_operators(graph)?;
    check_names(graph)?;
    check_input(graph, features)?;
    let (body, output) = match graph.node.as_slice() {
        [] => return Err(fault("the graph has no operator")),
        [node] if is_trees(node) => (
            Body::Trees(ensemble::read(node, features, limits)?),
            tree_output(graph, node)?,
        ),
        _ => (
            Body::Dense(dense::read(graph, INPUT, features, limits)?),
            dense_output(graph)?,
        ),
    };
    Ok(Valid {
        body,
        reference: reference(proto, graph, features, output),
    })
}

fn fault(reason: &str) -> ModelError {
    ModelError::Graph {
        reason: Quoted::new(reason),
    }
}

fn is_trees(node: &NodeProto) -> bool {
    node.op_type == ensemble::OPERATOR && node.domain == ensemble::DOMAIN
}

fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn check_opsets(proto: &ModelProto) -> Result<(), ModelError> {
    for (at, import) in proto.opset_import.iter().enumerate() {
        let (oldest, newest) = match import.domain.as_str() {
            domain if is_default_domain(domain) => OPSET,
            ensemble::DOMAIN => ML_OPSET,
            other => return Err(fault(&format!("operator set {other} is not supported"))),
        };
        if !(oldest..=newest).contains(&import.version) {
            let domain = if import.domain.is_empty() {
                "ai.onnx"
            } else {
                &import.domain
            };
            return Err(ModelError::Opset {
                domain: Quoted::new(domain),
                version: import.version,
                oldest,
                newest,
            });
        }
        if proto.opset_import[..at]
            .iter()
            .any(|earlier| earlier.domain == import.domain)
        {
            return Err(fault("an operator set is imported twice"));
        }
    }
    Ok(())
}

/// Only known operators, and trees only alone.
fn check_operators(graph: &GraphProto) -> Result<(), ModelError> {
    for node in &graph.node {
        let dense =
            is_default_domain(&node.domain) && DENSE_OPERATORS.binary_search(&node.op_type.as_str()).is_ok();
        if !dense && !is_trees(node) {
            let dot = if node.domain.is_empty() { "" } else { "." };
            return Err(ModelError::Operator {
                op: Quoted::new(&format!("{}{dot}{}", node.domain, node.op_type)),
            });
        }
        if is_trees(node) && (graph.node.len() > 1 || !graph.initializer.is_empty()) {
            return Err(fault(
                "a TreeEnsembleClassifier must be the only operator, without tensors",
            ));
        }
    }
    Ok(())
}

/// Every value has a name of its own: tract looks values up by name, and the last one would win.
fn check_names(graph: &GraphProto) -> Result<(), ModelError> {
    let outputs = graph.node.iter().flat_map(|node| &node.output);
    let tensors = graph.initializer.iter().map(|tensor| &tensor.name);
    let mut names: Vec<&str> = outputs
        .chain(tensors)
        .map(String::as_str)
        .chain([INPUT])
        .collect();
    if names.contains(&"") {
        return Err(fault("a value has no name"));
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(fault("two values have the same name"));
    }
    Ok(())
}

/// Element type and sizes of a graph input or output; `None` for a size that is left open.
fn tensor_type(info: &ValueInfoProto) -> Option<(i32, Vec<Option<i64>>)> {
    let Kind::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let size = |dimension: &Dimension| match &dimension.value {
        Some(Size::DimValue(value)) => Some(*value),
        Some(Size::DimParam(_)) | None => None,
    };
    Some((
        tensor.elem_type,
        tensor.shape.as_ref()?.dim.iter().map(size).collect(),
    ))
}

fn is_float_matrix(info: &ValueInfoProto, columns: usize) -> bool {
    tensor_type(info) == Some((DataType::Float as i32, vec![None, Some(columns as i64)]))
}

fn check_input(graph: &GraphProto, features: usize) -> Result<(), ModelError> {
    match graph.input.as_slice() {
        [input] if input.name == INPUT && is_float_matrix(input, features) => Ok(()),
        _ => Err(fault(&format!(
            "the one input must be {INPUT}: float32 [N, {features}]"
        ))),
    }
}

/// The name of the probabilities: the operator's second output. The label beside it may be a graph output
/// too.
fn tree_output<'a>(graph: &'a GraphProto, node: &'a NodeProto) -> Result<&'a str, ModelError> {
    if node.input != [INPUT] {
        return Err(fault("the trees must read the features"));
    }
    let [label, probabilities] = node.output.as_slice() else {
        return Err(fault("the trees must have two outputs, label and probabilities"));
    };
    let mut found = 0;
    for output in &graph.output {
        if output.name == *probabilities && is_float_matrix(output, 2) {
            found += 1;
        } else if output.name != *label {
            return Err(fault(
                "an output must be the trees' label, or their probabilities: float32 [N, 2]",
            ));
        }
    }
    if found == 1 {
        Ok(probabilities)
    } else {
        Err(fault("the probabilities must be an output, once"))
    }
}

fn dense_output(graph: &GraphProto) -> Result<&str, ModelError> {
    let last = graph.node.last().and_then(|node| node.output.first());
    match (graph.output.as_slice(), last) {
        ([output], Some(last)) if output.name == *last && is_float_matrix(output, 1) => Ok(last),
        _ => Err(fault(
            "the one output must be that of the last operator: float32 [N, 1]",
        )),
    }
}

/// The type of a float matrix with an open number of rows.
fn float_matrix(name: &str, columns: usize) -> ValueInfoProto {
    let dimension = |value| Dimension {
        denotation: String::new(),
        value,
    };
    let dim = vec![
        dimension(Some(Size::DimParam("N".to_owned()))),
        dimension(Some(Size::DimValue(columns as i64))),
    ];
    let tensor = Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            denotation: String::new(),
            value: Some(Kind::TensorType(tensor)),
        }),
        doc_string: String::new(),
    }
}

fn reference(proto: &ModelProto, graph: &GraphProto, features: usize, output: &str) -> ModelProto {
    let node = |node: &NodeProto| NodeProto {
        name: String::new(),
        doc_string: String::new(),
        ..node.clone()
    };
    let tensor = |tensor: &TensorProto| TensorProto {
        doc_string: String::new(),
        ..tensor.clone()
    };
    let columns = if graph.node.first().is_some_and(is_trees) {
        2
    } else {
        1
    };
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: proto.opset_import.clone(),
        graph: Some(GraphProto {
            node: graph.node.iter().map(node).collect(),
            initializer: graph.initializer.iter().map(tensor).collect(),
            input: vec![float_matrix(INPUT, features)],
            output: vec![float_matrix(output, columns)],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

/// The file format version written, that of ONNX 1.13.
const IR_VERSION: i64 = 8;

/// A model file's message for an ensemble of trees with log-odds in the leaves, not yet sealed.
pub(super) fn tree_model(trees: &[super::Tree], card: &super::Card) -> ModelProto {
    let opset = |domain: &str, version| super::pb::OperatorSetIdProto {
        domain: domain.to_owned(),
        version,
    };
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![opset("", OPSET.1), opset(ensemble::DOMAIN, ML_OPSET.1)],
        producer_name: "sekisho".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphProto {
            name: "sekisho".to_owned(),
            node: vec![ensemble::write(trees, INPUT, "label", "probabilities")],
            input: vec![float_matrix(INPUT, card.features.len())],
            output: vec![float_matrix("probabilities", 2)],
            ..GraphProto::default()
        }),
        metadata_props: card.entries(),
        ..ModelProto::default()
    }
}
