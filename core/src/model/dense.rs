//! Dense graphs: a chain of `Gemm`, `MatMul`, `Add`, `Relu`, `Tanh` and `Sigmoid` that ends in a `Sigmoid`.

use super::attributes::Attributes;
use super::limits::{ROW, WIDTH};
use super::pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataLocation, tensor_proto::DataType};
use super::{Limits, ModelError, Quoted};

/// One step over a vector of at most [`WIDTH`] values.
#[derive(Debug)]
enum Layer {
    /// `out = x * weights + bias`; weights row by row of the input, so that the inner loop runs over
    /// outputs.
    Affine {
        inputs: usize,
        outputs: usize,
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    Relu,
    Tanh,
    Sigmoid,
}

/// A compiled dense graph.
#[derive(Debug)]
pub(super) struct Dense {
    layers: Vec<Layer>,
    width: usize,
}

impl Dense {
    /// The log-odds for `row`: the value before the final sigmoid.
    pub fn margin(&self, row: &[f32; ROW]) -> f32 {
        let mut now = [0.0f32; WIDTH];
        let mut then = [0.0f32; WIDTH];
        now[..ROW].copy_from_slice(row);
        let mut width = self.width;
        for layer in &self.layers {
            match layer {
                Layer::Affine {
                    inputs,
                    outputs,
                    weights,
                    bias,
                } => {
                    width = (*outputs).min(WIDTH);
                    affine(&now[..(*inputs).min(WIDTH)], weights, bias, &mut then[..width]);
                    std::mem::swap(&mut now, &mut then);
                }
                Layer::Relu => now[..width].iter_mut().for_each(|x| *x = x.max(0.0)),
                Layer::Tanh => now[..width].iter_mut().for_each(|x| *x = libm::tanhf(*x)),
                Layer::Sigmoid => now[..width].iter_mut().for_each(|x| *x = super::logistic(*x)),
            }
        }
        now[0]
    }
}

fn affine(inputs: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) {
    for (sum, bias) in out.iter_mut().zip(bias) {
        *sum = *bias;
    }
    for (x, row) in inputs.iter().zip(weights.chunks_exact(out.len().max(1))) {
        for (sum, weight) in out.iter_mut().zip(row) {
            *sum += x * weight;
        }
    }
}

/// Reads the chain that leads from `input` to the graph's output and checks every tensor in it.
pub(super) fn read(
    graph: &GraphProto,
    input: &str,
    features: usize,
    limits: &Limits,
) -> Result<Dense, ModelError> {
    let mut reader = Reader {
        graph,
        limits,
        width: features,
        layers: Vec::new(),
        weights: 0,
    };
    // Every tensor reaches tract, so every tensor is checked, needed or not.
    for tensor in &graph.initializer {
        reader.weights += dims(tensor)?.1;
    }
    if reader.weights > limits.max_weights {
        let (count, max) = (reader.weights, limits.max_weights);
        return Err(ModelError::TooMany {
            what: "weights",
            count,
            max,
        });
    }
    let mut value = input;
    for node in &graph.node {
        value = reader.step(node, value)?;
    }
    match reader.layers.pop() {
        Some(Layer::Sigmoid) if reader.width == 1 => {}
        _ => return Err(wiring("a dense model must end in one value and a Sigmoid")),
    }
    Ok(Dense {
        layers: reader.layers,
        width: features,
    })
}

struct Reader<'a> {
    graph: &'a GraphProto,
    limits: &'a Limits,
    width: usize,
    layers: Vec<Layer>,
    weights: usize,
}

impl<'a> Reader<'a> {
    /// Adds the layer of `node`, which must take `value`, and returns the name of its output.
    fn step(&mut self, node: &'a NodeProto, value: &str) -> Result<&'a str, ModelError> {
        let [output] = node.output.as_slice() else {
            return Err(wiring("each operator of a dense model must have one output"));
        };
        let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
        let layer = match (node.op_type.as_str(), inputs.as_slice()) {
            ("Relu", [x]) if *x == value => plain("Relu", node, Layer::Relu)?,
            ("Tanh", [x]) if *x == value => plain("Tanh", node, Layer::Tanh)?,
            ("Sigmoid", [x]) if *x == value => plain("Sigmoid", node, Layer::Sigmoid)?,
            ("Gemm", [x, weights, bias]) if *x == value => self.gemm(node, weights, Some(bias))?,
            ("Gemm", [x, weights]) if *x == value => self.gemm(node, weights, None)?,
            ("MatMul", [x, weights]) if *x == value => {
                Attributes::new("MatMul", node, &[])?;
                self.affine(self.tensor(weights)?, false, None)?
            }
            ("Add", [x, bias] | [bias, x]) if *x == value => {
                Attributes::new("Add", node, &[])?;
                self.add(bias)?
            }
            _ => {
                return Err(wiring(
                    "a dense model must be one chain: each operator takes the output before it",
                ));
            }
        };
        self.layers.extend(layer);
        Ok(output)
    }

    fn tensor(&self, name: &str) -> Result<&'a TensorProto, ModelError> {
        let found = self.graph.initializer.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| fault(name, "is no initializer"))
    }

    fn gemm(
        &mut self,
        node: &NodeProto,
        weights: &str,
        bias: Option<&str>,
    ) -> Result<Option<Layer>, ModelError> {
        let attributes = Attributes::new("Gemm", node, &["alpha", "beta", "transA", "transB"])?;
        for name in ["alpha", "beta"] {
            if attributes.float_or(name, 1.0)? != 1.0 {
                return Err(attributes.fault(name, "must be 1"));
            }
        }
        if attributes.int_or("transA", 0)? != 0 {
            return Err(attributes.fault("transA", "must be 0"));
        }
        let transposed = match attributes.int_or("transB", 0)? {
            0 => false,
            1 => true,
            _ => return Err(attributes.fault("transB", "must be 0 or 1")),
        };
        self.affine(self.tensor(weights)?, transposed, bias)
    }

    fn affine(
        &mut self,
        tensor: &TensorProto,
        transposed: bool,
        bias: Option<&str>,
    ) -> Result<Option<Layer>, ModelError> {
        let &[rows, columns] = dims(tensor)?.0.as_slice() else {
            return Err(fault(&tensor.name, "must have two dimensions"));
        };
        let (inputs, outputs) = if transposed {
            (columns, rows)
        } else {
            (rows, columns)
        };
        if inputs != self.width {
            return Err(fault(&tensor.name, "does not fit the values before it"));
        }
        let max = self.limits.max_width.min(WIDTH);
        if outputs > max {
            return Err(ModelError::TooMany {
                what: "values in one layer",
                count: outputs,
                max,
            });
        }
        let mut weights = numbers(tensor)?;
        if transposed {
            let stored = weights;
            weights = (0..inputs * outputs)
                .map(|at| stored[at % outputs * inputs + at / outputs])
                .collect();
        }
        self.width = outputs;
        let bias = match bias {
            Some(name) => self.bias(name)?,
            None => vec![0.0; outputs],
        };
        Ok(Some(Layer::Affine {
            inputs,
            outputs,
            weights,
            bias,
        }))
    }

    fn bias(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name)?;
        match dims(tensor)?.0.as_slice() {
            &[width] | &[1, width] if width == self.width => numbers(tensor),
            _ => Err(fault(name, "must hold one number for each value of its layer")),
        }
    }

    /// An addition joins the affine layer before it, or is one with the identity where there is none.
    fn add(&mut self, name: &str) -> Result<Option<Layer>, ModelError> {
        let extra = self.bias(name)?;
        if let Some(Layer::Affine { bias, .. }) = self.layers.last_mut() {
            bias.iter_mut().zip(extra).for_each(|(sum, more)| *sum += more);
            return Ok(None);
        }
        let width = self.width;
        let weights = (0..width * width)
            .map(|at| f32::from(u8::from(at % (width + 1) == 0)))
            .collect();
        Ok(Some(Layer::Affine {
            inputs: width,
            outputs: width,
            weights,
            bias: extra,
        }))
    }
}

fn plain(op: &'static str, node: &NodeProto, layer: Layer) -> Result<Option<Layer>, ModelError> {
    Attributes::new(op, node, &[])?;
    Ok(Some(layer))
}

fn wiring(reason: &str) -> ModelError {
    ModelError::Graph {
        reason: Quoted::new(reason),
    }
}

fn fault(name: &str, reason: &'static str) -> ModelError {
    ModelError::Tensor {
        name: Quoted::new(name),
        reason,
    }
}

/// Dimensions and number of values of a tensor, after checking everything about it but the values
/// themselves.
fn dims(tensor: &TensorProto) -> Result<(Vec<usize>, usize), ModelError> {
    let fault = |reason| Err(fault(&tensor.name, reason));
    if tensor.data_type != DataType::Float as i32 {
        return fault("must be float32");
    }
    let outside = tensor
        .data_location
        .is_some_and(|place| place != DataLocation::Default as i32);
    if outside || !tensor.external_data.is_empty() || tensor.segment.is_some() {
        return fault("must be inside the file, in one piece");
    }
    if tensor.dims.is_empty() || tensor.dims.len() > 2 {
        return fault("must have one or two dimensions");
    }
    let side = |&dim: &i64| {
        usize::try_from(dim)
            .ok()
            .filter(|&dim| (1..=WIDTH).contains(&dim))
    };
    let Some(sides) = tensor.dims.iter().map(side).collect::<Option<Vec<usize>>>() else {
        return fault("has a dimension out of range");
    };
    let count = sides.iter().product::<usize>();
    let stored = if tensor.raw_data.is_empty() {
        tensor.float_data.len() * 4
    } else {
        tensor.raw_data.len()
    };
    if stored != count * 4 || !(tensor.raw_data.is_empty() || tensor.float_data.is_empty()) {
        return fault("holds more or fewer numbers than its dimensions say");
    }
    numbers(tensor)?;
    Ok((sides, count))
}

fn numbers(tensor: &TensorProto) -> Result<Vec<f32>, ModelError> {
    let numbers: Vec<f32> = if tensor.raw_data.is_empty() {
        tensor.float_data.clone()
    } else {
        let word = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        tensor.raw_data.chunks_exact(4).map(word).collect()
    };
    if numbers.iter().all(|value| value.is_finite()) {
        Ok(numbers)
    } else {
        Err(fault(&tensor.name, "has a number that is not finite"))
    }
}
