//! How much counters grew between two readings, and over which time.

use crate::nginx::{Cost, Status, Zone};
use crate::store::{COARSE, FINE, Reading, TrafficCounts};

/// Counters of an nginx that began so many seconds ago have grown since then, even if nobody looked before.
const NEW: u32 = 60;
/// What was counted while nobody looked is spread over that time up to so many seconds, a week; what is older is left
/// out.
const LONGEST: u32 = 7 * 86_400;
/// Up to so many seconds it is spread in fine steps, else in coarse ones.
const MOST_FINE: u32 = 900;
/// Name of the zone that stands for what belongs to none.
pub const NO_ZONE: &str = "";

/// What a zone's counters show.
pub fn of_zone(zone: &Zone, cost: Option<&Cost>) -> TrafficCounts {
    let count = |name: &str| zone.counters.get(name).copied().unwrap_or_default();
    TrafficCounts {
        requests: count("requests"),
        scores: count("scores"),
        passed: count("passed"),
        suspect: count("suspect"),
        rejected: count("rejected"),
        rejected_dry_run: count("rejected_dry_run"),
        allowed: count("allowed"),
        trapped: count("trapped"),
        restrained: count("restrained"),
        delayed: count("delayed"),
        evictions: count("evictions"),
        lock_failures: count("lock_failures"),
        panics: count("panics"),
        breaker_trips: count("breaker_trips"),
        measured: cost.map_or(0, |cost| cost.count),
        nanoseconds: cost.map_or(0, |cost| (cost.sum * 1e9).round() as u64),
        ..TrafficCounts::default()
    }
}

/// What is counted of no zone.
pub fn of_none(status: &Status) -> TrafficCounts {
    TrafficCounts {
        samples: status.totals.samples_written,
        samples_dropped: status.totals.samples_dropped,
        ..TrafficCounts::default()
    }
}

/// Since when, unix seconds, and by how much counters grew; `age` is for how many seconds they have been counting.
/// Counters that began anew grew by what they show; of what was never read before, nothing is known.
pub fn grown(before: Option<&Reading>, present: &Reading, age: u32) -> Option<(u32, TrafficCounts)> {
    let began = present.at.saturating_sub(age);
    let Some(before) = before else {
        return (age <= NEW).then_some((began, present.counts));
    };
    let (old, new) = (before.counts.values(), present.counts.values());
    let anew = before.since != present.since || old.iter().zip(&new).any(|(old, new)| new < old);
    let (from, counts) = if anew {
        (before.at.max(began), present.counts)
    } else {
        let mut difference = new;
        difference.iter_mut().zip(&old).for_each(|(new, old)| *new -= old);
        (before.at, TrafficCounts::of(difference))
    };
    (present.at.saturating_sub(from) <= LONGEST).then_some((from, counts))
}

/// The rows, begin and length, of what was counted from one time to another: evenly spread over it.
pub fn spread(from: u32, to: u32, counts: &TrafficCounts) -> Vec<((u32, u32), TrafficCounts)> {
    if counts.is_empty() {
        return Vec::new();
    }
    // Of a clock that was set back, nothing is known but the present.
    let from = from.min(to);
    let step = if to - from <= MOST_FINE { FINE } else { COARSE };
    let (first, last) = ((from + 1).min(to) / step, to / step);
    let rows = u64::from(last - first + 1);
    let all = counts.values();
    let share = |row: u64| {
        // What came until the end of a row less what came until its beginning: the rows add up to all.
        let until = |row: u64, count: u64| (u128::from(count) * u128::from(row) / u128::from(rows)) as u64;
        let values = all.map(|count| until(row + 1, count) - until(row, count));
        TrafficCounts::of(values)
    };
    (0..rows)
        .map(|row| (((first + row as u32) * step, step), share(row)))
        .filter(|(_, counts)| !counts.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u32 = 1_800_000_000;

    fn reading(since: u32, at: u32, requests: u64, rejected: u64) -> Reading {
        Reading {
            since,
            at,
            counts: TrafficCounts {
                requests,
                rejected,
                ..TrafficCounts::default()
            },
        }
    }

    #[test]
    fn counters_grow_and_begin_anew() {
        #[track_caller]
        fn check(before: Option<Reading>, present: &Reading, age: u32, expected: Option<(u32, u64, u64)>) {
            let found = grown(before.as_ref(), present, age);
            let found = found.map(|(from, counts)| (from, counts.requests, counts.rejected));
            assert_eq!(found, expected);
        }
        let present = reading(7, NOW, 110, 4);
        let known = |since, at, requests| Some(reading(since, at, requests, 1));
        check(known(7, NOW - 5, 100), &present, 500, Some((NOW - 5, 10, 3)));
        check(None, &present, 500, None);
        check(None, &present, 3, Some((NOW - 3, 110, 4)));
        // Another zone of that name, three seconds old.
        check(known(6, NOW - 5, 100), &present, 3, Some((NOW - 3, 110, 4)));
        check(known(6, NOW - 5, 100), &present, 500, Some((NOW - 5, 110, 4)));
        check(known(7, NOW - 5, 900), &present, 500, Some((NOW - 5, 110, 4)));
        check(known(7, NOW - LONGEST - 1, 100), &present, u32::MAX, None);
        check(known(7, NOW + 9, 100), &present, 500, Some((NOW + 9, 10, 3)));
    }

    #[test]
    fn short_times_are_one_row_and_long_ones_many() {
        #[track_caller]
        fn check(from: u32, to: u32, expected: &[(u32, u32, u64)]) {
            let counts = TrafficCounts {
                requests: 10,
                ..TrafficCounts::default()
            };
            let rows = spread(from, to, &counts);
            let rows: Vec<_> = rows
                .iter()
                .map(|((at, step), counts)| (*at, *step, counts.requests))
                .collect();
            assert_eq!(rows, expected, "{from} to {to}");
        }
        check(100, 105, &[(100, 10, 10)]);
        check(105, 110, &[(100, 10, 5), (110, 10, 5)]);
        check(109, 112, &[(110, 10, 10)]);
        check(200, 200, &[(200, 10, 10)]);
        check(300, 200, &[(200, 10, 10)]);
        check(99, 131, &[(100, 10, 2), (110, 10, 3), (120, 10, 2), (130, 10, 3)]);
        check(
            0,
            899,
            &(0..90)
                .filter(|row| row % 9 == 8)
                .map(|row| (row * 10, 10, 1))
                .collect::<Vec<_>>(),
        );
        check(
            599,
            1799,
            &[(600, 300, 2), (900, 300, 3), (1200, 300, 2), (1500, 300, 3)],
        );
        assert!(spread(1, 9, &TrafficCounts::default()).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(from in 0u32..2_000_000, length in 0u32..700_000, requests in 0u64..1 << 60) {
            let counts = TrafficCounts { requests, rejected: requests / 3, ..TrafficCounts::default() };
            let rows = spread(from, from + length, &counts);
            let sum = |of: fn(&TrafficCounts) -> u64| rows.iter().map(|(_, counts)| of(counts)).sum::<u64>();
            prop_assert_eq!(sum(|counts| counts.requests), requests);
            prop_assert_eq!(sum(|counts| counts.rejected), requests / 3);
            prop_assert!(rows.iter().all(|((at, step), _)| at % step == 0 && at + step > from));
        }
    }
}
