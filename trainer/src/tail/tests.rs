//! What happens to sample files, and that each line is stored once all the same.

use std::fs::{self, OpenOptions};
use std::io::Write;

use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{Kind, VERSION};
use tempfile::TempDir;

use super::*;

const NOW: u32 = 1_800_000_000;

fn line(id: u64) -> Vec<u8> {
    let sample = Sample {
        version: VERSION,
        kind: Kind::Flagged,
        id: format!("{id:016x}"),
        at: NOW,
        zone: "clients".into(),
        client: format!("192.0.2.{}", id % 200),
        requests: 12,
        score: Some(0.5),
        challenger: None,
        label: None,
        verdict: "SUSPECT".into(),
        reasons: Vec::new(),
        schema: schema_hash().into(),
        features: vec![0.25; COUNT],
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/".into(),
    };
    let mut line = sample.to_line().unwrap();
    line.push(b'\n');
    line
}

struct Bench {
    dir: TempDir,
    store: Store,
    tail: Tail,
    written: u64,
}

impl Bench {
    fn new() -> Bench {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("store.db")).unwrap();
        let tail = Tail::new("nginx".into(), dir.path().join("s"));
        Bench {
            dir,
            store,
            tail,
            written: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Writes new samples to a file.
    fn write(&mut self, name: &str, count: u64) {
        for _ in 0..count {
            self.append(name, &line(self.written));
            self.written += 1;
        }
    }

    /// Reads all there is.
    fn read(&mut self) -> Counts {
        let mut all = Counts::default();
        loop {
            let step = self.tail.step(&self.store, &Names::Plain, NOW).unwrap();
            all.samples += step.counts.samples;
            all.duplicates += step.counts.duplicates;
            all.broken += step.counts.broken;
            if !step.more {
                return all;
            }
        }
    }

    /// As after the end of the daemon.
    fn restart(&mut self) {
        self.tail = Tail::new("nginx".into(), self.path("s"));
    }

    #[track_caller]
    fn complete(&self) {
        let count = |sql: &str| -> u64 {
            let count: i64 = self
                .store
                .connection()
                .query_row(sql, [], |row| row.get(0))
                .unwrap();
            count.unsigned_abs()
        };
        assert_eq!(count("SELECT COUNT(*) FROM sample"), self.written);
        assert_eq!(count("SELECT COUNT(DISTINCT id) FROM sample"), self.written);
    }
}

#[test]
fn what_is_appended_is_read_once_over_restarts() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(), Counts::default(), "no file yet");
    for _ in 0..3 {
        bench.write("s", 5);
        assert_eq!(bench.read().samples, 5);
        assert_eq!(bench.read(), Counts::default());
        bench.restart();
        assert_eq!(bench.read(), Counts::default());
    }
    bench.complete();
}

#[test]
fn a_half_line_waits_for_its_end() {
    let mut bench = Bench::new();
    let whole = line(0);
    bench.append("s", &whole[..100]);
    assert_eq!(bench.read(), Counts::default());
    bench.restart();
    assert_eq!(bench.read(), Counts::default());
    bench.append("s", &whole[100..]);
    assert_eq!(bench.read().samples, 1);
    // Cut by a full disk, ended by the next writer, written anew.
    bench.append("s", &line(1)[..50]);
    bench.append("s", b"\n");
    bench.append("s", &line(1));
    let counts = bench.read();
    assert_eq!((counts.samples, counts.broken), (1, 1));
}

#[test]
fn a_renamed_file_is_read_to_its_end() {
    let mut bench = Bench::new();
    bench.write("s", 5);
    bench.read();
    bench.write("s", 2);
    fs::rename(bench.path("s"), bench.path("s.1")).unwrap();
    // Workers write to the old file until they are told.
    bench.write("s.1", 2);
    assert_eq!(bench.read().samples, 4);
    bench.write("s", 3);
    bench.write("s.1", 1);
    let counts = bench.read();
    assert_eq!((counts.samples, counts.duplicates), (4, 0));
    bench.complete();
}

#[test]
fn files_rotated_while_nobody_looked_are_found() {
    let mut bench = Bench::new();
    bench.write("s", 5);
    bench.read();
    bench.write("s", 5);
    fs::rename(bench.path("s"), bench.path("s.1")).unwrap();
    bench.write("s", 5);
    fs::rename(bench.path("s.1"), bench.path("s.2")).unwrap();
    fs::rename(bench.path("s"), bench.path("s.1")).unwrap();
    bench.write("s", 5);
    bench.restart();
    let counts = bench.read();
    assert_eq!((counts.samples, counts.duplicates), (15, 0));
    bench.restart();
    assert_eq!(bench.read(), Counts::default());
    bench.complete();
}

#[test]
fn copytruncate_loses_nothing_that_was_copied() {
    for looked_between in [true, false] {
        let mut bench = Bench::new();
        bench.write("s", 8);
        bench.read();
        bench.write("s", 4);
        if !looked_between {
            bench.restart();
        }
        fs::copy(bench.path("s"), bench.path("s.1")).unwrap();
        OpenOptions::new()
            .write(true)
            .open(bench.path("s"))
            .unwrap()
            .set_len(0)
            .unwrap();
        bench.write("s", 3);
        let counts = bench.read();
        assert_eq!((counts.samples, counts.duplicates), (7, 0), "{looked_between}");
        bench.complete();
    }
}

#[test]
fn a_truncated_file_that_grew_beyond_the_offset_is_noticed() {
    let mut bench = Bench::new();
    bench.write("s", 3);
    bench.read();
    OpenOptions::new()
        .write(true)
        .open(bench.path("s"))
        .unwrap()
        .set_len(0)
        .unwrap();
    bench.write("s", 6);
    assert_eq!(bench.read().samples, 6);
    bench.complete();
}

#[test]
fn a_deleted_file_is_read_while_it_is_open() {
    let mut bench = Bench::new();
    bench.write("s", 3);
    bench.read();
    bench.write("s", 3);
    fs::remove_file(bench.path("s")).unwrap();
    bench.write("s", 2);
    assert_eq!(bench.read().samples, 5);
    bench.complete();
}

#[test]
fn a_copy_by_hand_doubles_nothing() {
    let mut bench = Bench::new();
    bench.write("s", 6);
    bench.read();
    fs::copy(bench.path("s"), bench.path("s.bak")).unwrap();
    bench.restart();
    assert_eq!(bench.read(), Counts::default());
    bench.write("s", 2);
    fs::copy(bench.path("s"), bench.path("s.bak2")).unwrap();
    bench.restart();
    let counts = bench.read();
    assert_eq!((counts.samples, counts.duplicates), (2, 2));
    bench.complete();
}

#[test]
fn a_rotated_file_that_cannot_be_read_does_not_stop_the_rest() {
    // Nobody may read this one, not even root.
    let unreadable = Path::new("/sys/bus/platform/drivers_probe");
    if File::open(unreadable).is_ok_and(|file| read_at(&file, &mut [0], 0).is_ok()) || !unreadable.exists() {
        eprintln!("this system has no file that cannot be read");
        return;
    }
    let mut bench = Bench::new();
    std::os::unix::fs::symlink(unreadable, bench.path("s.1")).unwrap();
    bench.write("s", 3);
    assert_eq!(bench.read().samples, 3);
    bench.tail.listed = None;
    bench.write("s", 2);
    assert_eq!(bench.read().samples, 2);
    assert_eq!(bench.tail.unreadable, [bench.path("s.1")]);
    bench.complete();

    let mut bench = Bench::new();
    std::os::unix::fs::symlink(unreadable, bench.path("s")).unwrap();
    let error = bench.tail.step(&bench.store, &Names::Plain, NOW).unwrap_err();
    assert!(
        error.to_string().contains("let this user into the group"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_no_lines_are_passed_over() {
    let mut bench = Bench::new();
    bench.append("s", &vec![0; 3 << 20]);
    bench.append("s", b"\n");
    bench.write("s", 2);
    let counts = bench.read();
    assert_eq!((counts.samples, counts.broken), (2, 1));
    bench.complete();
}

#[test]
fn a_rotated_file_gives_its_last_line_without_an_end() {
    let mut bench = Bench::new();
    bench.write("s", 2);
    let whole = line(bench.written);
    bench.append("s", &whole[..whole.len() - 1]);
    bench.written += 1;
    bench.read();
    fs::rename(bench.path("s"), bench.path("s.1")).unwrap();
    bench.write("s", 1);
    bench.read();
    let Some(long_ago) = Instant::now().checked_sub(LINGER) else {
        return;
    };
    for followed in &mut bench.tail.open {
        followed.grown = long_ago;
    }
    bench.read();
    assert_eq!(bench.tail.open.len(), 1);
    bench.complete();
    bench.append("s.1", b"\n");
    bench.restart();
    assert_eq!(bench.read(), Counts::default());
}

#[test]
fn a_store_that_is_full_takes_the_lines_later() {
    let mut bench = Bench::new();
    bench.write("s", 1);
    bench.read();
    let bytes = bench.store.used_bytes().unwrap();
    bench.store.limit(bytes + 40_000).unwrap();
    bench.write("s", 900);
    let error = bench.tail.step(&bench.store, &Names::Plain, NOW).unwrap_err();
    assert!(
        matches!(error, TailError::Store(StoreError::Full(_))),
        "{error:?}"
    );
    bench.store.limit(bytes << 8).unwrap();
    assert_eq!(bench.read().samples, 900);
    bench.complete();
}
