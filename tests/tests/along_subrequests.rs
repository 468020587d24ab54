//! Subrequests are nobody's visits: never accounted, never stopped, and they show the main request's verdict.

use sekisho_tests::along::Case;
use sekisho_tests::nginx::{Module, wait_for};
use sekisho_tests::visitors::counters;

const BACKEND: &str = "
    log_format asked '$request_method $uri $http_x_verdict';
    server {
        listen unix:%DIR%/backend.sock; access_log %DIR%/asked.log asked;
        location / { root %DIR%/html; }
    }";

#[test]
fn parts_of_a_page_are_not_visits() {
    let case = Case {
        http: BACKEND,
        server: "location /ssi { ssi on; ssi_silent_errors on; try_files /whole.html =404; }
            location /around { add_before_body /page.html; add_after_body /sub/index.html; addition_types *; try_files /style.css =404; }
            location /sliced { slice 4k; proxy_set_header Range $slice_range; proxy_http_version 1.1; proxy_pass http://unix:%DIR%/backend.sock:/big.txt; }
            location /refused { deny all; }",
        files: &[
            ("html/whole.html", "a<!--# include virtual=\"/page.html\" -->b<!--# include virtual=\"/nothing\" -->c\
                <!--# include virtual=\"/refused\" -->d<!--# include virtual=\"/around\" -->e<!--# echo var=\"uri\" -->\n"),
            ("html/big.txt", &"0123456789".repeat(2_000)),
        ],
        requests: &[
            "GET /ssi",
            "HEAD /ssi",
            "GET /around",
            "GET /sliced",
            "GET /sliced\nRange: bytes=5000-5009",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /ssi",
            "200 REJECTED_DRY_RUN - - /ssi",
            "200 REJECTED_DRY_RUN - - /around",
            "200 REJECTED_DRY_RUN - - /sliced",
            "206 REJECTED_DRY_RUN - - /sliced",
        ],
    };
    case.shadow("parts");
}

#[test]
fn a_page_that_passes_is_whole_though_its_parts_would_be_stopped() {
    // The parts' location enforces, the page's does not: a subrequest is never asked.
    let case = Case {
        server: "location /page { sekisho_dry_run on; ssi on; try_files /whole.html =404; } \
                 location /part { try_files /part.txt =404; }",
        files: &[
            (
                "html/whole.html",
                "<!--# include virtual=\"/part\" --> <!--# echo var=\"sekisho_status\" -->",
            ),
            ("html/part.txt", "the part"),
        ],
        requests: &["GET /page", "GET /part"],
        log: &["200 REJECTED_DRY_RUN - - /page", "429 REJECTED - - /part"],
        ..Case::default()
    };
    let (_, answers) = case.enforced("parts");
    assert!(
        answers[0].contains("the part\r\n") && answers[0].contains(" REJECTED_DRY_RUN\r\n"),
        "{}",
        answers[0]
    );
}

#[test]
fn a_logged_subrequest_teaches_nothing() {
    // log_subrequest brings subrequests into the log phase.
    let case = Case {
        server: "log_subrequest on; location /whole { ssi on; try_files /whole.html =404; }",
        files: &[(
            "html/whole.html",
            "<!--# include virtual=\"/page.html\" --><!--# include virtual=\"/nothing\" -->",
        )],
        requests: &["GET /whole"],
        ..Case::default()
    };
    let nginx = case.shadow("log_subrequest");
    // Subrequests are logged with the main request's verdict and target.
    assert_eq!(nginx.lines("along.log", 3).len(), 3);
    assert_eq!(counters(&nginx)["requests"], 1);
    assert_eq!(counters(&nginx)["panics"], 0);
}

#[test]
fn a_mirrored_request_is_one_visit() {
    let case = Case {
        http: BACKEND,
        server: "location /mirrored { mirror /copy; try_files /page.html =404; } \
                 location = /copy { internal; proxy_set_header X-Verdict VERDICT; proxy_pass http://unix:%DIR%/backend.sock:/copied; }",
        requests: &["GET /mirrored", "POST /mirrored\nContent-Length: 5\n\nhello"],
        ..Case::default()
    };
    let server = case.server.replace("VERDICT", "none");
    let log = [
        "200 REJECTED_DRY_RUN - - /mirrored",
        "405 REJECTED_DRY_RUN - - /mirrored",
    ];
    Case {
        server: &server,
        log: &log,
        ..case
    }
    .shadow("mirror");

    let server = case.server.replace("VERDICT", "$sekisho_status");
    let told = Case {
        server: &server,
        ..case
    };
    let nginx = told.start(Module::TestClock, "");
    assert_eq!(nginx.get("/mirrored", &[]).status, 200);
    assert_eq!(nginx.lines("asked.log", 1), ["GET /copied REJECTED_DRY_RUN"]);
    let nginx = told.start(Module::TestClock, "sekisho_dry_run off;");
    assert_eq!(nginx.get("/mirrored", &[]).status, 429);
    assert_eq!(nginx.read("asked.log"), "", "what is stopped is not mirrored");
}

#[test]
fn a_cache_that_is_filled_in_the_background_is_no_visit() {
    let case = Case {
        http: "proxy_cache_path %DIR%/cache keys_zone=pages:1m; \
               server { listen unix:%DIR%/backend.sock; access_log %DIR%/asked.log; \
               location / { add_header Cache-Control 'max-age=1, stale-while-revalidate=600'; root %DIR%/html; } }",
        server: "location / { proxy_cache pages; proxy_cache_background_update on; proxy_cache_use_stale updating; \
                 proxy_pass http://unix:%DIR%/backend.sock; add_header X-Cache $upstream_cache_status; }",
        ..Case::default()
    };
    let nginx = case.start(Module::TestClock, "");
    let mut asked = 0;
    // A second until the page is stale: the update runs as a subrequest after the stale answer.
    wait_for(|| {
        asked += 1;
        (nginx.get("/page.html", &[]).header("X-Cache") == Some("STALE")).then_some(())
    })
    .expect("the page becomes stale");
    nginx.lines("asked.log", 2);
    assert_eq!(counters(&nginx)["requests"], asked);
    assert_eq!(nginx.lines("along.log", asked as usize).len() as u64, asked);
}
