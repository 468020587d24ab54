//! Simulated crawlers, each explained.

use super::support::{Bench, samples};

/// Name of a snapshot, and the client.
const ACTORS: [(&str, &str); 7] = [
    ("catalogue_scrape", "naive"),
    ("faceted_crawl", "facets"),
    ("price_watch", "prices"),
    ("credential_stuffing", "stuffing"),
    ("vulnerability_scan", "scan"),
    ("monitoring", "uptime"),
    ("swarm_member", "polite"),
];

/// The text without digests: each installation has its own pseudonyms.
fn steady(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']);
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words
        .map(|word| {
            let bare = word.trim_end();
            if is_digest(bare) {
                word.replace(bare, "[digest]")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

#[test]
fn every_kind_of_crawler_is_explained() {
    let bench = Bench::new("");
    let truth = bench.path("truth.csv").display().to_string();
    let log = bench.simulate(&[
        "--people",
        "150",
        "--crawlers",
        "naive=1,facets=1,prices=1,stuffing=1,scan=1,uptime=1,polite=14",
        "--duration",
        "3h",
        "--truth",
        &truth,
    ]);
    bench.store(&samples(&log));
    let truth = std::fs::read_to_string(truth).expect("the truth");
    for (category, actor) in ACTORS {
        let row = truth
            .lines()
            .find(|line| line.split(',').nth(1) == Some(actor))
            .expect("one of them");
        let client = row.split(',').next().unwrap_or_default();
        let document = bench.document(&[client]);
        assert_eq!(
            document["explanation"]["category"], category,
            "{actor}: {:#}",
            document["snapshot"]["features"]
        );
        insta::assert_snapshot!(format!("{category}_en"), steady(&bench.explain(&[client])));
        insta::assert_snapshot!(
            format!("{category}_ja"),
            steady(&bench.explain(&[client, "--lang", "ja"]))
        );
    }
}

/// Whether any file beside the store holds these bytes.
fn holds(bench: &Bench, text: &str) -> bool {
    let files = std::fs::read_dir(bench.path("")).expect("the directory");
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("store.db"))
        .any(|path| memchr::memmem::find(&std::fs::read(path).expect("read"), text.as_bytes()).is_some())
}

#[test]
fn snapshots_are_kept_expanded_and_forgotten() {
    let bench = Bench::new("");
    let log = bench.simulate(&["--people", "40", "--crawlers", "polite=13", "--duration", "30m"]);
    let all = samples(&log);
    bench.store(&all);
    let flagged = |id: usize| {
        let mut clients: Vec<&str> = all
            .iter()
            .filter(|sample| sample.verdict != "PASSED")
            .map(|sample| sample.client.as_str())
            .collect();
        clients.sort_unstable();
        clients.dedup();
        clients[id].to_owned()
    };
    let (one, other) = (flagged(0), flagged(1));
    let document = bench.document(&[&one]);
    assert_eq!(
        document,
        bench.document(&[&one]),
        "the same rows give the same document"
    );
    let (id, snapshot) = (
        document["snapshot_id"].as_str().expect("an id"),
        &document["snapshot"],
    );
    let kept: serde_json::Value = serde_json::from_str(&bench.explain(&["--expand", id])).expect("JSON");
    assert_eq!(&kept, snapshot);
    assert!(!kept.to_string().contains(&one), "addresses are pseudonyms");
    assert_eq!(kept["explanation"], serde_json::Value::Null);

    let reference = all.iter().rfind(|sample| sample.client == one).expect("a sample");
    assert_eq!(bench.document(&[&reference.id])["client"], one.as_str());
    let digest = snapshot["samples"]["digest"].as_str().expect("a digest");
    assert!(bench.explain(&["--expand", digest]).contains(&reference.id));
    let cluster = bench.document(&[&one, "--cluster"]);
    assert_eq!(
        (
            &cluster["snapshot"]["subject"]["kind"],
            &cluster["category"]["name"]
        ),
        (&"cluster".into(), &"swarm_member".into())
    );

    // The other is counted among those alike: its going takes the snapshot along.
    let pseudonym = snapshot["subject"]["client"].as_str().expect("a pseudonym");
    assert!(holds(&bench, pseudonym) && holds(&bench, id));
    assert_eq!(bench.run(&["forget", &other]).code, Some(0));
    assert!(
        !holds(&bench, id) && !holds(&bench, digest),
        "a snapshot outlived one that it counted"
    );
    bench.explain(&[&one]);
    assert!(holds(&bench, pseudonym));
    assert_eq!(bench.run(&["forget", &one]).code, Some(0));
    assert!(!holds(&bench, pseudonym), "a pseudonym outlived its client");
}

#[test]
fn what_cannot_be_explained_is_told() {
    let bench = Bench::new("");
    let log = bench.simulate(&["--people", "5", "--crawlers", "naive=1", "--duration", "10m"]);
    let mut all = samples(&log);
    let client = all
        .iter()
        .find(|sample| sample.verdict != "PASSED")
        .expect("flagged")
        .client
        .clone();
    let mut second = all.clone();
    for (number, sample) in second.iter_mut().enumerate() {
        sample.zone = "networks".into();
        sample.id = format!("{number:016x}");
    }
    all.extend(second);
    bench.store(&all);
    #[track_caller]
    fn check(bench: &Bench, arguments: &[&str], code: i32, expected: &str) {
        let ran = bench.run(&[&["explain"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.err.contains(expected), "{}", ran.err);
    }
    check(
        &bench,
        &[&client],
        1,
        "is known in several zones (clients, networks): say which with --zone",
    );
    check(
        &bench,
        &["192.0.2.250"],
        1,
        "knows no client and no reference id 192.0.2.250",
    );
    check(
        &bench,
        &["ffffffffffffffff"],
        1,
        "knows no client and no reference id ffffffffffffffff",
    );
    check(&bench, &["\u{1b}[31m"], 1, "reference id \\u{1b}[31m");
    check(&bench, &[&client, "--zone", "none"], 1, "knows no client");
    check(&bench, &["--expand", "abc"], 1, "has the digest abc");
    check(
        &bench,
        &[&client, "--zone", "clients", "--answer", "missing.json"],
        1,
        "cannot read the answer missing.json",
    );
    check(
        &bench,
        &[&client, "--zone", "clients", "--unredacted"],
        2,
        "--prompt",
    );
    check(&bench, &[], 2, "CLIENT|ID");
    assert_eq!(
        bench.document(&[&client, "--zone", "networks"])["zone"],
        "networks"
    );
}

#[test]
fn a_store_of_pseudonyms_is_explained_by_address_and_names_none() {
    let bench = Bench::new("");
    let key = bench.path("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").expect("written");
    let config = std::fs::read_to_string(bench.path("sekisho.toml")).expect("read");
    let more = format!(
        "[store]\naddresses = \"pseudonym\"\npseudonym_key_file = \"{}\"",
        key.display()
    );
    std::fs::write(bench.path("sekisho.toml"), config.replace("[store]", &more)).expect("written");
    let log = bench.simulate(&["--people", "5", "--crawlers", "naive=1", "--duration", "10m"]);
    let all = samples(&log);
    bench.store(&all);
    let client = &all
        .iter()
        .find(|sample| sample.verdict != "PASSED")
        .expect("flagged")
        .client;
    let document = bench.document(&[client]);
    assert_eq!(document["client"], document["snapshot"]["subject"]["client"]);
    assert!(document["client"].as_str().expect("a name").starts_with("p:"));
    assert!(!document.to_string().contains(client) && !holds(&bench, client));
}
