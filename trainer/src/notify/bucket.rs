//! How often a target is told something.

/// Messages that may follow each other at once, after a quiet time.
pub const BURST: f64 = 3.0;

/// A token bucket: a message takes a token, and one comes back each interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// What is in it.
    pub tokens: f64,
    /// Unix second up to which it was filled.
    pub filled: u32,
}

impl Bucket {
    /// A full one.
    pub fn full(now: u32) -> Bucket {
        Bucket {
            tokens: BURST,
            filled: now,
        }
    }

    /// With what came back until `now`; `interval` is in seconds. A clock that was set back brings nothing.
    pub fn at(self, now: u32, interval: u32) -> Bucket {
        let passed = f64::from(now.saturating_sub(self.filled));
        let back = if interval == 0 {
            BURST
        } else {
            passed / f64::from(interval)
        };
        Bucket {
            tokens: (self.tokens + back).min(BURST),
            filled: now,
        }
    }

    /// Without one token; `None` when there is none.
    pub fn take(self) -> Option<Bucket> {
        (self.tokens >= 1.0).then_some(Bucket {
            tokens: self.tokens - 1.0,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_one_an_interval() {
        let mut bucket = Bucket::full(100);
        let mut sent = Vec::new();
        for now in 100..400 {
            bucket = bucket.at(now, 60);
            if let Some(less) = bucket.take() {
                bucket = less;
                sent.push(now);
            }
        }
        assert_eq!(sent, [100, 101, 102, 160, 220, 280, 340]);
    }

    #[test]
    fn no_interval_is_no_limit_and_a_clock_set_back_brings_nothing() {
        let empty = Bucket {
            tokens: 0.0,
            filled: 1000,
        };
        assert_eq!(empty.at(1000, 0).tokens, BURST);
        assert_eq!(empty.at(10, 60).tokens, 0.0);
        assert_eq!(empty.at(10, 60).at(70, 60).tokens, 1.0);
    }
}
