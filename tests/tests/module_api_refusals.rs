//! What the API does not take: paths, queries, methods, places in the configuration.

use sekisho_tests::api::{refused, request, shop};
use sekisho_tests::nginx::{Module, wait_for};
use sekisho_tests::visitors::site;

#[test]
fn bad_requests_are_refused_in_json() {
    let nginx = shop();
    let get = |target: &str, status: u16, code: &str| refused(&nginx.get(target, &[]), status, code);
    for path in [
        "/sekisho/",
        "/sekisho/v1",
        "/sekisho/v1/",
        "/sekisho/v2/status",
        "/sekisho/v1/status/",
        "/sekisho/v1/Status",
        "/sekisho/v1/clients/clients",
        "/sekisho/v1/clients/clients/",
        "/sekisho/v1/status%2f",
        "/plainv1/status",
        "/plain",
        "/sekisho/v1/%ff",
    ] {
        get(path, 404, "no_resource");
    }
    get("/sekisho/v1/clients/clients/a/b", 404, "no_client");
    let long = format!("/sekisho/v1/clients?zone={}", "z".repeat(1100));
    for query in [
        "/sekisho/v1/status?x=1",
        "/sekisho/v1/metrics?x",
        "/sekisho/v1/clients",
        "/sekisho/v1/clients?zone=clients&zone=clients",
        "/sekisho/v1/clients?zone=clients&limit=0",
        "/sekisho/v1/clients?zone=clients&limit=1001",
        "/sekisho/v1/clients?zone=clients&limit=-1",
        "/sekisho/v1/clients?zone=clients&limit=01",
        "/sekisho/v1/clients?zone=clients&limit=",
        "/sekisho/v1/clients?zone=clients&order=name",
        "/sekisho/v1/clients?zone=clients&verdict=passed",
        "/sekisho/v1/clients?zone=clients&cursor=9999999999",
        "/sekisho/v1/clients?zone=%zz",
        "/sekisho/v1/clients?zone=%ff",
        "/sekisho/v1/clients?zone=clients&&limit=1",
        "/sekisho/v1/decisions?zone=clients&order=last",
        &long,
    ] {
        get(query, 400, "bad_query");
    }
    get("/sekisho/v1/clients?zone=%63lient", 404, "no_zone");
    assert_eq!(nginx.get("/sekisho/v1/status%00", &[]).status, 400, "nginx's own");
    assert_eq!(
        nginx.get("/closed/v1/status", &[]).status,
        403,
        "as the location says"
    );
    for path in [
        "/sekisho//v1///status",
        "/sekisho/v1/%73tatus",
        "/sekisho/v1/x/../status",
        "/sekisho/v1%2fstatus",
        "/plain/v1/status",
    ] {
        assert_eq!(nginx.get(path, &[]).status, 200, "{path}");
    }
    for (method, target, allow) in [
        ("POST", "/sekisho/v1/status", "GET, HEAD"),
        ("OPTIONS", "/sekisho/v1/clients", "GET, HEAD"),
        ("PUT", "/sekisho/v1/decisions", "GET, HEAD, POST"),
        (
            "PATCH",
            "/sekisho/v1/decisions/clients/192.0.2.1",
            "GET, HEAD, DELETE",
        ),
        ("BREW", "/sekisho/v1/metrics", "GET, HEAD"),
    ] {
        let answer = request(&nginx, method, target, &[("Content-Length", "3")], b"abc");
        refused(&answer, 405, "bad_method");
        assert_eq!(answer.header("Allow"), Some(allow), "{method} {target}");
    }
}

#[test]
fn a_panic_costs_one_answer() {
    let nginx = shop();
    let workers = nginx.workers();
    let answer = nginx.get("/sekisho/v1/status", &[("X-Sekisho-Fault", "panic")]);
    assert_eq!(answer.status, 500);
    wait_for(|| {
        nginx
            .error_log()
            .contains("sekisho gave up on this request")
            .then_some(())
    })
    .expect("a line");
    assert_eq!(nginx.get("/sekisho/v1/status", &[]).status, 200);
    assert_eq!(nginx.workers(), workers);
}

#[test]
fn the_directive_needs_a_prefix() {
    let site = site(Module::Production);
    let check = |location: &str, expected: &str| {
        let (accepted, said) = site.test(&format!("server {{ listen 127.0.0.1:%PORT%; {location} }}"));
        assert_eq!(accepted, expected.is_empty(), "{location}: {said}");
        assert!(said.contains(expected), "{location}: {said}");
    };
    let prefix = "\"sekisho_api\" directive needs a location with a prefix, not \"=\", \"~\" or \"@\"";
    check("location = /a { sekisho_api; }", prefix);
    check("location ~ ^/a { sekisho_api; }", prefix);
    check("location @a { sekisho_api; }", prefix);
    check(
        "location /a/ { sekisho_api; sekisho_api; }",
        "\"sekisho_api\" directive is duplicate",
    );
    check(
        "location /a/ { sekisho_api on; }",
        "invalid number of arguments in \"sekisho_api\"",
    );
    check("sekisho_api;", "\"sekisho_api\" directive is not allowed here");
    check(
        "location /a/ { if ($arg_a) { sekisho_api; } }",
        "\"sekisho_api\" directive is not allowed here",
    );
    check(
        "location /a/ { sekisho_api; } location ^~ /b { sekisho_api; }",
        "",
    );
}
