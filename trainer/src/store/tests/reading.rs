//! Clients, labels and sites out.

use super::*;

/// When labels are brought, and who does.
const BY: (u32, &str) = (NOW + 9, "importer");

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
        bench.store.add_labels(&again, &bench.names, false, BY).unwrap(),
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
        bench.store.add_labels(&unknown, &bench.names, false, BY).unwrap(),
        [Outcome::UnknownClient]
    );
    assert_eq!(
        bench.store.add_labels(&unknown, &bench.names, true, BY).unwrap(),
        [Outcome::Added]
    );
    assert_eq!(bench.named("192.0.2.9").class, Some(Class::Human));
    assert_eq!(
        bench.count(&format!(
            "audit WHERE action = 'label' AND at = {} AND actor = 'importer'",
            BY.0
        )),
        2,
        "whatever a file says of itself"
    );
}

#[test]
fn an_address_stands_for_its_network_where_the_zone_keeps_networks() {
    let mut bench = Bench::new(Names::keyed(b"k"));
    bench.put(&[
        sample("2001:db8:1:2::/64", 1, NOW),
        sample("2001:db8:1:3::7", 2, NOW),
    ]);
    let label = |client: &str| StoredLabel {
        zone: "clients".into(),
        client: client.into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: NOW,
        note: String::new(),
    };
    let labels = [
        label("2001:db8:1:2::9"),
        label("2001:db8:1:3::7"),
        label("2001:db8:1:4::9"),
    ];
    let added = bench.store.add_labels(&labels, &bench.names, true, BY).unwrap();
    assert_eq!(added, [Outcome::Added; 3]);
    for name in ["2001:db8:1:2::/64", "2001:db8:1:3::7", "2001:db8:1:4::/64"] {
        assert_eq!(
            bench.named(&bench.names.client(name)).class,
            Some(Class::Human),
            "{name}"
        );
    }
    assert_eq!(bench.count("client"), 3);
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
    bench.store.add_labels(&[label], &bench.names, false, BY).unwrap();
    let retention = Retention {
        seconds: 10,
        bytes: u64::MAX,
    };
    let pruned = bench.store.prune(retention, NOW + 100).unwrap();
    assert_eq!((pruned.samples, pruned.clients), (2, 1));
    assert_eq!((bench.count("client"), bench.count("label")), (1, 1));
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
fn what_was_allowed_is_told_so() {
    let mut bench = Bench::new(Names::Plain);
    let allowed = Sample {
        verdict: "ALLOWED".into(),
        ..sample("192.0.2.7", 1, NOW)
    };
    bench.put(&[allowed]);
    assert_eq!(bench.named("192.0.2.7").worst, "ALLOWED");
    bench.put(&[sample("192.0.2.7", 2, NOW)]);
    assert_eq!(bench.named("192.0.2.7").worst, "SUSPECT");
}
