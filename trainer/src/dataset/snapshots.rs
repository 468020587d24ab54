//! A client's features at several requests, as the module would have seen them.

use std::collections::HashMap;
use std::sync::atomic::AtomicU16;

use sekisho_core::checkpoint::{Arrival, Policy, arrive, depart, settle};
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::Entry;
use sekisho_core::record::Record;
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::Geometry;
use sekisho_core::url::Visit;

use super::client::{Client, Row};
use super::labels::{Signs, UserAgents};
use super::origin::Origin;
use super::rules::Rules;

/// Clients of one log that are followed; further ones are left out and counted.
pub const MAX_CLIENTS: usize = 2_000_000;
/// The popularity sketch of training is that of a zone for so many clients, the size that most sites use.
const ZONE_CLIENTS: usize = 100_000;

/// When a row is taken.
#[derive(Clone, Copy, Debug)]
pub enum When<'a> {
    /// At these request counts, ascending, and at the client's last request.
    At(&'a [u32]),
    /// Whenever the module would score the client, which cannot be judged before so many requests.
    Scored(u32),
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
    when: When<'a>,
    policy: Policy,
    state: PopularityState,
    cells: Vec<AtomicU16>,
    clients: HashMap<Box<[u8]>, usize>,
    followed: Vec<Followed>,
    left_out: u64,
}

impl<'a> Extractor<'a> {
    /// Follows clients and takes rows of them.
    pub fn new(agents: &'a mut UserAgents, when: When<'a>) -> Extractor<'a> {
        let mut cells = Vec::new();
        cells.resize_with(Geometry::for_clients(ZONE_CLIENTS).cells(), AtomicU16::default);
        let state = PopularityState::default();
        // No score reaches these thresholds, so nobody is banned: training sees what clients did of their own
        // accord.
        let mut policy = Policy::new(f32::MAX, f32::MAX);
        if let When::Scored(min_requests) = when {
            policy.min_requests = min_requests;
        }
        Extractor {
            agents,
            when,
            policy,
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
        let record = &mut followed.record;
        let arrival = arrive(record, entry.at, &visit, rating, &self.policy);
        let due = match (self.when, arrival) {
            (When::Scored(_), Arrival::Score) => {
                let features = record.features();
                settle(record, entry.at, 0.0, &self.policy);
                Some(features)
            }
            _ => None,
        };
        depart(record, entry.status, entry.bytes);
        let client = &mut followed.client;
        client.requests += 1;
        client.first = client.first.min(entry.at);
        client.last = client.last.max(entry.at);
        let requests = client.requests;
        followed.rules.note(entry, requests);
        let features = match self.when {
            When::At(counts) if counts.binary_search(&requests).is_ok() => Some(record.features()),
            When::At(_) => None,
            When::Scored(_) => due,
        };
        client.rows.extend(features.map(|features| Row {
            requests,
            at: entry.at,
            features,
        }));
    }

    /// All clients in the order of their first request, and how many lines were left out for
    /// [`MAX_CLIENTS`].
    pub fn finish(self) -> (Vec<Client>, u64) {
        let clients = self.followed.into_iter().map(|followed| {
            let mut client = followed.client;
            client.label = followed.signs.label();
            client.origin = client.label.map(|_| Origin::Declared);
            client.renders = followed.signs.renders();
            client.stopped_at = followed.rules.stopped_at();
            let at_last = client.rows.last().map(|row| row.requests) == Some(client.requests);
            if matches!(self.when, When::At(_)) && !at_last {
                client.rows.push(Row {
                    requests: client.requests,
                    at: client.last,
                    features: followed.record.features(),
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
            first: entry.at,
            ..Client::named(&name)
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
