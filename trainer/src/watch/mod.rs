//! Watches running nginx: every few seconds their counters and bans go into the store, and how they are doing is at
//! hand for pages.

mod growth;
mod keep;
mod life;
mod live;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use keep::{Answers, keep};
pub use live::{Live, LiveNginx, Target, ZoneNow};

use crate::causes::with_causes;
use crate::config::now;
use crate::nginx::{Nginx, NginxError, Zone};
use crate::store::{Names, Store, StoreError};
use crate::turns::turns;

/// How often bans are asked for while no counter says that there are new ones: somebody may have lifted one elsewhere.
const QUIET: Duration = Duration::from_secs(30);
/// A worker answers nobody else while it looks for bans: it may spend one part in so many of its time on that.
const SHARE: u32 = 100;
/// Zones of one nginx that are watched.
const MAX_ZONES: usize = 64;

/// When the bans of a zone were asked for.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// When.
    at: Instant,
    /// How long it took.
    took: Duration,
    /// Requests by then whose verdict may have begun a ban.
    stopped: u64,
}

/// One thread's work.
pub struct Watch {
    nginx: Arc<Nginx>,
    place: usize,
    every: Duration,
    store: Store,
    names: Names,
    live: Arc<Live>,
    walks: BTreeMap<String, Walk>,
    trouble: Option<String>,
}

impl Watch {
    /// Watches the nginx of this number.
    ///
    /// # Errors
    /// The store's.
    pub fn new(live: Arc<Live>, place: usize, names: Names, store: &Path) -> Result<Watch, StoreError> {
        Ok(Watch {
            nginx: live.nginx(place),
            place,
            every: live.every(place),
            store: Store::open_existing(store)?,
            names,
            live,
            walks: BTreeMap::new(),
            trouble: None,
        })
    }

    /// Watches until it is stopped.
    pub fn run(mut self, stop: &watch::Receiver<bool>) {
        turns(stop, self.every, || self.look());
    }

    /// Asks once, and keeps the answers.
    fn look(&mut self) {
        let asked = now();
        let trouble = match self.ask(asked) {
            Ok(answers) => self.take(answers),
            Err(error) => {
                let text = with_causes(&error);
                self.live.failed(self.nginx.name(), now(), &text);
                Some(text)
            }
        };
        self.tell(trouble);
        if self.nginx.allow_file().is_some()
            && let Err(error) = self.nginx.expire_allowed(now())
        {
            tracing::debug!("{}", with_causes(&error));
        }
    }

    /// Keeps what was answered; why that failed, if it did.
    fn take(&self, answers: Answers) -> Option<String> {
        let name = self.nginx.name();
        // What an order from here writes meanwhile would look as if nginx had done it.
        let _orders = self.live.orders(self.place);
        let kept = keep(&self.store, &self.names, name, &answers, now());
        let trouble = kept.as_ref().err().map(|error| with_causes(error));
        self.live.answered(name, now(), answers, kept.unwrap_or_default());
        trouble.map(|text| format!("what it tells is not stored: {text}"))
    }

    /// Status, costs and, where it is time, bans.
    fn ask(&mut self, asked: u32) -> Result<Answers, NginxError> {
        let mut status = self.nginx.status()?;
        status.zones.truncate(MAX_ZONES);
        let mut decisions = BTreeMap::new();
        for zone in &status.zones {
            if !self.is_due(zone) {
                continue;
            }
            let at = Instant::now();
            let found = self.nginx.decisions(&zone.name)?;
            let walk = Walk {
                at,
                took: at.elapsed(),
                stopped: stopped(zone),
            };
            self.walks.insert(zone.name.clone(), walk);
            decisions.insert(zone.name.clone(), found);
        }
        if !decisions.is_empty() {
            // The request that began a ban is counted by now: that tells whether nginx acts on it.
            status = self.nginx.status()?;
            status.zones.truncate(MAX_ZONES);
        }
        self.walks
            .retain(|name, _| status.zones.iter().any(|zone| zone.name == *name));
        Ok(Answers {
            costs: self.nginx.costs()?,
            status,
            decisions,
            asked,
        })
    }

    fn is_due(&self, zone: &Zone) -> bool {
        self.walks.get(&zone.name).is_none_or(|walk| {
            let since = walk.at.elapsed();
            since >= walk.took * SHARE && (since >= QUIET || stopped(zone) != walk.stopped)
        })
    }

    fn tell(&mut self, trouble: Option<String>) {
        match (&self.trouble, &trouble) {
            (Some(before), Some(text)) if before == text => {}
            (_, Some(text)) => tracing::warn!("nginx \"{}\": {text}", self.nginx.name()),
            (Some(_), None) => tracing::info!("nginx \"{}\" is watched again", self.nginx.name()),
            (None, None) => {}
        }
        self.trouble = trouble;
    }
}

/// Requests whose verdict may have begun a ban.
fn stopped(zone: &Zone) -> u64 {
    ["rejected", "rejected_dry_run", "trapped"]
        .iter()
        .filter_map(|name| zone.counters.get(*name))
        .fold(0, |sum: u64, count| sum.saturating_add(*count))
}
