//! Every way a model can be wrong that we could think of, and what the operator reads.

use super::*;

type Edit = fn(&mut pb::ModelProto);

fn meta<'a>(proto: &'a mut pb::ModelProto, key: &str) -> &'a mut String {
    let entry = proto.metadata_props.iter_mut().find(|entry| entry.key == key);
    &mut entry.expect("the entry").value
}

/// Size of a dimension of a graph input or output.
fn size(info: &mut pb::ValueInfoProto, at: usize, value: i64) {
    let kind = info
        .r#type
        .as_mut()
        .and_then(|kind| kind.value.as_mut())
        .expect("a type");
    let pb::type_proto::Value::TensorType(tensor) = kind;
    let dim = &mut tensor.shape.as_mut().expect("a shape").dim[at];
    dim.value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(value));
}

fn double_type(info: &mut pb::ValueInfoProto) {
    let kind = info
        .r#type
        .as_mut()
        .and_then(|kind| kind.value.as_mut())
        .expect("a type");
    let pb::type_proto::Value::TensorType(tensor) = kind;
    tensor.elem_type = pb::tensor_proto::DataType::Double as i32;
}

/// The first split below a root.
fn inner(proto: &mut pb::ModelProto) -> usize {
    let modes = &attribute(proto, "nodes_modes").strings;
    (1..modes.len())
        .find(|&at| modes[at] == b"BRANCH_LT")
        .expect("an inner split")
}

fn report(cases: &[(&str, Edit)]) -> String {
    let mut report = String::new();
    for (name, edit) in cases {
        let mut proto = small();
        edit(&mut proto);
        let error = load(proto).expect_err(name);
        report.push_str(&format!("{name}: {error}\n"));
    }
    report
}

#[test]
fn malformed_trees_are_refused() {
    let report = report(&[
        ("cycle", |p| {
            let at = inner(p);
            attribute(p, "nodes_truenodeids").ints[at] = 0;
        }),
        ("self", |p| {
            let at = inner(p);
            attribute(p, "nodes_falsenodeids").ints[at] = at as i64;
        }),
        ("shared child", |p| {
            let no = attribute(p, "nodes_falsenodeids").ints[0];
            attribute(p, "nodes_truenodeids").ints[0] = no;
        }),
        ("child beyond the tree", |p| {
            attribute(p, "nodes_truenodeids").ints[0] = 1000
        }),
        ("child beyond any tree", |p| {
            attribute(p, "nodes_truenodeids").ints[0] = i64::MAX
        }),
        ("negative child", |p| {
            attribute(p, "nodes_truenodeids").ints[0] = -1
        }),
        ("orphans", |p| {
            attribute(p, "nodes_modes").strings[0] = b"LEAF".to_vec()
        }),
        ("leaf that splits", |p| {
            let at = inner(p);
            attribute(p, "nodes_modes").strings[at] = b"LEAF".to_vec();
        }),
        ("feature out of range", |p| {
            attribute(p, "nodes_featureids").ints[0] = 6
        }),
        ("NaN threshold", |p| {
            attribute(p, "nodes_values").floats[0] = f32::NAN
        }),
        ("infinite threshold", |p| {
            attribute(p, "nodes_values").floats[0] = f32::INFINITY
        }),
        ("NaN weight", |p| {
            attribute(p, "class_weights").floats[0] = f32::NAN
        }),
        ("giant weight", |p| attribute(p, "class_weights").floats[0] = 1e30),
        ("class 2", |p| attribute(p, "class_ids").ints[0] = 2),
        ("weight on a split", |p| attribute(p, "class_nodeids").ints[0] = 0),
        ("weight in no tree", |p| {
            attribute(p, "class_treeids").ints[0] = 99
        }),
        ("leaf without a weight", |p| {
            for name in ["class_ids", "class_treeids", "class_nodeids"] {
                attribute(p, name).ints.drain(..2);
            }
            attribute(p, "class_weights").floats.drain(..2);
        }),
        ("weights out of order", |p| {
            attribute(p, "class_nodeids").ints.swap(0, 2);
        }),
        ("one class, positive weights", |p| {
            attribute(p, "class_ids").ints.fill(1);
            attribute(p, "class_weights").floats.fill(0.5);
        }),
        ("trees in another order", |p| {
            attribute(p, "nodes_treeids").ints[0] = 1
        }),
        ("a gap in the nodes", |p| {
            attribute(p, "nodes_nodeids").ints[1] = 2
        }),
        ("greater-or-equal", |p| {
            attribute(p, "nodes_modes").strings[0] = b"BRANCH_GTE".to_vec()
        }),
        ("softmax", |p| {
            attribute(p, "post_transform").s = b"SOFTMAX".to_vec()
        }),
        ("three labels", |p| {
            attribute(p, "classlabels_int64s").ints.push(2)
        }),
        ("short list", |p| {
            attribute(p, "nodes_values").floats.pop();
        }),
        ("base values", |p| {
            attribute(p, "nodes_values").name = "base_values".to_owned()
        }),
        ("doubled attribute", |p| {
            let copy = attribute(p, "nodes_values").clone();
            graph(p).node[0].attribute.push(copy);
        }),
        ("other type", |p| attribute(p, "nodes_values").r#type = 7),
        ("graph in an attribute", |p| {
            attribute(p, "nodes_values").g = Some(pb::GraphProto::default());
        }),
        ("missing attribute", |p| {
            graph(p).node[0].attribute.retain(|a| a.name != "nodes_values");
        }),
        ("no nodes", |p| {
            attribute(p, "nodes_treeids").ints.clear();
            attribute(p, "nodes_nodeids").ints.clear();
        }),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn graphs_outside_the_contract_are_refused() {
    let report = report(&[
        ("no graph", |p| p.graph = None),
        ("no operator", |p| graph(p).node.clear()),
        ("unknown operator", |p| {
            graph(p).node[0].op_type = "Scan\u{1b}[31m".to_owned()
        }),
        ("foreign domain", |p| {
            graph(p).node[0].domain = "com.example".to_owned()
        }),
        ("two ensembles", |p| {
            let mut copy = graph(p).node[0].clone();
            copy.output = vec!["a".to_owned(), "b".to_owned()];
            graph(p).node.push(copy);
        }),
        ("too many operators", |p| {
            let copy = graph(p).node[0].clone();
            graph(p).node.extend(vec![copy; 40]);
        }),
        ("new operator set", |p| p.opset_import[0].version = 99),
        ("unknown operator set", |p| {
            p.opset_import[0].domain = "com.example".to_owned()
        }),
        ("doubled operator set", |p| {
            let copy = p.opset_import[0].clone();
            p.opset_import.push(copy);
        }),
        ("function", |p| p.functions.push(pb::FunctionProto::default())),
        ("sparse tensor", |p| {
            graph(p).sparse_initializer.push(pb::SparseTensorProto::default())
        }),
        ("input name", |p| graph(p).input[0].name = "x".to_owned()),
        ("input width", |p| size(&mut graph(p).input[0], 1, 7)),
        ("fixed number of rows", |p| size(&mut graph(p).input[0], 0, 1)),
        ("input of doubles", |p| double_type(&mut graph(p).input[0])),
        ("input without a type", |p| graph(p).input[0].r#type = None),
        ("two inputs", |p| {
            let copy = graph(p).input[0].clone();
            graph(p).input.push(copy);
        }),
        ("output width", |p| size(&mut graph(p).output[0], 1, 1)),
        ("output name", |p| {
            graph(p).output[0].name = "elsewhere".to_owned()
        }),
        ("only the label", |p| graph(p).output[0].name = "label".to_owned()),
        ("no output", |p| graph(p).output.clear()),
        ("unnamed label", |p| graph(p).node[0].output[0].clear()),
        ("output named as the input", |p| {
            graph(p).node[0].output[0] = "features".to_owned()
        }),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn metadata_outside_the_contract_is_refused() {
    let report = report(&[
        ("other schema", |p| {
            *meta(p, "sekisho.schema") = "ffeeddccbbaa9988".to_owned()
        }),
        ("other names", |p| {
            *meta(p, "sekisho.features") = "a,b,c,d,e,f".to_owned()
        }),
        ("hostile name", |p| {
            *meta(p, "sekisho.schema") = format!("\u{7}\n{}", "x".repeat(1000))
        }),
        ("missing", |p| {
            p.metadata_props.retain(|entry| entry.key != "sekisho.thresholds")
        }),
        ("doubled", |p| {
            let copy = p.metadata_props[0].clone();
            p.metadata_props.push(copy);
        }),
        ("thresholds reversed", |p| {
            *meta(p, "sekisho.thresholds") =
                r#"{"suspect":0.9,"reject":0.5,"suspect_fpr":0,"reject_fpr":0}"#.to_owned();
        }),
        ("thresholds without rates", |p| {
            *meta(p, "sekisho.thresholds") = r#"{"suspect":0.5,"reject":0.9}"#.to_owned();
        }),
        ("no JSON", |p| *meta(p, "sekisho.thresholds") = "0.5".to_owned()),
        ("deep JSON", |p| {
            *meta(p, "sekisho.baseline") = "[".repeat(100_000)
        }),
        ("short baseline", |p| {
            *meta(p, "sekisho.baseline") = "[0,0,0]".to_owned()
        }),
        ("infinite baseline", |p| {
            *meta(p, "sekisho.baseline") = "[0,0,0,0,0,1e60]".to_owned()
        }),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn limits_hold() {
    let check = |limits: Limits, expected: &str| {
        let error = Scorer::load(&seal(small()), &SCHEMA, &limits).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let plain = Limits::DEFAULT;
    check(
        Limits {
            max_bytes: 100,
            ..plain.clone()
        },
        "the limit is 100",
    );
    check(
        Limits {
            max_trees: 4,
            ..plain.clone()
        },
        "trees",
    );
    check(
        Limits {
            max_nodes: 10,
            ..plain.clone()
        },
        "tree nodes, the limit is 10",
    );
    check(
        Limits {
            max_tree_nodes: 3,
            ..plain.clone()
        },
        "nodes in one tree, the limit is 3",
    );
    check(
        Limits {
            max_depth: 2,
            ..plain.clone()
        },
        "deeper than the limit",
    );
    check(
        Limits {
            max_operators: 0,
            ..plain
        },
        "1 operators, the limit is 0",
    );
}

#[test]
fn a_schema_too_long_for_the_evaluator_is_refused() {
    let names = [""; 65];
    let mut card = card();
    card.features = names.map(str::to_owned).to_vec();
    card.baseline = vec![0.0; 65];
    let bytes = seal(encode(&Draw(1).trees(1, 1), &card));
    let error = Scorer::load(
        &bytes,
        &Schema {
            hash: SCHEMA.hash,
            names: &names,
        },
        &Limits::DEFAULT,
    );
    assert_eq!(
        error.expect_err("too long").to_string(),
        "the model has 65 features, the limit is 64: train a smaller one"
    );
}
