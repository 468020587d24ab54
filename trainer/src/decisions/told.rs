//! Tells everything that becomes of decisions: to the log and to syslog. How far each was told is in the store, so that
//! nothing is lost when the daemon starts anew.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::ecs;
use super::log_file::LogFile;
use super::syslog::Syslog;
use crate::causes::with_causes;
use crate::config::{DecisionsSection, SyslogTarget, now};
use crate::figures::counted;
use crate::store::{DecisionEvent, EventKind, Store, StoreError};
use crate::turns::turns;

/// How often news are looked for.
const POLL: Duration = Duration::from_secs(1);
/// Events that are told at a time.
const BATCH: u32 = 500;
/// Events that wait because a disk is full or nobody listens: some 100 MB of lines. Of more, the oldest are dropped and
/// counted.
const MOST_WAITING: i64 = 100_000;
/// How syslog messages call each sort of event.
const MSGID: [(EventKind, &str); 5] = [
    (EventKind::Begun, "begun"),
    (EventKind::Acted, "acted"),
    (EventKind::Held, "held"),
    (EventKind::Freed, "freed"),
    (EventKind::Ended, "ended"),
];

/// Where events are told.
enum Sink {
    Log(LogFile),
    Syslog(Syslog),
}

impl Sink {
    /// Tells events; how many before one failed.
    fn take(&mut self, events: &[DecisionEvent]) -> (usize, io::Result<()>) {
        match self {
            Sink::Log(log) => {
                let mut lines = String::new();
                for event in events {
                    lines.push_str(&ecs::line(event));
                    lines.push('\n');
                }
                match log.append(&lines) {
                    Ok(()) => (events.len(), Ok(())),
                    Err(error) => (0, Err(error)),
                }
            }
            Sink::Syslog(syslog) => {
                for (count, event) in events.iter().enumerate() {
                    let name = MSGID.iter().find(|(kind, _)| *kind == event.kind);
                    let name = name.map_or("-", |(_, name)| name);
                    if let Err(error) = syslog.send(event.at, name, &ecs::line(event)) {
                        return (count, Err(error));
                    }
                }
                (events.len(), Ok(()))
            }
        }
    }
}

/// One that is told, and how that goes.
struct Listener {
    /// Its name in the store.
    name: &'static str,
    sink: Sink,
    /// Events that wait at most.
    most: i64,
    trouble: Option<String>,
    /// Events that were dropped since it last took one.
    dropped: u64,
}

/// One thread's work.
pub struct Teller {
    store: Store,
    listeners: Vec<Listener>,
}

impl Teller {
    /// Tells those that a configuration names; `None` when it names none.
    ///
    /// # Errors
    /// The store's.
    pub fn new(section: &DecisionsSection, store: &Path) -> Result<Option<Teller>, StoreError> {
        let listener = |name, sink| Listener {
            name,
            sink,
            most: MOST_WAITING,
            trouble: None,
            dropped: 0,
        };
        let log = section.log.clone().map(|path| {
            let log = LogFile::new(path, section.log_bytes, section.log_files);
            listener("log", Sink::Log(log))
        });
        let syslog = section.syslog.as_deref().and_then(SyslogTarget::parse);
        let syslog = syslog.map(|target| listener("syslog", Sink::Syslog(Syslog::new(target))));
        let listeners: Vec<Listener> = log.into_iter().chain(syslog).collect();
        if listeners.is_empty() {
            return Ok(None);
        }
        Ok(Some(Teller {
            store: Store::open_existing(store)?,
            listeners,
        }))
    }

    /// Tells until it is stopped.
    pub fn run(mut self, stop: &watch::Receiver<bool>) {
        turns(stop, POLL, || {
            if let Err(error) = self.round(now()) {
                tracing::debug!("decisions are not told: {}", with_causes(&error));
            }
        });
    }

    /// Tells all listeners what is new.
    fn round(&mut self, now: u32) -> Result<(), StoreError> {
        let store = &self.store;
        for listener in &mut self.listeners {
            listener.hear(store, now)?;
        }
        Ok(())
    }
}

impl Listener {
    fn hear(&mut self, store: &Store, now: u32) -> Result<(), StoreError> {
        let last = store.last_event()?;
        let mut after = match store.followed(self.name)? {
            Some(after) => after,
            None => {
                // What was before anybody listened is in the store.
                store.set_followed(self.name, last, now)?;
                last
            }
        };
        if last - after > self.most {
            self.drop_events(last - after - self.most);
            after = last - self.most;
            store.set_followed(self.name, after, now)?;
        }
        while after < last {
            let events = store.decision_events(after, BATCH)?;
            let Some(newest) = events.last().map(|event| event.seq) else {
                break;
            };
            let (told, outcome) = self.sink.take(&events);
            let reached = match told {
                0 => after,
                all if all == events.len() => newest,
                some => events[some - 1].seq,
            };
            if reached != after {
                after = reached;
                store.set_followed(self.name, after, now)?;
            }
            self.note(outcome.as_ref().err());
            if outcome.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Counts events that go untold. That is said each time that there are twice as many.
    fn drop_events(&mut self, count: i64) {
        let before = self.dropped;
        self.dropped += count.unsigned_abs();
        if before == 0 || self.dropped.ilog2() > before.ilog2() {
            let dropped = counted(self.dropped, "event");
            tracing::warn!(
                "{}: {dropped} of decisions dropped, the oldest: too many wait",
                self.name
            );
        }
    }

    /// Says what went wrong, once.
    fn note(&mut self, error: Option<&io::Error>) {
        let trouble = error.map(ToString::to_string);
        match (&self.trouble, &trouble) {
            (Some(before), Some(text)) if before == text => {}
            (_, Some(text)) => tracing::warn!("{}: decisions wait: {text}", self.name),
            (Some(_), None) => tracing::info!("{}: {}", self.name, told_again(self.dropped)),
            (None, None) => {}
        }
        if trouble.is_none() {
            self.dropped = 0;
        }
        self.trouble = trouble;
    }
}

fn told_again(dropped: u64) -> String {
    match dropped {
        0 => "decisions are told again; none was lost".to_owned(),
        _ => format!(
            "decisions are told again; {} dropped, the oldest that waited",
            counted(dropped, "event")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::store::{End, Names, NewDecision};

    const NOW: u32 = 1_800_000_000;

    struct Bench {
        dir: TempDir,
        store: Store,
        section: DecisionsSection,
    }

    impl Bench {
        fn new() -> Bench {
            let dir = TempDir::new().unwrap();
            let store = Store::open(&dir.path().join("s.db")).unwrap();
            let section = DecisionsSection {
                log: Some(dir.path().join("log")),
                ..DecisionsSection::default()
            };
            Bench { dir, store, section }
        }

        fn teller(&self) -> Teller {
            Teller::new(&self.section, &self.dir.path().join("s.db"))
                .unwrap()
                .unwrap()
        }

        fn begin(&self, client: &str) -> i64 {
            let new = NewDecision {
                client: client.to_owned(),
                expires: NOW + 60,
                ..NewDecision::default()
            };
            self.store.begin_decision(&new, &Names::Plain, NOW).unwrap()
        }

        /// Client and action of each line of the log.
        fn told(&self) -> Vec<(String, String)> {
            let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let line = |line: &str| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                (word(&value["source"]["address"]), word(&value["event"]["action"]))
            };
            text.lines().map(line).collect()
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
            .collect()
    }

    #[test]
    fn each_event_is_told_once_over_restarts() {
        let bench = Bench::new();
        bench.begin("before");
        bench.teller().round(NOW).unwrap();
        assert!(bench.told().is_empty(), "nobody listened then");
        let one = bench.begin("one");
        bench.teller().round(NOW).unwrap();
        bench
            .store
            .end_decision(one, End::Lifted, "ana", (NOW, NOW))
            .unwrap();
        bench.begin("two");
        let mut teller = bench.teller();
        teller.round(NOW).unwrap();
        teller.round(NOW).unwrap();
        let expected = [("one", "ban-begun"), ("one", "ban-lifted"), ("two", "ban-begun")];
        assert_eq!(bench.told(), pairs(&expected));
    }

    #[test]
    fn what_cannot_be_written_waits() {
        let mut bench = Bench::new();
        bench.section.log = Some("/dev/full".into());
        bench.teller().round(NOW).unwrap();
        bench.begin("one");
        let mut teller = bench.teller();
        teller.round(NOW).unwrap();
        assert!(
            teller.listeners[0]
                .trouble
                .as_deref()
                .is_some_and(|text| text.contains("space"))
        );
        bench.section.log = Some(bench.dir.path().join("log"));
        bench.teller().round(NOW).unwrap();
        assert_eq!(bench.told(), pairs(&[("one", "ban-begun")]));
    }

    #[test]
    fn of_too_many_that_wait_the_oldest_are_dropped_and_counted() {
        let mut bench = Bench::new();
        bench.section.log = Some("/dev/full".into());
        let mut teller = bench.teller();
        teller.listeners[0].most = 2;
        teller.round(NOW).unwrap();
        for client in ["one", "two", "three"] {
            bench.begin(client);
        }
        teller.round(NOW).unwrap();
        assert_eq!(teller.listeners[0].dropped, 1);
        bench.begin("four");
        teller.round(NOW).unwrap();
        teller.round(NOW).unwrap();
        assert_eq!(teller.listeners[0].dropped, 2);
        let log = LogFile::new(bench.dir.path().join("log"), 1 << 20, 1);
        teller.listeners[0].sink = Sink::Log(log);
        teller.round(NOW).unwrap();
        assert_eq!(
            bench.told(),
            pairs(&[("three", "ban-begun"), ("four", "ban-begun")])
        );
        assert_eq!(teller.listeners[0].dropped, 0, "it was told");
    }

    #[test]
    fn what_was_dropped_is_told() {
        #[track_caller]
        fn check(dropped: u64, expected: &str) {
            assert_eq!(
                told_again(dropped),
                format!("decisions are told again; {expected}")
            );
        }
        check(0, "none was lost");
        check(1, "1 event dropped, the oldest that waited");
        check(1_200, "1,200 events dropped, the oldest that waited");
    }

    #[test]
    fn a_syslog_daemon_that_is_away_holds_up_no_log() {
        let mut bench = Bench::new();
        let path: PathBuf = bench.dir.path().join("socket");
        bench.section.syslog = Some(format!("unix:{}", path.display()));
        bench.teller().round(NOW).unwrap();
        bench.begin("one");
        let mut teller = bench.teller();
        teller.round(NOW).unwrap();
        assert_eq!(bench.told().len(), 1);
        let daemon = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        teller.round(NOW).unwrap();
        let mut buffer = [0; 4096];
        let length = daemon.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(
            text.starts_with("<85>1 2027-01-15T08:00:00Z ") && text.contains(" begun - {"),
            "{text}"
        );
        assert_eq!(bench.told().len(), 1);
    }

    #[test]
    fn nobody_to_tell_is_no_thread() {
        let bench = Bench::new();
        let none = Teller::new(&DecisionsSection::default(), &bench.dir.path().join("s.db")).unwrap();
        assert!(none.is_none());
    }
}
