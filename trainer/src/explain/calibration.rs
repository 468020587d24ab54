//! From a computed confidence to how often people agreed with one as high.
//!
//! Isotonic regression by pooling adjacent violators (Ayer and others, 1955), as Zadrozny and Elkan (2002) use it for
//! probabilities: it asks nothing of the numbers but that more of them means more often right, and needs no shape as a
//! logistic curve does. Each pool counts half a verdict of either kind more than it has, so that a few verdicts never make
//! a certainty, and between the middles of pools the line is straight.

/// Verdicts from which on confidence is calibrated: below, a pool has too few for two digits.
pub const LEAST: usize = 50;
/// Verdicts of either kind that it takes: where all agree, or none does, there is nothing to tell apart.
pub const LEAST_EACH: usize = 5;

/// A rising line; empty where there is too little to draw one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Computed confidence and share of verdicts that agreed, rising in both.
    points: Vec<(f64, f64)>,
}

/// Judgements of about the same confidence.
#[derive(Clone, Copy, Debug)]
struct Pool {
    /// Sum of the computed confidences.
    sum: f64,
    /// Judgements.
    all: f64,
    /// Of these, the ones that were right.
    right: f64,
}

impl Pool {
    fn share(&self) -> f64 {
        (self.right + 0.5) / (self.all + 1.0)
    }
}

impl Calibration {
    /// From computed confidences and whether each explanation was right, in any order.
    pub fn of(judgements: &[(f64, bool)]) -> Calibration {
        let right = judgements.iter().filter(|(_, right)| *right).count();
        let wrong = judgements.len() - right;
        if judgements.len() < LEAST || right.min(wrong) < LEAST_EACH {
            return Calibration::default();
        }
        let mut sorted = judgements.to_vec();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut pools: Vec<Pool> = Vec::new();
        let mut rest = sorted.as_slice();
        while let Some(&(value, _)) = rest.first() {
            // What has the same confidence is one from the beginning, or the order would matter.
            let same = rest
                .iter()
                .take_while(|each| each.0.total_cmp(&value).is_eq())
                .count();
            let (tied, after) = rest.split_at(same);
            rest = after;
            pools.push(Pool {
                sum: value * same as f64,
                all: same as f64,
                right: tied.iter().filter(|(_, right)| *right).count() as f64,
            });
            while let [.., before, last] = pools.as_slice()
                && before.share() >= last.share()
            {
                let merged = Pool {
                    sum: before.sum + last.sum,
                    all: before.all + last.all,
                    right: before.right + last.right,
                };
                pools.truncate(pools.len() - 2);
                pools.push(merged);
            }
        }
        let points = pools.iter().map(|pool| (pool.sum / pool.all, pool.share()));
        Calibration {
            points: points.collect(),
        }
    }

    /// How often people agreed with a confidence like this one; `None` where too few have said.
    pub fn apply(&self, raw: f64) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        if raw <= first.0 {
            return Some(first.1);
        }
        if raw >= last.0 {
            return Some(last.1);
        }
        let pair = self.points.windows(2).find(|pair| raw <= pair[1].0)?;
        let part = (raw - pair[0].0) / (pair[1].0 - pair[0].0);
        Some(pair[0].1 + part * (pair[1].1 - pair[0].1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count` judgements of one confidence, of which `right` were right.
    fn of(raw: f64, right: usize, count: usize) -> Vec<(f64, bool)> {
        (0..count).map(|number| (raw, number < right)).collect()
    }

    #[test]
    fn a_confidence_means_how_often_it_was_right() {
        #[track_caller]
        fn check(judgements: &[Vec<(f64, bool)>], raw: f64, expected: Option<f64>) {
            let found = Calibration::of(&judgements.concat()).apply(raw);
            assert_eq!(found.map(|value| (value * 1000.0).round() / 1000.0), expected);
        }
        check(&[], 0.5, None);
        check(&[of(0.9, 44, 49)], 0.9, None);
        check(&[of(0.9, 50, 50)], 0.9, None);
        check(&[of(0.9, 46, 50)], 0.9, None);
        check(&[of(0.9, 45, 50)], 0.9, Some(0.892));
        check(&[of(0.9, 45, 50)], 0.1, Some(0.892));
        check(&[of(0.4, 10, 50), of(0.8, 40, 50)], 0.4, Some(0.206));
        check(&[of(0.4, 10, 50), of(0.8, 40, 50)], 0.6, Some(0.5));
        check(&[of(0.4, 10, 50), of(0.8, 40, 50)], 1.0, Some(0.794));
        check(&[of(0.4, 40, 50), of(0.8, 10, 50)], 0.9, Some(0.5));
    }

    /// Judgements that follow a known law: people agree with a computed confidence as often as its square says.
    #[test]
    fn it_finds_the_law_behind_the_verdicts() {
        let mut drawn = 1u32;
        let mut draw = || {
            drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(drawn >> 8) / f64::from(1 << 24)
        };
        let judgements: Vec<(f64, bool)> = (0..1000)
            .map(|_| {
                let raw = draw();
                (raw, draw() < raw * raw)
            })
            .collect();
        let calibration = Calibration::of(&judgements);
        let places = || (0..=20).map(|step| f64::from(step) / 20.0);
        let error =
            |told: &dyn Fn(f64) -> f64| places().map(|raw| (told(raw) - raw * raw).abs()).sum::<f64>() / 21.0;
        let (before, after) = (error(&|raw| raw), error(&|raw| calibration.apply(raw).unwrap()));
        assert!(before > 0.15 && after < 0.05, "{before:.3} {after:.3}");
    }

    proptest! {
        #[test]
        fn it_rises_and_is_never_certain_and_does_not_mind_the_order(
            mut judgements in prop::collection::vec((0.0f64..=1.0, any::<bool>()), 0..200),
            raws in prop::collection::vec(0.0f64..=1.0, 2..20),
        ) {
            let calibration = Calibration::of(&judgements);
            judgements.reverse();
            prop_assert_eq!(&Calibration::of(&judgements), &calibration);
            let mut raws = raws;
            raws.sort_by(f64::total_cmp);
            let values: Vec<Option<f64>> = raws.iter().map(|raw| calibration.apply(*raw)).collect();
            prop_assert!(values.is_sorted());
            prop_assert!(values.iter().flatten().all(|value| *value > 0.0 && *value < 1.0));
        }
    }
}
