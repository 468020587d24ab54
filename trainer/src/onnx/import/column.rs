//! Features on their way through scalers, and splits on scaled features turned into splits on the features
//! themselves.
//!
//! What a scaler computes is monotone in the feature, floating point included. So a split on its result is a
//! split on the feature, at the one f32 where the answer changes. It is searched for among all f32, with the
//! scaler's own arithmetic, so that no row goes another way.

/// One step of arithmetic with a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Add(f64),
    Subtract(f64),
    /// The constant minus the value.
    SubtractFrom(f64),
    Multiply(f64),
    Divide(f64),
    /// To the nearest f32, as every operation of a graph in f32 ends: done in f64 first and rounded after it, an
    /// operation on two f32 is the same.
    Round,
}

/// One column of the model's input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Index in our schema.
    pub feature: usize,
    /// What happens to it, in order.
    pub steps: Vec<Step>,
}

/// Columns that operators see, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The columns.
    pub columns: Vec<Column>,
    /// Whether the graph computes in f64 here.
    pub double: bool,
}

impl Row {
    /// Applies a step to each column; `None` when there are not as many steps as columns.
    pub fn stepped(mut self, steps: &[Step]) -> Option<Row> {
        if steps.len() != self.columns.len() {
            return None;
        }
        for (column, step) in self.columns.iter_mut().zip(steps) {
            column.steps.push(*step);
            if !self.double {
                column.steps.push(Step::Round);
            }
        }
        Some(self)
    }

    /// The same numbers in f64 or f32 from here on.
    pub fn cast(mut self, double: bool) -> Row {
        if self.double && !double {
            self.columns
                .iter_mut()
                .for_each(|column| column.steps.push(Step::Round));
        }
        self.double = double;
        self
    }
}

/// How a split on a column asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    AtMost,
    Below,
    AtLeast,
    Above,
}

/// A split on a feature itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// Yes for values below.
    Below(f32),
    /// No for values below.
    NotBelow(f32),
    /// The same answer for every finite value.
    Constant(bool),
}

impl Column {
    fn value(&self, feature: f32) -> f64 {
        self.steps
            .iter()
            .fold(f64::from(feature), |value, step| match *step {
                Step::Add(by) => value + by,
                Step::Subtract(by) => value - by,
                Step::SubtractFrom(from) => from - value,
                Step::Multiply(by) => value * by,
                Step::Divide(by) => value / by,
                Step::Round => f64::from(value as f32),
            })
    }

    /// Factor and summand of the same arithmetic, without rounding.
    pub fn affine(&self) -> (f64, f64) {
        self.steps
            .iter()
            .fold((1.0, 0.0), |(factor, summand), step| match *step {
                Step::Add(by) => (factor, summand + by),
                Step::Subtract(by) => (factor, summand - by),
                Step::SubtractFrom(from) => (-factor, from - summand),
                Step::Multiply(by) => (factor * by, summand * by),
                Step::Divide(by) => (factor / by, summand / by),
                Step::Round => (factor, summand),
            })
    }

    /// The split on the feature that answers as `rule` and `threshold` do on this column.
    pub fn cut(&self, rule: Rule, threshold: f64) -> Cut {
        let answer = |key: u32| {
            let value = self.value(number(key));
            match rule {
                Rule::AtMost => value <= threshold,
                Rule::Below => value < threshold,
                Rule::AtLeast => value >= threshold,
                Rule::Above => value > threshold,
            }
        };
        let (mut low, mut high) = (key(f32::MIN), key(f32::MAX));
        let first = answer(low);
        if first == answer(high) {
            return Cut::Constant(first);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if answer(middle) == first {
                low = middle;
            } else {
                high = middle;
            }
        }
        if first {
            Cut::Below(number(high))
        } else {
            Cut::NotBelow(number(high))
        }
    }
}

/// A whole number in the order of the numbers.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn number(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(steps: &[Step]) -> Column {
        Column {
            feature: 0,
            steps: steps.to_vec(),
        }
    }

    #[test]
    fn splits_on_plain_features_keep_their_meaning() {
        #[track_caller]
        fn check(rule: Rule, threshold: f64, expected: Cut) {
            assert_eq!(column(&[]).cut(rule, threshold), expected);
        }
        check(Rule::Below, 0.5, Cut::Below(0.5));
        check(Rule::AtMost, 0.5, Cut::Below(0.5f32.next_up()));
        check(Rule::AtLeast, 0.5, Cut::NotBelow(0.5));
        check(Rule::Above, 0.5, Cut::NotBelow(0.5f32.next_up()));
        // Thresholds between two f32.
        check(Rule::Below, 0.1, Cut::Below(0.1));
        check(Rule::AtMost, 0.1, Cut::Below(0.1));
        check(
            Rule::AtMost,
            f64::from(0.1f32) + 1e-12,
            Cut::Below(0.1f32.next_up()),
        );
        check(Rule::AtMost, f64::INFINITY, Cut::Constant(true));
        check(Rule::Above, 1e300, Cut::Constant(false));
        check(Rule::Below, f64::from(f32::MAX), Cut::Below(f32::MAX));
    }

    #[test]
    fn a_falling_scale_turns_the_question_round() {
        let falling = column(&[Step::SubtractFrom(1.0), Step::Multiply(4.0)]);
        assert_eq!(falling.cut(Rule::AtMost, 1.0), Cut::NotBelow(0.75));
        assert_eq!(falling.affine(), (-4.0, 4.0));
        assert_eq!(
            column(&[Step::Multiply(0.0)]).cut(Rule::Below, 1.0),
            Cut::Constant(true)
        );
    }

    fn step() -> impl Strategy<Value = Step> {
        let by = prop_oneof![-100.0f32..100.0, 1e-3f32..1e-1].prop_map(f64::from);
        (0..5, by).prop_map(|(kind, by)| match kind {
            0 => Step::Add(by),
            1 => Step::Subtract(by),
            2 => Step::SubtractFrom(by),
            3 => Step::Multiply(by),
            _ => Step::Divide(if by == 0.0 { 1.0 } else { by }),
        })
    }

    proptest! {
        #[test]
        fn no_row_goes_another_way(
            steps in prop::collection::vec(step(), 0..4), double: bool, at in -1e3f32..1e3,
            other in prop::num::f32::NORMAL, rule in 0..4usize, nudge in -2i32..3,
        ) {
            let row = steps.iter().fold(Row { columns: vec![column(&[])], double }, |row, step| {
                row.stepped(&[*step]).expect("one column")
            });
            let column = &row.columns[0];
            let mut threshold = column.value(at) as f32;
            for _ in 0..nudge.unsigned_abs() {
                threshold = if nudge < 0 { threshold.next_down() } else { threshold.next_up() };
            }
            let threshold = f64::from(threshold);
            let rule = [Rule::AtMost, Rule::Below, Rule::AtLeast, Rule::Above][rule];
            let cut = column.cut(rule, threshold);
            for feature in [at, at.next_down(), at.next_up(), other, 0.0, -0.0, f32::MAX, f32::MIN] {
                let value = column.value(feature);
                let expected = match rule {
                    Rule::AtMost => value <= threshold,
                    Rule::Below => value < threshold,
                    Rule::AtLeast => value >= threshold,
                    Rule::Above => value > threshold,
                };
                let answer = match cut {
                    Cut::Below(limit) => feature < limit,
                    Cut::NotBelow(limit) => feature >= limit,
                    Cut::Constant(answer) => answer,
                };
                prop_assert_eq!(answer, expected, "{} against {:?}", feature, cut);
            }
        }
    }
}
