//! Collects: sample files into the store, and out of it what is too old.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::shared::Shared;
use super::steady::Steady;
use crate::causes::with_causes;
use crate::config::{Config, now};
use crate::figures::counted;
use crate::store::{Age, Counts, Names, Retention, Store, StoreError};
use crate::tail::{Step, Tail, TailError};

/// How often files are looked at while none grows. The module writes once a second.
const POLL: Duration = Duration::from_millis(200);
/// How long to wait after something failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often what is too old is looked for, and what was stored is told.
const MINUTE: Duration = Duration::from_secs(60);

const DAY: u32 = 86_400;
const HOUR: u32 = 3_600;

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

    /// Collects all there is at Unix second `now`, and ends. Nobody can watch the clock for so short a time, so what the
    /// store has seen is asked whether it is right.
    pub fn drain(&mut self, now: u32) -> Result<(), TailError> {
        let seen = self.store.clock()?;
        while self.round()? {}
        let (retention, at) = match self.store.age(now, seen)? {
            Age::Known(at) => (self.retention, at),
            Age::Ahead(seconds, at) => {
                tracing::warn!(
                    "this machine's clock is {} ahead of what the store has seen: samples are deleted as if a week had \
                     passed since; check the clock, each call deletes a week more",
                    counted(u64::from(seconds / DAY), "day")
                );
                (self.retention, at)
            }
            Age::Behind(seconds) => {
                tracing::warn!(
                    "this machine's clock is {} behind what the store has seen: nothing is deleted for its age",
                    counted(u64::from(seconds.div_ceil(HOUR)), "hour")
                );
                (self.by_size(), now)
            }
        };
        self.store.prune(retention, at)?;
        self.tell();
        Ok(())
    }

    /// Nothing is too old.
    fn by_size(&self) -> Retention {
        Retention {
            seconds: u32::MAX,
            ..self.retention
        }
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
        let text = with_causes(error);
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
        if matches!(error, TailError::Store(StoreError::Full(_)))
            && let Err(error) = self.store.prune(self.by_size(), now())
        {
            tracing::debug!("nothing can be deleted either: {}", with_causes(&error));
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
        let pruned = if self.steady.agrees(wall, self.began.elapsed()) {
            let pruned = self.store.prune(self.retention, now());
            pruned.and_then(|pruned| self.store.set_clock(now()).map(|()| pruned))
        } else {
            self.store.prune(self.by_size(), now())
        };
        match pruned {
            Ok(pruned) if pruned.samples > 0 => tracing::info!(
                "deleted, as too old or too much: {} and {}",
                counted(pruned.samples, "sample"),
                counted(pruned.clients, "client")
            ),
            Ok(_) => {}
            Err(error) => tracing::error!("what is too old cannot be deleted: {}", with_causes(&error)),
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
                tracing::info!("{name}: {} stored", counted(counts.samples, "sample"));
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

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use tempfile::TempDir;

    use super::*;

    const NOW: u32 = 1_800_000_000;

    /// A collector over a store with a sample of each of the last thirty days.
    fn collector(dir: &TempDir) -> Collector {
        let mut config = Config::default();
        config.store.path = dir.path().join("s.db");
        let store = Store::open(&config.store.path).unwrap();
        let connection = store.connection();
        connection
            .execute(
                "INSERT INTO client (id, zone, name, network, first, last, samples, requests)
                 VALUES (1, 'clients', '192.0.2.7', '192.0.2.0/24', 1, ?1, 30, 12)",
                [NOW],
            )
            .unwrap();
        for day in 0..30 {
            connection
                .execute(
                    "INSERT INTO sample (digest, client, id, at, aged, kind, requests, verdict, reasons, schema, features,
                         model, method, target)
                     VALUES (randomblob(16), 1, 'a', ?1, ?1, 'flagged', 12, 'PASSED', '[]', 'x', x'', '', 'GET', '/')",
                    params![NOW - day * DAY],
                )
                .unwrap();
        }
        Collector::new(store, Names::Plain, &config, Arc::new(Shared::default()))
    }

    /// Samples that are left after calls at these times.
    #[track_caller]
    fn check(calls: &[u32], expected: i64) {
        let dir = TempDir::new().unwrap();
        let mut collector = collector(&dir);
        for now in calls {
            collector.drain(*now).unwrap();
        }
        let count = "SELECT COUNT(*) FROM sample";
        let left: i64 = collector
            .store
            .connection()
            .query_row(count, [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, expected, "{calls:?}");
    }

    #[test]
    fn one_call_with_a_wrong_clock_does_not_empty_the_store() {
        check(&[NOW], 30);
        check(&[NOW + 5 * DAY], 26);
        let years_ahead = NOW + 3000 * DAY;
        check(&[years_ahead], 24);
        check(&[years_ahead, NOW + 60], 24);
        check(&[years_ahead; 2], 17);
        check(&[years_ahead; 6], 0);
        check(&[NOW - 3000 * DAY, NOW], 30);
        check(&[0, NOW + 5 * DAY], 26);
    }
}
