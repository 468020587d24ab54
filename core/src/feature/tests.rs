use proptest::prelude::*;

use super::*;
use crate::checkpoint::{Policy, arrive, depart};
use crate::key::Seed;
use crate::sketch::popularity::Rating;
use crate::url::{Method, Visit};

type Line<'a> = (u32, Method, &'a str, Option<&'a str>, u16, u64);

fn record_of<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> Record {
    let mut record = Record::fresh(1, 0);
    for (at, method, target, referer, status, bytes) in lines {
        let visit = Visit::new(Seed::FIXED, method, target.as_bytes(), referer.map(str::as_bytes));
        arrive(&mut record, at, &visit, Rating::LongTail, &Policy::new(1.0, 1.0));
        depart(&mut record, status, bytes);
    }
    record
}

#[track_caller]
fn check(record: &Record, expected: &[(&str, f32)]) {
    let features = record.features();
    for (name, value) in expected {
        let found = features[index(name).expect(name)];
        assert!((found - value).abs() < 0.02, "{name}: {found}, expected {value}");
    }
}

#[test]
fn a_scraper_that_never_asks_twice() {
    let targets: Vec<String> = (0..20).map(|item| format!("/item/{item}?ref={item}")).collect();
    let record = record_of(targets.iter().enumerate().map(|(number, target)| {
        (
            1000 + 10 * number as u32,
            Method::Get,
            target.as_str(),
            None,
            200,
            1023,
        )
    }));
    check(
        &record,
        &[
            ("requests", 21f32.log2()),
            ("distinct_url_ratio", 1.0),
            ("distinct_path_ratio", 1.0),
            ("long_tail_share", 1.0),
            ("interval_mean", 11f32.log2()),
            ("interval_variation", 0.0),
            ("interval_entropy", 0.0),
            ("short_interval_share", 0.0),
            ("page_interval_median", 11f32.log2()),
            ("beacon_score", 1.0),
            ("phase_coherence", 1.0),
            ("asset_share", 0.0),
            ("missing_referer_share", 1.0),
            ("query_share", 1.0),
            ("query_diversity", 1.0),
            ("path_depth", 2.0),
            ("response_bytes", 10.0),
        ],
    );
}

#[test]
fn a_reader_with_a_browser() {
    let record = record_of([
        (
            0,
            Method::Get,
            "/",
            Some("https://search.example/?q=x"),
            200,
            5000,
        ),
        (
            0,
            Method::Get,
            "/style.css",
            Some("https://site.example/"),
            200,
            900,
        ),
        (1, Method::Get, "/app.js", Some("https://site.example/"), 304, 0),
        (40, Method::Get, "/news", Some("https://site.example/"), 200, 7000),
        (
            41,
            Method::Get,
            "/a.png",
            Some("https://site.example/news"),
            404,
            100,
        ),
        (
            95,
            Method::Post,
            "/comment",
            Some("https://site.example/news"),
            302,
            0,
        ),
        (
            95,
            Method::Get,
            "/news",
            Some("https://site.example/news"),
            200,
            7100,
        ),
        (300, Method::Head, "/news", None, 503, 0),
    ]);
    check(
        &record,
        &[
            ("distinct_url_ratio", 6.0 / 8.0),
            ("distinct_path_ratio", 3.0 / 5.0),
            ("assets_per_page", 3.0 / 5.0),
            ("missing_referer_share", 1.0 / 8.0),
            ("trail_referer_share", 6.0 / 8.0),
            ("redirect_share", 1.0 / 8.0),
            ("not_modified_share", 1.0 / 8.0),
            ("client_error_share", 1.0 / 8.0),
            ("server_error_share", 1.0 / 8.0),
            ("head_share", 1.0 / 8.0),
            ("post_share", 1.0 / 8.0),
            ("short_interval_share", 4.0 / 7.0),
            ("phase_coherence", 0.0),
        ],
    );
}

#[test]
fn old_behaviour_fades() {
    let polls = (0..400).map(|number| (number, Method::Get, "/status", None, 200, 10));
    let record = record_of(polls);
    check(
        &record,
        &[("distinct_url_ratio", 0.0), ("lifetime_url_ratio", 0.0)],
    );
    let pages: Vec<String> = (0..400).map(|page| format!("/page/{page}")).collect();
    let both = record_of(
        (0..400)
            .map(|number| (number, Method::Get, "/status", None, 200, 10))
            .chain(
                pages
                    .iter()
                    .enumerate()
                    .map(|(number, page)| (400 + number as u32, Method::Get, page.as_str(), None, 200, 10)),
            ),
    );
    let ratio = both.features()[index("distinct_url_ratio").unwrap()];
    assert!(ratio > 0.8, "the last window was unique: {ratio}");
}

#[test]
fn jitter_lowers_coherence() {
    let coherence = |jitter: &dyn Fn(u32) -> u32| {
        let lines = (0..40).map(|number| (number * 60 + jitter(number), Method::Get, "/", None, 200, 1));
        record_of(lines).features()[index("phase_coherence").unwrap()]
    };
    assert!(coherence(&|_| 0) > 0.99);
    assert!(coherence(&|number| number % 3) > 0.9);
    let irregular = coherence(&|number| number * number * 7919 % 59);
    assert!(irregular < 0.8, "{irregular}");
}

#[test]
fn the_schema_is_what_the_models_were_trained_on() {
    let schema: Vec<String> = FEATURES
        .iter()
        .map(|feature| {
            format!(
                "{:22} {:11} {:?} {:?}",
                feature.name,
                feature.unit.as_str(),
                feature.range,
                feature.family
            )
        })
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", schema_hash(), schema.join("\n")));
}

fn any_line() -> impl Strategy<Value = (u32, u8, String, Option<String>, u16, u64)> {
    let target = "(/[a-c]{0,2}){0,3}(\\.png|\\.js)?(\\?[a-c]=[a-c])?";
    (
        any::<u32>(),
        0u8..4,
        target,
        prop::option::of("(https://x)?(/[a-c]{0,2}){0,3}"),
        any::<u16>(),
        any::<u64>(),
    )
}

proptest! {
    #[test]
    fn features_are_finite_and_in_range(lines in prop::collection::vec(any_line(), 0..600)) {
        let methods = [Method::Get, Method::Head, Method::Post, Method::Other];
        let record = record_of(lines.iter().map(|(at, method, target, referer, status, bytes)| {
            (*at, methods[usize::from(*method)], target.as_str(), referer.as_deref(), *status, *bytes)
        }));
        for (value, feature) in record.features().iter().zip(&FEATURES) {
            prop_assert!(value.is_finite(), "{}", feature.name);
            prop_assert!((feature.range.0..=feature.range.1).contains(value), "{} {value}", feature.name);
        }
    }
}
