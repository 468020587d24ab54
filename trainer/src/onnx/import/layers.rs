//! Dense graphs: a chain of affine layers and activations over our features, in f64 until it is written.

use sekisho_core::feature::COUNT;

use super::column::Row;

/// A function of each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Relu,
    Tanh,
    Sigmoid,
}

/// `out = x * weights + bias`, weights row by row of the input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    pub inputs: usize,
    pub outputs: usize,
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
}

impl Affine {
    /// This layer, then `next`, as one.
    fn then(&self, next: &Affine) -> Affine {
        let (width, outputs) = (self.outputs, next.outputs);
        let apply = |row: &[f64], start: &[f64]| {
            let mut sums = start.to_vec();
            for (value, weights) in row.iter().zip(next.weights.chunks_exact(outputs)) {
                sums.iter_mut()
                    .zip(weights)
                    .for_each(|(sum, weight)| *sum += value * weight);
            }
            sums
        };
        let zero = vec![0.0; outputs];
        Affine {
            inputs: self.inputs,
            outputs,
            weights: self
                .weights
                .chunks_exact(width)
                .flat_map(|row| apply(row, &zero))
                .collect(),
            bias: apply(&self.bias, &next.bias),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layer {
    Affine(Affine),
    Activation(Activation),
}

/// A chain from all our features on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layers {
    pub layers: Vec<Layer>,
    /// Values after the last layer.
    pub width: usize,
}

impl From<&Row> for Layers {
    /// The columns as a first layer over all our features.
    fn from(row: &Row) -> Layers {
        let outputs = row.columns.len();
        let mut weights = vec![0.0; COUNT * outputs];
        let mut bias = vec![0.0; outputs];
        for (output, column) in row.columns.iter().enumerate() {
            let (factor, summand) = column.affine();
            weights[column.feature * outputs + output] = factor;
            bias[output] = summand;
        }
        let first = Affine {
            inputs: COUNT,
            outputs,
            weights,
            bias,
        };
        Layers {
            layers: vec![Layer::Affine(first)],
            width: outputs,
        }
    }
}

impl Layers {
    /// Adds an affine layer; joined with one that ends the chain. `None` when it does not fit.
    pub fn affine(mut self, next: Affine) -> Option<Layers> {
        let fits = next.inputs == self.width
            && next.weights.len() == next.inputs * next.outputs
            && next.bias.len() == next.outputs
            && next.outputs > 0;
        if !fits {
            return None;
        }
        self.width = next.outputs;
        match self.layers.last_mut() {
            Some(Layer::Affine(last)) => *last = last.then(&next),
            _ => self.layers.push(Layer::Affine(next)),
        }
        Some(self)
    }

    /// Multiplies and adds, value by value; `None` when there are not as many numbers as values.
    pub fn scale(self, factors: &[f64], summands: &[f64]) -> Option<Layers> {
        let width = self.width;
        if factors.len() != width || summands.len() != width {
            return None;
        }
        let diagonal = |at: usize| {
            if at.is_multiple_of(width + 1) {
                factors[at / width]
            } else {
                0.0
            }
        };
        self.affine(Affine {
            inputs: width,
            outputs: width,
            weights: (0..width * width).map(diagonal).collect(),
            bias: summands.to_vec(),
        })
    }

    /// Adds an activation.
    pub fn activation(mut self, activation: Activation) -> Layers {
        self.layers.push(Layer::Activation(activation));
        self
    }

    /// One column minus another, of two.
    pub fn difference(self) -> Option<Layers> {
        self.affine(Affine {
            inputs: 2,
            outputs: 1,
            weights: vec![-1.0, 1.0],
            bias: vec![0.0],
        })
    }

    /// Whether this is one probability: a single value after a sigmoid.
    pub fn is_probability(&self) -> bool {
        self.width == 1 && self.layers.last() == Some(&Layer::Activation(Activation::Sigmoid))
    }

    /// The chain before its last activation.
    pub fn before_activation(mut self) -> Layers {
        if let Some(Layer::Activation(_)) = self.layers.last() {
            self.layers.pop();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Column, Step};
    use super::*;

    #[test]
    fn affine_layers_become_one() {
        let columns = [(3, Step::Subtract(1.0)), (0, Step::Multiply(2.0))].map(|(feature, step)| Column {
            feature,
            steps: vec![step],
        });
        let row = Row {
            columns: columns.to_vec(),
            double: false,
        };
        let second = Affine {
            inputs: 2,
            outputs: 1,
            weights: vec![10.0, 100.0],
            bias: vec![7.0],
        };
        let joined = Layers::from(&row).affine(second.clone()).expect("fits");
        let [Layer::Affine(only)] = joined.layers.as_slice() else {
            panic!("{joined:?}");
        };
        let weights: Vec<(usize, f64)> = only
            .weights
            .iter()
            .copied()
            .enumerate()
            .filter(|w| w.1 != 0.0)
            .collect();
        assert_eq!((weights, &only.bias), (vec![(0, 200.0), (3, 10.0)], &vec![-3.0]));
        assert_eq!(joined.clone().affine(second), None, "one value into two");
        assert_eq!(joined.scale(&[2.0, 3.0], &[0.0]), None);
    }
}
