//! `$sekisho_*` in what other modules do with variables.

use sekisho_tests::along::Case;
use sekisho_tests::nginx::{Module, Nginx, Site};
use sekisho_tests::visitors::{COUNTERS, browse, counters, crawl, site, visit};

const CHECKED: &str = "sekisho_zone $binary_remote_addr zone=clients:1m; sekisho_model %DIR%/model.onnx; sekisho zone=clients; \
                       set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;";

fn start(http: &str, server: &str) -> Nginx {
    site(Module::TestClock).start(&format!(
        "{CHECKED} {http} server {{ listen 127.0.0.1:%PORT%; {COUNTERS} {server} }}"
    ))
}

#[test]
fn a_map_of_the_verdict_serves_headers_logs_and_limits() {
    let nginx = start(
        "map $sekisho_status $flag { default 0; REJECTED 1; REJECTED_DRY_RUN 1; SUSPECT 1; } \
         map $sekisho_status $slow { default ''; REJECTED_DRY_RUN $binary_remote_addr; } \
         map $sekisho_score $band { default none; ~^0\\.9 high; ~^0 low; } \
         limit_req_zone $slow zone=slow:1m rate=1r/m; \
         log_format flagged '$remote_addr $sekisho_status'; access_log %DIR%/flagged.log flagged if=$flag;",
        "limit_req zone=slow; add_header X-Band $band always; add_header X-Verdict $sekisho_status always;",
    );
    let person = visit(
        &nginx,
        "192.0.2.9",
        0,
        "/page.html",
        &[("Referer", "http://shop.test/")],
    );
    assert_eq!(
        (person.header("X-Verdict"), person.header("X-Band")),
        (Some("PASSED"), Some("none"))
    );
    assert_eq!(browse(&nginx, "192.0.2.9", 1, 20), [200; 20]);
    // What we call a crawler in dry run, limit_req may hold back: its key is evaluated after us.
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 100, 12),
        [&[200; 10][..], &[503; 2]].concat()
    );
    let crawler = visit(&nginx, "192.0.2.1", 113, "/page.html", &[]);
    assert_eq!(
        (crawler.header("X-Verdict"), crawler.header("X-Band")),
        (Some("REJECTED_DRY_RUN"), Some("high"))
    );
    assert_eq!(nginx.lines("flagged.log", 4), ["192.0.2.1 REJECTED_DRY_RUN"; 4]);
}

#[test]
fn geo_and_split_clients_may_choose_whom_we_watch() {
    // An empty key is not accounted: that is how a geo block leaves somebody out.
    let nginx = site(Module::TestClock).start(&format!(
        "geo $office {{ default 0; 192.0.2.128/25 1; }} map $office $key {{ 0 $binary_remote_addr; 1 ''; }} \
         split_clients $sekisho_id $half {{ 50% a; * b; }} {} server {{ listen 127.0.0.1:%PORT%; {COUNTERS} \
         sekisho_dry_run off; add_header X-Half $half; add_header X-Verdict \"[$sekisho_status]\"; }}",
        CHECKED.replace("$binary_remote_addr", "$key")
    ));
    assert_eq!(crawl(&nginx, "192.0.2.200", 0, 20), [200; 20]);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[9..], [429; 3]);
    assert_eq!(counters(&nginx)["requests"], 12);
    let office = visit(&nginx, "192.0.2.200", 30, "/page.html", &[]);
    assert_eq!(office.header("X-Verdict"), Some("[]"), "nothing was concluded");
    let halves: std::collections::BTreeSet<String> = (2..60)
        .filter_map(|client| {
            let response = visit(&nginx, &format!("192.0.2.{client}"), 0, "/page.html", &[]);
            response.header("X-Half").map(str::to_owned)
        })
        .collect();
    assert_eq!(halves.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_variable_that_is_read_too_early_is_empty_and_right_later() {
    // `set` and `if` run in the rewrite phase, before us.
    let case = Case {
        server: "set $early \"[$sekisho_status]\"; if ($sekisho_status = REJECTED_DRY_RUN) { return 500; } \
                 add_header X-Early $early; add_header X-Late $sekisho_status; location / { try_files $uri =404; }",
        requests: &["GET /page.html"],
        log: &["200 REJECTED_DRY_RUN - - /page.html"],
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let response = nginx.get("/page.html", &[]);
    assert_eq!(
        (response.header("X-Early"), response.header("X-Late")),
        (Some("[]"), Some("REJECTED_DRY_RUN"))
    );
    assert_eq!(nginx.lines("along.log", 1), case.log);
}

#[test]
fn an_upstream_hears_the_verdict_and_no_client_can_forge_it() {
    let nginx = start(
        "log_format heard '$http_x_verdict $http_x_id'; server { listen unix:%DIR%/backend.sock; sekisho off; \
         access_log %DIR%/heard.log heard; location / { root %DIR%/html; } }",
        "location / { proxy_set_header X-Verdict $sekisho_status; proxy_set_header X-Id $sekisho_id; proxy_pass http://unix:%DIR%/backend.sock; }",
    );
    for second in 0..10 {
        visit(
            &nginx,
            "192.0.2.1",
            second,
            &format!("/page.html?{second}"),
            &[("X-Verdict", "ALLOWED"), ("X-Id", "0")],
        );
    }
    let lines = nginx.lines("heard.log", 10);
    assert!(
        lines[..9]
            .iter()
            .all(|line| line.starts_with("PASSED ") && line.len() == 23),
        "{lines:?}"
    );
    assert!(lines[9].starts_with("REJECTED_DRY_RUN "), "{lines:?}");
}

#[test]
fn without_a_checkpoint_variables_are_empty_and_the_module_is_idle() {
    let http = "log_format bare '[$sekisho_status] [$sekisho_score] [$sekisho_reason] [$sekisho_id]'; access_log %DIR%/bare.log bare; \
                server { listen 127.0.0.1:%PORT%; add_header X-Verdict \"[$sekisho_status]\"; }";
    let nginx = Site::new(Module::Production).start(http);
    assert_eq!(nginx.get("/page.html", &[]).header("X-Verdict"), Some("[]"));
    assert_eq!(nginx.lines("bare.log", 1), ["[-] [-] [-] [-]"]);
}
