//! The API's page for Prometheus.

use std::collections::BTreeMap;

use sekisho_tests::api::shop;
use sekisho_tests::visitors::crawl;

#[test]
fn metrics_are_as_prometheus_reads_them_and_name_no_visitor() {
    let nginx = shop();
    crawl(&nginx, "192.0.2.1", 0, 140);
    let answer = nginx.get("/sekisho/v1/metrics", &[]);
    assert_eq!(answer.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("Content-Type"), Some(kind));
    let text = String::from_utf8(answer.body).expect("text");
    let samples = samples(&text);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name}\n{text}"));
    assert_eq!(
        value("sekisho_requests_total{zone=\"clients\",verdict=\"rejected\"}"),
        131.0
    );
    assert_eq!(value("sekisho_accounted_requests_total{zone=\"clients\"}"), 140.0);
    assert_eq!(value("sekisho_zone_clients{zone=\"clients\"}"), 1.0);
    assert_eq!(value("sekisho_zone_size_bytes{zone=\"agents\"}"), 65_536.0);
    let scores = value("sekisho_scores_total{zone=\"clients\"}");
    assert_eq!(
        value("sekisho_score_bucket{zone=\"clients\",le=\"+Inf\"}"),
        scores
    );
    assert!(value("sekisho_score_sum{zone=\"clients\"}") > scores * 0.5);
    // Two workers, each times one in 64 of its own.
    let timed = value("sekisho_decision_seconds_count{zone=\"clients\"}");
    assert!((1.0..=2.0).contains(&timed), "{timed}");
    let spent = value("sekisho_decision_seconds_sum{zone=\"clients\"}");
    assert!(spent > 0.0 && spent < 0.1, "{spent}");
    assert!(
        samples
            .keys()
            .any(|name| name.starts_with("sekisho_model_info{role=\"champion\",digest=\""))
    );
    assert!(
        !text.contains("192.0.2.1") && !text.contains("page.html"),
        "{text}"
    );
}

/// The samples of a page, by name and labels, after a look at the format's rules: every family has help and type
/// once and before its samples, names and values are well-formed, buckets grow, no sample stands twice.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    let mut family = "";
    let mut bucket: Option<(String, f64)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().expect("a name");
            assert!(
                family.starts_with("sekisho_") && rest.len() > family.len() + 1,
                "{line}"
            );
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        let name = sample.split('{').next().expect("a name");
        let suffix = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("{line} in {family}"));
        match (kinds.get(family).copied(), suffix) {
            (Some("histogram"), "_bucket") => {
                let (series, _) = sample.split_once("le=").expect("a bound");
                if let Some((before, least)) = &bucket
                    && before == series
                {
                    assert!(value >= *least, "{line}");
                }
                bucket = Some((series.to_owned(), value));
            }
            (Some("histogram"), "_sum" | "_count") | (Some("counter" | "gauge"), "") => {}
            other => panic!("{line}: {other:?}"),
        }
        assert!(found.insert(sample.to_owned(), value).is_none(), "{line} twice");
    }
    found
}
