//! The attributes and the name of one foreign operator.

use sekisho_core::model::Quoted;
use sekisho_core::model::pb::{
    AttributeProto, NodeProto, TensorProto, attribute_proto::AttributeType, tensor_proto::DataLocation,
    tensor_proto::DataType,
};

use super::error::ImportError;

/// One operator of the graph.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    /// Its message.
    pub proto: &'a NodeProto,
    /// Its number in the graph.
    pub number: usize,
}

impl<'a> Node<'a> {
    /// Its operator.
    pub fn op(&self) -> &'a str {
        &self.proto.op_type
    }

    /// An error at this operator.
    pub fn fault(&self, what: impl AsRef<str>, remedy: &'static str) -> ImportError {
        let proto = self.proto;
        let dot = if proto.domain.is_empty() { "" } else { "." };
        let name = match proto.name.as_str() {
            "" => String::new(),
            name => format!(" {name}"),
        };
        ImportError::Node {
            place: Quoted::new(&format!(
                "node {}, {}{dot}{}{name}",
                self.number, proto.domain, proto.op_type
            )),
            what: Quoted::new(what.as_ref()),
            remedy,
        }
    }

    /// An error at an attribute of it.
    pub fn attribute_fault(&self, name: &str, what: &str, remedy: &'static str) -> ImportError {
        self.fault(format!("attribute {name} {what}"), remedy)
    }

    /// Refuses every attribute that is not in `known`: it could change what the operator computes.
    pub fn only(&self, known: &[&str]) -> Result<(), ImportError> {
        let unknown = |attribute: &&AttributeProto| !known.contains(&attribute.name.as_str());
        match self.proto.attribute.iter().find(unknown) {
            Some(found) => Err(self.attribute_fault(&found.name, "is not supported", "export without it")),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// Integers; none when the attribute is absent.
    pub fn ints(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// Numbers, as floats or as `NAME_as_tensor` in doubles; none when both are absent.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, ImportError> {
        if let Some(attribute) = self.find(name) {
            return Ok(attribute.floats.iter().map(|&value| f64::from(value)).collect());
        }
        match self
            .find(&format!("{name}_as_tensor"))
            .and_then(|attribute| attribute.t.as_ref())
        {
            None => Ok(Vec::new()),
            Some(tensor) => match Numbers::read(tensor) {
                Some(numbers) => Ok(numbers.values),
                None => Err(self.attribute_fault(name, "is no list of numbers", "export it again")),
            },
        }
    }

    /// Texts; none when the attribute is absent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.find(name).map_or(&[][..], |attribute| &attribute.strings);
        texts
            .iter()
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    /// A text.
    pub fn text_or(&self, name: &str, default: &str) -> String {
        self.find(name).map_or(default.to_owned(), |attribute| {
            String::from_utf8_lossy(&attribute.s).into_owned()
        })
    }

    /// An integer.
    pub fn int_or(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |attribute| attribute.i)
    }

    /// A number.
    pub fn number_or(&self, name: &str, default: f64) -> f64 {
        self.find(name)
            .map_or(default, |attribute| match attribute.r#type {
                kind if kind == AttributeType::Int as i32 => attribute.i as f64,
                _ => f64::from(attribute.f),
            })
    }

    /// A tensor, as `Constant` has one.
    pub fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.find(name).and_then(|attribute| attribute.t.as_ref())
    }
}

/// Constant numbers of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    /// Sizes, outermost first; none for a single number.
    pub shape: Vec<usize>,
    /// The numbers, row by row.
    pub values: Vec<f64>,
}

impl Numbers {
    /// Reads a tensor of numbers inside the file; `None` for any other and where the sizes do not fit.
    pub fn read(tensor: &TensorProto) -> Option<Numbers> {
        let inside = tensor
            .data_location
            .is_none_or(|place| place == DataLocation::Default as i32);
        if !inside || !tensor.external_data.is_empty() {
            return None;
        }
        let shape: Option<Vec<usize>> = tensor
            .dims
            .iter()
            .map(|&side| usize::try_from(side).ok())
            .collect();
        let shape = shape?;
        let values = values(tensor)?;
        let count = shape
            .iter()
            .try_fold(1usize, |product, &side| product.checked_mul(side))?;
        (count == values.len()).then_some(Numbers { shape, values })
    }

    /// The one number, however many dimensions of one it has.
    pub fn single(&self) -> Option<f64> {
        match self.values.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// Rows and columns; a list counts as one row.
    pub fn matrix(&self) -> Option<(usize, usize)> {
        match *self.shape.as_slice() {
            [rows, columns] => Some((rows, columns)),
            [columns] => Some((1, columns)),
            _ => None,
        }
    }
}

fn values(tensor: &TensorProto) -> Option<Vec<f64>> {
    let kind = DataType::try_from(tensor.data_type).ok()?;
    let raw = &tensor.raw_data;
    fn words<const N: usize>(raw: &[u8], read: fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let word = |bytes: &[u8]| bytes.try_into().map(read).ok();
        raw.chunks(N).map(word).collect()
    }
    match kind {
        DataType::Float if raw.is_empty() => Some(tensor.float_data.iter().map(|&x| f64::from(x)).collect()),
        DataType::Double if raw.is_empty() => Some(tensor.double_data.clone()),
        DataType::Int64 if raw.is_empty() => Some(tensor.int64_data.iter().map(|&x| x as f64).collect()),
        DataType::Int32 if raw.is_empty() => Some(tensor.int32_data.iter().map(|&x| f64::from(x)).collect()),
        DataType::Float => words(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DataType::Double => words(raw, f64::from_le_bytes),
        DataType::Int64 => words(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        DataType::Int32 => words(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        _ => None,
    }
}
