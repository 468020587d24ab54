//! Lines in.

use super::*;

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
fn under_pseudonyms_nothing_of_a_broken_line_is_kept() {
    #[track_caller]
    fn check(line: &[u8], expected: &str) {
        let mut bench = Bench::new(Names::keyed(b"a key of a test"));
        let counts = bench.take(&[line.to_vec()]).unwrap();
        assert_eq!(counts.first_broken.as_deref(), Some(expected));
        assert!(!bench.holds("192.0.2.7"), "it is in the store");
    }
    check(
        br#"{"version":2,"kind":"192.0.2.7"}"#,
        "not a sample: a field is missing, or not what it should be, column 31",
    );
    check(
        br#"{"version":"192.0.2.7"}"#,
        "not a sample: a field is missing, or not what it should be, column 22",
    );
    check(
        br#"{"version":2,"client":"192.0.2.7"#,
        "not a sample: it ends too early, column 32",
    );
    check(b"{192.0.2.7}", "not a sample: no JSON, column 2");
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
