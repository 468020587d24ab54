//! Where a challenger cuts: one pair of thresholds for all zones, from the people of the earlier half of what was held
//! out. The later half is not looked at here but to refuse what does not hold there, so that the gates may judge on it.

use sekisho_core::model::{Model, Thresholds};

use super::account::{Cuts, ZoneCuts};
use crate::calibrate::{Budgets, People, Refusal, Report, calibrate};
use crate::config::Config;
use crate::dataset::Site;

/// Thresholds, and what to say of them.
#[derive(Debug)]
pub struct Found {
    /// For the model's file. The shares are those of all zones' people together, each zone at its own thresholds: at the
    /// highest ones, which hold, no more are above.
    pub thresholds: Thresholds,
    /// For the run's account.
    pub cuts: Cuts,
    /// What keeps a zone from being calibrated.
    pub notes: Vec<String>,
}

/// Sets them on the held-out part of each zone; the highest of all zones hold. A model whose zones all have too few
/// people keeps its own.
///
/// # Errors
/// [`Refusal`], but for too few people, which is noted.
pub fn set(held_out: &[Site], model: &Model, config: &Config) -> Result<Found, Refusal> {
    let (budget, least) = (config.calibrate.budget, config.retrain.min_requests);
    let (mut reports, mut zones, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    // A zone that nobody came to has nobody to be lenient with.
    for site in held_out.iter().filter(|site| !site.clients.is_empty()) {
        match calibrate(site, model, Budgets::of(budget), People::Auto, least) {
            Ok(report) => {
                zones.push(ZoneCuts::of(&report));
                reports.push(report);
            }
            Err(refusal @ Refusal::TooFew { .. }) => {
                notes.push(format!(
                    "the thresholds are not set on the people of {}: {refusal}",
                    site.name
                ));
                zones.push(ZoneCuts {
                    zone: site.name.clone(),
                    ..ZoneCuts::default()
                });
            }
            Err(refusal) => return Err(refusal),
        }
    }
    let thresholds = highest(&reports).unwrap_or(model.thresholds());
    Ok(Found {
        thresholds,
        cuts: Cuts {
            suspect: thresholds.suspect,
            reject: thresholds.reject,
            calibrated: !zones.is_empty() && zones.iter().all(ZoneCuts::is_calibrated),
            budget,
            zones,
        },
        notes,
    })
}

/// The highest of all zones; nothing without any.
fn highest(reports: &[Report]) -> Option<Thresholds> {
    let most = |of: fn(&Report) -> f32| reports.iter().map(of).reduce(f32::max);
    let rate = |of: fn(&Report) -> (f64, f64)| {
        let (above, judged) = reports
            .iter()
            .map(of)
            .fold((0.0, 0.0), |sum, zone| (sum.0 + zone.0, sum.1 + zone.1));
        (above / judged) as f32
    };
    Some(Thresholds {
        suspect: most(|report| report.suspect.threshold)?,
        reject: most(|report| report.reject.threshold)?,
        suspect_fpr: rate(|report| (report.suspect.people.above, report.suspect.people.judged)),
        reject_fpr: rate(|report| (report.reject.people.above, report.reject.people.judged)),
    })
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::{COUNT, index};

    use super::*;
    use crate::dataset::{Client, Label, Row};
    use crate::scan::load_model;

    /// People of one zone, one after the other, of whom every so many-th looks like a crawler.
    fn zone(name: &str, people: u32, odd: u32) -> Site {
        let person = |number: u32| {
            let mut features = [0.0; COUNT];
            let mut set = |name: &str, value: f32| features[index(name).unwrap()] = value;
            if number % odd == 1 {
                set("missing_referer_share", 0.9);
                set("distinct_url_ratio", 0.9);
                set("long_tail_share", 0.8);
            } else {
                set("asset_share", 0.7);
                set("assets_per_page", 3.0);
                set("trail_referer_share", 0.6);
            }
            Client {
                label: Some(Label::Human),
                first: number,
                last: number,
                requests: 16,
                rows: vec![Row {
                    requests: 16,
                    at: number,
                    features,
                }],
                ..Client::named(&format!("10.{}.{}.1", number / 250, number % 250))
            }
        };
        Site {
            name: name.to_owned(),
            clients: (0..people).map(person).collect(),
            lines: 0,
            unparsable: 0,
        }
    }

    fn found(zones: &[Site]) -> Found {
        let mut config = Config::default();
        config.calibrate.budget = 0.05;
        set(zones, &load_model(None).unwrap(), &config).unwrap()
    }

    #[test]
    fn a_model_is_calibrated_when_every_zone_is() {
        #[track_caller]
        fn check(zones: &[Site], expected: bool, each: &[bool]) {
            let found = found(zones);
            let zones: Vec<bool> = found.cuts.zones.iter().map(ZoneCuts::is_calibrated).collect();
            assert_eq!((found.cuts.calibrated, &zones[..]), (expected, each));
            assert_eq!(found.notes.len(), each.iter().filter(|is| !**is).count());
        }
        let zone = |people| zone("zone", people, 400);
        check(&[zone(400)], true, &[true]);
        check(&[zone(400), zone(20)], false, &[true, false]);
        check(&[zone(20), zone(400)], false, &[false, true]);
        check(&[zone(400), zone(0)], true, &[true]);
        check(&[zone(20)], false, &[false]);
        check(&[zone(0)], false, &[]);
    }

    #[test]
    fn shares_are_of_the_people_of_all_zones() {
        let found = found(&[zone("odd", 400, 100), zone("even", 400, 1_000)]);
        let (odd, even) = (&found.cuts.zones[0], &found.cuts.zones[1]);
        assert!(odd.reject_rate > even.reject_rate, "{odd:?} {even:?}");
        let all =
            (odd.reject_rate * odd.people + even.reject_rate * even.people) / (odd.people + even.people);
        assert!(
            (f64::from(found.thresholds.reject_fpr) - all).abs() < 1e-6,
            "{:?}",
            found.thresholds
        );
        let highest = odd.reject.unwrap().max(even.reject.unwrap());
        assert_eq!(found.thresholds.reject, highest);
    }
}
