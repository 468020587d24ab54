//! What the collector and the interface share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sekisho_llm::Chain;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::metrics::Requests;
use super::pages::{Dashboard, Known};
use crate::config::{Config, NotifySection, RunbooksSection, Secret, now};
use crate::decisions::bouncer::Keys;
use crate::explain::Models;
use crate::store::{Names, Retention, Store, StoreError};
use crate::watch::Live;

/// Questions to the store at a time: more would only wait for the disk together.
const READERS: usize = 4;
/// Orders to nginx at a time. Each waits as long as the slowest nginx it goes to; further ones wait for them, and nobody
/// who reads does.
const ORDERS: usize = 4;

/// How collecting goes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Health {
    /// What keeps it from going on, while something does.
    pub trouble: Option<String>,
    /// Unix seconds since when.
    pub since: Option<u32>,
    /// Bytes that wait in sample files, by source.
    pub waiting: Vec<(String, u64)>,
}

/// The collector's word.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Health>);

impl Shared {
    /// How it goes now.
    pub fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how it goes.
    pub fn set(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the interface works with.
pub struct Access {
    /// The store.
    pub path: PathBuf,
    /// How names are kept.
    pub names: Names,
    /// What the store is bounded by.
    pub retention: Retention,
    /// Names by which it may be asked, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// How collecting goes.
    pub shared: Arc<Shared>,
    /// Where the models are that scored.
    pub models: Models,
    /// Who is told what happens.
    pub targets: Vec<NotifySection>,
    /// When the daemon began, unix seconds.
    pub began: u32,
    /// What was asked of it.
    pub requests: Arc<Requests>,
    /// The operator's own pages.
    pub runbooks: RunbooksSection,
    /// The language models, where some are configured.
    pub chain: Option<Arc<Chain>>,
    /// All of the configuration.
    pub config: Config,
    /// What the pages work with.
    pub dashboard: Dashboard,
    /// How every watched nginx is doing.
    pub live: Arc<Live>,
    /// What pages know of the site for a while.
    pub known: Known,
    /// Who may follow bans.
    pub bouncers: Keys,
    token: Option<[u8; 32]>,
    idle: Mutex<Vec<Store>>,
    readers: Arc<Semaphore>,
    orders: Arc<Semaphore>,
}

impl Access {
    /// Over the store of a configuration.
    pub fn new(
        config: &Config,
        names: Names,
        token: Option<Secret>,
        shared: Arc<Shared>,
        chain: Option<Arc<Chain>>,
    ) -> Access {
        Access {
            targets: config.notify.clone(),
            began: now(),
            requests: Arc::default(),
            live: Arc::new(Live::new(&config.nginx)),
            bouncers: Keys::default(),
            chain,
            path: config.store.path.clone(),
            names,
            retention: config.retention(),
            hosts: config.api.hosts.clone(),
            shared,
            models: Models::new(config.models.clone(), None),
            config: config.clone(),
            dashboard: Dashboard::new(&config.dashboard),
            known: Known::default(),
            runbooks: config.runbooks.clone(),
            token: token.map(|token| Sha256::digest(token.bytes()).into()),
            idle: Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            orders: Arc::new(Semaphore::new(ORDERS)),
        }
    }

    /// Whether changes are possible at all.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token. Digests are compared, so that the time that it takes tells nothing.
    pub fn is_token(&self, given: &[u8]) -> bool {
        self.token == Some(Sha256::digest(given).into())
    }

    /// Asks the store, on a thread that may wait.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Access>,
        question: impl FnOnce(&Store, &Names) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.aside(&self.readers, question).await
    }

    /// The same for what also asks nginx, and may wait for it: it takes no reader's place.
    pub async fn order<T: Send + 'static>(
        self: &Arc<Access>,
        order: impl FnOnce(&Store, &Names) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.aside(&self.orders, order).await
    }

    async fn aside<T: Send + 'static>(
        self: &Arc<Access>,
        places: &Arc<Semaphore>,
        question: impl FnOnce(&Store, &Names) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = places.clone().acquire_owned().await;
        let access = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            // Goes with the question, not with who asked: one who hangs up leaves his question running.
            let _permit = permit;
            let store = access.take()?;
            let answer = question(&store, &access.names);
            access.give_back(store);
            answer
        });
        match asked.await {
            Ok(answer) => answer,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn take(&self) -> Result<Store, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Store::open_existing(&self.path), Ok)
    }

    fn give_back(&self, store: Store) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(store);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{RwLock, mpsc};
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn orders_keep_no_reader_waiting() {
        let dir = TempDir::new().unwrap();
        let mut config = Config::default();
        config.store.path = dir.path().join("s.db");
        Store::open(&config.store.path).unwrap();
        let access = Arc::new(Access::new(&config, Names::Plain, None, Arc::default(), None));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        // An nginx that does not answer until this opens.
        let gate = Arc::new(RwLock::new(()));
        let closed = gate.write().unwrap();
        let (sender, begun) = mpsc::channel();
        let orders: Vec<_> = (0..ORDERS * 2)
            .map(|_| {
                let (access, gate, sender) = (access.clone(), gate.clone(), sender.clone());
                runtime.spawn(async move {
                    let order = move |_: &Store, _: &Names| {
                        let _ = sender.send(());
                        drop(gate.read());
                        Ok(())
                    };
                    access.order(order).await
                })
            })
            .collect();
        for _ in 0..ORDERS {
            begun.recv().unwrap();
        }
        let asked = runtime.block_on(async {
            let question = access.ask(|store, _| store.last_event());
            tokio::time::timeout(Duration::from_secs(30), question).await
        });
        assert_eq!(asked.expect("no order keeps it waiting").unwrap(), 0);
        assert!(begun.try_recv().is_err(), "the others wait");
        drop(closed);
        for order in orders {
            runtime.block_on(order).unwrap().unwrap();
        }
    }
}
