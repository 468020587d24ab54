//! How far a counted share may be off.

use statrs::function::beta::beta_reg;

/// Bisections of a bound: enough for the precision of f64.
const STEPS: u32 = 60;
/// Greatest sample size that is computed: beyond it no site is.
const LARGEST: f64 = 1e12;

/// The least and the greatest true share for which `hits` of `of` are no surprise, both sides together with this
/// `confidence` (Clopper and Pearson, 1934). Counts may be fractions: those of weighted samples are, at their
/// [`effective`] size (Korn and Graubard, 1998).
pub fn interval(hits: f64, of: f64, confidence: f64) -> (f64, f64) {
    let beyond = (1.0 - confidence) / 2.0;
    (lower(hits, of, 1.0 - beyond), upper(hits, of, 1.0 - beyond))
}

/// The greatest true share for which so few hits are no surprise, with this one-sided confidence.
pub fn upper(hits: f64, of: f64, confidence: f64) -> f64 {
    if of <= 0.0 || hits >= of {
        return 1.0;
    }
    quantile(hits + 1.0, of - hits, confidence)
}

/// The least true share for which so many hits are no surprise, with this one-sided confidence.
pub fn lower(hits: f64, of: f64, confidence: f64) -> f64 {
    if hits <= 0.0 {
        return 0.0;
    }
    quantile(hits.min(of), (of - hits).max(0.0) + 1.0, 1.0 - confidence)
}

/// The least sample without any hit that shows, with this one-sided confidence, a share of at most `budget`.
pub fn least_sample(budget: f64, confidence: f64) -> u64 {
    let size = (1.0 - confidence).ln() / (1.0 - budget).ln();
    size.ceil().clamp(1.0, LARGEST) as u64
}

/// The size of an equally weighted sample that tells as much as these weights do (Kish, 1965).
pub fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), weight| {
        (sum + weight, squares + weight * weight)
    });
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The quantile of the beta distribution, by bisection: its distribution function is exact, Newton's steps on it
/// are not always.
fn quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        if beta_reg(a, b, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        #[track_caller]
        fn check(hits: f64, of: f64, expected: (f64, f64)) {
            let (low, high) = interval(hits, of, 0.95);
            let near = (low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5;
            assert!(near, "{hits} of {of}: {low} to {high}");
        }
        check(0.0, 10.0, (0.0, 0.3085));
        check(5.0, 100.0, (0.0164, 0.1128));
        check(1.0, 1000.0, (0.0000, 0.0056));
        check(10.0, 10.0, (0.6915, 1.0));
        check(0.0, 0.0, (0.0, 1.0));
    }

    #[test]
    fn the_least_sample_is_the_rule_of_three() {
        #[track_caller]
        fn check(budget: f64, expected: u64) {
            let least = least_sample(budget, 0.95);
            assert_eq!(least, expected);
            assert!(
                upper(0.0, least as f64, 0.95) <= budget && upper(0.0, least as f64 - 1.0, 0.95) > budget
            );
        }
        check(0.1, 29);
        check(0.01, 299);
        check(0.001, 2995);
    }

    #[test]
    fn weights_cost_evidence() {
        assert_eq!(effective([1.0; 50].into_iter()), 50.0);
        assert_eq!(effective([2.0; 50].into_iter()), 50.0);
        assert!(effective([1.0, 1.0, 100.0].into_iter()) < 1.1);
        assert_eq!(effective(std::iter::empty()), 0.0);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_share(hits in 0u32..500, more in 1u32..5000) {
            let (hits, of) = (f64::from(hits), f64::from(hits + more));
            let (low, high) = interval(hits, of, 0.95);
            prop_assert!(low <= hits / of && hits / of <= high && high <= 1.0);
            prop_assert!(upper(hits, of, 0.95) <= high);
        }
    }
}
