//! When requests came: bins between the first sample and the last.

use super::snapshot::{MAX_BINS, Timeline, Window};

/// Widths of bins that read well, in seconds: 1 s to a day; beyond, whole days.
const STEPS: [u32; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600];
const DAY: u32 = 86_400;
/// Bars from none to most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Unix second and request counter of a client's samples, in order of time.
pub type Counter = Vec<(u32, u32)>;

/// Requests a bin. What came before a client's first sample is counted in the bin of that sample; between two
/// samples requests are spread evenly. A counter that falls began anew.
pub fn timeline(window: Window, clients: &[Counter]) -> Timeline {
    let step = step(window);
    let from = window.from - window.from % step;
    let bins = ((window.to - from) / step + 1) as usize;
    let mut counts = vec![0u64; bins];
    for counter in clients {
        let mut before: Option<(u32, u32)> = None;
        for &(at, requests) in counter {
            match before {
                Some((since, counted)) if requests >= counted => {
                    spread(&mut counts, (from, step), (since, at), requests - counted);
                }
                _ => spread(&mut counts, (from, step), (at, at), requests),
            }
            before = Some((at, requests));
        }
    }
    Timeline { from, step, counts }
}

fn step(window: Window) -> u32 {
    let fits = |step: u32| {
        let from = window.from - window.from % step;
        ((window.to - from) / step) < MAX_BINS as u32
    };
    let days = || (1..).map(|days| days * DAY).find(|&step| fits(step));
    STEPS
        .into_iter()
        .find(|&step| fits(step))
        .or_else(days)
        .unwrap_or(DAY)
}

/// Adds requests that came after `since` and up to `at`.
fn spread(counts: &mut [u64], (from, step): (u32, u32), (since, at): (u32, u32), requests: u32) {
    let bin = |at: u32| ((at.saturating_sub(from) / step) as usize).min(counts.len() - 1);
    let (first, last) = (bin(since), bin(at));
    let (length, requests) = (u64::from(at.saturating_sub(since)), u64::from(requests));
    let mut told = 0;
    for (index, count) in counts.iter_mut().enumerate().take(last + 1).skip(first) {
        let end = from.saturating_add(step.saturating_mul(index as u32 + 1));
        let passed = u64::from(end.clamp(since, at) - since);
        let so_far = if index == last {
            requests
        } else {
            requests * passed / length.max(1)
        };
        *count += so_far - told;
        told = so_far;
    }
}

/// The counts as bars; a bin without requests is a space.
pub fn sparkline(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let bar = |&count: &u64| match count {
        0 => ' ',
        _ => BARS[((count * BARS.len() as u64).div_ceil(most) as usize).clamp(1, BARS.len()) - 1],
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_spread_between_samples() {
        #[track_caller]
        fn check(window: (u32, u32), counter: &[(u32, u32)], step: u32, expected: &[u64]) {
            let window = Window {
                from: window.0,
                to: window.1,
            };
            let found = timeline(window, &[counter.to_vec()]);
            assert_eq!((found.step, found.counts.as_slice()), (step, expected));
        }
        check((100, 100), &[(100, 10)], 1, &[10]);
        check((100, 103), &[(100, 10), (103, 16)], 1, &[12, 2, 2, 0]);
        check((0, 100), &[(0, 10), (100, 110)], 5, &{
            let mut even = [5; 21];
            even[0] = 15;
            even[20] = 0;
            even
        });
        check((0, 2), &[(0, 10), (2, 4)], 1, &[10, 0, 4]);
        check((0, 0), &[], 1, &[0]);
    }

    #[test]
    fn bars_grow_with_counts() {
        assert_eq!(sparkline(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(sparkline(&[0, 1, 1_000_000]), " ▁█");
        assert_eq!(sparkline(&[]), "");
    }

    proptest! {
        #[test]
        fn no_request_is_lost_and_bins_are_few(
            start in any::<u32>(),
            steps in prop::collection::vec((0u32..400_000, 0u32..5000), 1..40),
        ) {
            let (mut at, mut requests, mut counter) = (start, 0, Vec::new());
            for (pause, more) in steps {
                at = at.saturating_add(pause);
                requests += more;
                counter.push((at, requests));
            }
            let window = Window { from: counter[0].0, to: at };
            let found = timeline(window, &[counter]);
            prop_assert!(found.counts.len() <= MAX_BINS);
            prop_assert_eq!(found.counts.iter().sum::<u64>(), u64::from(requests));
        }
    }
}
