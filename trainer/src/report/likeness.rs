//! How alike two clients are in what they do, in steps that people can check.
//!
//! Every feature is divided by the step of its unit, so that shares, logarithms and bits weigh alike whoever else was
//! seen: a cluster means the same this week and last. The distance is the root of the mean square over the features.

use sekisho_core::feature::{FEATURES, Features, Unit};

use super::gather::Seen;

/// Clients are alike up to this distance.
pub const RADIUS: f64 = 0.6;
/// Clients of one network are alike up to this one: a network is a sign that they are one operator's.
pub const RADIUS_IN_NETWORK: f64 = 0.9;
/// One feature counts for so many steps at most, so that none decides alone.
const MOST_STEPS: f64 = 3.0;

/// What is one step of a unit: a quarter of a whole, a factor of four, a bit, two path segments.
pub fn step(unit: Unit) -> f64 {
    match unit {
        Unit::Share => 0.25,
        Unit::Number | Unit::Bits => 1.0,
        Unit::LogSeconds | Unit::LogBytes | Unit::LogCount | Unit::Segments => 2.0,
    }
}

/// Whether a feature tells what a client does; the number of requests tells for how long.
pub fn is_conduct(feature: usize) -> bool {
    FEATURES[feature].unit != Unit::LogCount
}

/// The distance in what two clients do.
pub fn distance(one: &Features, other: &Features) -> f64 {
    let places = (0..FEATURES.len()).filter(|place| is_conduct(*place));
    let squares = places.map(|place| {
        let apart = f64::from(one[place] - other[place]) / step(FEATURES[place].unit);
        apart.abs().min(MOST_STEPS).powi(2)
    });
    let (sum, count) = squares.fold((0.0, 0.0), |(sum, count), square| (sum + square, count + 1.0));
    (sum / f64::max(count, 1.0)).sqrt()
}

/// The distance between a client and one that leads a cluster; `None` when they are not alike, or one has no features.
pub fn alike(leader: &Seen, client: &Seen) -> Option<f64> {
    near(
        (leader.features.as_ref()?, &leader.network),
        (client.features.as_ref()?, &client.network),
    )
}

/// The same of features and networks.
pub fn near(leader: (&Features, &str), client: (&Features, &str)) -> Option<f64> {
    let apart = distance(leader.0, client.0);
    let neighbours = !client.1.is_empty() && client.1 == leader.1;
    let radius = if neighbours { RADIUS_IN_NETWORK } else { RADIUS };
    (apart <= radius).then_some(apart)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_core::feature::{COUNT, index};

    use super::super::gather::tests::seen;
    use super::*;

    #[test]
    fn a_network_brings_clients_nearer() {
        let far: Vec<(&str, f32)> = FEATURES
            .iter()
            .filter(|feature| feature.unit == Unit::Share)
            .take(8)
            .map(|feature| (feature.name, 0.35))
            .collect();
        let leader = seen(1, 10, "192.0.2.0/24", &[]);
        assert!(alike(&leader, &seen(2, 10, "192.0.2.0/24", &far)).is_some());
        assert!(alike(&leader, &seen(2, 10, "198.51.100.0/24", &far)).is_none());
        assert!(alike(&leader, &seen(2, 999, "198.51.100.0/24", &[])).is_some());
        let no_address = seen(1, 10, "", &[]);
        assert!(
            alike(&no_address, &seen(2, 10, "", &far)).is_none(),
            "no name is no network"
        );
    }

    #[test]
    fn how_long_a_client_stayed_is_no_conduct() {
        let mut longer = [0.0; COUNT];
        longer[index("requests").expect("a feature")] = 20.0;
        assert_eq!(distance(&[0.0; COUNT], &longer), 0.0);
    }

    proptest! {
        #[test]
        fn a_distance_is_one(one in prop::array::uniform29(0f32..8.0), other in prop::array::uniform29(0f32..8.0)) {
            prop_assert_eq!(distance(&one, &one), 0.0);
            prop_assert_eq!(distance(&one, &other), distance(&other, &one));
            prop_assert!(distance(&one, &other) <= MOST_STEPS);
        }
    }
}
