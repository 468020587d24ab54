//! Clients that are flagged now and behave alike, as clusters of the report are.

use sekisho_core::feature::Features;

use super::ReportError;
use super::clusters::{Cluster, clusters, quantile};
use super::document::LEAST_BASELINE;
use super::gather::Seen;
use crate::scan::load_model;
use crate::store::{PeerRow, Standing};

/// A cluster with a client by which the others are found.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// What they share, how many they are, where they are.
    pub cluster: Cluster,
    /// Number of its busiest client.
    pub leader: i64,
}

/// Groups flagged clients, the busiest groups first; `people` are whom they are unlike.
///
/// # Errors
/// The built-in model cannot be loaded; it is needed where people are few.
pub fn swarms(flagged: &[Standing], people: &[PeerRow]) -> Result<Vec<Swarm>, ReportError> {
    let seen: Vec<Seen> = flagged.iter().map(Seen::standing).collect();
    let found = clusters(seen.iter(), [].iter(), &usual(people)?, false);
    let leader = |place: usize| {
        let members = seen
            .iter()
            .filter(|client| found.of.get(&client.id) == Some(&place));
        members
            .max_by_key(|client| (client.requests, client.id))
            .map(|client| client.id)
    };
    let leaders: Vec<Option<i64>> = (0..found.now.len()).map(leader).collect();
    let swarms = found.now.into_iter().zip(leaders);
    Ok(swarms
        .filter_map(|(cluster, leader)| {
            Some(Swarm {
                cluster,
                leader: leader?,
            })
        })
        .collect())
}

/// The medians of people; the built-in model's typical human when they are few.
fn usual(people: &[PeerRow]) -> Result<Features, ReportError> {
    let mut usual = Features::default();
    if people.len() < LEAST_BASELINE {
        let model = load_model(None)?;
        for (place, typical) in usual.iter_mut().zip(&model.card().baseline) {
            *place = *typical;
        }
        return Ok(usual);
    }
    for (place, median) in usual.iter_mut().enumerate() {
        let mut values: Vec<f32> = people.iter().map(|person| person.features[place]).collect();
        values.sort_by(f32::total_cmp);
        *median = quantile(&values, 0.5).unwrap_or_default();
    }
    Ok(usual)
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::{COUNT, index};

    use super::*;

    fn standing(id: i64, requests: u32, network: &str, share: f32) -> Standing {
        let mut features = [0.0; COUNT];
        for name in ["distinct_url_ratio", "missing_referer_share", "long_tail_share"] {
            features[index(name).expect("a feature")] = share;
        }
        Standing {
            id,
            zone: "clients".into(),
            name: format!("192.0.2.{id}"),
            network: network.into(),
            span: (1, 2),
            samples: 3,
            requests,
            score: Some(0.9),
            worst: "REJECTED".into(),
            class: None,
            conflict: false,
            features,
        }
    }

    #[test]
    fn who_behaves_alike_is_a_swarm_led_by_its_busiest() {
        let flagged = [
            standing(1, 100, "192.0.2.0/24", 1.0),
            standing(2, 900, "198.51.100.0/24", 1.0),
            standing(3, 50, "203.0.113.0/24", 0.0),
        ];
        let found = swarms(&flagged, &[]).unwrap();
        let told: Vec<(i64, u64, u64)> = found
            .iter()
            .map(|swarm| {
                (
                    swarm.leader,
                    swarm.cluster.load.clients,
                    swarm.cluster.load.requests,
                )
            })
            .collect();
        assert_eq!(told, [(2, 2, 1000), (3, 1, 50)]);
        assert!(swarms(&[], &[]).unwrap().is_empty());
    }
}
