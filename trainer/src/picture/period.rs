//! At what beat a client comes, so that a picture can show it.

use std::f64::consts::TAU;

/// Beats that programs are set to, seconds.
const USUAL: [f64; 9] = [10.0, 30.0, 60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 86_400.0];
/// Times from which on a beat can be told from chance.
const LEAST: usize = 8;
/// Beats that must fit into the whole time.
const LEAST_BEATS: f64 = 4.0;
/// Rayleigh's statistic n R² from which on times are on a beat: by chance one client in 100,000 has it for one beat.
const SURE: f64 = 11.5;
/// Shortest beat that whole seconds show.
const SHORTEST: f64 = 2.0;
/// Of beats that fit nearly as well the longest is the one: what comes each minute comes at each half minute too.
const NEARLY: f64 = 0.95;

/// What a picture is folded at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// Seconds.
    pub seconds: f64,
    /// How far all times lie at one point of it: 1 exactly, 0 anywhere. Nothing where no beat was found and the length is
    /// one that people know.
    pub coherence: Option<f64>,
}

/// The beat of ascending times, in Unix seconds; `pause` is the client's median pause between pages. Where there is none,
/// a minute, an hour or a day, by how long it all took.
///
/// Mean resultant length and Rayleigh's test: Mardia and Jupp, "Directional Statistics", 2000, sections 2.3 and 6.3.
pub fn period(times: &[u32], pause: Option<f64>) -> Period {
    let span = match times {
        [first, .., last] => f64::from(last.saturating_sub(*first)),
        _ => 0.0,
    };
    let mut candidates: Vec<f64> = USUAL.into_iter().chain(pause).chain(median_gap(times)).collect();
    candidates.retain(|beat| *beat >= SHORTEST && beat * LEAST_BEATS <= span);
    candidates.sort_by(f64::total_cmp);
    let found: Vec<(f64, f64)> = candidates
        .into_iter()
        .map(|beat| (beat, coherence(times, beat)))
        .filter(|(_, coherence)| times.len() >= LEAST && times.len() as f64 * coherence * coherence >= SURE)
        .collect();
    let best = found.iter().map(|(_, coherence)| *coherence).fold(0.0, f64::max);
    match found
        .iter()
        .rev()
        .find(|(_, coherence)| *coherence >= best * NEARLY)
    {
        Some(&(seconds, coherence)) => Period {
            seconds,
            coherence: Some(coherence),
        },
        None => Period {
            seconds: match span {
                ..=3600.0 => 60.0,
                ..=172_800.0 => 3600.0,
                _ => 86_400.0,
            },
            coherence: None,
        },
    }
}

/// Mean resultant length of the phases of times in a period.
fn coherence(times: &[u32], period: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for &time in times {
        let phase = (f64::from(time) / period).fract() * TAU;
        sine += phase.sin();
        cosine += phase.cos();
    }
    f64::hypot(sine, cosine) / times.len().max(1) as f64
}

fn median_gap(times: &[u32]) -> Option<f64> {
    let mut gaps: Vec<u32> = times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).map(|gap| f64::from(*gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: &[u32], pause: Option<f64>, expected: (f64, bool)) {
        let found = period(times, pause);
        assert_eq!((found.seconds, found.coherence.is_some()), expected, "{found:?}");
    }

    fn every(seconds: u32, count: u32) -> Vec<u32> {
        (0..count).map(|beat| 1_800_000_017 + beat * seconds).collect()
    }

    #[test]
    fn a_beat_is_found() {
        check(&every(60, 40), None, (60.0, true));
        check(&every(3600, 30), None, (3600.0, true));
        check(&every(77, 30), None, (77.0, true));
        // Each 32nd request of one that comes every 7 seconds.
        check(&every(7 * 32, 30), Some(7.0), (224.0, true));
        // With jitter, so that the gaps alone do not tell.
        let jittered: Vec<u32> = every(300, 60)
            .iter()
            .enumerate()
            .map(|(place, at)| at + place as u32 % 20)
            .collect();
        check(&jittered, None, (300.0, true));
    }

    #[test]
    fn what_comes_as_it_likes_has_none() {
        let mut at = 1_800_000_000;
        let wild: Vec<u32> = (0..200u32)
            .map(|step| {
                at += 1 + step.wrapping_mul(2_654_435_761) % 97;
                at
            })
            .collect();
        check(&wild, Some(31.0), (3600.0, false));
        check(&[], None, (60.0, false));
        check(&[1_800_000_000], None, (60.0, false));
        check(&every(60, 5), None, (60.0, false));
        check(&[0, 400_000], None, (86_400.0, false));
    }
}
