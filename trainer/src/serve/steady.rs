//! Is the clock to be trusted? What is too old is deleted by it, so a jump must delete nothing.

use std::time::Duration;

/// So much may two clocks differ over a minute.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Readings that must agree in a row: a clock that is wrong at the start of the machine is set within minutes.
const ROUNDS: u32 = 5;

/// Compares the wall clock with one that never jumps.
#[derive(Debug, Default)]
pub struct Steady {
    last: Option<(Duration, Duration)>,
    agreed: u32,
}

impl Steady {
    /// Takes a reading of both clocks, a minute or so after the last; true when they have agreed for [`ROUNDS`].
    pub fn agrees(&mut self, wall: Duration, monotonic: Duration) -> bool {
        let Some((last_wall, last_monotonic)) = self.last.replace((wall, monotonic)) else {
            return false;
        };
        let expected = last_wall + monotonic.saturating_sub(last_monotonic);
        self.agreed = if expected.abs_diff(wall) <= TOLERANCE {
            self.agreed.saturating_add(1)
        } else {
            0
        };
        self.agreed >= ROUNDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_not_trusted_until_the_clock_was_steady() {
        let mut steady = Steady::default();
        let (mut wall, mut minutes) = (1_800_000_000, 0);
        let mut read = |jump: i64| {
            wall += 60 + jump;
            minutes += 1;
            steady.agrees(
                Duration::from_secs(wall.unsigned_abs()),
                Duration::from_secs(minutes * 60),
            )
        };
        let readings: Vec<bool> = (0..7).map(|_| read(0)).collect();
        assert_eq!(readings, [false, false, false, false, false, true, true]);
        assert!(read(30), "a small correction");
        assert!(!read(86_400 * 400));
        assert!((0..4).all(|_| !read(0)));
        assert!(read(0));
        assert!(!read(-86_400));
    }
}
