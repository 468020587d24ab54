//! Features of when requests came. Intervals are whole seconds, so a log and live traffic mean the same.

use super::share;
use crate::record::{RING, Record};

/// Least intervals between pages for anything that looks at their order.
const LEAST_INTERVALS: usize = 5;
/// Shortest period that one-second timestamps can show, in seconds.
const SHORTEST_PERIOD: u32 = 2;

/// The last intervals between pages, sorted; what the page features share.
pub(super) struct Pace {
    sorted: [u16; RING],
    length: usize,
}

impl Pace {
    pub(super) fn of(record: &Record) -> Pace {
        let (mut sorted, mut length) = ([u16::MAX; RING], 0);
        for &kept in &record.ring {
            // 0 marks a free place; an interval is kept plus one.
            if kept > 0 {
                sorted[length] = kept - 1;
                length += 1;
            }
        }
        sorted.sort_unstable();
        Pace { sorted, length }
    }

    fn intervals(&self) -> &[u16] {
        &self.sorted[..self.length.min(RING)]
    }

    /// Nearest-rank quantile, `quarters` of 4.
    fn quartile(&self, quarters: usize) -> u32 {
        let intervals = self.intervals();
        let rank = (intervals.len() * quarters).div_ceil(4).max(1) - 1;
        intervals.get(rank).map_or(0, |&interval| u32::from(interval))
    }

    /// Median distance to the median.
    fn median_deviation(&self) -> u32 {
        let median = self.quartile(2);
        let mut apart = [u32::MAX; RING];
        for (place, &interval) in apart.iter_mut().zip(self.intervals()) {
            *place = u32::from(interval).abs_diff(median);
        }
        apart.sort_unstable();
        let rank = self.length.div_ceil(2).max(1) - 1;
        if self.length == 0 {
            0
        } else {
            apart[rank.min(RING - 1)]
        }
    }
}

/// Running mean of log2(1 + interval), all requests, weight 1/32. Unit log2 s, 0 to 32.
pub(super) fn interval_mean(record: &Record) -> f32 {
    record.interval_mean
}

/// Running standard deviation of log2(1 + interval), all requests, weight 1/32. Unit log2 s, 0 to 32. A
/// script's pauses are alike, a reader's are not.
pub(super) fn interval_variation(record: &Record) -> f32 {
    libm::sqrtf(record.interval_variance.max(0.0))
}

/// Shannon entropy of the histogram of intervals in 12 bins (up to 1 s, 2 s, 4 s ...); 0 to log2 12 bits.
/// Gianvecchio and Wang, Detecting covert timing channels: an entropy-based approach (CCS 2007).
pub(super) fn interval_entropy(record: &Record) -> f32 {
    let total: u32 = record.histogram.iter().map(|&count| u32::from(count)).sum();
    let part = |&count: &u8| match count {
        0 => 0.0,
        _ => {
            let share = f32::from(count) / total as f32;
            -share * libm::log2f(share)
        }
    };
    record.histogram.iter().map(part).sum()
}

/// Intervals of at most 1 s / intervals, all requests; 0 to 1. A page with its assets comes in a burst.
pub(super) fn short_interval_share(record: &Record) -> f32 {
    let total: u32 = record.histogram.iter().map(|&count| u32::from(count)).sum();
    share(record.histogram[0], total as f32)
}

/// Lag-1 autocorrelation of log2(1 + interval), running, weight 1/32; -1 to 1. Bursts and pauses that
/// alternate make it negative, slow drifts positive.
pub(super) fn lag_correlation(record: &Record) -> f32 {
    share(record.interval_lag, record.interval_variance)
}

/// log2(1 + median) of the last 16 intervals between pages; log2 s, 0 to 16.
pub(super) fn page_interval_median(pace: &Pace) -> f32 {
    libm::log2f(1.0 + pace.quartile(2) as f32)
}

/// Distance of the quartiles of the last 16 intervals between pages / (their median + 1), 0 to 16: how
/// uneven the reading is, free of scale.
pub(super) fn page_interval_spread(pace: &Pace) -> f32 {
    (pace.quartile(3) - pace.quartile(1)) as f32 / (pace.quartile(2) + 1) as f32
}

/// How much the last 16 intervals between pages look like a beacon, 0 to 1: mean of 1 - |Bowley skewness|
/// and of 1 - MAD / median, as RITA (Active Countermeasures) scores timestamps. An honest NTP client scores
/// .986: never a reason by itself.
pub(super) fn beacon_score(pace: &Pace) -> f32 {
    let (low, median, high) = (
        pace.quartile(1) as f32,
        pace.quartile(2) as f32,
        pace.quartile(3) as f32,
    );
    if pace.length < LEAST_INTERVALS || median < SHORTEST_PERIOD as f32 {
        return 0.0;
    }
    // No spread at all has no skew.
    let bowley = if high > low {
        (low + high - 2.0 * median) / (high - low)
    } else {
        0.0
    };
    let deviation = (pace.median_deviation() as f32 / median).min(1.0);
    ((1.0 - bowley.abs()) + (1.0 - deviation)) / 2.0
}

/// Whether the last 16 intervals between pages are multiples of one period T: |mean exp(2 pi i d / T)|, the
/// greatest for T = their median, half and twice of it, T at least 2 s; 0 to 1. The Rayleigh statistic
/// (Mardia and Jupp, Directional statistics, 2000) on intervals, which a drifting clock does not blur.
pub(super) fn phase_coherence(pace: &Pace) -> f32 {
    let median = pace.quartile(2);
    if pace.length < LEAST_INTERVALS || median < SHORTEST_PERIOD {
        return 0.0;
    }
    let coherence = |period: u32| {
        if period < SHORTEST_PERIOD {
            return 0.0;
        }
        let (mut real, mut imaginary) = (0.0, 0.0);
        for &interval in pace.intervals() {
            let phase = (u32::from(interval) % period) * PHASES / period;
            real += cosine(phase);
            imaginary += cosine(phase + PHASES * 3 / 4);
        }
        libm::sqrtf(real * real + imaginary * imaginary) / pace.length as f32
    };
    coherence(median)
        .max(coherence(median / 2))
        .max(coherence(median * 2))
}

/// Steps of a full turn.
const PHASES: u32 = 64;

/// Cosine of `phase` 64ths of a turn, from a table of one quarter: sixteen intervals at three periods would
/// cost microseconds otherwise.
fn cosine(phase: u32) -> f32 {
    #[rustfmt::skip]
    const QUARTER: [f32; 17] = [
        1.0, 0.995_184_7, 0.980_785_25, 0.956_940_35, 0.923_879_5, 0.881_921_3, 0.831_469_6, 0.773_010_43,
        0.707_106_77, 0.634_393_3, 0.555_570_24, 0.471_396_74, 0.382_683_43, 0.290_284_66, 0.195_090_32,
        0.098_017_14, 0.0,
    ];
    let step = (phase % 16) as usize;
    match phase % PHASES / 16 {
        0 => QUARTER[step],
        1 => -QUARTER[16 - step],
        2 => -QUARTER[step],
        _ => QUARTER[16 - step],
    }
}
