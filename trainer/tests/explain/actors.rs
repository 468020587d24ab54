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
        insta::assert_snapshot!(format!("{category}_en"), bench.explain(&[client]));
        insta::assert_snapshot!(format!("{category}_ja"), bench.explain(&[client, "--lang", "ja"]));
    }
}
