//! Writing a converted model as a file of ours.

use sekisho_core::feature::COUNT;
use sekisho_core::model::pb::tensor_proto::DataType;
use sekisho_core::model::pb::tensor_shape_proto::{Dimension, dimension::Value as Size};
use sekisho_core::model::pb::type_proto::{Tensor, Value as Kind};
use sekisho_core::model::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use sekisho_core::model::{Card, Limits, Model, encode, seal};

use super::error::ImportError;
use super::layers::{Activation, Affine, Layer, Layers};
use super::trees::Link;
use super::value::{Body, Score};

/// The sealed file of a model and its card, and the model as it loads from that file: it is within
/// [`Limits::DEFAULT`] and tract computes the same scores.
///
/// # Errors
/// When the model is too large, or what was written does not load.
pub fn write(score: &Score, card: &Card) -> Result<(Vec<u8>, Model), ImportError> {
    let proto = match &score.body {
        Body::Trees(trees, link) => {
            let mut proto = encode(trees, card);
            if *link == Link::Identity {
                vote_in_probabilities(&mut proto, trees.len());
            }
            proto
        }
        Body::Dense(margin) => dense(margin, card),
    };
    let bytes = seal(proto);
    let model = Model::load(&bytes, &Limits::DEFAULT)?;
    Ok((bytes, model))
}

/// Leaves that hold a share of the probability: what a leaf does not give to class 1 it gives to class 0, so that
/// the two add up to 1 in every runtime.
fn vote_in_probabilities(proto: &mut ModelProto, trees: usize) {
    let nodes = proto.graph.iter_mut().flat_map(|graph| &mut graph.node);
    for attribute in nodes.flat_map(|node| &mut node.attribute) {
        match attribute.name.as_str() {
            "post_transform" => attribute.s = b"NONE".to_vec(),
            "class_weights" => {
                let share = 1.0 / trees.max(1) as f32;
                // Each leaf votes for class 0, then for class 1.
                for votes in attribute.floats.chunks_exact_mut(2) {
                    votes[0] = share - votes[1];
                }
            }
            _ => {}
        }
    }
}

/// A chain of Gemm and activations that ends in a Sigmoid.
fn dense(margin: &Layers, card: &Card) -> ModelProto {
    let mut graph = GraphProto {
        name: "sekisho".to_owned(),
        input: vec![float_matrix("features", COUNT)],
        ..GraphProto::default()
    };
    let mut value = "features".to_owned();
    let end = [Layer::Activation(Activation::Sigmoid)];
    let count = margin.layers.len();
    for (number, layer) in margin.layers.iter().chain(&end).enumerate() {
        let output = if number == count {
            "probabilities".to_owned()
        } else {
            format!("value_{number}")
        };
        let (op, mut input) = match layer {
            Layer::Activation(Activation::Relu) => ("Relu", vec![value]),
            Layer::Activation(Activation::Tanh) => ("Tanh", vec![value]),
            Layer::Activation(Activation::Sigmoid) => ("Sigmoid", vec![value]),
            Layer::Affine(affine) => {
                let names = [format!("weights_{number}"), format!("bias_{number}")];
                graph.initializer.extend(tensors(affine, &names));
                ("Gemm", [vec![value], names.to_vec()].concat())
            }
        };
        graph.node.push(NodeProto {
            input: std::mem::take(&mut input),
            output: vec![output.clone()],
            op_type: op.to_owned(),
            ..NodeProto::default()
        });
        value = output;
    }
    graph.output = vec![float_matrix(&value, 1)];
    // What both kinds of model have in common, without trees.
    let mut proto = encode(&[], card);
    proto.graph = Some(graph);
    proto
}

fn tensors(affine: &Affine, names: &[String; 2]) -> [TensorProto; 2] {
    let tensor = |name: &String, dims: Vec<i64>, numbers: &[f64]| TensorProto {
        name: name.clone(),
        dims,
        data_type: DataType::Float as i32,
        float_data: numbers.iter().map(|&number| number as f32).collect(),
        ..TensorProto::default()
    };
    let (inputs, outputs) = (affine.inputs as i64, affine.outputs as i64);
    [
        tensor(&names[0], vec![inputs, outputs], &affine.weights),
        tensor(&names[1], vec![outputs], &affine.bias),
    ]
}

fn float_matrix(name: &str, columns: usize) -> ValueInfoProto {
    let dimension = |value| Dimension {
        value: Some(value),
        ..Dimension::default()
    };
    let dim = vec![
        dimension(Size::DimParam("N".to_owned())),
        dimension(Size::DimValue(columns as i64)),
    ];
    let tensor = Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(Kind::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
