//! Rules, words and checks on snapshots that were recorded from simulated crawlers.

mod background;
mod claims;
mod rules;
mod told;

use super::snapshot::Snapshot;

/// Name and document of each.
const RECORDED: [(&str, &str); 9] = [
    (
        "catalogue_scrape",
        include_str!("../../../tests/data/explain/catalogue_scrape.json"),
    ),
    (
        "credential_stuffing",
        include_str!("../../../tests/data/explain/credential_stuffing.json"),
    ),
    (
        "faceted_crawl",
        include_str!("../../../tests/data/explain/faceted_crawl.json"),
    ),
    (
        "model_baseline",
        include_str!("../../../tests/data/explain/model_baseline.json"),
    ),
    (
        "monitoring",
        include_str!("../../../tests/data/explain/monitoring.json"),
    ),
    ("passed", include_str!("../../../tests/data/explain/passed.json")),
    (
        "price_watch",
        include_str!("../../../tests/data/explain/price_watch.json"),
    ),
    (
        "swarm_member",
        include_str!("../../../tests/data/explain/swarm_member.json"),
    ),
    (
        "vulnerability_scan",
        include_str!("../../../tests/data/explain/vulnerability_scan.json"),
    ),
];

#[track_caller]
fn recorded(name: &str) -> Snapshot {
    let found = RECORDED.iter().find(|(known, _)| *known == name);
    serde_json::from_str(found.expect("a recorded snapshot").1).expect("a snapshot")
}

#[test]
fn a_document_reads_back_as_it_was() {
    for (name, _) in RECORDED {
        let snapshot = recorded(name);
        let (id, document) = snapshot.document();
        let again: Snapshot = serde_json::from_str(&document).unwrap();
        assert_eq!((again.document(), &again), ((id, document), &snapshot), "{name}");
    }
}
