//! From the rows of the store to a snapshot.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_core::feature::{COUNT, FEATURES, Features};
use sha2::{Digest, Sha256};

use super::ExplainError;
use super::background::Background;
use super::canonical::tidy;
use super::category::by_rule;
use super::evidence::Case;
use super::models::Models;
use super::similar::Ruler;
use super::snapshot::{
    Alike, Counterfactual, List, MAX_TEMPLATES, Paths, Policy, Snapshot, Subject, Template, VERSION, Window,
};
use super::template::template;
use super::timeline::{Counter, timeline};
use super::visitors::{Visitors, distance};
use crate::registry::shelf::hex;
use crate::store::{ClientRow, Names, Others, PeerRow, SourceRow, Store, StoreError, severity};
use crate::visible::masked;

/// Newest samples of a client that are looked at: those of some fifteen thousand requests.
const MAX_SAMPLES: u32 = 512;
/// Visitors that make the baseline: enough for a steady percentile.
const MAX_VISITORS: u32 = 2000;
/// Flagged clients of the same time that are compared with.
const MAX_PEERS: u32 = 2000;
/// Clients of a cluster whose samples are read.
const MAX_MEMBERS: usize = 50;
/// Seconds around a client's window in which others count as there at the same time.
const AROUND: u32 = 3600;
/// Distance up to which clients behave alike.
const ALIKE: f32 = 0.1;
/// Marks that a sample may carry instead of a feature.
const MARKS: [&str; 3] = ["trap", "operator", "false_bot_claim"];
/// Digits of a reference id.
const MAX_ID: usize = 16;
/// Characters of a zone's name.
const MAX_ZONE: usize = 64;

/// Whom is asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The client.
    pub client: ClientRow,
    /// Reference id of the sample that is meant and its second; without one, the newest that speaks most against the
    /// client.
    pub reference: Option<(String, u32)>,
    /// Together with those that behave alike.
    pub cluster: bool,
}

/// A snapshot and what is kept with it.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Digests and contents of its long lists.
    pub lists: Vec<(String, String)>,
    /// Clients that it stands on, the one that was asked about first.
    pub clients: Vec<i64>,
    /// What it was compared with.
    pub visitors: Visitors,
    /// What differences between its site's clients are measured by.
    pub ruler: Ruler,
    /// What else is known; nothing before somebody looks.
    pub background: Background,
}

/// Makes the snapshot of a client, or of its cluster. The same rows give the same document.
///
/// # Errors
/// The store or the model cannot be used, or nothing was scored yet.
pub fn gather(
    store: &Store,
    names: &Names,
    models: &Models,
    asked: &Asked,
) -> Result<Gathered, ExplainError> {
    gather_among(store, names, models, asked, &people(store, &asked.client.zone)?)
}

/// The zone's visitors that clients are compared with, the last seen first; one that is asked about is left out later.
///
/// # Errors
/// The store refuses.
pub fn people(store: &Store, zone: &str) -> Result<Vec<PeerRow>, StoreError> {
    store.others(zone, 0, Others::People, MAX_VISITORS + 1)
}

/// The same among these visitors of the zone.
///
/// # Errors
/// As [`gather`].
pub fn gather_among(
    store: &Store,
    names: &Names,
    models: &Models,
    asked: &Asked,
    people: &[PeerRow],
) -> Result<Gathered, ExplainError> {
    let until = asked.reference.as_ref().map(|(_, at)| *at);
    let rows = store.source_rows(asked.client.id, until, MAX_SAMPLES)?;
    let wanted = asked.reference.as_ref().map(|(id, _)| id.as_str());
    let (row, features) =
        deciding(&rows, wanted).ok_or_else(|| ExplainError::NotScored(masked(&asked.client.name)))?;
    let window = Window {
        from: rows.iter().map(|row| row.at).min().unwrap_or(row.at),
        to: rows.iter().map(|row| row.at).max().unwrap_or(row.at),
    };
    let model = models.find(&row.model)?;
    let zone = &asked.client.zone;
    let others = people.iter().filter(|person| person.client != asked.client.id);
    let others: Vec<&PeerRow> = others.take(MAX_VISITORS as usize).collect();
    let visitors = Visitors::of(&others, &model);
    let around = Others::Flagged(
        window.from.saturating_sub(AROUND),
        window.to.saturating_add(AROUND),
    );
    let mut peers = store.others(zone, asked.client.id, around, MAX_PEERS)?;
    let known = others.iter().copied().chain(&peers);
    let known: Vec<&Features> = known.map(|other| &other.features).collect();
    let ruler = Ruler::of(&known);
    peers.retain(|peer| distance(&peer.features, &features) <= ALIKE);
    let mut members = vec![(asked.client.id, rows.clone())];
    if asked.cluster {
        for peer in peers.iter().take(MAX_MEMBERS) {
            members.push((peer.client, store.source_rows(peer.client, None, MAX_SAMPLES)?));
        }
    }
    let facts = Facts {
        asked,
        row,
        window,
        visitors: &visitors,
        peers: &peers,
        members: &members,
        names: &store.snapshot_names(names)?,
    };
    let mut gathered = facts.frame(&features, model.thresholds().suspect, model.thresholds().reject);
    gathered.ruler = ruler;
    let features = facts.features(features);
    let snapshot = &mut gathered.snapshot;
    if asked.cluster {
        snapshot.score = tidy(f64::from(model.score(&features)));
    }
    model.digest().clone_into(&mut snapshot.policy.model);
    snapshot.policy.exact = model.digest() == row.model;
    snapshot.features = by_name(&features);
    let case = Case {
        model: &model,
        suspect: model.thresholds().suspect,
        features: &features,
        visitors: &visitors,
    };
    let category = by_rule(snapshot);
    snapshot.evidence = case.evidence(&category.features(), &facts.source());
    snapshot.counterfactual = case.counterfactual(&snapshot.evidence);
    Ok(gathered)
}

/// The sample that explains most: the one that is meant, else the newest of those whose verdict is worst.
fn deciding<'a>(rows: &'a [SourceRow], wanted: Option<&str>) -> Option<(&'a SourceRow, Features)> {
    let scored = || {
        rows.iter()
            .filter(|row| row.score.is_some())
            .filter_map(|row| Some((row, row.features?)))
    };
    let meant = scored().find(|(row, _)| Some(row.id.as_str()) == wanted);
    meant.or_else(|| scored().max_by_key(|(row, _)| severity(&row.verdict)))
}

/// What was read, on the way to a snapshot.
struct Facts<'a> {
    asked: &'a Asked,
    row: &'a SourceRow,
    window: Window,
    visitors: &'a Visitors,
    peers: &'a [PeerRow],
    members: &'a [(i64, Vec<SourceRow>)],
    names: &'a Names,
}

impl Facts<'_> {
    /// The client's features; those of a cluster are the medians of its members'.
    fn features(&self, client: Features) -> Features {
        if !self.asked.cluster {
            return client;
        }
        let mut all: Vec<&Features> = self.peers.iter().map(|peer| &peer.features).collect();
        all.push(&client);
        let mut middle = [0.0; COUNT];
        for (feature, place) in middle.iter_mut().enumerate() {
            let mut values: Vec<f32> = all.iter().map(|features| features[feature]).collect();
            values.sort_by(f32::total_cmp);
            *place = values[values.len() / 2];
        }
        middle
    }

    /// The snapshot without what the model says.
    fn frame(&self, features: &Features, suspect: f32, reject: f32) -> Gathered {
        let rows = || self.members.iter().flat_map(|(_, rows)| rows);
        let mut lists = Vec::new();
        let mut list = |entries: &[String]| {
            let (list, whole) = List::new(entries);
            lists.push((list.digest.clone(), whole));
            list
        };
        let id = |row: &SourceRow| {
            row.id
                .chars()
                .filter(char::is_ascii_hexdigit)
                .take(MAX_ID)
                .collect()
        };
        let mut ids: Vec<(u32, String)> = rows().map(|row| (row.at, id(row))).collect();
        ids.sort_by(|a, b| b.cmp(a));
        let samples = list(&ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
        let (top, all) = templates(rows());
        let paths = Paths {
            samples: rows().count() as u64,
            top,
            all: list(&all),
        };
        let alike = self.alike(&mut list);
        let client = &self.asked.client;
        let label = client.class.zip(client.origin);
        let requests = |rows: &[SourceRow]| u64::from(rows.last().map_or(0, |row| row.requests));
        let snapshot = Snapshot {
            version: VERSION,
            zone: masked(&client.zone).chars().take(MAX_ZONE).collect(),
            subject: Subject {
                kind: if self.asked.cluster { "cluster" } else { "client" }.to_owned(),
                client: self.names.client(&client.name),
                members: self.members.len() as u64,
            },
            policy: Policy {
                suspect: tidy(f64::from(suspect)),
                reject: tidy(f64::from(reject)),
                model: String::new(),
                exact: true,
            },
            window: self.window(),
            requests: self.members.iter().map(|(_, rows)| requests(rows)).sum(),
            score: tidy(self.row.score.unwrap_or_default()),
            verdict: verdict(&self.row.verdict).to_owned(),
            marks: self.marks(),
            label: label.map(|(class, origin)| (class.as_str().to_owned(), origin.as_str().to_owned())),
            features: by_name(features),
            site: self.visitors.site(),
            evidence: Vec::new(),
            counterfactual: Counterfactual::Nothing,
            alike,
            timeline: timeline(self.window(), &self.counters()),
            paths,
            samples,
            flagged: rows()
                .filter(|row| severity(&row.verdict) >= severity("SUSPECT"))
                .count() as u64,
        };
        let clients = self.clients();
        Gathered {
            snapshot,
            lists,
            clients,
            visitors: self.visitors.clone(),
            ruler: Ruler::default(),
            background: Background::default(),
        }
    }

    /// What was found besides a score.
    fn marks(&self) -> Vec<String> {
        let rows = self.members.iter().flat_map(|(_, rows)| rows);
        let marks: BTreeSet<&str> = rows
            .flat_map(|row| &row.reasons)
            .filter_map(|reason| MARKS.into_iter().find(|mark| mark == reason))
            .chain((self.row.verdict == "TRAPPED").then_some("trap"))
            .collect();
        marks.into_iter().map(str::to_owned).collect()
    }

    /// Whom the snapshot stands on or counts.
    fn clients(&self) -> Vec<i64> {
        let mut clients: Vec<i64> = self.members.iter().map(|(client, _)| *client).collect();
        clients.extend(self.peers.iter().map(|peer| peer.client));
        let mut seen = BTreeSet::new();
        clients.retain(|client| seen.insert(*client));
        clients
    }

    fn alike(&self, list: &mut impl FnMut(&[String]) -> List) -> Alike {
        let mut clients: Vec<String> = self
            .peers
            .iter()
            .map(|peer| self.names.client(&peer.name))
            .collect();
        clients.sort_unstable();
        let networks: BTreeSet<&str> = self.peers.iter().map(|peer| peer.network.as_str()).collect();
        Alike {
            networks: networks.len() as u64,
            requests: self.peers.iter().map(|peer| u64::from(peer.requests)).sum(),
            clients: list(&clients),
            source: source(self.peers.iter().map(|peer| peer.digest.as_slice())),
        }
    }

    fn window(&self) -> Window {
        let times = || self.members.iter().flat_map(|(_, rows)| rows).map(|row| row.at);
        Window {
            from: times().min().unwrap_or(self.window.from),
            to: times().max().unwrap_or(self.window.to),
        }
    }

    fn counters(&self) -> Vec<Counter> {
        let counter = |rows: &[SourceRow]| rows.iter().map(|row| (row.at, row.requests)).collect();
        self.members.iter().map(|(_, rows)| counter(rows)).collect()
    }

    fn source(&self) -> String {
        if !self.asked.cluster {
            return source([self.row.digest.as_slice()].into_iter());
        }
        let own = self.row.digest.as_slice();
        source(std::iter::once(own).chain(self.peers.iter().map(|peer| peer.digest.as_slice())))
    }
}

/// A verdict that this program knows; another text in its place would be somebody else's words.
fn verdict(text: &str) -> &'static str {
    let known = [
        "ALLOWED",
        "PASSED",
        "SUSPECT",
        "REJECTED_DRY_RUN",
        "REJECTED",
        "TRAPPED",
    ];
    known.into_iter().find(|word| *word == text).unwrap_or("UNKNOWN")
}

fn by_name(features: &Features) -> BTreeMap<String, f64> {
    FEATURES
        .iter()
        .zip(features)
        .map(|(feature, &value)| (feature.name.to_owned(), tidy(f64::from(value))))
        .collect()
}

/// SHA-256 over digests of rows, whatever their order.
fn source<'a>(digests: impl Iterator<Item = &'a [u8]>) -> String {
    let sorted: BTreeSet<&[u8]> = digests.collect();
    let mut hash = Sha256::new();
    for digest in sorted {
        hash.update(digest);
    }
    hex(&hash.finalize())
}

/// The most frequent templates, and all with their counts.
fn templates<'a>(rows: impl Iterator<Item = &'a SourceRow>) -> (Vec<Template>, Vec<String>) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        *counts.entry(template(&row.target)).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let all = counts
        .iter()
        .map(|(template, count)| format!("{count} {template}"))
        .collect();
    let top = counts
        .into_iter()
        .take(MAX_TEMPLATES)
        .zip(1..)
        .map(|((template, count), number): (_, u32)| Template {
            id: format!("p{number}"),
            template,
            count,
        })
        .collect();
    (top, all)
}
