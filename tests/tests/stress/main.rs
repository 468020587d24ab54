//! Processes over one mapping, some of them killed at random: records are whole, and none is lost but the ones that
//! were being written.
//!
//! The module's lock and core's table, without nginx. `SEKISHO_STRESS_SECONDS` makes it longer.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sekisho_core::checkpoint::{self, Policy};
use sekisho_core::key::{Seed, key_hash};
use sekisho_core::sketch::popularity::Rating;
use sekisho_core::table::{Set, WAYS, set_index};
use sekisho_core::url::{Method, Visit};

#[path = "../../../nginx-module/src/atomics.rs"]
mod atomics;
#[path = "../../../nginx-module/src/lock.rs"]
mod lock;
mod mapping;

use lock::{Taken, acquire, announce, release};
use mapping::{Mapping, is_gone};

/// Names the mapped file to a process of the stress.
const FILE: &str = "SEKISHO_STRESS_FILE";
const SECONDS: &str = "SEKISHO_STRESS_SECONDS";
const DEFAULT_SECONDS: u64 = 6;
const PROCESSES: usize = 4;
/// Few, so that processes meet.
const SETS: usize = 2;
const START: u32 = 1_700_000_000;

// Words of the mapping.
const STOP: usize = 0;
const TORN: usize = 1;
const STEALS: usize = 2;
const RESETS: usize = 3;
const LOCKS: usize = 8;
const DONE: usize = 16;
const WORDS: usize = DONE + SETS * WAYS;

/// The memory, and the keys whose records are in it: as many as it holds, so that none is evicted.
struct Table {
    memory: Mapping,
    keys: Vec<[u64; WAYS]>,
    visit: Visit,
    policy: Policy,
}

impl Table {
    fn open(file: &File) -> Table {
        let mut keys = vec![Vec::new(); SETS];
        for number in 0u32.. {
            let hash = key_hash(Seed::FIXED, &number.to_le_bytes());
            let own = &mut keys[set_index(hash, SETS as u32) as usize];
            if own.len() < WAYS {
                own.push(hash);
            } else if keys.iter().all(|keys| keys.len() == WAYS) {
                break;
            }
        }
        let keys = keys.iter().map(|keys| keys[..].try_into().expect("full"));
        Table {
            memory: Mapping::of(file, WORDS, SETS).expect("a mapping"),
            keys: keys.collect(),
            visit: Visit::new(Seed::FIXED, Method::Get, b"/page.html", None),
            policy: Policy::new(0.5, 0.9),
        }
    }

    /// Requests that are in a key's record for certain; changed under the lock of its set.
    fn done(&self, set: usize, key: usize) -> &atomics::AtomicU64 {
        self.memory.word(DONE + set * WAYS + key)
    }

    /// One request of a key, as the module accounts it. False when the lock was not to be had.
    fn request(&self, set: usize, key: usize, pid: u32) -> bool {
        let word = self.memory.word(LOCKS + set);
        let Some(taken) = acquire(word, pid, is_gone) else {
            return false;
        };
        self.memory.with_set(set, |records| {
            self.repair(set, records, taken);
            if !is_whole(records) {
                self.memory.word(TORN).fetch_add(1, Relaxed);
            }
            let hash = self.keys[set][key];
            let way = records.victim(hash, START);
            announce(word, pid, way);
            records.admit_at(way, hash, START);
            let record = records.record_mut(way);
            let at = record.seen().1 + u32::from(record.requests() > 0);
            checkpoint::arrive(record, at, &self.visit, Rating::Unrated, &self.policy);
            checkpoint::depart(record, 200, 1000);
        });
        self.done(set, key).fetch_add(1, Relaxed);
        release(word);
        true
    }

    fn repair(&self, set: usize, records: &mut Set, taken: Taken) {
        let Taken::Stolen(way) = taken else { return };
        self.memory.word(STEALS).fetch_add(1, Relaxed);
        let Some(way) = way else { return };
        records.reset(way);
        self.memory.word(RESETS).fetch_add(1, Relaxed);
        for (key, hash) in self.keys[set].iter().enumerate() {
            if records.find(*hash).is_none() {
                self.done(set, key).store(0, Relaxed);
            }
        }
    }
}

/// Each request came a second after the one before, so a record's times and its count agree, unless it is torn.
fn is_whole(records: &Set) -> bool {
    (0..WAYS).map(|way| records.record(way)).all(|record| {
        let (first, last) = record.seen();
        match record.key_hash() {
            0 => record.requests() == 0 && (first, last) == (0, 0),
            _ => first == START && record.requests() == last - first + 1,
        }
    })
}

/// Not a test of its own: what each process of the stress runs.
#[test]
fn process() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let table = Table::open(&open(Path::new(&path)));
    let pid = std::process::id();
    let mut random = u64::from(pid);
    while table.memory.word(STOP).load(Relaxed) == 0 {
        random = key_hash(Seed(random, 1), b"next");
        let (set, key) = (random as usize % SETS, (random >> 32) as usize % WAYS);
        table.request(set, key, pid);
    }
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).expect("own file")
}

fn spawn(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("own program"));
    command.args(["--exact", "process", "--test-threads=1"]);
    command
        .env(FILE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("another of this program")
}

#[test]
fn killed_processes_cost_the_records_they_were_writing_and_no_others() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("memory");
    let table = Table::open(&open(&path));
    let seconds = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS));
    let mut processes: Vec<Child> = (0..PROCESSES).map(|_| spawn(&path)).collect();
    let mut kills = 0u64;
    while Instant::now() < end {
        // A process needs some milliseconds to start; whether it is inside the lock then is chance.
        std::thread::sleep(Duration::from_millis(7 + kills % 13));
        let index = kills as usize % PROCESSES;
        processes[index].kill().expect("own child");
        processes[index].wait().expect("own child");
        processes[index] = spawn(&path);
        kills += 1;
    }
    table.memory.word(STOP).store(1, Relaxed);
    for mut process in processes {
        assert!(process.wait().expect("own child").success());
    }

    let word = |index| table.memory.word(index).load(Relaxed);
    let own = std::process::id();
    let mut total = 0;
    for set in 0..SETS {
        let lock = table.memory.word(LOCKS + set);
        let taken = acquire(lock, own, is_gone).expect("all others are gone");
        table.memory.with_set(set, |records| {
            table.repair(set, records, taken);
            assert!(is_whole(records), "{records:?}");
            for (key, hash) in table.keys[set].iter().enumerate() {
                let known = records.find(*hash).map(|way| records.record(way).requests());
                let done = table.done(set, key).load(Relaxed);
                assert_eq!(
                    u64::from(known.unwrap_or(0)),
                    done,
                    "requests that are certain are all there"
                );
                total += done;
            }
        });
        release(lock);
    }
    println!(
        "{kills} kills, {} locks taken over, {} records lost, {total} requests in the others",
        word(STEALS),
        word(RESETS)
    );
    assert_eq!(word(TORN), 0, "no process saw a torn record");
    assert!(word(RESETS) <= word(STEALS) && word(STEALS) > 0 && total > 0);
    assert!(word(STEALS) <= kills, "only the killed lose locks");
}
