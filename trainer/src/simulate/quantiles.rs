//! What a parameter of people's behaviour can be: checked as it is read, so that an error has its place.

use serde::{Deserialize, Serialize};

/// Most numbers of one distribution: a percentile each.
const MOST_QUANTILES: usize = 101;

/// It is no such parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// Too few or too many quantiles.
    #[error("{0} quantiles; give 2 to {MOST_QUANTILES}, evenly spaced from the least value to the greatest")]
    Length(usize),
    /// Not ascending.
    #[error("{after} comes after {before}; quantiles ascend, sort them")]
    Order {
        /// The greater one, which stands first.
        before: f64,
        /// The smaller one.
        after: f64,
    },
    /// Out of range, or no number.
    #[error("{value} is not from 0 to {most}; give a number within")]
    Range {
        /// What was given.
        value: f64,
        /// The greatest allowed.
        most: u32,
    },
}

fn within(value: f64, most: u32) -> Result<f64, ParameterError> {
    let good = value.is_finite() && (0.0..=f64::from(most)).contains(&value);
    good.then_some(value).ok_or(ParameterError::Range { value, most })
}

/// A part of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// A share of which the code knows that it is one; out of range it becomes the nearest.
    pub const fn of(value: f64) -> Share {
        Share(value.clamp(0.0, 1.0))
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = ParameterError;

    fn try_from(value: f64) -> Result<Share, ParameterError> {
        within(value, 1).map(Share)
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        share.0
    }
}

/// A distribution, as its quantiles at even steps from the least value to the greatest. None exceeds `MOST`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Quantiles<const MOST: u32>(Vec<f64>);

impl<const MOST: u32> Quantiles<MOST> {
    /// The value below which the share `at` of all lies; between two quantiles a straight line.
    pub fn at(&self, at: f64) -> f64 {
        let last = self.0.len() - 1;
        let place = at.clamp(0.0, 1.0) * last as f64;
        let low = (place as usize).min(last);
        let high = (low + 1).min(last);
        self.0[low] + (self.0[high] - self.0[low]) * (place - low as f64)
    }

    /// The same for counts: rounded to the nearest.
    pub fn count(&self, at: f64) -> u32 {
        self.at(at).round() as u32
    }

    /// Quantiles of a sample, `steps` + 1 of them, each the middle of an equal part, so that the outermost half
    /// part on either side is cut off: single extremes would stretch the tails. Cut at `MOST`, rounded to a
    /// hundredth; `None` of an empty sample.
    pub fn of(mut sample: Vec<f64>, steps: usize) -> Option<Quantiles<MOST>> {
        sample.retain(|value| value.is_finite());
        sample.sort_by(f64::total_cmp);
        let last = sample.len().checked_sub(1)?;
        let quantile = |step: usize| {
            let place = (2 * step + 1) * sample.len() / (2 * steps + 2);
            let value = sample[place.min(last)];
            (value * 100.0).round().clamp(0.0, f64::from(MOST) * 100.0) / 100.0
        };
        Some(Quantiles((0..=steps).map(quantile).collect()))
    }
}

impl<const MOST: u32> TryFrom<Vec<f64>> for Quantiles<MOST> {
    type Error = ParameterError;

    fn try_from(values: Vec<f64>) -> Result<Quantiles<MOST>, ParameterError> {
        if !(2..=MOST_QUANTILES).contains(&values.len()) {
            return Err(ParameterError::Length(values.len()));
        }
        for &value in &values {
            within(value, MOST)?;
        }
        match values.windows(2).find(|pair| pair[0] > pair[1]) {
            Some(pair) => Err(ParameterError::Order {
                before: pair[0],
                after: pair[1],
            }),
            None => Ok(Quantiles(values)),
        }
    }
}

impl<const MOST: u32> From<Quantiles<MOST>> for Vec<f64> {
    fn from(quantiles: Quantiles<MOST>) -> Vec<f64> {
        quantiles.0
    }
}

/// A number from 0 to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Bounded<const MOST: u32>(f64);

impl<const MOST: u32> Bounded<MOST> {
    /// The nearest number in range.
    pub fn nearest(value: f64) -> Bounded<MOST> {
        Bounded(value.clamp(0.0, f64::from(MOST)))
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl<const MOST: u32> TryFrom<f64> for Bounded<MOST> {
    type Error = ParameterError;

    fn try_from(value: f64) -> Result<Bounded<MOST>, ParameterError> {
        within(value, MOST).map(Bounded)
    }
}

impl<const MOST: u32> From<Bounded<MOST>> for f64 {
    fn from(bounded: Bounded<MOST>) -> f64 {
        bounded.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_interpolate() {
        #[track_caller]
        fn check(values: &[f64], at: f64, expected: f64) {
            let quantiles = Quantiles::<100>::try_from(values.to_vec()).unwrap();
            assert_eq!(quantiles.at(at), expected, "{values:?} at {at}");
        }
        check(&[1.0, 3.0], 0.5, 2.0);
        check(&[1.0, 3.0, 11.0], 0.75, 7.0);
        check(&[1.0, 3.0, 11.0], 1.0, 11.0);
        check(&[1.0, 3.0, 11.0], -4.0, 1.0);
        check(&[1.0, 3.0, 11.0], 9.0, 11.0);
    }

    #[test]
    fn what_is_no_distribution() {
        #[track_caller]
        fn check(values: &[f64], expected: &str) {
            let error = Quantiles::<100>::try_from(values.to_vec()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        check(&[], "0 quantiles; give 2 to 101");
        check(&[1.0; 102], "102 quantiles");
        check(&[1.0, 0.5], "0.5 comes after 1; quantiles ascend");
        check(&[1.0, 101.0], "101 is not from 0 to 100");
        check(&[f64::NAN, 1.0], "NaN is not from 0 to 100");
        check(&[1.0, f64::INFINITY], "inf is not");
    }

    proptest! {
        #[test]
        fn quantiles_of_a_sample_are_quantiles(sample in prop::collection::vec(-1e12..1e12, 1..50), at in 0.0..1.0) {
            let quantiles = Quantiles::<1000>::of(sample, 20).unwrap();
            prop_assert!((0.0..=1000.0).contains(&quantiles.at(at)));
            let values = Vec::from(quantiles.clone());
            prop_assert_eq!(Quantiles::<1000>::try_from(values), Ok(quantiles));
        }
    }
}
