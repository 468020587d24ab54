//! What looks at an nginx leave in the store.

use std::collections::{BTreeMap, HashMap};

use rusqlite::params;
use tempfile::TempDir;

use super::*;
use crate::config::NginxSection;
use crate::nginx::{Decision, Decisions, Guards, Status, Totals};
use crate::store::{DecisionQuery, DecisionRow, End, EventKind, Retention, TrafficRow};

const NOW: u32 = 1_800_000_000;

struct Bench {
    _dir: TempDir,
    store: Store,
    names: Names,
    answers: Answers,
}

impl Bench {
    fn new(names: Names) -> Bench {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let zone = Zone {
            name: "clients".to_owned(),
            since: NOW - 1_000,
            ..Zone::default()
        };
        let status = Status {
            now: NOW,
            zones: vec![zone],
            ..Status::default()
        };
        Bench {
            _dir: dir,
            store,
            names,
            answers: Answers {
                status,
                ..Answers::default()
            },
        }
    }

    /// The counters of the zone from now on.
    fn counts(&mut self, counts: &[(&str, u64)]) -> &mut Bench {
        let counters: BTreeMap<String, u64> = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        self.answers.status.zones[0].counters = counters;
        self
    }

    /// The bans that the next look finds: client, origin, end.
    fn bans(&mut self, bans: &[(&str, &str, u32)]) -> &mut Bench {
        let decision = |(client, origin, until): &(&str, &str, u32)| Decision {
            client: (*client).to_owned(),
            origin: (*origin).to_owned(),
            until: *until,
            reasons: vec!["pace".to_owned()],
            id: format!("id-{client}"),
        };
        let decisions = Decisions {
            list: bans.iter().map(decision).collect(),
            complete: true,
        };
        self.answers.decisions = BTreeMap::from([("clients".to_owned(), decisions)]);
        self
    }

    /// A look, so many seconds after the start; nginx's clock goes right.
    fn look(&mut self, after: u32) -> HashMap<i64, String> {
        self.answers.status.now = NOW + after;
        self.look_with_clock(after)
    }

    fn look_with_clock(&mut self, after: u32) -> HashMap<i64, String> {
        let now = NOW + after;
        self.answers.asked = now;
        keep(&self.store, &self.names, "shop", &self.answers, now).unwrap()
    }

    fn traffic(&self, step: u32) -> Vec<(u32, u64, u64)> {
        let rows = self
            .store
            .traffic(NOW - 4_000, NOW + 20_000, step, Some("clients"))
            .unwrap();
        let row = |row: TrafficRow| (row.at - NOW, row.counts.requests, row.counts.rejected);
        rows.into_iter().map(row).collect()
    }

    fn decisions(&self) -> Vec<DecisionRow> {
        let query = DecisionQuery {
            limit: 100,
            ..DecisionQuery::default()
        };
        let mut rows = self.store.decisions(&query).unwrap().decisions;
        rows.sort_by_key(|row| row.id);
        rows
    }

    fn events(&self) -> Vec<EventKind> {
        let events = self.store.decision_events(0, 100).unwrap();
        events.into_iter().map(|event| event.kind).collect()
    }
}

#[test]
fn what_was_counted_is_kept_in_steps_and_made_coarse() {
    let mut bench = Bench::new(Names::Plain);
    bench.counts(&[("requests", 1_000), ("rejected", 5)]).look(0);
    assert!(
        bench.traffic(10).is_empty(),
        "nothing is known of the time before"
    );
    bench.counts(&[("requests", 1_010), ("rejected", 5)]).look(4);
    bench.counts(&[("requests", 1_030), ("rejected", 7)]).look(9);
    bench.counts(&[("requests", 1_035), ("rejected", 7)]).look(14);
    assert_eq!(bench.traffic(10), [(0, 30, 2), (10, 5, 0)]);
    assert_eq!(bench.traffic(60), [(0, 35, 2)]);
    // The zone was made anew two seconds ago.
    bench.answers.status.zones[0].since = NOW + 17;
    bench.counts(&[("requests", 3)]).look(19);
    assert_eq!(bench.traffic(10), [(0, 30, 2), (10, 8, 0)]);
    bench.answers.status.totals = Totals {
        samples_written: 4,
        ..Totals::default()
    };
    bench.look(20);
    let rows = bench.store.traffic(NOW, NOW + 100, 10, None).unwrap();
    assert_eq!(rows.len(), 3);
    let samples = rows.iter().find(|row| row.zone.is_empty()).unwrap();
    assert_eq!((samples.at, samples.counts.samples), (NOW + 20, 4));

    let retention = Retention {
        seconds: 10 * 86_400,
        bytes: u64::MAX,
    };
    bench.store.prune(retention, NOW + 3 * 86_400).unwrap();
    assert_eq!(bench.traffic(10), [(0, 38, 2)]);
    let rows = bench.store.traffic(NOW, NOW + 100, 10, Some("clients")).unwrap();
    assert_eq!(rows[0].step, 300, "the reader is told what it is");
    bench.store.prune(retention, NOW + 3 * 86_400).unwrap();
    assert_eq!(bench.traffic(10), [(0, 38, 2)], "once");
    bench.store.prune(retention, NOW + 12 * 86_400).unwrap();
    assert!(bench.traffic(10).is_empty());
}

#[test]
fn bans_are_followed_from_their_beginning_to_their_end() {
    let mut bench = Bench::new(Names::Plain);
    bench.counts(&[("rejected", 1)]).bans(&[]).look(0);
    bench
        .counts(&[("rejected", 2)])
        .bans(&[
            ("192.0.2.7", "model", NOW + 60),
            ("192.0.2.8", "operator", NOW + 600),
            ("session=a1", "trap", NOW + 600),
        ])
        .look(5);
    let rows = bench.decisions();
    assert_eq!(
        (
            rows[0].client.as_str(),
            rows[0].network.as_str(),
            rows[0].begun,
            rows[0].expires
        ),
        ("192.0.2.7", "192.0.2.0/24", NOW + 5, NOW + 60)
    );
    assert_eq!(rows[2].client, "73657373696f6e3d6131");
    assert!(rows.iter().all(DecisionRow::is_enforced));
    bench
        .bans(&[
            ("192.0.2.8", "model", NOW + 900),
            ("session=a1", "trap", NOW + 600),
        ])
        .look(61);
    bench.bans(&[("192.0.2.8", "model", NOW + 900)]).look(65);
    let ends: Vec<_> = bench.decisions().iter().map(|row| (row.end, row.ended)).collect();
    assert_eq!(
        ends,
        [
            (Some(End::Expired), Some(NOW + 60)),
            (Some(End::Replaced), Some(NOW + 61)),
            (Some(End::Gone), Some(NOW + 65)),
            (None, None),
        ]
    );
    // Nobody asked for bans, and one is over all the same.
    bench.answers.decisions.clear();
    bench.look(905);
    assert_eq!(bench.decisions()[3].end, Some(End::Expired));
    assert_eq!(bench.events().len(), 8);
    bench
        .store
        .prune(
            Retention {
                seconds: 60,
                bytes: u64::MAX,
            },
            NOW + 1_000,
        )
        .unwrap();
    assert!(bench.decisions().is_empty() && bench.events().is_empty());
    assert_eq!(bench.store.last_event().unwrap(), 8);
}

#[test]
fn in_dry_run_bans_are_marked_so() {
    let mut bench = Bench::new(Names::Plain);
    bench
        .counts(&[("rejected", 3), ("rejected_dry_run", 3)])
        .bans(&[])
        .look(0);
    let dry = |bench: &Bench| {
        bench
            .decisions()
            .iter()
            .map(|row| row.dry_run)
            .collect::<Vec<_>>()
    };
    bench.counts(&[("rejected", 3), ("rejected_dry_run", 4)]);
    bench.bans(&[("192.0.2.7", "model", NOW + 600)]).look(5);
    assert_eq!(dry(&bench), [Some(true)]);
    // Two locations, one of which enforces.
    bench.counts(&[("rejected", 5), ("rejected_dry_run", 5)]);
    let both = [
        ("192.0.2.7", "model", NOW + 600),
        ("192.0.2.8", "model", NOW + 600),
    ];
    bench.bans(&both).look(10);
    assert_eq!(dry(&bench), [Some(true), None]);
    bench
        .store
        .connection()
        .execute_batch(
            "INSERT INTO client (id, zone, name, first, last) VALUES (1, 'clients', '192.0.2.8', 1, 1);",
        )
        .unwrap();
    bench
        .store
        .connection()
        .execute(
            "INSERT INTO sample (digest, client, id, at, aged, kind, requests, verdict, reasons, schema, features, model,
                 method, target) VALUES (x'00', 1, 'id-192.0.2.8', ?1, ?1, 'flagged', 12, 'REJECTED', '[]', '', x'', '', 'GET', '/')",
            params![NOW],
        )
        .unwrap();
    bench.look(15);
    assert_eq!(dry(&bench), [Some(true), Some(false)]);
    use EventKind::{Acted, Begun};
    assert_eq!(bench.events(), [Begun, Begun, Acted]);
}

#[test]
fn while_the_breaker_is_open_bans_are_held() {
    let mut bench = Bench::new(Names::Plain);
    bench.counts(&[("rejected", 1)]).look(0);
    bench.counts(&[("rejected", 2)]);
    bench
        .bans(&[
            ("192.0.2.7", "model", NOW + 600),
            ("192.0.2.8", "operator", NOW + 600),
        ])
        .look(5);
    bench.answers.status.zones[0].guards = Guards {
        open_until: Some(NOW + 60),
        ..Guards::default()
    };
    bench.look(10);
    let held = |bench: &Bench| bench.decisions().iter().map(|row| row.held).collect::<Vec<_>>();
    assert_eq!(held(&bench), [true, true], "whoever ordered it");
    assert!(!bench.decisions()[0].is_enforced());
    bench.look(61);
    assert_eq!(held(&bench), [false, false]);
    use EventKind::{Begun, Freed, Held};
    assert_eq!(bench.events(), [Begun, Begun, Held, Held, Freed, Freed]);
}

#[test]
fn the_switch_of_a_zone_reaches_all_its_bans() {
    let mut bench = Bench::new(Names::Plain);
    let bans = [
        ("192.0.2.7", "model", NOW + 600),
        ("192.0.2.8", "operator", NOW + 600),
        ("192.0.2.9", "crowdsec", NOW + 600),
    ];
    // So it was, and so it is counted for ever.
    bench.counts(&[("rejected", 9)]).bans(&bans);
    let mut check = |after: u32, told: Option<bool>, expected: Option<bool>, events: usize| {
        bench.answers.status.zones[0].dry_run = told;
        bench.look(after);
        let dry: Vec<_> = bench.decisions().iter().map(|row| row.dry_run).collect();
        assert_eq!(dry, [expected; 3], "{told:?} after {after} s");
        assert_eq!(bench.events().len(), events, "{told:?} after {after} s");
    };
    check(0, Some(false), Some(false), 3);
    check(5, Some(false), Some(false), 3);
    check(10, Some(true), Some(true), 6);
    check(15, Some(true), Some(true), 6);
    check(20, Some(false), Some(false), 9);
    // An older module does not tell: what was known stands.
    check(25, None, Some(false), 9);
    // Nobody asked for bans.
    bench.answers.decisions.clear();
    bench.answers.status.zones[0].dry_run = Some(true);
    bench.look(30);
    assert!(bench.decisions().iter().all(|row| row.dry_run == Some(true)));
}

#[test]
fn another_clock_moves_the_end_and_no_ban_twice() {
    let mut bench = Bench::new(Names::Plain);
    bench.answers.status.now = NOW - 100;
    bench.bans(&[("192.0.2.7", "operator", NOW)]).look_with_clock(0);
    bench.answers.status.now = NOW - 96;
    bench.look_with_clock(4);
    let rows = bench.decisions();
    assert_eq!((rows.len(), rows[0].until, rows[0].expires), (1, NOW, NOW + 100));
}

#[test]
fn under_pseudonyms_the_store_names_nobody() {
    let mut bench = Bench::new(Names::keyed(b"0123456789abcdef"));
    let plain = bench
        .bans(&[
            ("192.0.2.7", "operator", NOW + 60),
            ("2001:db8::/64", "operator", NOW + 60),
        ])
        .look(0);
    let rows = bench.decisions();
    assert!(
        rows.iter()
            .all(|row| row.client.starts_with("p:") && row.network.starts_with("p:"))
    );
    let named: Vec<&str> = rows.iter().map(|row| plain[&row.id].as_str()).collect();
    assert_eq!(named, ["192.0.2.7", "2001:db8::/64"]);
    let names = bench.names.clone();
    let gone = bench
        .store
        .forget(None, "192.0.2.7", &names, (NOW, "ana"))
        .unwrap();
    assert_eq!(
        (gone.decisions, bench.decisions().len(), bench.events().len()),
        (1, 1, 1)
    );
}

#[test]
fn what_was_lifted_after_the_list_was_made_does_not_begin_again() {
    let mut bench = Bench::new(Names::Plain);
    bench.bans(&[("192.0.2.7", "operator", NOW + 60)]).look(0);
    let id = bench.decisions()[0].id;
    bench
        .store
        .end_decision(id, End::Lifted, "ana", (NOW + 5, NOW + 5))
        .unwrap();
    bench.look(5);
    assert_eq!(bench.decisions().len(), 1);
    bench.look(10);
    assert_eq!(bench.decisions().len(), 2, "it was put again elsewhere");
}

#[test]
fn what_one_told_is_known_though_it_fell_silent() {
    let section = |name: &str| NginxSection {
        name: name.to_owned(),
        api: "http://127.0.0.1:1/".to_owned(),
        allow_file: None,
        poll_seconds: 5,
    };
    let live = Live::new(&[section("new"), section("shop"), section("other")]);
    let answer = |zone: &str, dry_run: bool| {
        let mut answers = Bench::new(Names::Plain).answers;
        answers.status.zones[0].name = zone.to_owned();
        answers.status.zones[0].dry_run = Some(dry_run);
        answers
    };
    live.answered("shop", NOW, answer("clients", true), HashMap::new());
    live.answered("other", NOW, answer("agents", false), HashMap::new());
    live.failed("shop", NOW + 5, "it is gone");
    let found = live.with_zone("clients");
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.nginx.name(), one.zone.map(|zone| zone.dry_run), one.answers))
        .collect();
    assert_eq!(told, [("new", None, false), ("shop", Some(Some(true)), false)]);
}
