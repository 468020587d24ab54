//! Reading the attributes of one ONNX operator, by name and by exact type.

use super::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use super::{ModelError, Quoted};

/// The attributes of an operator, none of them unknown or doubled.
pub(super) struct Attributes<'a> {
    op: &'static str,
    list: &'a [AttributeProto],
}

impl<'a> Attributes<'a> {
    /// Checks that every attribute of `node` is in `known`, comes once, and carries no graph, tensor or
    /// reference.
    pub fn new(op: &'static str, node: &'a NodeProto, known: &[&str]) -> Result<Attributes<'a>, ModelError> {
        for (at, attribute) in node.attribute.iter().enumerate() {
            let fault = |reason| {
                Err(ModelError::Attribute {
                    op,
                    name: Quoted::new(&attribute.name),
                    reason,
                })
            };
            if !known.contains(&attribute.name.as_str()) {
                return fault("is not supported");
            }
            if node.attribute[..at]
                .iter()
                .any(|earlier| earlier.name == attribute.name)
            {
                return fault("is given twice");
            }
            let composite = attribute.t.is_some()
                || attribute.g.is_some()
                || attribute.sparse_tensor.is_some()
                || !attribute.tensors.is_empty()
                || !attribute.graphs.is_empty()
                || !attribute.sparse_tensors.is_empty()
                || !attribute.type_protos.is_empty()
                || !attribute.ref_attr_name.is_empty();
            if composite {
                return fault("must be a plain number, text or list");
            }
        }
        Ok(Attributes {
            op,
            list: &node.attribute,
        })
    }

    /// An error about attribute `name`.
    pub fn fault(&self, name: &str, reason: &'static str) -> ModelError {
        ModelError::Attribute {
            op: self.op,
            name: Quoted::new(name),
            reason,
        }
    }

    fn find(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, ModelError> {
        match self.list.iter().find(|attribute| attribute.name == name) {
            Some(attribute) if attribute.r#type != kind as i32 => Err(self.fault(name, "has another type")),
            found => Ok(found),
        }
    }

    fn need(&self, name: &str, kind: AttributeType) -> Result<&'a AttributeProto, ModelError> {
        self.find(name, kind)?
            .ok_or_else(|| self.fault(name, "is missing"))
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Result<&'a [i64], ModelError> {
        Ok(&self.need(name, AttributeType::Ints)?.ints)
    }

    /// A list of integers of which each is from 0 to `max`.
    pub fn indices(&self, name: &str, max: usize) -> Result<Vec<usize>, ModelError> {
        let fits = |&value: &i64| usize::try_from(value).ok().filter(|&index| index <= max);
        let indices: Option<Vec<usize>> = self.ints(name)?.iter().map(fits).collect();
        indices.ok_or_else(|| self.fault(name, "has a number out of range"))
    }

    /// A list of finite numbers.
    pub fn floats(&self, name: &str) -> Result<&'a [f32], ModelError> {
        let floats = &self.need(name, AttributeType::Floats)?.floats;
        if floats.iter().all(|value| value.is_finite()) {
            Ok(floats)
        } else {
            Err(self.fault(name, "has a number that is not finite"))
        }
    }

    /// A list of byte strings.
    pub fn strings(&self, name: &str) -> Result<&'a [Vec<u8>], ModelError> {
        Ok(&self.need(name, AttributeType::Strings)?.strings)
    }

    /// A byte string, or `default` when the attribute is absent.
    pub fn string_or(&self, name: &str, default: &'static [u8]) -> Result<&'a [u8], ModelError> {
        Ok(self
            .find(name, AttributeType::String)?
            .map_or(default, |attribute| &attribute.s))
    }

    /// An integer, or `default` when the attribute is absent.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64, ModelError> {
        Ok(self
            .find(name, AttributeType::Int)?
            .map_or(default, |attribute| attribute.i))
    }

    /// A number, or `default` when the attribute is absent.
    pub fn float_or(&self, name: &str, default: f32) -> Result<f32, ModelError> {
        Ok(self
            .find(name, AttributeType::Float)?
            .map_or(default, |attribute| attribute.f))
    }

    /// Whether the attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|attribute| attribute.name == name)
    }
}
