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

/// One nginx that an order about a zone goes to.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is asked.
    pub nginx: Arc<Nginx>,
    /// What it told of the zone last; absent while it has told nothing, and may have it or not.
    pub zone: Option<ZoneNow>,
    /// Whether it answered when it was asked last.
    pub answers: bool,
    /// Its place in the configuration.
    pub place: usize,
}

/// What is done about bans of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneNow {
    /// Whether nothing is; absent of an older module.
    pub dry_run: Option<bool>,
    /// Whether the breaker keeps enforcement off.
    pub held: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Live {
    clients: Vec<(Arc<Nginx>, Duration)>,
    state: Mutex<Vec<LiveNginx>>,
    /// What each told last, though it may not answer now.
    last: Mutex<Vec<Option<Arc<Status>>>>,
    plain: Mutex<HashMap<i64, String>>,
    changed: watch::Sender<u64>,
    orders: Vec<Mutex<()>>,
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
            last: Mutex::new(vec![None; sections.len()]),
            orders: sections.iter().map(|_| Mutex::default()).collect(),
            clients: sections.iter().map(client).collect(),
            plain: Mutex::default(),
            changed: watch::Sender::new(0),
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

    /// Those that have a zone of this name by what they told last, and those that have told nothing yet.
    pub fn with_zone(&self, zone: &str) -> Vec<Target> {
        let answers: Vec<bool> = lock(&self.state).iter().map(|live| live.status.is_ok()).collect();
        let last = lock(&self.last).clone();
        let target = |place: usize| {
            let zone = match &last[place] {
                None => None,
                Some(status) => Some(ZoneNow::of(status, zone)?),
            };
            Some(Target {
                nginx: self.nginx(place),
                zone,
                answers: answers[place],
                place,
            })
        };
        (0..self.len()).filter_map(target).collect()
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

    /// Held while an order is given to one nginx and written down, and while what a look at it found is kept. That nginx
    /// obeyed and that the store knows are two steps: a look between them would take a ban for one that was put
    /// elsewhere, and one that was lifted for gone, so that an import would put it again. What is asked of one nginx
    /// keeps nobody waiting who looks at another.
    pub fn orders(&self, place: usize) -> MutexGuard<'_, ()> {
        lock(&self.orders[place])
    }

    pub(super) fn answered(&self, name: &str, at: u32, answers: Answers, plain: HashMap<i64, String>) {
        {
            let mut known = lock(&self.plain);
            if known.len() + plain.len() > MAX_PLAIN {
                known.clear();
            }
            known.extend(plain);
        }
        let status = Arc::new(answers.status);
        if let Some(place) = self.clients.iter().position(|(client, _)| client.name() == name) {
            lock(&self.last)[place] = Some(status.clone());
        }
        self.change(name, |live| {
            live.at = Some(at);
            live.status = Ok(status);
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

impl ZoneNow {
    /// Of the zone of this name, where there is one.
    pub fn of(status: &Status, name: &str) -> Option<ZoneNow> {
        let zone = status.zones.iter().find(|zone| zone.name == name)?;
        Some(ZoneNow {
            dry_run: zone.dry_run,
            held: zone.is_open(status.now),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
