//! Intervals by drawing clients again: Efron's bootstrap, the same clients for both models.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::Pair;
use super::figures::CONFIDENCE;
use crate::learn::Judged;

/// Draws: ends of an interval are then the 25th and the 975th.
const DRAWS: u64 = 1000;

/// Intervals of one model.
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    /// Of the area under the ROC curve.
    pub auc: Option<(f64, f64)>,
    /// Of recall at the budget.
    pub recall: Option<(f64, f64)>,
}

/// Challenger less champion.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Differences {
    /// Of the area under the ROC curve.
    pub auc: Option<(f64, f64)>,
    /// Of recall at the budget.
    pub recall_at_budget: Option<(f64, f64)>,
}

/// All intervals.
pub struct Drawn {
    /// The model in force.
    pub champion: Ranked,
    /// The other.
    pub challenger: Ranked,
    /// Their differences.
    pub differences: Differences,
}

/// Labelled clients in descending order of one model's worst score.
struct Order {
    /// Index of the client, its score, whether it is a person.
    clients: Vec<(usize, f32, bool)>,
}

/// Draws the labelled clients [`DRAWS`] times. The same seed gives the same intervals, however many threads there are.
pub fn draw(pairs: &[Pair<'_>], budget: f64, seed: u64) -> Drawn {
    let labelled: Vec<&Pair<'_>> = pairs
        .iter()
        .filter(|pair| pair.champion.client.label.is_some() && pair.champion.worst().is_some())
        .collect();
    let champion = Order::of(labelled.iter().map(|pair| &pair.champion));
    let challenger = Order::of(labelled.iter().map(|pair| &pair.challenger));
    let draws: Vec<[Option<f64>; 4]> = (0..DRAWS)
        .into_par_iter()
        .map(|number| {
            let times = resample(labelled.len(), seed, number);
            let (old, new) = (
                champion.measure(&times, budget),
                challenger.measure(&times, budget),
            );
            [old.0, new.0, old.1, new.1]
        })
        .collect();
    let of =
        |value: &dyn Fn(&[Option<f64>; 4]) -> Option<f64>| interval(draws.iter().filter_map(value).collect());
    let less = |new: usize, old: usize| of(&|draw| Some(draw[new]? - draw[old]?));
    Drawn {
        champion: Ranked {
            auc: of(&|draw| draw[0]),
            recall: of(&|draw| draw[2]),
        },
        challenger: Ranked {
            auc: of(&|draw| draw[1]),
            recall: of(&|draw| draw[3]),
        },
        differences: Differences {
            auc: less(1, 0),
            recall_at_budget: less(3, 2),
        },
    }
}

/// How often each of `count` clients is drawn.
fn resample(count: usize, seed: u64, number: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let mut times = vec![0; count];
    for _ in 0..count {
        times[random.random_range(0..count)] += 1;
    }
    times
}

/// The middle part of the draws; `None` without any.
fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let beyond = (1.0 - CONFIDENCE) / 2.0;
    let at = |share: f64| values[(share * last as f64).round() as usize];
    Some((at(beyond), at(1.0 - beyond)))
}

impl Order {
    fn of<'a>(judged: impl Iterator<Item = &'a Judged<'a>>) -> Order {
        let scored = judged.enumerate();
        let mut clients: Vec<(usize, f32, bool)> = scored
            .map(|(place, judged)| {
                (
                    place,
                    judged.worst().unwrap_or_default(),
                    judged.client.is_human(),
                )
            })
            .collect();
        clients.sort_by(|left, right| right.1.total_cmp(&left.1));
        Order { clients }
    }

    /// Area under the ROC curve, and recall at the budget, of clients that count so many times.
    fn measure(&self, times: &[u32], budget: f64) -> (Option<f64>, Option<f64>) {
        let count = |human: bool| -> f64 {
            let class = self.clients.iter().filter(|client| client.2 == human);
            class.map(|client| f64::from(times[client.0])).sum()
        };
        let (humans, crawlers) = (count(true), count(false));
        if humans == 0.0 || crawlers == 0.0 {
            return (None, None);
        }
        let allowed = (budget * humans).floor();
        let (mut above, mut found, mut wins, mut recalled) = (0.0, 0.0, 0.0, None);
        for tied in self.clients.chunk_by(|left, right| left.1 == right.1) {
            let sum = |human: bool| -> f64 {
                let class = tied.iter().filter(|client| client.2 == human);
                class.map(|client| f64::from(times[client.0])).sum()
            };
            let (people, crawling) = (sum(true), sum(false));
            wins += crawling * (humans - above - people / 2.0);
            if above + people > allowed {
                recalled.get_or_insert(found / crawlers);
            }
            above += people;
            found += crawling;
        }
        (Some(wins / (humans * crawlers)), Some(recalled.unwrap_or(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::learn::ranking::{auc, recall};

    proptest! {
        #[test]
        fn clients_that_count_once_give_the_plain_figures(
            scores in prop::collection::vec((0u8..20, any::<bool>()), 2..60), budget in 0.01f64..0.5,
        ) {
            let mut clients: Vec<(usize, f32, bool)> = scores
                .iter()
                .enumerate()
                .map(|(place, (score, human))| (place, f32::from(*score) / 20.0, *human))
                .collect();
            clients.sort_by(|left, right| right.1.total_cmp(&left.1));
            let order = Order { clients };
            let of = |human: bool| -> Vec<f64> {
                let class = order.clients.iter().filter(|client| client.2 == human);
                class.map(|client| f64::from(client.1)).collect()
            };
            let (area, found) = order.measure(&vec![1; scores.len()], budget);
            let expected = auc(&of(false), &of(true));
            prop_assert_eq!(area.is_some(), expected.is_some());
            if let (Some(area), Some(expected)) = (area, expected) {
                prop_assert!((area - expected).abs() < 1e-9);
                prop_assert_eq!(found, recall(&of(false), &of(true), budget));
            }
        }
    }

    #[test]
    fn a_seed_is_a_draw() {
        assert_eq!(resample(100, 1, 7), resample(100, 1, 7));
        assert_ne!(resample(100, 1, 7), resample(100, 1, 8));
        assert_ne!(resample(100, 1, 7), resample(100, 2, 7));
        assert_eq!(resample(100, 1, 7).iter().sum::<u32>(), 100);
    }

    #[test]
    fn an_interval_is_the_middle() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        assert_eq!(interval(values), Some((25.0, 975.0)));
        assert_eq!(interval(Vec::new()), None);
    }
}
