//! What the API of a running nginx tells of it and of its clients.

use sekisho_tests::api::{ask, refused, shop};
use sekisho_tests::daemon::API;
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{START, browse, checked, crawl, site, visit};
use serde_json::{Value, json};

#[test]
fn status_tells_versions_workers_and_zones() {
    let nginx = shop();
    crawl(&nginx, "192.0.2.1", 0, 20);
    browse(&nginx, "192.0.2.2", 0, 6);
    let status = ask(&nginx, 30, "/sekisho/v1/status");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        status["nginx_version"]
            .as_str()
            .map(|text| text.split('.').count()),
        Some(3)
    );
    assert_eq!(status["now"], START + 30);
    let worker = &status["workers"][0];
    assert!(
        nginx
            .workers()
            .contains(&(worker["pid"].as_u64().expect("a pid") as u32))
    );
    assert_eq!(worker["model"].as_str().map(str::len), Some(64));
    assert_eq!(worker["challenger"], Value::Null);
    let zones = status["zones"].as_array().expect("zones");
    let names: Vec<_> = zones
        .iter()
        .map(|zone| zone["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["clients", "agents"]);
    let zone = &zones[0];
    assert_eq!(
        (&zone["key"], &zone["bytes"]),
        (&json!("$binary_remote_addr"), &json!(1 << 20))
    );
    assert_eq!(zone["clients"]["held"], 2);
    assert_eq!(zone["clients"]["estimated"], false);
    assert!(
        zone["clients"]["capacity"]
            .as_u64()
            .is_some_and(|clients| clients > 3000)
    );
    let counters = &zone["counters"];
    assert_eq!(
        counters["requests"], 26,
        "the API's own requests are not accounted"
    );
    let count = |name: &str| counters[name].as_u64().expect(name);
    assert_eq!(count("passed") + count("suspect") + count("rejected"), 26);
    assert_eq!(count("rejected"), 11, "from the tenth on");
    assert_eq!(count("scores"), 2, "at the tenth and the sixteenth");
}

#[test]
fn clients_are_listed_by_score_requests_or_time() {
    let nginx = shop();
    crawl(&nginx, "192.0.2.1", 0, 20);
    browse(&nginx, "192.0.2.2", 0, 30);
    visit(&nginx, "2001:db8::7", 200, "/", &[]);
    let names = |query: &str| -> Vec<String> {
        let list = ask(&nginx, 200, &format!("/sekisho/v1/clients?zone=clients{query}"));
        assert_eq!(list["next"], Value::Null);
        let clients = list["clients"].as_array().expect("clients");
        clients
            .iter()
            .map(|client| client["client"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(""), ["192.0.2.1", "192.0.2.2", "2001:db8::/64"]);
    assert_eq!(
        names("&order=requests"),
        ["192.0.2.2", "192.0.2.1", "2001:db8::/64"]
    );
    assert_eq!(names("&order=last&limit=1"), ["2001:db8::/64"]);
    assert_eq!(names("&verdict=REJECTED"), ["192.0.2.1"]);
    assert_eq!(names("&verdict=SUSPECT"), [""; 0]);
    let first = &ask(&nginx, 200, "/sekisho/v1/clients?zone=clients&limit=1")["clients"][0];
    assert_eq!(first["requests"], 20);
    assert_eq!(
        (&first["first_seen"], &first["last_seen"]),
        (&json!(START), &json!(START + 19))
    );
    assert_eq!(first["verdict"], "REJECTED");
    assert_eq!(first["banned_until"], START + 609);
    assert_eq!(first["id"].as_str().map(str::len), Some(16));
    assert!(first["score"].as_f64().is_some_and(|score| score > 0.9));
    let stopped = nginx.lines("access.log", 20)[10].clone();
    assert!(
        stopped.contains(first["id"].as_str().expect("an id")),
        "{stopped}"
    );
}

#[test]
fn one_client_is_told_with_features_and_reasons() {
    let nginx = shop();
    crawl(&nginx, "192.0.2.1", 0, 20);
    let client = ask(&nginx, 30, "/sekisho/v1/clients/clients/192.0.2.1");
    assert_eq!(
        (&client["client"], &client["zone"]),
        (&json!("192.0.2.1"), &json!("clients"))
    );
    let features = client["features"].as_array().expect("features");
    let expected: Vec<_> = sekisho_core::feature::FEATURES
        .iter()
        .map(|feature| feature.name)
        .collect();
    let names: Vec<_> = features
        .iter()
        .map(|feature| feature["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, expected);
    assert!(
        features
            .iter()
            .all(|feature| feature["value"].is_number() && feature["unit"].is_string())
    );
    let reasons = client["reasons_now"].as_array().expect("reasons");
    assert!(!reasons.is_empty());
    let contributions: Vec<_> = reasons
        .iter()
        .map(|reason| reason["contribution"].as_f64().expect("a number"))
        .collect();
    assert!(
        contributions.is_sorted_by(|left, right| left >= right)
            && contributions.iter().all(|part| *part > 0.0)
    );
    assert_eq!(reasons[0]["feature"], client["reasons"][0]);
    assert_eq!(client["bans"], 1);
    for (name, expected) in [
        ("human", json!(false)),
        ("verified_bot", json!(false)),
        ("immune_until", Value::Null),
    ] {
        assert_eq!(client[name], expected, "{name}");
    }
    refused(
        &nginx.get("/sekisho/v1/clients/clients/192.0.2.9", &[]),
        404,
        "no_client",
    );
    refused(
        &nginx.get("/sekisho/v1/clients/clients/nobody", &[]),
        404,
        "no_client",
    );
    refused(
        &nginx.get("/sekisho/v1/clients/nowhere/192.0.2.1", &[]),
        404,
        "no_zone",
    );
}

#[test]
fn keys_that_are_no_addresses_have_names_that_lead_back() {
    let nginx = shop();
    #[track_caller]
    fn check(nginx: &Nginx, agent: &str, name: &str) {
        visit(
            nginx,
            "192.0.2.5",
            0,
            "/by-agent/page.html",
            &[("User-Agent", agent)],
        );
        let list = ask(nginx, 1, "/sekisho/v1/clients?zone=agents&order=last");
        let clients = list["clients"].as_array().expect("clients");
        let known = clients.iter().any(|client| client["client"] == name);
        assert!(known || name.is_empty(), "{name}: {clients:?}");
    }
    check(&nginx, "crawler-2.0", "crawler-2.0");
    check(&nginx, "a/b <c>", "hex:612f62203c633e");
    check(&nginx, "hex:61", "hex:6865783a3631");
    check(&nginx, "\u{e9}", "hex:c3a9");
    check(&nginx, &"x".repeat(23), &"x".repeat(23));
    check(&nginx, &"y".repeat(24), "");
    let list = ask(&nginx, 1, "/sekisho/v1/clients?zone=agents");
    let clients = list["clients"].as_array().expect("clients");
    assert_eq!(clients.len(), 6);
    for client in clients {
        let name = client["client"].as_str().expect("a name");
        let found = ask(&nginx, 1, &format!("/sekisho/v1/clients/agents/{name}"));
        assert_eq!(found["client"], name);
    }
    assert!(clients.iter().any(|client| {
        client["client"]
            .as_str()
            .is_some_and(|name| name.starts_with("hash:"))
    }));
}

#[test]
fn status_tells_whether_anything_is_done_about_bans() {
    let page = |http: &str, locations: &str| {
        let zones = "sekisho_zone $http_user_agent zone=agents:64k;";
        checked(&format!("{zones}\n{http}"), &format!("{locations}\n{API}"))
    };
    let first = page("", "location / { }");
    let nginx = site(Module::TestClock).start(&first);
    // The zone of every location, the zone that only one asks.
    let check = |http: &str, locations: &str, expected: [bool; 2]| {
        assert!(nginx.reload(&page(http, locations)), "{}", nginx.error_log());
        let told = || ask(&nginx, 30, "/sekisho/v1/status")["zones"].clone();
        let dry = |zones: Value| {
            zones
                .as_array()
                .map(|all| all.iter().map(|zone| zone["dry_run"].clone()).collect())
        };
        let found = wait_for(|| (dry(told()) == Some(expected.map(Value::from).to_vec())).then_some(()));
        assert!(found.is_some(), "{http} {locations}: {:?}", told());
    };
    let agents = "sekisho zone=clients; sekisho zone=agents;";
    check("", "location / { }", [true, true]);
    check(
        "",
        "location / { } location /shop/ { sekisho_dry_run off; }",
        [false, true],
    );
    check(
        "sekisho_dry_run off;",
        "location /shop/ { sekisho off; }",
        [false, true],
    );
    check(
        "",
        &format!("location / {{ {agents} sekisho_dry_run off; }}"),
        [false, false],
    );
    check(
        "",
        &format!("location / {{ sekisho_dry_run off; }} location /shop/ {{ {agents} }}"),
        [false, true],
    );
    check(
        "sekisho_dry_run off;",
        "sekisho_dry_run on; location / { }",
        [true, true],
    );
    check(
        "sekisho_dry_run always;",
        &format!("location / {{ {agents} sekisho_dry_run off; }}"),
        [true, true],
    );
}
