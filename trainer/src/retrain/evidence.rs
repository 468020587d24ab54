//! What a run learns from and what it is compared on: an earlier and a later part of the store's samples.

use crate::calibrate::split;
use crate::config::RetrainSection;
use crate::dataset::Site;
use crate::store::{Store, StoreError};

const DAY: u32 = 86_400;
/// At most this part of the time is held out, where the samples span less than four times the days asked for.
const HELD_OUT_PART: u32 = 4;
/// Judged clients of each class that it takes in the later half of the later part: with fewer no figure means anything.
const LEAST_HELD_OUT: usize = 10;

/// The two parts.
pub struct Parts {
    /// From here on samples are held out, unix seconds.
    pub cut: u32,
    /// What came before, zone by zone.
    pub earlier: Vec<Site>,
    /// What came later.
    pub later: Vec<Site>,
}

impl Parts {
    /// Reads all samples before `until`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(store: &Store, retrain: &RetrainSection, until: u32) -> Result<Parts, StoreError> {
        let sites = sites(store, retrain, until, |site| site)?;
        let cut = cut(&sites, retrain.held_out_days);
        Ok(Parts {
            cut,
            earlier: sites.iter().map(|site| site.until(cut)).collect(),
            later: sites.iter().map(|site| site.since(cut)).collect(),
        })
    }

    /// What is missing before a model can be learnt and compared; nothing when there is enough.
    pub fn missing(&self, retrain: &RetrainSection) -> Vec<String> {
        let (crawlers, people) = labelled(&self.earlier);
        let least = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let (later_crawlers, later_people) = self.judged(retrain.min_requests);
        let needs = [
            ("to learn from", "people", people, least(retrain.least_people)),
            (
                "to learn from",
                "crawlers",
                crawlers,
                least(retrain.least_crawlers),
            ),
            ("to compare on", "people", later_people, LEAST_HELD_OUT),
            ("to compare on", "crawlers", later_crawlers, LEAST_HELD_OUT),
        ];
        let short = needs.into_iter().filter(|(_, _, have, need)| have < need);
        short
            .map(|(what_for, who, have, need)| {
                format!(
                    "{have} of {need} labelled {who} {what_for}, {} are missing",
                    need - have
                )
            })
            .collect()
    }

    /// Labelled crawlers and people that can be judged, in the half of the later part that models are compared on.
    fn judged(&self, min_requests: u32) -> (usize, usize) {
        let compared: Vec<Site> = self
            .later
            .iter()
            .map(|site| split(site, min_requests).1)
            .collect();
        let clients = compared.iter().flat_map(|site| &site.clients);
        let judged = clients.filter(|client| client.rows.iter().any(|row| row.requests >= min_requests));
        judged.fold((0, 0), |(crawlers, people), client| {
            (
                crawlers + usize::from(client.is_crawler()),
                people + usize::from(client.is_human()),
            )
        })
    }
}

/// A part of every zone, as it was before `until`; one zone at a time is read whole.
pub fn sites(
    store: &Store,
    retrain: &RetrainSection,
    until: u32,
    part: impl Fn(Site) -> Site,
) -> Result<Vec<Site>, StoreError> {
    let zones = store.zones()?;
    let read = zones
        .iter()
        .map(|zone| Ok(part(site(store, retrain, until, zone)?)));
    read.collect()
}

/// One zone as it was before `until`, drawn clients weighed back.
pub fn site(store: &Store, retrain: &RetrainSection, until: u32, zone: &str) -> Result<Site, StoreError> {
    let mut site = store.site(0..until, zone)?.until(until);
    site.weigh(retrain.contrast);
    Ok(site)
}

/// Labelled crawlers and people of all sites.
pub fn labelled(sites: &[Site]) -> (usize, usize) {
    sites
        .iter()
        .map(Site::labelled)
        .fold((0, 0), |sum, site| (sum.0 + site.0, sum.1 + site.1))
}

/// Where the later part begins.
fn cut(sites: &[Site], held_out_days: u32) -> u32 {
    let spans = sites.iter().filter_map(Site::span);
    let Some((first, last)) = spans.reduce(|all, site| (all.0.min(site.0), all.1.max(site.1))) else {
        return 0;
    };
    let end = last.saturating_add(1);
    let held_out = held_out_days
        .saturating_mul(DAY)
        .min((end - first) / HELD_OUT_PART);
    end - held_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Client;

    #[test]
    fn at_most_a_quarter_of_the_time_is_held_out() {
        #[track_caller]
        fn check(first: u32, last: u32, days: u32, expected: u32) {
            let client = Client {
                first,
                last,
                ..Client::named("192.0.2.1")
            };
            let site = Site {
                name: String::new(),
                clients: vec![client],
                lines: 0,
                unparsable: 0,
            };
            assert_eq!(cut(&[site], days), expected);
        }
        check(0, 100 * DAY - 1, 7, 93 * DAY);
        check(0, 8 * DAY - 1, 7, 6 * DAY);
        check(500, 500, 7, 501);
        assert_eq!(cut(&[], 7), 0);
    }
}
