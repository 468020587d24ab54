//! How fast virtual time runs.

use std::str::FromStr;
use std::time::Duration;

/// How many times faster than the log; `None` is as fast as answers come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(Option<f64>);

/// It is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not `max` and not a number above 0")]
pub struct SpeedError;

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Speed, SpeedError> {
        if text == "max" {
            return Ok(Speed(None));
        }
        let factor = text
            .parse()
            .ok()
            .filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        factor.map(|factor| Speed(Some(factor))).ok_or(SpeedError)
    }
}

impl Speed {
    /// How long to wait before a line of time `at`, when the log began at `first` and the replay `elapsed`
    /// ago. A log that jumps back does not wait.
    pub fn wait(&self, first: u32, at: u32, elapsed: Duration) -> Duration {
        let Some(factor) = self.0 else {
            return Duration::ZERO;
        };
        let due = f64::from(at.saturating_sub(first)) / factor;
        Duration::try_from_secs_f64(due)
            .unwrap_or(Duration::MAX)
            .saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting() {
        #[track_caller]
        fn check(speed: &str, at: u32, elapsed: u64, expected: u64) {
            let waited = speed
                .parse::<Speed>()
                .unwrap()
                .wait(100, at, Duration::from_secs(elapsed));
            assert_eq!(waited, Duration::from_secs(expected), "{speed}");
        }
        check("max", 160, 0, 0);
        check("1", 160, 10, 50);
        check("60", 220, 0, 2);
        check("60", 220, 5, 0);
        check("1", 50, 0, 0);
        check("0.5", 101, 0, 2);
    }

    #[test]
    fn what_is_no_speed() {
        for text in ["", "fast", "0", "-1", "nan", "inf"] {
            assert_eq!(text.parse::<Speed>(), Err(SpeedError), "{text}");
        }
    }
}
