//! From sample files to sites: the samples of one zone are one site.
//!
//! A client that was ever flagged, or that something labelled, is in the file for sure. Of the others only a
//! share was drawn, the contrast; each of these stands for as many clients as were not drawn beside it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use sekisho_core::logline::Format;
use sekisho_core::sample::{Class, Kind, Sample, SampleError};
use serde::Serialize;

use super::client::{Client, Row};
use super::labels::Label;
use super::origin::{Origin, Told, resolve};
use super::site::{Site, SiteError};
use crate::figures::counted;
use crate::logs::Logs;

/// Clients that are kept; samples of further ones are left out and counted.
const MAX_CLIENTS: usize = 500_000;
/// Rows kept of one client: scores of eight thousand requests, more than tells anything new.
const MAX_ROWS: usize = 256;

/// Lines that gave no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Lines of another version or another schema than this build's.
    pub foreign: u64,
    /// The first of these, for people.
    pub first_foreign: Option<String>,
    /// Lines that are no samples: half written, or something else.
    pub broken: u64,
    /// Samples that were there before.
    pub doubles: u64,
    /// Samples beyond what is kept of one client, or of clients.
    pub left_out: u64,
}

impl Rest {
    /// What to tell people of lines that another program would understand; nothing where there are none.
    pub fn told(&self) -> Option<String> {
        let first = self.first_foreign.as_ref()?;
        let (samples, were) = (
            counted(self.foreign, "sample"),
            if self.foreign == 1 { "was" } else { "were" },
        );
        Some(format!("sekisho: {samples} {were} left out: {first}"))
    }
}

#[derive(Default)]
struct Zone {
    clients: HashMap<String, usize>,
    followed: Vec<Followed>,
    seen: HashSet<(String, u32)>,
    lines: u64,
}

struct Followed {
    client: Client,
    told: Vec<Told>,
    /// In the file whatever was drawn.
    certain: bool,
}

/// Samples on their way to be sites.
#[derive(Default)]
pub struct Gathering {
    zones: BTreeMap<String, Zone>,
    clients: usize,
    rest: Rest,
}

impl Gathering {
    /// Reads sample files, plain or gzip.
    ///
    /// # Errors
    /// A file that cannot be opened or that breaks off.
    pub fn read(&mut self, paths: &[PathBuf]) -> Result<(), SiteError> {
        let logs = Logs::open(paths, &Format::Auto)?;
        let Ok(troubles) = logs.for_each(&AtomicU64::new(0), |batch| -> Result<(), Infallible> {
            for index in 0..=(batch.last_line() - batch.first_line) as usize {
                self.push(batch.line(index));
            }
            Ok(())
        });
        match troubles.into_iter().next() {
            Some(trouble) => Err(SiteError::Broken {
                name: trouble.name,
                line: trouble.lines,
                reason: trouble.reason,
            }),
            None => Ok(()),
        }
    }

    /// Takes one line.
    pub fn push(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match Sample::parse(line) {
            Ok(sample) => self.take(&sample),
            Err(
                error @ (SampleError::Version(_) | SampleError::Schema { .. } | SampleError::Features(_)),
            ) => {
                self.rest.foreign += 1;
                self.rest.first_foreign.get_or_insert_with(|| error.to_string());
            }
            Err(_) => self.rest.broken += 1,
        }
    }

    fn take(&mut self, sample: &Sample) {
        let Some(features) = sample
            .features()
            .filter(|row| row.iter().all(|value| value.is_finite()))
        else {
            self.rest.broken += 1;
            return;
        };
        let zone = self.zones.entry(sample.zone.clone()).or_default();
        if !zone.seen.insert((sample.id.clone(), sample.at)) {
            self.rest.doubles += 1;
            return;
        }
        let index = match zone.clients.get(&sample.client) {
            Some(&index) => index,
            None if self.clients == MAX_CLIENTS => {
                self.rest.left_out += 1;
                return;
            }
            None => {
                self.clients += 1;
                zone.follow(sample)
            }
        };
        zone.lines += 1;
        let followed = &mut zone.followed[index];
        followed.certain |= sample.kind != Kind::Contrast;
        followed.told.extend(sample.label.map(|label| Told {
            class: label.label,
            origin: label.origin.into(),
            at: sample.at,
        }));
        let client = &mut followed.client;
        client.first = client.first.min(sample.at);
        client.last = client.last.max(sample.at);
        client.requests = client.requests.max(sample.requests);
        // Before the first score there is nothing that the module would have scored.
        if sample.score.is_none() {
            return;
        }
        if client.rows.len() == MAX_ROWS {
            self.rest.left_out += 1;
            return;
        }
        client.rows.push(Row {
            requests: sample.requests,
            at: sample.at,
            features,
        });
    }

    /// The sites, by the names of their zones, and what gave none.
    pub fn finish(self) -> (Vec<Site>, Rest) {
        let sites = self.zones.into_iter().map(|(name, zone)| Site {
            name,
            clients: zone
                .followed
                .into_iter()
                .map(|followed| followed.finish())
                .collect(),
            lines: zone.lines,
            unparsable: 0,
        });
        (sites.collect(), self.rest)
    }
}

impl Zone {
    fn follow(&mut self, sample: &Sample) -> usize {
        let index = self.followed.len();
        self.clients.insert(sample.client.clone(), index);
        self.followed.push(Followed {
            client: Client {
                first: sample.at,
                ..Client::named(&sample.client)
            },
            told: Vec::new(),
            certain: false,
        });
        index
    }
}

impl Followed {
    fn finish(self) -> Client {
        let mut client = self.client;
        client.rows.sort_by_key(|row| (row.requests, row.at));
        client.completed = self.told.iter().any(|told| told.origin == Origin::Conversion);
        if let Some(told) = resolve(&self.told) {
            client.origin = Some(told.origin);
            client.label = Some(match told.class {
                Class::Human => Label::Human,
                Class::Crawler => Label::Crawler(client.family()),
            });
        }
        client.drawn = !self.certain;
        client
    }
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::{COUNT, schema_hash};
    use sekisho_core::sample::{self, VERSION};

    use super::*;

    fn sample(client: &str, id: u64, requests: u32, kind: Kind) -> Sample {
        Sample {
            version: VERSION,
            kind,
            id: format!("{id:016x}"),
            at: 1_455_944_445 + requests,
            zone: "clients".into(),
            client: client.into(),
            requests,
            score: Some(0.5),
            challenger: None,
            label: None,
            verdict: "PASSED".into(),
            reasons: Vec::new(),
            schema: schema_hash().into(),
            features: vec![0.25; COUNT],
            model: "ab".repeat(32),
            method: "GET".into(),
            target: "/".into(),
        }
    }

    fn told(client: &str, id: u64, label: Class, origin: sample::Origin) -> Sample {
        Sample {
            label: Some(sample::Label { label, origin }),
            ..sample(client, id, 20, Kind::Label)
        }
    }

    fn gather(samples: &[Sample], contrast: Option<f64>) -> (Vec<Site>, Rest) {
        let mut gathering = Gathering::default();
        for sample in samples {
            gathering.push(&sample.to_line().unwrap());
        }
        let (mut sites, rest) = gathering.finish();
        if let Some(contrast) = contrast {
            sites.iter_mut().for_each(|site| site.weigh(contrast));
        }
        (sites, rest)
    }

    #[test]
    fn the_samples_of_a_zone_are_a_site() {
        let other = Sample {
            zone: "networks".into(),
            ..sample("192.0.2.0/24", 9, 100, Kind::Contrast)
        };
        let samples = [
            sample("192.0.2.1", 2, 24, Kind::Flagged),
            sample("192.0.2.1", 1, 12, Kind::Contrast),
            sample("192.0.2.1", 1, 12, Kind::Contrast),
            sample("192.0.2.2", 3, 12, Kind::Contrast),
            other,
        ];
        let (sites, rest) = gather(&samples, Some(0.01));
        assert_eq!((sites.len(), rest.doubles), (2, 1));
        let clients = &sites[0].clients;
        let requests: Vec<u32> = clients[0].rows.iter().map(|row| row.requests).collect();
        assert_eq!((requests, clients[0].requests), (vec![12, 24], 24));
        assert_eq!(&*clients[0].network, "192.0.2.0/24");
        assert_eq!(
            [clients[0].weight, clients[1].weight],
            [1.0, 100.0],
            "who was ever flagged is there anyway"
        );
        let (sites, _) = gather(&samples, None);
        assert_eq!(sites[0].clients[1].weight, 1.0, "an unknown share weighs nothing");
    }

    #[test]
    fn labels_follow_the_order_of_trust() {
        let samples = [
            told("192.0.2.1", 1, Class::Crawler, sample::Origin::Trap),
            told("192.0.2.1", 2, Class::Human, sample::Origin::Conversion),
            told("192.0.2.2", 3, Class::Human, sample::Origin::Conversion),
        ];
        let (sites, _) = gather(&samples, None);
        let [trapped, bought] = &sites[0].clients[..] else {
            panic!("two clients")
        };
        assert!(
            trapped.is_crawler() && trapped.origin == Some(Origin::Trap),
            "{trapped:?}"
        );
        assert!(
            bought.is_human() && bought.origin == Some(Origin::Conversion),
            "{bought:?}"
        );
    }

    #[test]
    fn what_is_no_sample_of_this_schema_is_counted_and_named() {
        let mut gathering = Gathering::default();
        gathering.push(b"");
        gathering.push(br#"{"version":2,"kind":"fla"#);
        gathering.push(br#"{"version":7}"#);
        let mut foreign = sample("192.0.2.1", 1, 12, Kind::Flagged);
        foreign.schema = "beef".into();
        gathering.push(&serde_json::to_vec(&foreign).unwrap());
        let (sites, rest) = gathering.finish();
        assert!(sites.is_empty());
        assert_eq!((rest.foreign, rest.broken), (2, 1));
        assert!(rest.first_foreign.unwrap().contains("version 7"));
    }

    #[test]
    fn one_client_does_not_fill_the_memory() {
        let samples: Vec<Sample> = (0..300)
            .map(|id| sample("192.0.2.1", id, 12 + id as u32, Kind::Flagged))
            .collect();
        let (sites, rest) = gather(&samples, None);
        assert_eq!((sites[0].clients[0].rows.len(), rest.left_out), (MAX_ROWS, 44));
    }
}
