//! How well scores tell crawlers from people.

/// Probability that a crawler scores over a human, ties counting half (Mann-Whitney).
pub fn auc(crawlers: &[f64], humans: &[f64]) -> Option<f64> {
    if crawlers.is_empty() || humans.is_empty() {
        return None;
    }
    let mut sorted = humans.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins = |score: &f64| {
        let below = sorted.partition_point(|human| human < score);
        let not_above = sorted.partition_point(|human| human <= score);
        (below + not_above) as f64 / 2.0
    };
    Some(crawlers.iter().map(wins).sum::<f64>() / (crawlers.len() * humans.len()) as f64)
}

/// Share of crawlers over the threshold that lets at most `rate` of the humans be over it. With fewer than
/// `1 / rate` humans that is none of them.
pub fn recall(crawlers: &[f64], humans: &[f64], rate: f64) -> Option<f64> {
    if crawlers.is_empty() || humans.is_empty() {
        return None;
    }
    let mut sorted = humans.to_vec();
    sorted.sort_by(|left, right| right.total_cmp(left));
    let threshold = sorted[(rate * humans.len() as f64) as usize];
    Some(crawlers.iter().filter(|score| **score > threshold).count() as f64 / crawlers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_pairs() {
        #[track_caller]
        fn check(crawlers: &[f64], humans: &[f64], expected: Option<f64>) {
            assert_eq!(auc(crawlers, humans), expected);
        }
        check(&[0.9, 0.8], &[0.1, 0.2], Some(1.0));
        check(&[0.1], &[0.9], Some(0.0));
        check(&[0.5], &[0.5], Some(0.5));
        check(&[0.9, 0.1], &[0.5], Some(0.5));
        check(&[], &[0.5], None);
    }

    #[test]
    fn recall_keeps_to_the_rate() {
        let humans: Vec<f64> = (0..200).map(|rank| f64::from(rank) / 200.0).collect();
        assert_eq!(recall(&[0.991, 0.98, 1.0], &humans, 0.01), Some(2.0 / 3.0));
        assert_eq!(
            recall(&[0.991, 0.999], &humans, 0.001),
            Some(0.5),
            "200 humans: none may be over"
        );
        assert_eq!(recall(&[0.9], &[], 0.01), None);
    }
}
