//! What pages list: filters, beginnings of names, networks, newest samples, and how it is read.

use sekisho_core::feature::COUNT;

use super::*;

fn seen(client: &str, id: u64, verdict: &str, requests: u32) -> Sample {
    Sample {
        verdict: verdict.into(),
        requests,
        ..sample(client, id, NOW - 100 + id as u32)
    }
}

fn listed(bench: &Bench, query: PageQuery) -> Vec<String> {
    let query = PageQuery { limit: 50, ..query };
    let page = bench.store.clients(&query).unwrap();
    page.clients.into_iter().map(|client| client.name).collect()
}

fn bench() -> Bench {
    let mut bench = Bench::new(Names::Plain);
    bench.put(&[
        seen("192.0.2.7", 1, "PASSED", 40),
        seen("192.0.2.77", 2, "REJECTED", 900),
        seen("198.51.100.1", 3, "SUSPECT", 100),
        seen("2001:db8:1:2::/64", 4, "PASSED", 10),
        told("192.0.2.9", 5, sample::Class::Crawler, sample::Origin::Trap),
    ]);
    bench
}

#[test]
fn filters_are_those_of_the_page() {
    let bench = bench();
    let by = |query| listed(&bench, query);
    let worst = |word: &str| PageQuery {
        worst: Some(word.into()),
        ..PageQuery::default()
    };
    assert_eq!(by(worst("REJECTED")), ["192.0.2.77"]);
    assert_eq!(by(worst("PASSED")), ["2001:db8:1:2::/64", "192.0.2.7"]);
    assert!(by(worst("nothing of ours")).is_empty());
    let class = |class| PageQuery {
        class: Some(class),
        ..PageQuery::default()
    };
    assert_eq!(by(class(Some(Class::Crawler))), ["192.0.2.9"]);
    assert!(by(class(Some(Class::Human))).is_empty());
    assert_eq!(by(class(None)).len(), 4);
}

#[test]
fn the_last_page_has_no_next_one() {
    let bench = bench();
    let page = |limit| {
        bench
            .store
            .clients(&PageQuery {
                limit,
                ..PageQuery::default()
            })
            .unwrap()
    };
    assert!(page(5).next.is_none());
    assert!(page(4).next.is_some());
}

#[test]
fn names_are_found_by_their_beginning() {
    let bench = bench();
    let found = |start: &str, after: Option<(&str, &str)>, limit| {
        let after = after.map(|(zone, name)| (zone.to_owned(), name.to_owned()));
        let query = PageQuery {
            limit,
            ..PageQuery::default()
        };
        let page = bench
            .store
            .clients_beginning(start, &query, after.as_ref())
            .unwrap();
        let names: Vec<String> = page.clients.into_iter().map(|client| client.name).collect();
        (names, page.next.is_some())
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found("192.0.2.7", None, 9),
        (names(&["192.0.2.7", "192.0.2.77"]), false)
    );
    assert_eq!(
        found("192.0.2.", None, 2),
        (names(&["192.0.2.7", "192.0.2.77"]), true)
    );
    assert_eq!(
        found("192.0.2.", Some(("clients", "192.0.2.77")), 2),
        (names(&["192.0.2.9"]), false)
    );
    assert_eq!(
        found("2001:db8:", None, 9),
        (names(&["2001:db8:1:2::/64"]), false)
    );
    assert_eq!(found("%", None, 9), (names(&[]), false));
    assert_eq!(found("192.0.2.7' OR 1", None, 9), (names(&[]), false));
}

#[test]
fn names_are_found_among_those_that_pass_the_filters() {
    let bench = bench();
    #[track_caller]
    fn check(bench: &Bench, query: PageQuery, expected: &[&str]) {
        let query = PageQuery { limit: 9, ..query };
        let page = bench.store.clients_beginning("192.0.2.", &query, None).unwrap();
        let names: Vec<&str> = page.clients.iter().map(|client| client.name.as_str()).collect();
        assert_eq!(names, expected, "{query:?}");
    }
    let none = PageQuery::default;
    check(&bench, none(), &["192.0.2.7", "192.0.2.77", "192.0.2.9"]);
    let worst = Some("REJECTED".to_owned());
    check(&bench, PageQuery { worst, ..none() }, &["192.0.2.77"]);
    let class = Some(Some(Class::Crawler));
    check(&bench, PageQuery { class, ..none() }, &["192.0.2.9"]);
    let class = Some(None);
    check(
        &bench,
        PageQuery { class, ..none() },
        &["192.0.2.7", "192.0.2.77"],
    );
    let conflicts = true;
    check(&bench, PageQuery { conflicts, ..none() }, &[]);
    let network = Some("198.51.100.0/24".to_owned());
    check(&bench, PageQuery { network, ..none() }, &[]);
    let zone = Some("other".to_owned());
    check(&bench, PageQuery { zone, ..none() }, &[]);
}

#[test]
fn networks_come_by_their_load() {
    let bench = bench();
    let networks = bench.store.networks(None, 0, 2).unwrap();
    assert_eq!(
        (networks.total, networks.all.clients, networks.all.requests),
        (3, 5, 1065)
    );
    let told: Vec<(&str, u64, u64)> = networks
        .busiest
        .iter()
        .map(|row| (row.network.as_str(), row.load.requests, row.load.flagged))
        .collect();
    assert_eq!(told, [("192.0.2.0/24", 955, 915), ("198.51.100.0/24", 100, 100)]);
    assert_eq!(bench.store.networks(Some("other"), 0, 2).unwrap().total, 0);
    assert_eq!(
        bench.store.networks(Some("clients"), NOW - 96, 9).unwrap().total,
        2
    );
}

#[test]
fn the_newest_scored_sample_stands_for_its_client() {
    let mut bench = Bench::new(Names::Plain);
    let with = |id, at, score, value| Sample {
        at,
        score,
        verdict: "SUSPECT".into(),
        features: vec![value; COUNT],
        ..sample("192.0.2.7", id, at)
    };
    let newest = |bench: &Bench| {
        bench
            .store
            .standing(None, 0, 9)
            .unwrap()
            .pop()
            .map(|one| one.features[1])
    };
    assert_eq!(newest(&bench), None);
    bench.put(&[
        with(1, NOW - 50, Some(0.6), 0.1),
        with(2, NOW - 20, Some(0.7), 0.2),
    ]);
    assert_eq!(newest(&bench), Some(0.2));
    bench.put(&[with(3, NOW - 30, Some(0.7), 0.3), with(4, NOW - 10, None, 0.4)]);
    assert_eq!(newest(&bench), Some(0.2), "older, and without a score");
    bench.put(&[with(5, NOW - 20, Some(0.7), 0.5)]);
    assert_eq!(newest(&bench), Some(0.5), "of one second the last to come");
    let people = bench
        .store
        .others("clients", 0, Others::Flagged(0, NOW), 9)
        .unwrap();
    assert_eq!(people[0].features[1], 0.5);
    let retention = Retention {
        seconds: 15,
        bytes: u64::MAX,
    };
    bench.store.prune(retention, NOW).unwrap();
    assert_eq!(
        (bench.count("newest"), bench.count("sample")),
        (0, 1),
        "it goes with its sample"
    );
}

#[test]
fn an_older_store_gets_its_newest_samples() {
    let bench = bench();
    let before = bench.count("newest");
    assert_eq!(before, 5);
    let step = migrate::MIGRATIONS
        .iter()
        .find(|step| step.name == "010_pages")
        .unwrap();
    let connection = bench.store.connection();
    connection
        .execute_batch("DROP TABLE newest; DROP INDEX explanation_snapshot")
        .unwrap();
    connection.execute_batch(step.sql).unwrap();
    assert_eq!(bench.count("newest"), before);
    assert_eq!(
        bench.count("newest JOIN sample ON seq = newest.sample AND sample.digest = newest.digest"),
        before
    );
}

/// The steps in which SQLite answers.
fn steps(bench: &Bench, sql: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let mut explain = bench.store.connection().prepare(&explain).unwrap();
    let (mut steps, mut rows): (Vec<String>, _) = (Vec::new(), explain.raw_query());
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

#[test]
fn past_cases_look_for_their_clients_and_no_zone_for_its_cases() {
    let bench = bench();
    for sql in past::statements() {
        let steps = steps(&bench, &sql);
        let client = |step: &&String| step.contains("client ");
        let looked: Vec<&String> = steps.iter().filter(client).collect();
        assert_eq!(
            looked,
            ["SEARCH client USING INTEGER PRIMARY KEY (rowid=?)"],
            "{steps:?}"
        );
    }
}

/// How SQLite reads what pages ask for: never all of a table, and nothing sorted, but for what a network's load is.
#[test]
fn no_page_reads_all_samples_and_none_sorts() {
    #[track_caller]
    fn check(bench: &Bench, sql: &str, scan: Option<&str>) {
        let steps = steps(bench, sql);
        let plan = steps.join("; ");
        assert!(
            !plan.contains("SCAN sample") && !plan.contains("TEMP B-TREE"),
            "{sql}\n{plan}"
        );
        for step in steps.iter().filter(|step| step.starts_with("SCAN")) {
            let allowed =
                scan.is_some_and(|scan| step.contains(scan)) || step.contains("USING INDEX client_");
            assert!(allowed, "{sql}\n{plan}");
        }
    }
    let bench = bench();
    for order in [ClientOrder::Last, ClientOrder::Score, ClientOrder::Requests] {
        for after in [None, Some((0.5, 7))] {
            let filtered = PageQuery {
                zone: Some("a".into()),
                worst: Some("REJECTED".into()),
                conflicts: true,
                class: Some(None),
                order,
                after,
                ..PageQuery::default()
            };
            check(&bench, &filtered.statement().0, None);
            check(
                &bench,
                &PageQuery {
                    order,
                    after,
                    ..PageQuery::default()
                }
                .statement()
                .0,
                None,
            );
        }
    }
    let network = PageQuery {
        network: Some("192.0.2.0/24".into()),
        ..PageQuery::default()
    };
    check(&bench, &network.statement().0, None);
    for which in [Others::People, Others::Flagged(1, 2)] {
        check(&bench, &which.statement().0, None);
    }
    check(
        &bench,
        groups::NETWORKS,
        Some("USING COVERING INDEX client_network"),
    );
    check(&bench, groups::STANDING, None);
    check(&bench, search::SEEN, None);
    let filtered = PageQuery {
        worst: Some("REJECTED".into()),
        conflicts: true,
        class: Some(Some(Class::Human)),
        ..network
    };
    for query in [PageQuery::default(), filtered] {
        for behind in [true, false] {
            check(&bench, &search::beginning(behind, &query).0, None);
        }
    }
    check(&bench, &told::page(), None);
    check(&bench, &traffic::counted(), None);
    check(&bench, sources::ARRIVED, None);
}

#[test]
fn samples_are_counted_by_steps_that_have_some() {
    let mut bench = Bench::new(Names::Plain);
    let at = |id, at| Sample {
        at,
        ..sample("192.0.2.7", id, at)
    };
    let hour = NOW - 3_600;
    bench.put(&[
        at(1, hour - 7_300),
        at(2, hour - 7_200),
        at(3, hour - 3_601),
        at(4, hour),
        at(5, NOW - 1),
    ]);
    let counted = |from, until| bench.store.samples_over_time(from, until, 3_600).unwrap();
    assert_eq!(counted(hour - 7_200, NOW - 1), [(hour - 7_200, 2), (hour, 2)]);
    assert_eq!(counted(hour - 7_199, NOW - 2), [(hour - 7_200, 1), (hour, 1)]);
    assert_eq!(counted(NOW, hour), []);
}
