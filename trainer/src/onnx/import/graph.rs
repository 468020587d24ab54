//! A foreign graph: which output is the probability, which operators it needs, what the inputs are.

use std::collections::{HashMap, HashSet};

use sekisho_core::feature::{COUNT, FEATURES, index};
use sekisho_core::model::pb::tensor_proto::DataType;
use sekisho_core::model::pb::tensor_shape_proto::dimension::Value as Size;
use sekisho_core::model::pb::type_proto::Value as Kind;
use sekisho_core::model::pb::{GraphProto, ModelProto, ValueInfoProto};

use super::attributes::{Node, Numbers};
use super::column::{Column, Row};
use super::error::ImportError;
use super::operators;
use super::value::Value;
use super::{Labels, Options};

/// Operators that a graph may have. Exporters write some twenty; a model of ours has few.
const MAX_OPERATORS: usize = 256;
/// Operator sets that mean what is read here. Before 7 arithmetic broadcast by attributes.
const OPSET: (i64, i64) = (7, 26);
const ML_OPSET: (i64, i64) = (1, 5);
/// Values in one layer, or columns of an input: what could not become a model is not computed with.
pub(super) const MAX_WIDTH: usize = 256;

const FEATURE_REMEDY: &str =
    "train on the features that `sekisho model features` lists, in that order, or name yours with --features";

/// A graph while it is read.
pub(super) struct Graph<'a> {
    proto: &'a GraphProto,
    options: &'a Options<'a>,
    /// Values known so far, by name.
    values: HashMap<&'a str, Value>,
    /// How often each value is still asked for.
    uses: HashMap<&'a str, usize>,
    /// What its classes are called, where it says so.
    pub labels: Option<Labels>,
    /// What was changed, in words.
    pub changes: Vec<String>,
}

impl<'a> Graph<'a> {
    /// Checks what holds for all of it, and reads its inputs.
    pub fn new(model: &'a ModelProto, options: &'a Options<'a>) -> Result<Graph<'a>, ImportError> {
        let proto = model
            .graph
            .as_ref()
            .ok_or_else(|| ImportError::graph("the model has no graph", "export it again"))?;
        if proto.node.len() > MAX_OPERATORS {
            let what = format!(
                "the graph has {} operators, {MAX_OPERATORS} are read",
                proto.node.len()
            );
            return Err(ImportError::graph(what, "export a smaller model"));
        }
        check_opsets(model)?;
        let mut graph = Graph {
            proto,
            options,
            values: HashMap::new(),
            uses: HashMap::new(),
            labels: None,
            changes: Vec::new(),
        };
        for tensor in &proto.initializer {
            if let Some(numbers) = Numbers::read(tensor) {
                graph.values.insert(&tensor.name, Value::Numbers(numbers));
            }
        }
        graph.read_inputs()?;
        Ok(graph)
    }

    /// Says what was changed, once.
    pub fn note(&mut self, change: impl Into<String>) {
        let change = change.into();
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// What the classes are called; whoever says it later must say the same.
    pub fn name_classes(&mut self, node: &Node<'_>, labels: Labels) -> Result<(), ImportError> {
        match &self.labels {
            Some(known) if *known != labels => Err(node.fault(
                "names other classes than the classifier",
                "export the model again",
            )),
            _ => {
                self.labels = Some(labels);
                Ok(())
            }
        }
    }

    fn read_inputs(&mut self) -> Result<(), ImportError> {
        let constants: HashSet<&str> = self
            .proto
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        let inputs: Vec<&ValueInfoProto> = self
            .proto
            .input
            .iter()
            .filter(|input| !constants.contains(input.name.as_str()))
            .collect();
        match inputs.as_slice() {
            [] => Err(ImportError::graph("the graph has no input", "export it again")),
            [input] => self.read_matrix(input),
            several => several.iter().try_for_each(|input| self.read_column(input)),
        }
    }

    /// The one input, all columns side by side.
    fn read_matrix(&mut self, input: &'a ValueInfoProto) -> Result<(), ImportError> {
        let (double, width) = element(input)?;
        let given = self.options.features.map(<[String]>::len);
        let expected = given.unwrap_or(COUNT);
        if width.unwrap_or(expected) != expected {
            let whose = if given.is_some() {
                "--features names"
            } else {
                "the schema has"
            };
            let what = format!(
                "input {} has {} columns, {whose} {expected}",
                input.name,
                width.unwrap_or(0)
            );
            return Err(ImportError::graph(what, FEATURE_REMEDY));
        }
        let column = |feature| Column {
            feature,
            steps: Vec::new(),
        };
        let columns = match self.options.features {
            None => (0..COUNT).map(column).collect(),
            Some(names) => {
                let columns: Result<Vec<Column>, ImportError> =
                    names.iter().map(|name| named(name).map(column)).collect();
                if names
                    .iter()
                    .map(String::as_str)
                    .ne(FEATURES.iter().map(|feature| feature.name))
                {
                    self.note("columns put into the order of the schema, by the names of --features");
                }
                columns?
            }
        };
        if input.name != "features" {
            self.note(format!("input {} renamed to features", input.name));
        }
        if double {
            self.note("float64 input read as float32, thresholds rounded so that no row goes another way");
        }
        self.values
            .insert(&input.name, Value::Row(Row { columns, double }));
        Ok(())
    }

    /// One of several inputs: a column that is called like its feature.
    fn read_column(&mut self, input: &'a ValueInfoProto) -> Result<(), ImportError> {
        let (double, width) = element(input)?;
        if width.is_some_and(|width| width != 1) {
            let what = format!(
                "input {} is one of several and has {} columns",
                input.name,
                width.unwrap_or(0)
            );
            return Err(ImportError::graph(
                what,
                "export with one input, or with one named input for each feature",
            ));
        }
        let columns = vec![Column {
            feature: named(&input.name)?,
            steps: Vec::new(),
        }];
        self.note("one input for each column joined to features");
        self.values
            .insert(&input.name, Value::Row(Row { columns, double }));
        Ok(())
    }

    /// The value of the output that is the probability.
    pub fn run(&mut self) -> Result<Value, ImportError> {
        let wanted = self.output()?;
        let needed = self.needed(wanted);
        let proto = self.proto;
        let asked = needed.iter().flat_map(|&number| &proto.node[number].input);
        for name in asked.map(String::as_str).chain([wanted]) {
            *self.uses.entry(name).or_default() += 1;
        }
        for (number, node) in proto.node.iter().enumerate() {
            let node = Node { proto: node, number };
            if !needed.contains(&number) {
                continue;
            }
            let inputs: Result<Vec<Value>, ImportError> = node
                .proto
                .input
                .iter()
                .map(|name| self.value(&node, name))
                .collect();
            let (value, at) = operators::apply(self, &node, inputs?)?;
            let Some(output) = node.proto.output.get(at) else {
                return Err(node.fault("has no output", "export it again"));
            };
            self.values.insert(output, value);
        }
        let dropped = proto.node.len() - needed.len();
        if dropped > 0 {
            self.note(format!("{dropped} operators dropped that only make labels"));
        }
        self.values.remove(wanted).ok_or_else(|| {
            ImportError::graph(
                format!("output {wanted} comes from nowhere"),
                "export the model again",
            )
        })
    }

    /// A value, kept for as long as something else asks for it: trees and layers can be large.
    fn value(&mut self, node: &Node<'_>, name: &str) -> Result<Value, ImportError> {
        let left = self.uses.get_mut(name).map_or(0, |uses| {
            *uses = uses.saturating_sub(1);
            *uses
        });
        let found = if left == 0 {
            self.values.remove(name)
        } else {
            self.values.get(name).cloned()
        };
        found.ok_or_else(|| {
            node.fault(
                format!("its input {name} is neither features, numbers nor computed before"),
                "export with float inputs and numeric constants only",
            )
        })
    }

    /// The output that is not the label.
    fn output(&self) -> Result<&'a str, ImportError> {
        let outputs = &self.proto.output;
        if let Some(name) = self.options.output {
            let found = outputs.iter().find(|output| output.name == name);
            return found.map(|output| output.name.as_str()).ok_or_else(|| {
                let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
                ImportError::graph(format!("no output is called {name}"), "see --output").or_names(&names)
            });
        }
        let numbers: Vec<&str> = outputs
            .iter()
            .filter(|output| !is_label(output))
            .map(|output| output.name.as_str())
            .collect();
        let likely: Vec<&str> = numbers
            .iter()
            .copied()
            .filter(|name| name.contains("prob"))
            .collect();
        match (numbers.as_slice(), likely.as_slice()) {
            ([only], _) | (_, [only]) => Ok(only),
            ([], _) => Err(ImportError::graph(
                "no output holds probabilities, only labels",
                "export a classifier with its probabilities",
            )),
            (several, _) => Err(ImportError::graph(
                format!("several outputs could be the probability: {}", several.join(", ")),
                "choose one with --output",
            )),
        }
    }

    /// Numbers of the operators that lead to a value.
    fn needed(&self, wanted: &'a str) -> HashSet<usize> {
        let mut makers: HashMap<&str, usize> = HashMap::new();
        for (number, node) in self.proto.node.iter().enumerate() {
            for output in &node.output {
                makers.insert(output, number);
            }
        }
        let mut needed = HashSet::new();
        let mut open = vec![wanted];
        while let Some(name) = open.pop() {
            if let Some(&number) = makers.get(name)
                && needed.insert(number)
            {
                open.extend(self.proto.node[number].input.iter().map(String::as_str));
            }
        }
        needed
    }
}

impl ImportError {
    fn or_names(self, names: &[&str]) -> ImportError {
        match self {
            ImportError::Graph { what, remedy } => {
                ImportError::graph(format!("{what}, there are: {}", names.join(", ")), remedy)
            }
            other => other,
        }
    }
}

fn named(name: &str) -> Result<usize, ImportError> {
    index(name)
        .ok_or_else(|| ImportError::graph(format!("{name} is no feature of the schema"), FEATURE_REMEDY))
}

/// Whether an input is in f64, and how many columns it has.
fn element(input: &ValueInfoProto) -> Result<(bool, Option<usize>), ImportError> {
    let tensor = match input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(Kind::TensorType(tensor)) => tensor,
        _ => {
            return Err(ImportError::graph(
                format!("input {} is no tensor", input.name),
                "export with a float tensor",
            ));
        }
    };
    let double = match DataType::try_from(tensor.elem_type) {
        Ok(DataType::Float) => false,
        Ok(DataType::Double) => true,
        Ok(DataType::String) => {
            let what = format!("input {} is text", input.name);
            return Err(ImportError::graph(
                what,
                "train on the numeric features of the schema",
            ));
        }
        _ => {
            let what = format!("input {} is neither float32 nor float64", input.name);
            return Err(ImportError::graph(what, "export with FloatTensorType"));
        }
    };
    let last = tensor
        .shape
        .as_ref()
        .and_then(|shape| shape.dim.get(1))
        .and_then(|side| side.value.as_ref());
    let width = match last {
        Some(Size::DimValue(width)) if *width > 0 => usize::try_from(*width).ok(),
        _ => None,
    };
    Ok((double, width))
}

fn is_label(output: &ValueInfoProto) -> bool {
    match output.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(Kind::TensorType(tensor)) => !matches!(
            DataType::try_from(tensor.elem_type),
            Ok(DataType::Float | DataType::Double)
        ),
        _ => false,
    }
}

fn check_opsets(model: &ModelProto) -> Result<(), ImportError> {
    for import in &model.opset_import {
        let (oldest, newest) = match import.domain.as_str() {
            "" | "ai.onnx" => OPSET,
            "ai.onnx.ml" => ML_OPSET,
            // Exporters declare domains that they then do not use; an operator of one is refused by name.
            _ => continue,
        };
        if !(oldest..=newest).contains(&import.version) {
            let domain = if import.domain.is_empty() {
                "ai.onnx"
            } else {
                &import.domain
            };
            let what = format!(
                "operator set {domain} version {} is not read, only {oldest} to {newest}",
                import.version
            );
            return Err(ImportError::graph(
                what,
                "export again with target_opset={'': 15, 'ai.onnx.ml': 3}",
            ));
        }
    }
    Ok(())
}
