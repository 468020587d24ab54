//! A client's features at several request counts, as the module would have seen them.

use std::collections::HashMap;
use std::sync::atomic::AtomicU16;

use sekisho_core::checkpoint::{Policy, arrive, depart};
use sekisho_core::feature::Features;
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::Entry;
use sekisho_core::record::Record;
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::Geometry;
use sekisho_core::url::Visit;

use super::labels::{Label, Signs, UserAgents};
use super::rules::Rules;

/// Clients of one log that are followed; further ones are left out and counted.
pub const MAX_CLIENTS: usize = 2_000_000;
/// The popularity sketch of training is that of a zone for so many clients, the size that most sites use.
const ZONE_CLIENTS: usize = 100_000;

/// Features of one client at one request count.
#[derive(Clone, Debug)]
pub struct Row {
    /// Requests so far.
    pub requests: u32,
    /// Its features then.
    pub features: Features,
}

/// One client with its rows.
#[derive(Clone, Debug)]
pub struct Client {
    /// Name as the log shows it.
    pub name: Box<str>,
    /// What is believed of it, if anything.
    pub label: Option<Label>,
    /// Whether it is a declared crawler that renders pages as a browser does; see [`Signs::renders`].
    pub renders: bool,
    /// Requests in the whole log.
    pub requests: u32,
    /// Request numbers at which today's rules would have stopped it, as in [`super::Rule::ALL`].
    pub stopped_at: [Option<u32>; 2],
    /// Rows at the asked counts, then one at its last request.
    pub rows: Vec<Row>,
}

struct Followed {
    record: Record,
    signs: Signs,
    rules: Rules,
    client: Client,
}

/// Follows every client of one site's log.
pub struct Extractor<'a> {
    agents: &'a mut UserAgents,
    counts: &'a [u32],
    state: PopularityState,
    cells: Vec<AtomicU16>,
    clients: HashMap<Box<[u8]>, usize>,
    followed: Vec<Followed>,
    left_out: u64,
}

impl<'a> Extractor<'a> {
    /// Follows clients and takes rows at `counts` requests, ascending.
    pub fn new(agents: &'a mut UserAgents, counts: &'a [u32]) -> Extractor<'a> {
        let mut cells = Vec::new();
        cells.resize_with(Geometry::for_clients(ZONE_CLIENTS).cells(), AtomicU16::default);
        let state = PopularityState::default();
        Extractor {
            agents,
            counts,
            state,
            cells,
            clients: HashMap::new(),
            followed: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes one log line, in the log's order.
    pub fn push(&mut self, entry: &Entry<'_>) {
        if !entry.well_formed {
            return;
        }
        let Some(index) = self.follow(entry) else { return };
        let followed = &mut self.followed[index];
        let agent = self.agents.class(&entry.user_agent);
        followed.signs.note(
            agent,
            key_hash(Seed::FIXED, &entry.user_agent),
            &entry.target,
            entry.referer.is_some(),
        );
        let visit = Visit::new(Seed::FIXED, entry.method, &entry.target, entry.referer.as_deref());
        let rating = Popularity::new(&self.state, &self.cells).visit(visit.url());
        // No score is ever settled, so nobody is banned: training sees what clients did of their own accord.
        arrive(
            &mut followed.record,
            entry.at,
            &visit,
            rating,
            &Policy::new(f32::MAX, f32::MAX),
        );
        depart(&mut followed.record, entry.status, entry.bytes);
        followed.client.requests += 1;
        let requests = followed.client.requests;
        followed.rules.note(entry, requests);
        if self.counts.binary_search(&requests).is_ok() {
            followed.client.rows.push(Row {
                requests,
                features: followed.record.features(),
            });
        }
    }

    /// All clients in the order of their first request, and how many lines were left out for
    /// [`MAX_CLIENTS`].
    pub fn finish(self) -> (Vec<Client>, u64) {
        let clients = self.followed.into_iter().map(|followed| {
            let mut client = followed.client;
            client.label = followed.signs.label();
            client.renders = followed.signs.renders();
            client.stopped_at = followed.rules.stopped_at();
            if client
                .rows
                .last()
                .is_none_or(|row| row.requests != client.requests)
            {
                let features = followed.record.features();
                client.rows.push(Row {
                    requests: client.requests,
                    features,
                });
            }
            client
        });
        (clients.collect(), self.left_out)
    }

    fn follow(&mut self, entry: &Entry<'_>) -> Option<usize> {
        if let Some(&index) = self.clients.get(entry.client) {
            return Some(index);
        }
        let index = self.followed.len();
        if index == MAX_CLIENTS {
            self.left_out += 1;
            return None;
        }
        let name = String::from_utf8_lossy(entry.client);
        let record = Record::fresh(key_hash(Seed::FIXED, client_key(&name).as_bytes()), entry.at);
        let client = Client {
            name: name.into(),
            label: None,
            renders: false,
            requests: 0,
            stopped_at: [None; 2],
            rows: Vec::new(),
        };
        self.clients.insert(entry.client.into(), index);
        self.followed.push(Followed {
            record,
            signs: Signs::default(),
            rules: Rules::default(),
            client,
        });
        Some(index)
    }
}
