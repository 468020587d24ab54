//! Collects: sample files into the store, and out of it what is too old.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::shared::Shared;
use super::steady::Steady;
use crate::config::{Config, now};
use crate::store::{Counts, Names, Retention, Store, StoreError};
use crate::tail::{Step, Tail, TailError};

/// How often files are looked at while none grows. The module writes once a second.
const POLL: Duration = Duration::from_millis(200);
/// How long to wait after something failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often what is too old is looked for, and what was stored is told.
const MINUTE: Duration = Duration::from_secs(60);

/// One thread's work.
pub struct Collector {
    store: Store,
    names: Names,
    tails: Vec<Tail>,
    tallies: Vec<Counts>,
    retention: Retention,
    shared: Arc<Shared>,
    steady: Steady,
    began: Instant,
    told: Instant,
}

impl Collector {
    /// Collects from the sources of a configuration.
    pub fn new(store: Store, names: Names, config: &Config, shared: Arc<Shared>) -> Collector {
        let tails: Vec<Tail> = config
            .samples
            .iter()
            .map(|source| Tail::new(source.name(), source.path.clone()))
            .collect();
        Collector {
            store,
            names,
            tallies: vec![Counts::default(); tails.len()],
            tails,
            retention: config.retention(),
            shared,
            steady: Steady::default(),
            began: Instant::now(),
            told: Instant::now(),
        }
    }

    /// Collects until it is stopped.
    pub fn run(mut self, stop: &watch::Receiver<bool>) {
        while !*stop.borrow() {
            let pause = match self.round() {
                Ok(true) => Duration::ZERO,
                Ok(false) => POLL,
                Err(_) => RETRY,
            };
            if self.told.elapsed() >= MINUTE {
                self.each_minute();
            }
            let until = Instant::now() + pause;
            while !*stop.borrow() && Instant::now() < until {
                thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
            }
        }
        self.tell();
    }

    /// Collects all there is, and ends.
    pub fn drain(&mut self) -> Result<(), TailError> {
        while self.round()? {}
        self.store.prune(self.retention, now())?;
        self.tell();
        Ok(())
    }

    /// One step of every source; true when there is more at once. A source that cannot be read does not keep the others
    /// from being read.
    fn round(&mut self) -> Result<bool, TailError> {
        let (mut more, mut trouble) = (false, None);
        for index in 0..self.tails.len() {
            match self.tails[index].step(&self.store, &self.names, now()) {
                Ok(step) => {
                    more |= step.more;
                    self.note(index, step);
                }
                Err(error) => trouble = Some(error),
            }
        }
        let waiting = self
            .tails
            .iter()
            .map(|tail| (tail.name().to_owned(), tail.waiting()));
        let waiting = waiting.collect();
        self.shared.set(|health| health.waiting = waiting);
        match trouble {
            None => {
                self.recovered();
                Ok(more)
            }
            Some(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    fn note(&mut self, index: usize, step: Step) {
        let (tally, counts) = (&mut self.tallies[index], step.counts);
        let name = self.tails[index].name();
        if let (Some(what), Some(path), None) = (&counts.first_broken, step.broken_in, &tally.first_broken) {
            tracing::warn!("{name}: a line of {} is no sample: {what}", path.display());
        }
        if let (Some(newest), None) = (&counts.newest, &tally.newest) {
            tracing::warn!("{name}: samples of {newest} are kept for a newer sekisho: install it");
        }
        tally.add(counts);
    }

    fn failed(&self, error: &TailError) {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            text = format!("{text} ({source})");
        }
        let known = self.shared.health().trouble.as_deref() == Some(text.as_str());
        // Who reads the log and then asks for the status must find it there.
        self.shared.set(|health| {
            health.since.get_or_insert_with(now);
            health.trouble = Some(text.clone());
        });
        if !known {
            tracing::error!("{text}");
        }
        // Room may be made by what is too much; that the disk is full is no reason to doubt the clock.
        if matches!(error, TailError::Store(StoreError::Full(_))) {
            let by_size = Retention {
                seconds: u32::MAX,
                ..self.retention
            };
            if let Err(error) = self.store.prune(by_size, now()) {
                tracing::debug!("nothing can be deleted either: {error}");
            }
        }
    }

    fn recovered(&self) {
        if self.shared.health().trouble.is_some() {
            self.shared.set(|health| {
                health.trouble = None;
                health.since = None;
            });
            tracing::info!("collecting again; nothing was lost");
        }
    }

    fn each_minute(&mut self) {
        self.tell();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let retention = if self.steady.agrees(wall, self.began.elapsed()) {
            self.retention
        } else {
            Retention {
                seconds: u32::MAX,
                ..self.retention
            }
        };
        match self.store.prune(retention, now()) {
            Ok(pruned) if pruned.samples > 0 => tracing::info!(
                "{} samples and {} clients were deleted: too old, or too much",
                pruned.samples,
                pruned.clients
            ),
            Ok(_) => {}
            Err(error) => tracing::error!("what is too old cannot be deleted: {error}"),
        }
    }

    /// Says what was stored since the last time.
    fn tell(&mut self) {
        self.told = Instant::now();
        for (tail, tally) in self.tails.iter().zip(&mut self.tallies) {
            let counts = std::mem::take(tally);
            // What was said once is not said again every minute.
            tally.first_broken.clone_from(&counts.first_broken);
            tally.newest.clone_from(&counts.newest);
            let name = tail.name();
            if counts.samples > 0 {
                tracing::info!("{name}: {} samples stored", counts.samples);
            }
            let odd = [
                (counts.duplicates, "lines were there already"),
                (counts.broken, "lines are no samples"),
                (
                    counts.newer,
                    "lines are of a version or schema that is not known here",
                ),
                (counts.dropped, "of these could not be kept"),
                (counts.clocks, "samples have a clock that cannot be right"),
            ];
            for (count, what) in odd.into_iter().filter(|(count, _)| *count > 0) {
                tracing::warn!("{name}: {count} {what}");
            }
        }
    }
}
