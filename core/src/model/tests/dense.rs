use super::*;
use pb::tensor_proto::DataType;

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..pb::TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..pb::NodeProto::default()
    }
}

/// Two layers of four values in the forms that exporters write, then one value.
fn perceptron() -> pb::ModelProto {
    let mut draw = Draw(11);
    let mut values = |count: usize| (0..count).map(|_| draw.value()).collect::<Vec<f32>>();
    let mut proto = small();
    let graph = graph(&mut proto);
    graph.initializer = vec![
        tensor("scale", &[6], &values(6)),
        tensor("w1", &[4, 6], &values(24)),
        tensor("b1", &[4], &values(4)),
        tensor("w2", &[4, 4], &values(16)),
        tensor("b2", &[1, 4], &values(4)),
        tensor("w3", &[4, 1], &values(4)),
    ];
    let mut gemm = node("Gemm", &["relu", "w3"], "logit");
    gemm.attribute = vec![pb::AttributeProto {
        name: "alpha".to_owned(),
        r#type: pb::attribute_proto::AttributeType::Float as i32,
        f: 1.0,
        ..pb::AttributeProto::default()
    }];
    let mut transposed = node("Gemm", &["centred", "w1", "b1"], "one");
    transposed.attribute = vec![pb::AttributeProto {
        name: "transB".to_owned(),
        r#type: pb::attribute_proto::AttributeType::Int as i32,
        i: 1,
        ..pb::AttributeProto::default()
    }];
    graph.node = vec![
        node("Add", &["scale", "features"], "centred"),
        transposed,
        node("Tanh", &["one"], "tanh"),
        node("MatMul", &["tanh", "w2"], "two"),
        node("Add", &["two", "b2"], "sum"),
        node("Relu", &["sum"], "relu"),
        gemm,
        node("Sigmoid", &["logit"], "automated"),
    ];
    graph.output[0].name = "automated".to_owned();
    set_columns(&mut graph.output[0], 1);
    proto
}

fn set_columns(info: &mut pb::ValueInfoProto, columns: i64) {
    let kind = info
        .r#type
        .as_mut()
        .and_then(|kind| kind.value.as_mut())
        .expect("a type");
    let pb::type_proto::Value::TensorType(tensor) = kind;
    let dim = &mut tensor.shape.as_mut().expect("a shape").dim[1];
    dim.value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(columns));
}

/// Loading compares 64 probes with tract, which reads the same tensors by its own code.
#[test]
fn a_perceptron_computes_what_tract_computes() {
    let model = load(perceptron()).expect("a valid model");
    let mut draw = Draw(5);
    let scores: Vec<f32> = (0..100).map(|_| model.score(&draw.row())).collect();
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    let spread = scores
        .iter()
        .fold((1.0f32, 0.0f32), |(low, high), &s| (low.min(s), high.max(s)));
    assert!(
        spread.1 - spread.0 > 0.2,
        "the model must tell rows apart: {spread:?}"
    );
    let row = draw.row();
    assert!((logistic(model.log_odds(&row)) - model.score(&row)).abs() < 1e-6);
}

#[test]
fn malformed_dense_graphs_are_refused() {
    type Edit = fn(&mut pb::GraphProto);
    let cases: [(&str, Edit); 15] = [
        ("weights of another height", |g| {
            g.initializer[3].dims = vec![2, 8]
        }),
        ("bias too short", |g| {
            g.initializer[2] = tensor("b1", &[3], &[0.0; 3])
        }),
        ("dimensions beyond the data", |g| {
            g.initializer[1].dims = vec![4, 7]
        }),
        ("negative dimension", |g| g.initializer[1].dims = vec![-4, -6]),
        ("overflowing dimensions", |g| {
            g.initializer[1].dims = vec![i64::MAX, 2]
        }),
        ("three dimensions", |g| g.initializer[1].dims = vec![2, 2, 6]),
        ("too wide", |g| {
            g.initializer[5] = tensor("w3", &[4, 200], &[0.0; 800])
        }),
        ("NaN", |g| {
            g.initializer[0].raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes())
        }),
        ("integers", |g| {
            g.initializer[0].data_type = DataType::Int32 as i32
        }),
        ("external data", |g| g.initializer[0].data_location = Some(1)),
        ("unknown tensor", |g| g.node[3].input[1] = "nowhere".to_owned()),
        ("cycle", |g| g.node[1].input[0] = "relu".to_owned()),
        ("no sigmoid at the end", |g| {
            g.node.pop();
            g.output[0].name = "logit".to_owned();
        }),
        ("scaled product", |g| g.node[6].attribute[0].f = 2.0),
        ("two values of one name", |g| {
            g.node[5].output[0] = "one".to_owned()
        }),
    ];
    let mut report = String::new();
    for (name, edit) in cases {
        let mut proto = perceptron();
        edit(graph(&mut proto));
        let error = load(proto).expect_err(name);
        report.push_str(&format!("{name}: {error}\n"));
    }
    insta::assert_snapshot!(report);
}
