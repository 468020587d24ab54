//! Clients that behave alike, this time and the time before.
//!
//! Leader clustering (Hartigan, "Clustering Algorithms", 1975, chapter 3): clients come in the order of their load;
//! each joins the nearest leader that it is alike to, or leads a cluster of its own. One pass, no drawing of lots, and
//! what makes a member is one distance that anybody can compute again.

use std::collections::BTreeMap;

use sekisho_core::feature::{FEATURES, Features};
use sekisho_core::model::Contribution;
use serde::Serialize;

use super::gather::Seen;
use super::likeness::{alike, is_conduct, step};
use crate::scan::phrases;

/// Clusters at most; a client that is like none of them then is in none.
pub const MAX_CLUSTERS: usize = 64;
/// Common features that are told.
const TOLD: usize = 5;
/// Phrases in a cluster's title.
const IN_TITLE: usize = 2;
/// Networks and names that are told.
const NAMED: usize = 5;
/// A feature is common when the middle eight tenths of the cluster are within so many steps.
const COMMON_SPREAD: f64 = 2.0;
/// A feature is told from this distance from the baseline on, in steps.
const TOLD_FROM: f64 = 0.5;
/// A cluster grew, or shrank, by this factor of its load.
const GREW: f64 = 2.0;
/// And by so many requests at least: below, a factor means nothing.
const GREW_BY: u64 = 50;

/// What became of a cluster since the time before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// Nobody was like it before.
    New,
    /// At least twice the load.
    Grown,
    /// About the same.
    Steady,
    /// At most half of it.
    Shrunk,
    /// Nobody is like it any more.
    Gone,
}

impl Trend {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Trend::New => "new",
            Trend::Grown => "grown",
            Trend::Steady => "steady",
            Trend::Shrunk => "shrunk",
            Trend::Gone => "gone",
        }
    }
}

/// How many clients with how many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Clients.
    pub clients: u64,
    /// Their requests, at least.
    pub requests: u64,
}

impl Load {
    fn add(&mut self, client: &Seen) {
        self.clients += 1;
        self.requests += client.requests;
    }
}

/// A feature that the members of a cluster share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Common {
    /// Its name.
    pub feature: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The members' median.
    pub median: f64,
    /// Between these are eight of ten.
    pub middle: (f64, f64),
    /// What is usual on the site.
    pub baseline: f64,
    /// The same in words.
    pub says: String,
}

/// Where members are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The network.
    pub network: String,
    /// Members in it.
    #[serde(flatten)]
    pub load: Load,
}

/// Clients that behave alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// `c1` has most requests; `g1` leads those that are gone.
    pub id: String,
    /// What sets it apart, in words.
    pub says: String,
    /// Its clients.
    #[serde(flatten)]
    pub load: Load,
    /// Those of the time before.
    pub before: Load,
    /// What became of it; absent when there are no samples of the time before.
    pub trend: Option<Trend>,
    /// First and last sample, unix seconds.
    pub span: (u32, u32),
    /// Clients by their worst verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// What its members share: first what its title says, then the most unusual.
    pub common: Vec<Common>,
    /// Where most of its members are.
    pub networks: Vec<Place>,
    /// Its busiest members.
    pub names: Vec<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Clusters {
    /// Of this time, the busiest first.
    pub now: Vec<Cluster>,
    /// Of the time before, of which nothing came again.
    pub gone: Vec<Cluster>,
    /// Number of a client's cluster.
    pub of: BTreeMap<i64, usize>,
}

struct Group<'a> {
    members: Vec<&'a Seen>,
    before: Load,
}

/// Groups the flagged clients of a time; `compared` is false when there is no time before to compare with.
pub fn clusters<'a>(
    now: impl Iterator<Item = &'a Seen>,
    before: impl Iterator<Item = &'a Seen>,
    baseline: &Features,
    compared: bool,
) -> Clusters {
    let mut groups = group(now);
    let mut strangers = Vec::new();
    for client in before {
        match nearest(&groups, client) {
            Some(place) => groups[place].before.add(client),
            None => strangers.push(client),
        }
    }
    // In the order in which they lead, which is that of their busiest member.
    groups.sort_by_key(|group| std::cmp::Reverse(load(&group.members).requests));
    let gone = group(strangers.into_iter());
    let mut found = Clusters::default();
    for (place, group) in groups.iter().enumerate() {
        let trend = compared.then(|| trend(load(&group.members), group.before));
        found
            .of
            .extend(group.members.iter().map(|client| (client.id, place)));
        let id = format!("c{}", place + 1);
        found
            .now
            .push(describe(id, &group.members, group.before, trend, baseline));
    }
    for (place, group) in gone.iter().enumerate() {
        let (id, before) = (format!("g{}", place + 1), load(&group.members));
        let mut cluster = describe(id, &group.members, before, Some(Trend::Gone), baseline);
        cluster.load = Load::default();
        found.gone.push(cluster);
    }
    entitle(&mut found.now);
    entitle(&mut found.gone);
    found
}

/// Says of each cluster what sets it apart: from visitors, and rather from the other clusters than with them.
fn entitle(clusters: &mut [Cluster]) {
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for common in clusters.iter().flat_map(|cluster| &cluster.common) {
        *shared.entry(common.says.clone()).or_default() += 1;
    }
    for cluster in clusters {
        // Stable: what as many clusters share stays in the order of how unusual it is.
        let mut title = cluster.common.clone();
        title.sort_by_key(|common| shared.get(&common.says).copied());
        title.truncate(IN_TITLE);
        let says: Vec<&str> = title.iter().map(|common| common.says.as_str()).collect();
        cluster.says = if says.is_empty() {
            "nothing in common that is unusual here".to_owned()
        } else {
            says.join(", ")
        };
        cluster.common.retain(|common| !title.contains(common));
        cluster.common.splice(0..0, title);
        cluster.common.truncate(TOLD);
    }
}

fn group<'a>(clients: impl Iterator<Item = &'a Seen>) -> Vec<Group<'a>> {
    let mut clients: Vec<&Seen> = clients.filter(|client| client.features.is_some()).collect();
    clients.sort_by_key(|client| (std::cmp::Reverse(client.requests), client.id));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for client in clients {
        match nearest(&groups, client) {
            Some(place) => groups[place].members.push(client),
            None if groups.len() < MAX_CLUSTERS => groups.push(Group {
                members: vec![client],
                before: Load::default(),
            }),
            None => {}
        }
    }
    groups
}

/// The nearest leader that a client is alike to.
fn nearest(groups: &[Group<'_>], client: &Seen) -> Option<usize> {
    let distances = groups.iter().enumerate().filter_map(|(place, group)| {
        let leader = group.members.first()?;
        Some((place, alike(leader, client)?))
    });
    distances
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(place, _)| place)
}

fn load(members: &[&Seen]) -> Load {
    let mut load = Load::default();
    members.iter().for_each(|client| load.add(client));
    load
}

fn trend(now: Load, before: Load) -> Trend {
    let (after, earlier) = (now.requests as f64, before.requests as f64);
    let moved = now.requests.abs_diff(before.requests) >= GREW_BY;
    match before.clients {
        0 => Trend::New,
        _ if moved && after >= GREW * earlier => Trend::Grown,
        _ if moved && earlier >= GREW * after => Trend::Shrunk,
        _ => Trend::Steady,
    }
}

fn describe(
    id: String,
    members: &[&Seen],
    before: Load,
    trend: Option<Trend>,
    baseline: &Features,
) -> Cluster {
    let common = common(members, baseline);
    let mut verdicts = BTreeMap::new();
    for client in members {
        *verdicts.entry(client.verdict()).or_insert(0) += 1;
    }
    Cluster {
        id,
        says: String::new(),
        load: load(members),
        before,
        trend,
        span: (
            members.iter().map(|client| client.span.0).min().unwrap_or(0),
            members.iter().map(|client| client.span.1).max().unwrap_or(0),
        ),
        verdicts,
        common,
        networks: networks(members),
        names: members
            .iter()
            .take(NAMED)
            .map(|client| client.name.clone())
            .collect(),
    }
}

/// The busiest networks of clients.
pub fn networks(members: &[&Seen]) -> Vec<Place> {
    let mut loads: BTreeMap<&str, Load> = BTreeMap::new();
    for client in members.iter().filter(|client| !client.network.is_empty()) {
        loads.entry(&client.network).or_default().add(client);
    }
    let mut places: Vec<Place> = loads
        .into_iter()
        .map(|(network, load)| Place {
            network: network.to_owned(),
            load,
        })
        .collect();
    places.sort_by(|one, other| {
        let key = |place: &Place| (place.load.requests, place.load.clients);
        key(other).cmp(&key(one)).then(one.network.cmp(&other.network))
    });
    places.truncate(NAMED);
    places
}

/// What members share and the site's visitors do not, one thing of each kind, the most unusual first.
fn common(members: &[&Seen], baseline: &Features) -> Vec<Common> {
    let mut found: Vec<(f64, Contribution, (f64, f64))> = Vec::new();
    for place in (0..FEATURES.len()).filter(|place| is_conduct(*place)) {
        let mut values: Vec<f32> = members
            .iter()
            .filter_map(|client| client.features.map(|features| features[place]))
            .collect();
        values.sort_by(f32::total_cmp);
        let Some(median) = quantile(&values, 0.5) else {
            continue;
        };
        let middle = quantile(&values, 0.1).zip(quantile(&values, 0.9));
        let (low, high) = middle.unwrap_or((median, median));
        let step = step(FEATURES[place].unit);
        let apart = f64::from(median - baseline[place]).abs() / step;
        if apart >= TOLD_FROM && f64::from(high - low) / step <= COMMON_SPREAD {
            let told = Contribution {
                feature: place,
                value: median,
                baseline: baseline[place],
                contribution: apart as f32,
            };
            found.push((apart, told, (rounded(low), rounded(high))));
        }
    }
    found.sort_by(|one, other| {
        other
            .0
            .total_cmp(&one.0)
            .then(one.1.feature.cmp(&other.1.feature))
    });
    found
        .into_iter()
        .filter_map(|(_, told, middle)| {
            let says = phrases(std::slice::from_ref(&told), 1).pop()?;
            Some(Common {
                feature: FEATURES[told.feature].name,
                unit: FEATURES[told.feature].unit.as_str(),
                median: rounded(told.value),
                middle,
                baseline: rounded(told.baseline),
                says,
            })
        })
        .scan(Vec::new(), |told, common| {
            let new = !told.contains(&common.says);
            told.push(common.says.clone());
            Some(new.then_some(common))
        })
        .flatten()
        .collect()
}

/// A value of ascending ones: the one below which this share of them is.
pub fn quantile(sorted: &[f32], share: f64) -> Option<f32> {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied()
}

/// To three places, as people and programs read it.
pub fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::super::gather::tests::seen;
    use super::*;

    const CRAWL: [(&str, f32); 3] = [
        ("distinct_url_ratio", 1.0),
        ("missing_referer_share", 1.0),
        ("long_tail_share", 0.9),
    ];
    const PROBE: [(&str, f32); 4] = [
        ("client_error_share", 1.0),
        ("other_method_share", 0.8),
        ("query_share", 1.0),
        ("head_share", 0.9),
    ];

    #[test]
    fn who_behaves_alike_is_one_cluster_wherever_it_comes_from() {
        let now = [
            seen(1, 100, "192.0.2.0/24", &CRAWL),
            seen(2, 900, "198.51.100.0/24", &CRAWL),
            seen(3, 40, "203.0.113.0/24", &PROBE),
        ];
        let before = [seen(9, 30, "203.0.113.0/24", &PROBE)];
        let found = clusters(now.iter(), before.iter(), &[0.0; COUNT], true);
        let shapes: Vec<_> = found
            .now
            .iter()
            .map(|cluster| (cluster.id.as_str(), cluster.load.clients, cluster.trend))
            .collect();
        assert_eq!(
            shapes,
            [("c1", 2, Some(Trend::New)), ("c2", 1, Some(Trend::Steady))]
        );
        assert_eq!(found.now[0].networks[0].network, "198.51.100.0/24");
        assert_eq!(found.now[0].names, ["192.0.2.2", "192.0.2.1"]);
        assert_eq!(found.of[&3], 1);
        assert!(
            found.now[0].says.contains("of its URLs new"),
            "{}",
            found.now[0].says
        );
    }

    #[test]
    fn what_nobody_does_any_more_is_gone() {
        let before = [seen(9, 30, "203.0.113.0/24", &PROBE)];
        let found = clusters([].iter(), before.iter(), &[0.0; COUNT], true);
        assert!(found.now.is_empty());
        assert_eq!(found.gone[0].trend, Some(Trend::Gone));
        assert_eq!(
            (found.gone[0].load.clients, found.gone[0].before.requests),
            (0, 30)
        );
    }

    #[test]
    fn a_trend_needs_a_factor_and_a_number() {
        #[track_caller]
        fn check(now: u64, before: (u64, u64), expected: Trend) {
            let load = |clients, requests| Load { clients, requests };
            assert_eq!(trend(load(1, now), load(before.0, before.1)), expected);
        }
        check(10, (0, 0), Trend::New);
        check(100, (1, 50), Trend::Grown);
        check(40, (1, 10), Trend::Steady);
        check(50, (1, 100), Trend::Shrunk);
        check(140, (1, 100), Trend::Steady);
    }

    #[test]
    fn the_order_of_clients_changes_nothing() {
        let mut clients: Vec<Seen> = (1..60)
            .map(|number| {
                let share = (number * 37 % 60) as f32 / 60.0;
                let values = [("distinct_url_ratio", share), ("query_share", 1.0 - share)];
                seen(number, 10, "192.0.2.0/24", &values)
            })
            .collect();
        let one = clusters(clients.iter(), [].iter(), &[0.0; COUNT], false);
        clients.reverse();
        let other = clusters(clients.iter(), [].iter(), &[0.0; COUNT], false);
        assert_eq!(one.now, other.now);
    }
}
