//! Parts of graphs, as exporters write them.

use sekisho_core::model::pb::attribute_proto::AttributeType;
use sekisho_core::model::pb::tensor_proto::DataType;
use sekisho_core::model::pb::tensor_shape_proto::{Dimension, dimension::Value as Size};
use sekisho_core::model::pb::type_proto::{Tensor, Value as Kind};
use sekisho_core::model::pb::{
    AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};

use super::*;

pub fn info(name: &str, kind: DataType, columns: usize) -> ValueInfoProto {
    let side = |value| Dimension {
        value: Some(value),
        ..Dimension::default()
    };
    let shape = TensorShapeProto {
        dim: vec![
            side(Size::DimParam("N".to_owned())),
            side(Size::DimValue(columns as i64)),
        ],
    };
    let tensor = Tensor {
        elem_type: kind as i32,
        shape: Some(shape),
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

pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    let ml = [
        "Tree",
        "Linear",
        "Scaler",
        "Zip",
        "Normalizer",
        "Imputer",
        "Array",
    ];
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        op_type: op.to_owned(),
        domain: if ml.iter().any(|start| op.starts_with(start)) {
            "ai.onnx.ml"
        } else {
            ""
        }
        .to_owned(),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes,
        ..NodeProto::default()
    }
}

pub fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: kind as i32,
        ..AttributeProto::default()
    }
}

pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: ints.to_vec(),
        ..attribute(name, AttributeType::Ints)
    }
}

pub fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto {
        floats: floats.to_vec(),
        ..attribute(name, AttributeType::Floats)
    }
}

pub fn doubles(name: &str, values: &[f64]) -> AttributeProto {
    let tensor = TensorProto {
        dims: vec![values.len() as i64],
        data_type: DataType::Double as i32,
        double_data: values.to_vec(),
        ..TensorProto::default()
    };
    AttributeProto {
        t: Some(tensor),
        ..attribute(name, AttributeType::Tensor)
    }
}

pub fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto {
        s: text.as_bytes().to_vec(),
        ..attribute(name, AttributeType::String)
    }
}

pub fn modes(modes: &[&str]) -> AttributeProto {
    AttributeProto {
        strings: modes.iter().map(|mode| mode.as_bytes().to_vec()).collect(),
        ..attribute("nodes_modes", AttributeType::Strings)
    }
}

pub fn constant(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// One split on feature 3 at 0.5, in lists; `kind` is how the leaves are called.
pub fn stump(mode: &str, kind: &str, weights: [f32; 2]) -> Vec<AttributeProto> {
    let name = |what: &str| format!("{kind}_{what}");
    vec![
        ints("nodes_treeids", &[7, 7, 7]),
        ints("nodes_nodeids", &[10, 4, 2]),
        ints("nodes_featureids", &[3, 0, 0]),
        floats("nodes_values", &[0.5, 0.0, 0.0]),
        modes(&[mode, "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[2, 0, 0]),
        ints("nodes_falsenodeids", &[4, 0, 0]),
        ints(&name("treeids"), &[7, 7]),
        ints(&name("nodeids"), &[4, 2]),
        ints(&name("ids"), &[0, 0]),
        floats(&name("weights"), &weights),
    ]
}

pub fn classifier(mode: &str, post: &str, weights: [f32; 2]) -> NodeProto {
    let mut attributes = stump(mode, "class", weights);
    attributes.extend([ints("classlabels_int64s", &[0, 1]), text("post_transform", post)]);
    node("TreeEnsembleClassifier", &["X"], &["label", "p"], attributes)
}

pub fn replaced(mut node: NodeProto, attribute: AttributeProto) -> NodeProto {
    node.attribute.retain(|old| old.name != attribute.name);
    node.attribute.push(attribute);
    node
}

pub fn model(nodes: Vec<NodeProto>, tensors: Vec<TensorProto>) -> ModelProto {
    let opset = |domain: &str, version| OperatorSetIdProto {
        domain: domain.to_owned(),
        version,
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![opset("", 15), opset("ai.onnx.ml", 3)],
        graph: Some(GraphProto {
            node: nodes,
            initializer: tensors,
            input: vec![info("X", DataType::Float, COUNT)],
            output: vec![info("label", DataType::Int64, 1), info("p", DataType::Float, 2)],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

pub fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().expect("has one")
}
