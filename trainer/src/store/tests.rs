//! The store as its users see it: lines in, rows out.

use std::fs;
use std::path::Path;

use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{self, Kind, Sample, VERSION};
use serde_json::json;
use tempfile::TempDir;

use super::retention::Pruned;
use super::*;

pub(super) const NOW: u32 = 1_800_000_000;

pub(super) fn sample(client: &str, id: u64, at: u32) -> Sample {
    Sample {
        version: VERSION,
        kind: Kind::Flagged,
        id: format!("{id:016x}"),
        at,
        zone: "clients".into(),
        client: client.into(),
        requests: 10 + (id % 1000) as u32,
        score: Some(0.75),
        challenger: None,
        label: None,
        verdict: "SUSPECT".into(),
        reasons: vec!["pace".into()],
        schema: schema_hash().into(),
        features: vec![0.5; COUNT],
        model: "ab".repeat(32),
        method: "GET".into(),
        target: format!("/page/{id}"),
    }
}

fn told(client: &str, id: u64, label: sample::Class, origin: sample::Origin) -> Sample {
    Sample {
        kind: Kind::Label,
        label: Some(sample::Label { label, origin }),
        ..sample(client, id, NOW)
    }
}

fn position() -> Position {
    Position {
        row: None,
        path: "s".into(),
        id: FileId {
            device: u64::MAX,
            inode: 7,
        },
        head: Vec::new(),
        head_length: 0,
        offset: 0,
        skipping: false,
    }
}

struct Bench {
    dir: TempDir,
    store: Store,
    names: Names,
    position: Position,
}

impl Bench {
    fn new(names: Names) -> Bench {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let position = position();
        Bench {
            dir,
            store,
            names,
            position,
        }
    }

    fn take(&mut self, lines: &[Vec<u8>]) -> Result<Counts, StoreError> {
        let intake = Intake {
            source: "nginx",
            names: &self.names,
            now: NOW,
        };
        let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::Whole(line)).collect();
        self.position.offset += 1;
        self.store.take(intake, &lines, &mut self.position)
    }

    fn put(&mut self, samples: &[Sample]) -> Counts {
        let lines: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_line().unwrap()).collect();
        self.take(&lines).unwrap()
    }

    fn count(&self, sql: &str) -> i64 {
        self.store
            .connection()
            .query_row(&format!("SELECT COUNT(*) FROM {sql}"), [], |row| row.get(0))
            .unwrap()
    }

    fn named(&self, name: &str) -> ClientRow {
        self.store.clients_named(name).unwrap().remove(0)
    }

    /// Whether any file of the store holds these bytes.
    fn holds(&self, text: &str) -> bool {
        let files = fs::read_dir(self.dir.path()).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
    }
}

#[test]
fn a_line_is_stored_once_and_its_client_kept_up() {
    let mut bench = Bench::new(Names::Plain);
    let worse = Sample {
        verdict: "REJECTED".into(),
        score: Some(0.99),
        ..sample("192.0.2.7", 2, NOW - 5)
    };
    let samples = [
        sample("192.0.2.7", 1, NOW - 9),
        worse,
        sample("192.0.2.7", 3, NOW - 1),
    ];
    let counts = bench.put(&samples);
    assert_eq!((counts.lines, counts.samples, counts.duplicates), (3, 3, 0));
    let counts = bench.put(&samples);
    assert_eq!((counts.lines, counts.samples, counts.duplicates), (3, 0, 3));
    let client = bench.named("192.0.2.7");
    assert_eq!((client.samples, client.first, client.last), (3, NOW - 9, NOW - 1));
    assert_eq!((client.worst.as_str(), client.requests), ("REJECTED", 13));
    assert_eq!(client.score, Some(0.75), "the newest score, not the greatest");
    assert_eq!(client.network, "192.0.2.0/24");
    let rows = bench.store.samples_of(client.id, 2).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.at).collect::<Vec<_>>(),
        [NOW - 1, NOW - 5]
    );
    assert_eq!(rows[0].reasons, ["pace"]);
    let position = &bench.store.positions("nginx").unwrap()[0];
    assert_eq!((position.offset, position.id.device), (2, u64::MAX));
}

#[test]
fn what_is_no_sample_is_counted_and_the_first_is_shown() {
    let mut bench = Bench::new(Names::Plain);
    let good = sample("192.0.2.7", 1, NOW).to_line().unwrap();
    let half = good[..40].to_vec();
    let counts = bench
        .take(&[half, b"\x1b[31m".to_vec(), Vec::new(), good])
        .unwrap();
    assert_eq!((counts.lines, counts.samples, counts.broken), (3, 1, 2));
    let shown = counts.first_broken.unwrap();
    assert!(shown.starts_with("not a sample: EOF while parsing"), "{shown}");
    assert!(shown.contains("{\"version\":2"), "{shown}");
    assert_eq!(bench.store.sources().unwrap()[0].broken, 2);
}

#[test]
fn clocks_that_jump_are_counted_and_nothing_is_lost() {
    let mut bench = Bench::new(Names::Plain);
    let counts = bench.put(&[
        sample("192.0.2.1", 1, 0),
        sample("192.0.2.2", 2, u32::MAX),
        sample("192.0.2.3", 3, NOW + 60),
    ]);
    assert_eq!((counts.samples, counts.clocks), (3, 2));
    assert_eq!(bench.named("192.0.2.2").last, NOW, "it counts from its arrival");
    assert_eq!(
        bench.count("sample WHERE at = 4294967295"),
        1,
        "its own time is kept"
    );
    let retention = Retention {
        seconds: 86_400,
        bytes: u64::MAX,
    };
    assert_eq!(bench.store.prune(retention, NOW + 10).unwrap(), Pruned::default());
    let gone = bench.store.prune(retention, NOW + 100_000).unwrap();
    assert_eq!((gone.samples, gone.clients), (3, 3));
}

#[test]
fn lines_of_a_newer_version_wait_for_a_program_that_knows_them() {
    for names in [Names::Plain, Names::keyed(b"a key of a test")] {
        let mut bench = Bench::new(names);
        let line = |sample: &Sample, version: u32, schema: &str| {
            let mut value = json!(sample);
            value["version"] = version.into();
            value["schema"] = schema.into();
            value["more"] = "of it".into();
            serde_json::to_vec(&value).unwrap()
        };
        let samples = [sample("192.0.2.7", 1, NOW), sample("192.0.2.7", 2, NOW)];
        let lines = [
            line(&samples[0], VERSION + 1, "x"),
            line(&samples[1], VERSION + 2, "x"),
        ];
        let counts = bench.take(&lines).unwrap();
        assert_eq!((counts.samples, counts.newer, counts.dropped), (0, 2, 0));
        assert_eq!(counts.newest.as_deref(), Some("version 4"));
        let other = Sample {
            schema: "beefbeefbeefbeef".into(),
            ..sample("192.0.2.8", 3, NOW)
        };
        let counts = bench.take(&[other.to_line().unwrap()]).unwrap();
        assert_eq!(counts.newest.as_deref(), Some("schema beefbeefbeefbeef"));
        assert_eq!(bench.store.aside().unwrap(), 3);
        assert_eq!(bench.store.read_aside(&bench.names, NOW).unwrap(), 0);
        let keyed = matches!(bench.names, Names::Keyed(_));
        assert_eq!(bench.holds("192.0.2.7"), !keyed);

        // As if this program knew the first of them.
        let known = bench.names.client("192.0.2.7");
        let now_known = Sample {
            client: known.clone(),
            ..samples[0].clone()
        };
        bench
            .store
            .connection()
            .execute(
                "UPDATE aside SET version = ?, line = ? WHERE version = ?",
                (VERSION, now_known.to_line().unwrap(), VERSION + 1),
            )
            .unwrap();
        assert_eq!(bench.store.read_aside(&bench.names, NOW).unwrap(), 1);
        assert_eq!(bench.store.aside().unwrap(), 2);
        let client = bench.named(&known);
        assert_eq!(client.network, bench.names.network("192.0.2.7"));
        // The line itself, when it is read again, is known.
        let again = bench.put(&samples[..1]);
        assert_eq!(again.samples, 1, "another version's line is another line");
    }
}

#[test]
fn a_newer_line_without_a_client_is_not_kept_under_pseudonyms() {
    let mut bench = Bench::new(Names::keyed(b"k"));
    let counts = bench
        .take(&[br#"{"version":9,"address":"192.0.2.7"}"#.to_vec()])
        .unwrap();
    assert_eq!(
        (counts.newer, counts.dropped, bench.store.aside().unwrap()),
        (1, 1, 0)
    );
    let mut bench = Bench::new(Names::Plain);
    let counts = bench
        .take(&[br#"{"version":9,"address":"192.0.2.7"}"#.to_vec()])
        .unwrap();
    assert_eq!(
        (counts.newer, counts.dropped, bench.store.aside().unwrap()),
        (1, 0, 1)
    );
}

#[test]
fn pseudonyms_leave_no_address_in_the_file() {
    let mut bench = Bench::new(Names::keyed(b"k"));
    bench.put(&[sample("192.0.2.7", 1, NOW), sample("2001:db8:1:2::/64", 2, NOW)]);
    bench.take(&[b"192.0.2.7 is no sample".to_vec()]).unwrap();
    assert!(!bench.holds("192.0.2") && !bench.holds("2001:db8"));
    let name = bench.names.client("192.0.2.7");
    assert!(bench.holds(&name));
    assert!(bench.named(&name).network.starts_with("p:"));
}

#[test]
fn names_are_kept_one_way_in_a_store() {
    let bench = Bench::new(Names::Plain);
    bench.store.bind_names(&Names::Plain).unwrap();
    bench.store.bind_names(&Names::Plain).unwrap();
    let error = bench
        .store
        .bind_names(&Names::keyed(b"k"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("holds addresses as plain, the configuration asks for pseudonym"),
        "{error}"
    );
}

#[test]
fn labels_come_with_samples_once_and_conflicts_are_seen() {
    let mut bench = Bench::new(Names::Plain);
    let traps: Vec<Sample> = (0..20)
        .map(|id| told("192.0.2.7", id, sample::Class::Crawler, sample::Origin::Trap))
        .collect();
    bench.put(&traps);
    assert_eq!(bench.count("label"), 1, "a trap again tells nothing new");
    bench.put(&[told(
        "192.0.2.7",
        30,
        sample::Class::Human,
        sample::Origin::Conversion,
    )]);
    let client = bench.named("192.0.2.7");
    assert_eq!(
        (client.class, client.origin, client.conflict),
        (Some(Class::Crawler), Some(Origin::Trap), true)
    );
    let label = StoredLabel {
        zone: "clients".into(),
        client: "192.0.2.7".into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: NOW + 1,
        note: "our office".into(),
    };
    let again = [label.clone(), label.clone()];
    assert_eq!(
        bench.store.add_labels(&again, &bench.names, false).unwrap(),
        [Outcome::Added, Outcome::AlreadyThere]
    );
    let client = bench.named("192.0.2.7");
    assert_eq!(
        (client.class, client.origin, client.conflict),
        (Some(Class::Human), Some(Origin::Operator), true)
    );
    let labels = bench.store.labels(Some(client.id), 0, 10).unwrap();
    assert_eq!(labels.len(), 3);
    assert_eq!(labels[2].1, label);
    assert_eq!(
        bench.count("audit WHERE action = 'label' AND subject LIKE 'client:%'"),
        1
    );

    let unknown = StoredLabel {
        client: "192.0.2.9".into(),
        ..label
    };
    let unknown = [unknown];
    assert_eq!(
        bench.store.add_labels(&unknown, &bench.names, false).unwrap(),
        [Outcome::UnknownClient]
    );
    assert_eq!(
        bench.store.add_labels(&unknown, &bench.names, true).unwrap(),
        [Outcome::Added]
    );
    assert_eq!(bench.named("192.0.2.9").class, Some(Class::Human));
}

#[test]
fn labels_and_the_audit_log_are_never_changed() {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[told("192.0.2.7", 1, sample::Class::Crawler, sample::Origin::Trap)]);
    bench
        .store
        .audit(NOW, "ana", "test", "nothing", &json!({"a": 1}))
        .unwrap();
    for sql in [
        "UPDATE label SET class = 'human'",
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
    ] {
        assert!(bench.store.connection().execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn pages_hold_every_client_once_in_every_order() {
    let mut bench = Bench::new(Names::Plain);
    let samples: Vec<Sample> = (0..25)
        .map(|id| Sample {
            zone: if id % 2 == 0 { "a" } else { "b" }.into(),
            score: (id % 5 != 0).then_some(id as f32 / 100.0),
            ..sample(&format!("192.0.2.{id}"), id, NOW - 10 + (id as u32 % 3))
        })
        .collect();
    bench.put(&samples);
    for order in [ClientOrder::Last, ClientOrder::Score, ClientOrder::Requests] {
        for zone in [None, Some("a".to_owned())] {
            let mut query = PageQuery {
                order,
                zone: zone.clone(),
                limit: 4,
                ..PageQuery::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = bench.store.clients(&query).unwrap();
                seen.extend(page.clients.into_iter().map(|client| client.id));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            let expected = if zone.is_some() { 13 } else { 25 };
            assert_eq!(seen.len(), expected, "{order:?}");
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), expected, "{order:?}");
        }
    }
}

#[test]
fn a_page_reads_an_index_and_sorts_nothing() {
    let bench = Bench::new(Names::Plain);
    for column in ["last", "COALESCE(score, -1)", "requests"] {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM client WHERE ({column}, id) < (5, 5) ORDER BY {column} DESC, id DESC LIMIT 50"
        );
        let mut select = bench.store.connection().prepare(&sql).unwrap();
        let plan: Vec<String> = select
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = plan.join("; ");
        assert!(
            plan.contains("USING") && plan.contains("INDEX client_") && !plan.contains("TEMP"),
            "{plan}"
        );
    }
}

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
fn a_client_that_an_operator_labelled_outlives_its_samples() {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[
        sample("192.0.2.7", 1, NOW),
        told("192.0.2.8", 2, sample::Class::Human, sample::Origin::Conversion),
    ]);
    let label = StoredLabel {
        zone: "clients".into(),
        client: "192.0.2.7".into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: NOW,
        note: String::new(),
    };
    bench.store.add_labels(&[label], &bench.names, false).unwrap();
    let retention = Retention {
        seconds: 10,
        bytes: u64::MAX,
    };
    let pruned = bench.store.prune(retention, NOW + 100).unwrap();
    assert_eq!((pruned.samples, pruned.clients), (2, 1));
    assert_eq!((bench.count("client"), bench.count("label")), (1, 1));
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
fn a_site_has_the_rows_of_its_clients() {
    let mut bench = Bench::new(Names::Plain);
    let mut samples: Vec<Sample> = (0..5)
        .map(|id| sample("192.0.2.7", 5 - id, NOW - id as u32))
        .collect();
    samples.push(told(
        "192.0.2.8",
        50,
        sample::Class::Crawler,
        sample::Origin::Trap,
    ));
    samples.push(Sample {
        zone: "other".into(),
        ..sample("192.0.2.9", 60, NOW)
    });
    bench.put(&samples);
    let site = bench.store.site(0..NOW + 1, "clients").unwrap();
    assert_eq!((site.clients.len(), site.lines), (2, 6));
    assert_eq!(site.clients[0].rows.len(), 5);
    assert!(site.clients[0].rows.is_sorted_by_key(|row| row.requests));
    assert_eq!(site.clients[0].requests, 15);
    assert_eq!(site.labelled(), (1, 0));
    assert_eq!(
        bench.store.site(0..NOW - 3, "clients").unwrap().clients[0]
            .rows
            .len(),
        1
    );
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
