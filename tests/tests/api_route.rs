//! The API's paths, queries and names as data: the module's own source, without nginx.

use proptest::prelude::*;
use sekisho_core::key::Prefixes;

#[path = "../../nginx-module/src/api/exposition.rs"]
mod exposition;
#[path = "../../nginx-module/src/api/route.rs"]
mod route;

use route::{BadQuery, Client, MAX_QUERY, Query, Route, Verb, inside, number, segment};

#[test]
fn a_path_is_one_of_the_routes_or_none() {
    #[track_caller]
    fn check(path: &str, expected: Option<Route<'_>>) {
        assert_eq!(Route::parse(path.as_bytes()), expected, "{path}");
    }
    let (zone, client) = ("a", "192.0.2.7");
    check("v1/status", Some(Route::Status));
    check("v1/metrics", Some(Route::Metrics));
    check("v1/clients", Some(Route::Clients));
    check("v1/clients/a/192.0.2.7", Some(Route::Client { zone, client }));
    check("v1/decisions", Some(Route::Decisions));
    check("v1/decisions/a/192.0.2.7", Some(Route::Decision { zone, client }));
    let client = "192.0.2.0/24";
    check("v1/clients/a/192.0.2.0/24", Some(Route::Client { zone, client }));
    for path in [
        "",
        "/",
        "v1",
        "v1/",
        "v1/status/",
        "/v1/status",
        "v1//status",
        "v2/status",
        "v1/status/a",
        "v1/clients/a",
        "v1/clients/a/",
        "v1/clients//b",
        "v1/clients/a/b/",
        "v1/clients/a//b",
        "V1/status",
    ] {
        check(path, None);
    }
    let long = "x".repeat(3000);
    check(&format!("v1/clients/a/{long}"), None);
    assert_eq!(Route::parse(b"v1/clients/a/\xff"), None);
}

#[test]
fn a_route_takes_the_methods_it_names() {
    #[track_caller]
    fn check(path: &str, expected: &str) {
        let route = Route::parse(path.as_bytes()).expect(path);
        assert_eq!(route.allow(), expected);
        for method in ["GET", "HEAD", "POST", "DELETE", "PUT", "get", ""] {
            let allowed = expected.split(", ").any(|name| name == method);
            assert_eq!(
                route.verb(method.as_bytes()).is_some(),
                allowed,
                "{method} {path}"
            );
        }
    }
    check("v1/status", "GET, HEAD");
    check("v1/clients/a/b", "GET, HEAD");
    check("v1/decisions", "GET, HEAD, POST");
    check("v1/decisions/a/b", "GET, HEAD, DELETE");
    assert_eq!(Route::Decisions.verb(b"POST"), Some(Verb::Post));
}

#[test]
fn a_path_is_what_is_behind_the_locations_prefix() {
    #[track_caller]
    fn check(prefix: &str, uri: &str, expected: Option<&str>) {
        let found = inside(prefix.as_bytes(), uri.as_bytes());
        assert_eq!(found, expected.map(str::as_bytes), "{prefix} {uri}");
    }
    check("/sekisho/", "/sekisho/v1/status", Some("v1/status"));
    check("/sekisho", "/sekisho/v1/status", Some("v1/status"));
    check("/sekisho", "/sekishov1/status", None);
    check("/sekisho", "/sekisho", None);
    check("/", "/v1/status", Some("v1/status"));
    check("/sekisho/", "/other", None);
}

#[test]
fn a_query_names_what_is_known_and_once() {
    #[track_caller]
    fn check(text: &str, expected: Result<Option<&str>, BadQuery>) {
        let found = Query::parse(text.as_bytes(), &["zone", "limit"]);
        let zone = found.map(|query| query.get("zone").map(str::to_owned));
        assert_eq!(zone, expected.map(|zone| zone.map(str::to_owned)), "{text}");
    }
    check("", Ok(None));
    check("limit=1", Ok(None));
    check("zone=a", Ok(Some("a")));
    check("limit=1&zone=a+b%2fc", Ok(Some("a b/c")));
    check("%7aone=a=b", Ok(Some("a=b")));
    check("zone=", Ok(Some("")));
    check("zone", Err(BadQuery::Malformed));
    check("&", Err(BadQuery::Malformed));
    check("zone=a&", Err(BadQuery::Malformed));
    check("zone=%", Err(BadQuery::Malformed));
    check("zone=%g0", Err(BadQuery::Malformed));
    check("zone=%c3", Err(BadQuery::Malformed));
    check("zone=a&zone=a", Err(BadQuery::Twice("zone".into())));
    check("other=a", Err(BadQuery::Unknown("other".into())));
    check(&format!("zone={}", "a".repeat(MAX_QUERY)), Err(BadQuery::TooLong));
    let query = Query::parse(b"limit=7", &["limit", "zone"]).unwrap();
    assert_eq!(query.require("zone"), Err(BadQuery::Missing("zone")));
    assert_eq!(query.read("limit", "a number", number), Ok(Some(7)));
    let refused = query.read("limit", "a letter", |text| {
        text.parse::<char>().ok().filter(char::is_ascii_alphabetic)
    });
    let text = refused.unwrap_err().to_string();
    assert_eq!(text, "the query parameter \"limit\" must be a letter");
}

#[test]
fn a_number_is_plain() {
    #[track_caller]
    fn check(text: &str, expected: Option<u32>) {
        assert_eq!(number(text), expected, "{text}");
    }
    check("0", Some(0));
    check("4294967295", Some(u32::MAX));
    for text in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        " 1",
        "1.0",
        "1e3",
        "4294967296",
        "0x1",
        "\u{664}",
    ] {
        check(text, None);
    }
}

const ADDRESSES: Option<Prefixes> = Some(Prefixes { v4: 32, v6: 64 });
const GROUPS: Option<Prefixes> = Some(Prefixes { v4: 24, v6: 48 });

#[test]
fn a_client_has_one_name() {
    #[track_caller]
    fn check(text: &str, prefixes: Option<Prefixes>, expected: Option<&str>) {
        let name = Client::parse(text, prefixes).map(|client| client.name(prefixes));
        assert_eq!(name.as_deref(), expected, "{text}");
    }
    check("192.0.2.7", ADDRESSES, Some("192.0.2.7"));
    check("::ffff:192.0.2.7", ADDRESSES, Some("192.0.2.7"));
    check("2001:DB8:0::7", ADDRESSES, Some("2001:db8::/64"));
    check("2001:db8::/64", ADDRESSES, Some("2001:db8::/64"));
    check("2001:db8::/48", ADDRESSES, None);
    check("192.0.2.7", GROUPS, Some("192.0.2.0/24"));
    check("192.0.2.0/24", GROUPS, Some("192.0.2.0/24"));
    check("192.0.2.0/024", GROUPS, None);
    check("192.0.2.0/", GROUPS, None);
    check("unix:", ADDRESSES, Some("unix:"));
    check("192.0.2.256", ADDRESSES, None);
    check("hex:c0000207", ADDRESSES, Some("192.0.2.7"));
    check("192.0.2.7", None, Some("192.0.2.7"));
    check("session=a1", None, Some("session=a1"));
    check("a b", None, Some("hex:612062"));
    check("..", None, Some("hex:2e2e"));
    check("hex:6", None, None);
    check("hex:6G", None, None);
    check("hex:6A", None, None);
    check("hex:", None, None);
    check("hash:00000000000000ff", None, Some("hash:00000000000000ff"));
    check("hash:ff", None, None);
    check("", None, None);
}

proptest! {
    #[test]
    fn a_name_leads_back_to_its_key(key in prop::collection::vec(any::<u8>(), 1..40), hash: u64) {
        for client in [Client::Key(key.clone()), Client::Hash(hash)] {
            let name = client.name(None);
            prop_assert_eq!(Client::parse(&name, None), Some(client));
            prop_assert_eq!(&segment(&name).replace("%40", "@").replace("%2C", ",").replace("%3D", "="), &name);
            let path = format!("v1/clients/a/{name}");
            let expected = Route::Client { zone: "a", client: &name };
            prop_assert_eq!(Route::parse(path.as_bytes()), Some(expected));
        }
    }

    #[test]
    fn any_bytes_are_a_path_and_a_query_or_none(bytes: Vec<u8>) {
        let _ = Route::parse(&bytes);
        let _ = Query::parse(&bytes, &["zone"]);
    }
}

#[test]
fn a_page_has_families_and_escaped_labels() {
    let mut page = exposition::Page::default();
    page.family("a_total", "counter", "Things.");
    page.sample(&[], 1);
    page.sample(&[("zone", "x\"\\\n}")], 2.5);
    page.family("b", "histogram", "Sizes.");
    let bounds = ["1", "2"].map(str::to_owned);
    page.histogram(&[("zone", "x")], bounds.into_iter(), &[1, 0, 2], 7);
    let expected = "# HELP a_total Things.\n# TYPE a_total counter\na_total 1\na_total{zone=\"x\\\"\\\\\\n}\"} 2.5\n\
                    # HELP b Sizes.\n# TYPE b histogram\nb_bucket{zone=\"x\",le=\"1\"} 1\nb_bucket{zone=\"x\",le=\"2\"} 1\n\
                    b_bucket{zone=\"x\",le=\"+Inf\"} 3\nb_sum{zone=\"x\"} 7\nb_count{zone=\"x\"} 3\n";
    assert_eq!(page.finish(), expected);
    assert!(exposition::KIND.starts_with("text/plain"));
}
