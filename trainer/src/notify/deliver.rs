//! Brings messages to their targets.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use reqwest::Client;
use tokio::runtime::Runtime;
use tokio::sync::watch::Receiver;

use super::backoff::{Attempt, Next, next};
use super::guards::GuardState;
use super::look::{LookError, look};
use super::message::{body, id};
use super::outbox::{Notice, Outbox};
use super::post::{Address, PATIENCE, TargetError, client, send};
use crate::causes::with_causes;
use crate::config::{Config, NotifySection, now};
use crate::store::{Store, StoreError};

/// How often it is looked for what is worth telling, in seconds: what guards do is at hand, and the rest is one row each.
const LOOK_EVERY: u32 = 2;
/// How soon it ends when it is asked to, and how often messages are looked for.
const NOD: Duration = Duration::from_millis(200);
/// Messages to a target in one round: then it is looked again who else waits.
const AT_ONCE: usize = 3;

/// Sends messages, and remembers of each target what went wrong last, so that the log has it once.
pub struct Courier {
    client: Client,
    runtime: Runtime,
    dashboard: Option<String>,
    told: BTreeMap<String, String>,
}

impl Courier {
    /// One that links to this dashboard, and waits for no target longer than `patience`.
    ///
    /// # Errors
    /// There is no HTTP client, or no runtime for it.
    pub fn new(dashboard: Option<String>, patience: Duration) -> Result<Courier, TargetError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Courier {
            client: client(patience)?,
            runtime: runtime.map_err(|error| TargetError::Client(error.to_string()))?,
            dashboard,
            told: BTreeMap::new(),
        })
    }

    /// Makes messages of what waits, and sends those whose time has come, at Unix second `now`.
    ///
    /// # Errors
    /// The store's.
    pub fn round(&mut self, store: &Store, targets: &[NotifySection], now: u32) -> Result<(), StoreError> {
        let outbox = Outbox(store);
        for target in targets {
            outbox.group(target, now)?;
            for _ in 0..AT_ONCE {
                let Some(notice) = outbox.due(&target.name, now)? else {
                    break;
                };
                let attempt = self.send(target, &notice, now);
                let then = next(attempt, notice.attempts + 1, notice.made, now);
                self.tell(&target.name, &then);
                outbox.ended(&target.name, notice.id, &then, now)?;
                if !matches!(then, Next::Sent) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One attempt. A secret that cannot be read may be readable later.
    pub fn send(&self, target: &NotifySection, notice: &Notice, now: u32) -> Attempt {
        match Address::of(target) {
            Ok(address) => {
                let (id, body) = (id(notice), body(target.kind, notice, self.dashboard.as_deref()));
                let sending = send(&self.client, &address, &id, &body, now.into());
                self.runtime.block_on(sending)
            }
            Err(error) => Attempt::Later(error.to_string(), None),
        }
    }

    fn tell(&mut self, target: &str, next: &Next) {
        match next {
            Next::Sent => {
                if self.told.remove(target).is_some() {
                    tracing::info!("notices to {target} are delivered again");
                }
            }
            Next::At(_, why) => {
                if self.told.insert(target.to_owned(), why.clone()).as_ref() != Some(why) {
                    tracing::warn!("a notice to {target} waits: {why}");
                }
            }
            Next::Failed(why) => tracing::error!("a notice to {target} was given up: {why}"),
        }
    }
}

/// Works until it is stopped; `guards` says how the guards of all watched nginx are. What is under way then is done
/// again by the next one.
pub fn work(config: &Config, guards: impl Fn() -> Vec<GuardState>, stop: &Receiver<bool>) {
    if config.notify.is_empty() {
        return;
    }
    let mut courier = match Courier::new(config.dashboard.url.clone(), PATIENCE) {
        Ok(courier) => courier,
        Err(error) => {
            tracing::error!("nobody is told anything: {}", with_causes(&error));
            return;
        }
    };
    let (mut last, mut trouble) = (None::<u32>, None);
    while !*stop.borrow() {
        let at = now();
        let looks = last.is_none_or(|last| at.abs_diff(last) >= LOOK_EVERY);
        if looks {
            last = Some(at);
        }
        let states = if looks { Some(guards()) } else { None };
        let said = rounds(&mut courier, config, states, at)
            .err()
            .map(|error| with_causes(&error));
        if let (true, Some(text)) = (said != trouble, &said) {
            tracing::error!("notices do not go on: {text}");
        }
        trouble = said;
        thread::sleep(NOD);
    }
}

fn rounds(
    courier: &mut Courier,
    config: &Config,
    states: Option<Vec<GuardState>>,
    at: u32,
) -> Result<(), LookError> {
    let store = open(&config.store.path)?;
    if let Some(states) = states {
        look(&store, &config.notify, &states, at)?;
    }
    Ok(courier.round(&store, &config.notify, at)?)
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open_existing(path)
}
