//! How every watched nginx is doing now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::Answers;
use crate::causes::with_causes;
use crate::config::NginxSection;
use crate::nginx::{Cost, Nginx, Status};

/// API's names that are remembered of clients whose bans are over, under pseudonyms: enough for a day of many bans.
const MAX_PLAIN: usize = 200_000;

/// One nginx, as it was when it was asked last.
#[derive(Clone, Debug, Serialize)]
pub struct LiveNginx {
    /// Its name in the configuration.
    pub name: String,
    /// When it was asked, unix seconds; absent before the first time.
    pub at: Option<u32>,
    /// What it said; why it said nothing.
    #[serde(serialize_with = "either")]
    pub status: Result<Arc<Status>, String>,
    /// Since when it has said nothing, unix seconds.
    pub failing_since: Option<u32>,
    /// What decisions cost, by zone.
    pub costs: Vec<Cost>,
    /// Whether clients can be allowed from here.
    pub can_allow: bool,
}

fn either<S: serde::Serializer>(
    status: &Result<Arc<Status>, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match status {
        Ok(status) => Some(status.as_ref()).serialize(serializer),
        Err(_) => serializer.serialize_none(),
    }
}

/// All of them.
#[derive(Debug)]
pub struct Live {
    clients: Vec<(Arc<Nginx>, Duration)>,
    state: Mutex<Vec<LiveNginx>>,
    plain: Mutex<HashMap<i64, String>>,
    changed: watch::Sender<u64>,
    orders: Mutex<()>,
}

impl Live {
    /// Those of a configuration; none was asked yet.
    pub fn new(sections: &[NginxSection]) -> Live {
        let state = sections.iter().map(|section| LiveNginx {
            name: section.name.clone(),
            at: None,
            status: Err("it was not asked yet".to_owned()),
            failing_since: None,
            costs: Vec::new(),
            can_allow: section.allow_file.is_some(),
        });
        let client = |section: &NginxSection| {
            let every = Duration::from_secs(section.poll_seconds.into());
            (Arc::new(Nginx::new(section)), every)
        };
        Live {
            state: Mutex::new(state.collect()),
            clients: sections.iter().map(client).collect(),
            plain: Mutex::default(),
            changed: watch::Sender::new(0),
            orders: Mutex::default(),
        }
    }

    /// How all are doing, in the order of the configuration.
    pub fn now(&self) -> Vec<LiveNginx> {
        lock(&self.state).clone()
    }

    /// Changes whenever one of them was asked.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many are watched.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Asks all of them how they are at unix second `now`; what those say who do not answer.
    pub fn refresh(&self, now: u32) -> Vec<String> {
        let mut silent = Vec::new();
        for client in self.all() {
            match client.status() {
                Ok(status) => {
                    let answers = Answers {
                        status,
                        ..Answers::default()
                    };
                    self.answered(client.name(), now, answers, HashMap::new());
                }
                Err(error) => {
                    let text = with_causes(&error);
                    self.failed(client.name(), now, &text);
                    silent.push(text);
                }
            }
        }
        silent
    }

    /// The client of one, by its place in the configuration.
    pub fn nginx(&self, place: usize) -> Arc<Nginx> {
        self.clients[place].0.clone()
    }

    pub(super) fn every(&self, place: usize) -> Duration {
        self.clients[place].1
    }

    /// Those that have a zone of this name, as far as they answered.
    pub fn with_zone(&self, zone: &str) -> Vec<Arc<Nginx>> {
        let has = |live: &LiveNginx| {
            live.status
                .as_ref()
                .is_ok_and(|status| status.zones.iter().any(|found| found.name == zone))
        };
        let state = lock(&self.state);
        let clients = self.clients.iter().zip(state.iter());
        clients
            .filter(|(_, live)| has(live))
            .map(|((client, _), _)| client.clone())
            .collect()
    }

    /// All clients.
    pub fn all(&self) -> Vec<Arc<Nginx>> {
        self.clients.iter().map(|(client, _)| client.clone()).collect()
    }

    /// Under pseudonyms, the API's name of the client that a decision is about, while it is known.
    pub fn plain_name(&self, decision: i64) -> Option<String> {
        lock(&self.plain).get(&decision).cloned()
    }

    /// Remembers it.
    pub fn remember(&self, decision: i64, client: &str) {
        lock(&self.plain).insert(decision, client.to_owned());
    }

    /// Held while an order is given and written down, so that no look comes between.
    pub fn orders(&self) -> MutexGuard<'_, ()> {
        lock(&self.orders)
    }

    pub(super) fn answered(&self, name: &str, at: u32, answers: Answers, plain: HashMap<i64, String>) {
        {
            let mut known = lock(&self.plain);
            if known.len() + plain.len() > MAX_PLAIN {
                known.clear();
            }
            known.extend(plain);
        }
        self.change(name, |live| {
            live.at = Some(at);
            live.status = Ok(Arc::new(answers.status));
            live.costs = answers.costs;
            live.failing_since = None;
        });
    }

    pub(super) fn failed(&self, name: &str, at: u32, text: &str) {
        self.change(name, |live| {
            live.at = Some(at);
            live.failing_since.get_or_insert(at);
            live.status = Err(text.to_owned());
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut LiveNginx)) {
        if let Some(live) = lock(&self.state).iter_mut().find(|live| live.name == name) {
            change(live);
        }
        self.changed.send_modify(|number| *number += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
