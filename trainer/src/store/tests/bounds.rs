//! What is too much, what is to be forgotten, and whose the file is.

use super::*;

#[test]
fn the_oldest_go_when_there_is_too_much() {
    let mut bench = Bench::new(Names::Plain);
    for chunk in 0..20 {
        let samples: Vec<Sample> = (0..500)
            .map(|id| {
                sample(
                    &format!("192.0.2.{}", id % 200),
                    chunk * 500 + id,
                    NOW - 1_000_000 + (chunk * 500 + id) as u32,
                )
            })
            .collect();
        bench.put(&samples);
    }
    let before = bench.store.used_bytes().unwrap();
    let retention = Retention {
        seconds: u32::MAX,
        bytes: before / 2,
    };
    let pruned = bench.store.prune(retention, NOW).unwrap();
    assert!(bench.store.used_bytes().unwrap() <= before / 2);
    assert!((2000..9000).contains(&pruned.samples), "{pruned:?}");
    let oldest: i64 = bench
        .store
        .connection()
        .query_row("SELECT MIN(aged) FROM sample", [], |row| row.get(0))
        .unwrap();
    assert_eq!(oldest, i64::from(NOW) - 1_000_000 + pruned.samples as i64);
    let counted: i64 = bench
        .store
        .connection()
        .query_row("SELECT SUM(samples) FROM client", [], |row| row.get(0))
        .unwrap();
    assert_eq!(counted, bench.count("sample"));
}

#[test]
fn a_forgotten_client_is_in_no_byte_of_the_store() {
    let mut bench = Bench::new(Names::Plain);
    // Many neighbours, so that pages split and rows move.
    let samples: Vec<Sample> = (0..3000)
        .map(|id| {
            let client = if id % 7 == 0 {
                "198.51.100.77".to_owned()
            } else {
                format!("192.0.2.{}", id % 250)
            };
            sample(&client, id * 7919 % 3001, NOW)
        })
        .collect();
    for chunk in samples.chunks(100) {
        bench.put(chunk);
    }
    bench
        .take(&[
            br#"{"version":9,"about":"198.51.100.77"}"#.to_vec(),
            b"198.51.100.77".to_vec(),
        ])
        .unwrap();
    bench.put(&[told(
        "198.51.100.77",
        9999,
        sample::Class::Crawler,
        sample::Origin::Trap,
    )]);
    assert!(bench.holds("198.51.100.77"));
    let reference = bench
        .store
        .samples_of(bench.named("198.51.100.77").id, 1)
        .unwrap()
        .remove(0)
        .id;
    let forgotten = bench
        .store
        .forget(None, "198.51.100.77", &bench.names, (NOW, "ana"))
        .unwrap();
    assert_eq!((forgotten.clients, forgotten.labels, forgotten.aside), (1, 1, 1));
    assert_eq!(forgotten.samples, 430);
    bench.store.scrub().unwrap();
    assert!(!bench.holds("198.51.100.77"));
    assert!(!bench.holds(&reference));
    assert!(bench.holds("192.0.2.1"));
    assert_eq!(
        bench.count("audit WHERE action = 'forget' AND detail LIKE '%430%'"),
        1
    );
    let none = bench
        .store
        .forget(None, "198.51.100.77", &bench.names, (NOW, "ana"))
        .unwrap();
    assert_eq!(none, Forgotten::default());
}

#[test]
fn a_full_store_says_so_changes_nothing_and_goes_on() {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[sample("192.0.2.7", 0, NOW)]);
    let bytes = bench.store.used_bytes().unwrap() + 64 * 1024;
    bench.store.limit(bytes).unwrap();
    let lines: Vec<Vec<u8>> = (1..2000)
        .map(|id| {
            sample(&format!("192.0.2.{}", id % 250), id, NOW)
                .to_line()
                .unwrap()
        })
        .collect();
    let error = bench.take(&lines).unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!((bench.count("sample"), bench.count("client")), (1, 1));
    assert_eq!(bench.store.positions("nginx").unwrap()[0].offset, 1);
    let check: String = bench
        .store
        .connection()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    bench.store.limit(bytes + (64 << 20)).unwrap();
    assert_eq!(bench.take(&lines).unwrap().samples, 1999);
}

#[test]
fn a_store_of_somebody_else_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(
        path("text"),
        "not a database, but long enough to look at, again and again, and again and again",
    )
    .unwrap();
    let other = rusqlite::Connection::open(path("other.db")).unwrap();
    other
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(other);
    for name in ["text", "other.db"] {
        let before = fs::read(path(name)).unwrap();
        let error = Store::open(&path(name)).unwrap_err().to_string();
        assert!(error.contains("is no store of sekisho"), "{error}");
        assert_eq!(fs::read(path(name)).unwrap(), before);
    }
    let error = Store::open(Path::new("/nowhere/at/all/s.db"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a directory that this user may write to"),
        "{error}"
    );
    let error = Store::open_existing(&path("none")).unwrap_err().to_string();
    assert!(error.contains("start `sekisho serve`"), "{error}");
}

#[test]
fn a_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new(Names::Plain);
    for file in fs::read_dir(bench.dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[test]
fn snapshots_are_only_added_and_go_with_age_and_with_their_clients() {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[
        sample("192.0.2.1", 1, NOW - 90),
        sample("192.0.2.2", 2, NOW - 90),
        sample("192.0.2.3", 3, NOW - 1),
    ]);
    let id = |name: &str| bench.named(name).id;
    let keep = |name: &str, clients: &[i64], at: u32| {
        let lists = [(format!("list of {name}"), "[]".to_owned())];
        let kept = Kept {
            id: name,
            clients,
            document: "{}",
            lists: &lists,
            explanation: ("rules", "{}"),
        };
        bench.store.keep_snapshot(kept, at).unwrap();
    };
    let (one, two, three) = (id("192.0.2.1"), id("192.0.2.2"), id("192.0.2.3"));
    keep("of one and three", &[one, three], NOW);
    keep("of two", &[two], NOW);
    keep("of three, old", &[three], NOW - 200);
    keep("of three", &[three], NOW);
    keep("of three", &[three], NOW + 1);
    assert_eq!(bench.count("snapshot") + bench.count("explanation"), 8);
    assert_eq!(
        bench.store.expand("list of of two").unwrap().as_deref(),
        Some("[]")
    );
    assert_eq!(bench.store.expand("of two").unwrap().as_deref(), Some("{}"));
    for table in ["snapshot", "explanation"] {
        let sql = format!("UPDATE {table} SET document = 'x'");
        assert!(bench.store.connection().execute(&sql, []).is_err(), "{sql}");
    }
    let old = Retention {
        seconds: 50,
        bytes: u64::MAX,
    };
    bench.store.prune(old, NOW).unwrap();
    let left = |name: &str| bench.store.expand(name).unwrap().is_some();
    let names = ["of one and three", "of two", "of three, old", "of three"];
    assert_eq!(names.map(left), [false, false, false, true]);
    let forgotten = bench
        .store
        .forget(None, "192.0.2.3", &bench.names, (NOW, "ana"))
        .unwrap();
    assert_eq!((forgotten.snapshots, bench.count("snapshot_list")), (1, 0));
}
