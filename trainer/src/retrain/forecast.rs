//! What an evaluation forecasts of verdicts, and whether what came is beyond it.

use serde_json::Value;

use crate::learn::proportion::{lower, upper};

/// One-sided confidence of what is said of either share.
const CONFIDENCE: f64 = 0.95;
/// The least that the odds of a forecast count as: a model that stops nobody in a week may stop one in ten thousand.
const LEAST_ODDS: f64 = 1e-4;

/// Shares that the evaluation of a model names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Clients that would be stopped.
    pub stopped: f64,
    /// The size of an equally weighted sample that tells as much as the clients that this was counted on.
    pub effective: f64,
    /// Requests that would be stopped.
    pub load: f64,
}

impl Forecast {
    /// From what `sekisho evaluate` writes of two models; `None` where somebody else wrote it.
    pub fn of(evaluation: &Value) -> Option<Forecast> {
        let change = evaluation.get("change")?;
        let sum = |figure: &str| -> Option<f64> {
            let of = |who: &str| change.get(who)?.get(figure)?.as_f64();
            Some(of("newly_stopped")? + of("still_stopped")?)
        };
        let clients = evaluation.get("clients")?.as_f64()?;
        let effective = evaluation.get("effective")?.as_f64()?;
        let usable = |size: f64| size > 0.0 && size.is_finite();
        let usable = usable(clients) && usable(effective);
        usable.then_some(Forecast {
            stopped: (sum("clients")? / clients).clamp(0.0, 1.0),
            effective,
            load: sum("load")?.clamp(0.0, 1.0),
        })
    }
}

/// Clients that a model judged live, weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Live {
    /// All.
    pub clients: f64,
    /// Stopped ones.
    pub stopped: f64,
    /// Stopped ones, each counted once.
    pub stopped_clients: u32,
    /// The size of an equally weighted sample that tells as much.
    pub effective: f64,
}

/// When a model stops too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// So many times the odds of the forecast.
    pub factor: f64,
    /// Fewer stopped clients are no jump.
    pub least: u32,
}

/// Whether more clients are stopped than the forecast and its factor allow, and chance explains neither the one nor the
/// other. Odds, not shares: a forecast of one half could never be exceeded three times.
pub fn jumps(forecast: &Forecast, live: &Live, bounds: Bounds) -> bool {
    if live.stopped_clients < bounds.least || live.clients <= 0.0 {
        return false;
    }
    let share = live.stopped / live.clients;
    let least = lower(share * live.effective, live.effective, CONFIDENCE);
    let most = upper(
        forecast.stopped * forecast.effective,
        forecast.effective,
        CONFIDENCE,
    );
    odds(least) > bounds.factor * odds(most).max(LEAST_ODDS)
}

/// The same of requests, as the module counts them since the promotion. Requests of one client hang together, so that no
/// interval holds; `least` clients make many times as many.
pub fn load_jumps(forecast: &Forecast, rejected: u64, requests: u64, least: u64, factor: f64) -> bool {
    rejected >= least
        && rejected <= requests
        && odds(rejected as f64 / requests.max(1) as f64) > factor * odds(forecast.load).max(LEAST_ODDS)
}

fn odds(share: f64) -> f64 {
    share / (1.0 - share).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        factor: 3.0,
        least: 20,
    };

    fn live(clients: u32, stopped: u32) -> Live {
        Live {
            clients: clients.into(),
            stopped: stopped.into(),
            stopped_clients: stopped,
            effective: clients.into(),
        }
    }

    #[test]
    fn a_jump_is_beyond_factor_and_chance() {
        #[track_caller]
        fn check(forecast: (f64, f64), live: Live, expected: bool) {
            let forecast = Forecast {
                stopped: forecast.0,
                effective: forecast.1,
                load: 0.0,
            };
            assert_eq!(jumps(&forecast, &live, BOUNDS), expected);
        }
        check((0.05, 1000.0), live(1000, 50), false);
        check((0.05, 1000.0), live(1000, 120), false);
        check((0.05, 1000.0), live(1000, 300), true);
        check((0.05, 1000.0), live(19, 19), false);
        check((0.05, 1000.0), live(20, 20), true);
        // A forecast from forty clients says little.
        check((0.05, 40.0), live(1000, 300), false);
        check((0.5, 1000.0), live(1000, 600), false);
        check((0.5, 1000.0), live(1000, 900), true);
        check((0.0, 1000.0), live(1000, 30), true);
        check((0.0, 1000.0), live(100_000, 30), false);
        check((0.05, 1000.0), live(0, 0), false);
        check((1.0, 1000.0), live(1000, 1000), false);
    }

    #[test]
    fn load_is_compared_too() {
        #[track_caller]
        fn check(load: f64, rejected: u64, requests: u64, expected: bool) {
            let forecast = Forecast {
                stopped: 0.0,
                effective: 100.0,
                load,
            };
            assert_eq!(load_jumps(&forecast, rejected, requests, 200, 3.0), expected);
        }
        check(0.1, 500, 1000, true);
        check(0.1, 150, 1000, false);
        check(0.1, 199, 199, false);
        check(0.0, 200, 10_000, true);
        check(0.1, 300, 200, false);
        check(0.0, 0, 0, false);
    }

    #[test]
    fn a_forecast_is_read_from_an_evaluation_of_ours_only() {
        let moved = |clients: f64, load: f64| json!({"clients": clients, "load": load});
        let ours = json!({"clients": 200.0, "effective": 40.0, "change": {"newly_stopped": moved(10.0, 0.1),
            "released": moved(50.0, 0.5), "still_stopped": moved(30.0, 0.2)}});
        let forecast = Forecast::of(&ours).expect("ours");
        assert_eq!((forecast.stopped, forecast.effective), (0.2, 40.0));
        assert!((forecast.load - 0.3).abs() < 1e-12);
        assert_eq!(Forecast::of(&json!({"newly_stopped": 31})), None);
        assert_eq!(Forecast::of(&json!({"clients": 0.0, "change": {}})), None);
        let mut unsaid = ours.clone();
        unsaid["effective"] = serde_json::Value::Null;
        assert_eq!(
            Forecast::of(&unsaid),
            None,
            "how much its weights tell is not said"
        );
    }

    proptest! {
        #[test]
        fn more_stopped_is_never_less_of_a_jump(stopped in 0u32..1000, more in 0u32..100, share in 0f64..1.0) {
            let forecast = Forecast { stopped: share, effective: 500.0, load: share };
            if jumps(&forecast, &live(1200, stopped), BOUNDS) {
                prop_assert!(jumps(&forecast, &live(1200, stopped + more), BOUNDS));
            }
        }
    }
}
