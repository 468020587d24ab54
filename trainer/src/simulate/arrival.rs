//! When actors come: one after the other, drawn in the order of time, so that nobody waits in memory.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How busy a shop is from hour to hour of a day, UTC, assumed: quiet at four, busiest at eight in the evening.
const HOURS: [f64; 24] = [
    0.35, 0.22, 0.15, 0.11, 0.10, 0.14, 0.27, 0.50, 0.75, 0.92, 1.00, 1.02, 1.08, 1.02, 0.98, 1.00, 1.06,
    1.16, 1.30, 1.48, 1.55, 1.40, 1.02, 0.65,
];
const HOUR: u64 = 3_600_000;
/// When a sale begins, as a share of the run, and how fast the rush fades, in milliseconds.
const SALE: (f64, f64) = (0.4, 180_000.0);

/// How arrivals spread over the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// As busy as the hour is: parts of the run's hours that lie before each of them, ascending to 1.
    Hours(Vec<f64>),
    /// A rush at once that fades.
    Sale,
    /// Evenly over the first part of the run.
    Even(f64),
}

impl Curve {
    /// People's curve for a run from `begin` to `end`.
    pub fn hours(begin: u64, end: u64) -> Curve {
        let mut total = 0.0;
        let mut before = vec![0.0];
        let mut at = begin;
        while at < end {
            let next = ((at / HOUR + 1) * HOUR).min(end);
            total += HOURS[(at / HOUR % 24) as usize] * (next - at) as f64;
            before.push(total);
            at = next;
        }
        Curve::Hours(before.iter().map(|part| part / total).collect())
    }

    /// The time before which the share `share` of all has come.
    fn time(&self, share: f64, begin: u64, end: u64) -> u64 {
        let length = (end - begin) as f64;
        let time = match self {
            Curve::Even(part) => begin + (length * part * share) as u64,
            Curve::Sale => {
                let late = -(1.0 - share).ln() * SALE.1;
                begin + (length * SALE.0 + late) as u64
            }
            Curve::Hours(before) => {
                let hour = before
                    .partition_point(|&part| part <= share)
                    .clamp(1, before.len() - 1)
                    - 1;
                let start = if hour == 0 {
                    begin
                } else {
                    (begin / HOUR + hour as u64) * HOUR
                };
                let next = ((start / HOUR + 1) * HOUR).min(end);
                let part = (share - before[hour]) / (before[hour + 1] - before[hour]);
                start + ((next - start) as f64 * part) as u64
            }
        };
        time.min(end)
    }
}

/// The order statistics of `left` even draws, one by one (Bentley and Saxe, Generating sorted lists of random
/// numbers, 1980).
#[derive(Clone, Debug)]
pub struct Arrivals {
    curve: Curve,
    random: ChaCha8Rng,
    left: u32,
    share: f64,
}

impl Arrivals {
    /// `count` arrivals along a curve.
    pub fn new(curve: Curve, count: u32, random: ChaCha8Rng) -> Arrivals {
        Arrivals {
            curve,
            random,
            left: count,
            share: 0.0,
        }
    }

    /// The next arrival, in milliseconds.
    pub fn next(&mut self, begin: u64, end: u64) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        let drawn: f64 = self.random.random();
        self.share = 1.0 - (1.0 - self.share) * (1.0 - drawn).powf(1.0 / f64::from(self.left));
        self.left -= 1;
        Some(self.curve.time(self.share, begin, end))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn times(curve: Curve, count: u32, begin: u64, end: u64) -> Vec<u64> {
        let mut arrivals = Arrivals::new(curve, count, ChaCha8Rng::seed_from_u64(5));
        std::iter::from_fn(|| arrivals.next(begin, end)).collect()
    }

    #[test]
    fn arrivals_come_in_order_and_all_of_them() {
        let (begin, end) = (7 * HOUR + 1234, 31 * HOUR + 99);
        for curve in [Curve::hours(begin, end), Curve::Sale, Curve::Even(0.5)] {
            let times = times(curve.clone(), 5000, begin, end);
            assert_eq!(times.len(), 5000);
            assert!(times.is_sorted(), "{curve:?}");
            assert!(times.iter().all(|time| (begin..=end).contains(time)), "{curve:?}");
        }
    }

    #[test]
    fn people_come_when_shops_are_busy() {
        let times = times(Curve::hours(0, 24 * HOUR), 20_000, 0, 24 * HOUR);
        let total: f64 = HOURS.iter().sum();
        for (hour, part) in HOURS.iter().enumerate() {
            let found = times.iter().filter(|&&time| time / HOUR == hour as u64).count() as f64;
            let wanted = part / total * 20_000.0;
            assert!(
                (found - wanted).abs() < 4.0 * wanted.sqrt() + 10.0,
                "hour {hour}: {found}, wanted {wanted}"
            );
        }
    }

    #[test]
    fn a_sale_is_a_rush() {
        let times = times(Curve::Sale, 1000, 0, 2 * HOUR);
        let rush = (2 * HOUR) * 2 / 5;
        assert!(times[0] >= rush);
        assert!(times[500] < rush + 180_000, "half come within three minutes");
    }
}
