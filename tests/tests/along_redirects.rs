//! Internal redirects: a main request is accounted once, wherever it goes, and keeps its verdict.

use sekisho_tests::along::Case;
use sekisho_tests::nginx::Module;
use sekisho_tests::visitors::counters;

/// A backend on a unix socket that tells what it was asked, and knows some special answers.
const BACKEND: &str = "
    server {
        listen unix:%DIR%/backend.sock;
        location / { return 200 \"backend $uri id=$http_x_id verdict=$http_x_verdict\\n\"; }
        location /accel { add_header X-Accel-Redirect /kept/page.html; return 200; }
        location /accel-named { add_header X-Accel-Redirect @kept; return 200; }
        location /broken { return 500; }
    }";

#[test]
fn a_request_that_moves_inside_is_accounted_once() {
    let case = Case {
        http: BACKEND,
        server: "error_page 404 /gone.html; error_page 403 @refused; error_page 502 = /page.html; recursive_error_pages on;
            location / { try_files $uri $uri/ =404; }
            location /secret { deny all; }
            location @refused { try_files /page.html =404; }
            location /tried { try_files /nothing /page.html; }
            location /named { try_files /nothing @backend; }
            location @backend { proxy_pass http://unix:%DIR%/backend.sock; }
            location /accel { proxy_pass http://unix:%DIR%/backend.sock; }
            location /kept/ { internal; alias %DIR%/html/; }
            location @kept { try_files /style.css =404; }
            location /intercepted { proxy_pass http://unix:%DIR%/backend.sock:/broken; proxy_intercept_errors on; error_page 500 =200 /page.html; }
            location /dead { proxy_pass http://unix:%DIR%/nothing.sock; }
            location /last { rewrite ^ /style.css last; }
            location /break { rewrite ^ /page.html break; }
            location /twice { rewrite ^ /last last; }
            location /chain { error_page 404 = /chain2; try_files /nothing =404; }
            location /chain2 { error_page 404 = /page.html; try_files /nothing =404; }
            location /round { rewrite ^ /round last; }
            location = /sub/ { index nothing.html index.html; }",
        requests: &[
            "GET /",
            "GET /sub",
            "GET /sub/",
            "GET /nothing",
            "GET /secret",
            "GET /tried",
            "GET /named",
            "GET /accel",
            "GET /accel-named",
            "GET /intercepted",
            "GET /dead",
            "GET /last",
            "GET /break",
            "GET /twice",
            "GET /chain",
            "GET /round",
            "HEAD /nothing",
            "POST /secret\nContent-Length: 5\n\nhello",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /",
            "301 REJECTED_DRY_RUN - - /sub",
            "200 REJECTED_DRY_RUN - - /sub/",
            "404 REJECTED_DRY_RUN - - /nothing",
            "403 REJECTED_DRY_RUN - - /secret",
            "200 REJECTED_DRY_RUN - - /tried",
            "200 REJECTED_DRY_RUN - - /named",
            "200 REJECTED_DRY_RUN - - /accel",
            "200 REJECTED_DRY_RUN - - /accel-named",
            "200 REJECTED_DRY_RUN - - /intercepted",
            "200 REJECTED_DRY_RUN - - /dead",
            "200 REJECTED_DRY_RUN - - /last",
            "200 REJECTED_DRY_RUN - - /break",
            "200 REJECTED_DRY_RUN - - /twice",
            "200 REJECTED_DRY_RUN - - /chain",
            // Ten rewrites are too many: nginx gives up in the rewrite phase, before us.
            "500 - - - /round",
            "404 REJECTED_DRY_RUN - - /nothing",
            // The page is a file, and a file takes no POST.
            "405 REJECTED_DRY_RUN - - /secret",
        ],
        ..Case::default()
    };
    case.shadow("redirects");
}

/// One request that is stopped, answered through `server`: status in the log, and what the answer must contain.
#[track_caller]
fn stopped(server: &str, status: u16, shows: &[&str]) {
    let line = format!("{status} REJECTED - - /page.html");
    let files = [
        (
            "html/ssi.html",
            "blocked <!--# echo var=\"sekisho_id\" --> <!--# echo var=\"sekisho_status\" -->\n",
        ),
        ("html/sub.html", "blocked ID for REASON\n"),
    ];
    let case = Case {
        http: BACKEND,
        server,
        files: &files,
        requests: &["GET /page.html"],
        log: &[&line],
    };
    let (nginx, answers) = case.enforced(server);
    let log = nginx.error_log();
    let id = log
        .split_once(", id ")
        .or_else(|| log.split_once("id="))
        .map(|(_, rest)| {
            rest.chars()
                .take_while(char::is_ascii_hexdigit)
                .collect::<String>()
        });
    let id = id.unwrap_or_else(|| panic!("no id in {log}"));
    assert_eq!(id.len(), 16, "{log}");
    for text in shows {
        let text = text.replace("ID", &id);
        assert!(answers[0].contains(&text), "{server}: {text} in {}", answers[0]);
    }
}

#[test]
fn our_status_may_have_a_page_of_its_own_that_shows_the_reference_id() {
    let reason = "missing_referer_share";
    stopped("", 429, &["HTTP/1.1 429 Too Many Requests"]);
    stopped("sekisho_status 444;", 444, &[]);
    stopped(
        "sekisho_status 503; error_page 503 /sub/;",
        503,
        &["HTTP/1.1 503", "<html>sub</html>"],
    );
    stopped(
        "error_page 429 /ssi.html; location = /ssi.html { ssi on; }",
        429,
        &["HTTP/1.1 429", "blocked ID REJECTED"],
    );
    stopped(
        "error_page 429 /sub.html; location = /sub.html { internal; sub_filter_once off; sub_filter ID $sekisho_id; \
         sub_filter REASON $sekisho_reason; }",
        429,
        &["HTTP/1.1 429", &format!("blocked ID for {reason}")],
    );
    stopped(
        "error_page 429 @blocked; location @blocked { return 429 \"blocked $sekisho_id $sekisho_status $sekisho_reason\\n\"; }",
        429,
        &["HTTP/1.1 429", &format!("blocked ID REJECTED {reason}")],
    );
    stopped(
        "error_page 429 =200 @blocked; location @blocked { add_header X-Blocked $sekisho_id always; return 200 \"sorry\\n\"; }",
        200,
        &["HTTP/1.1 200", "X-Blocked: ID", "sorry"],
    );
    stopped(
        "error_page 429 = @backend; location @backend { proxy_set_header X-Id $sekisho_id; proxy_set_header X-Verdict $sekisho_status; \
         proxy_pass http://unix:%DIR%/backend.sock; }",
        200,
        &["HTTP/1.1 200", "backend /page.html id=ID verdict=REJECTED"],
    );
    stopped(
        "error_page 429 http://help.test/blocked?id=$sekisho_id;",
        302,
        &["HTTP/1.1 302", "Location: http://help.test/blocked?id=ID"],
    );
    // A page that is not there, and one that is itself refused: nginx's own answer stands.
    stopped("error_page 429 /nowhere.html;", 404, &["HTTP/1.1 404"]);
    stopped(
        "error_page 429 /refused/; location /refused/ { deny all; }",
        403,
        &["HTTP/1.1 403"],
    );
    // Where the page lies, the checkpoint may be off, or asked again: the verdict stays the first one.
    stopped(
        "error_page 429 /page2.html; location = /page2.html { sekisho off; try_files /page.html =404; }",
        429,
        &["<html>page</html>"],
    );
    stopped(
        "error_page 429 /page2.html; location = /page2.html { sekisho_status 503; try_files /page.html =404; }",
        429,
        &["<html>page</html>"],
    );
}

#[test]
fn the_first_location_with_a_checkpoint_judges() {
    let case = Case {
        server: "location = / { sekisho off; index page.html; }
            location /off { sekisho off; try_files /nothing /page.html; }
            location /then { sekisho off; rewrite ^ /page.html last; }
            location /named { sekisho off; try_files /nothing @on; }
            location @on { try_files /page.html =404; }
            location /error { sekisho off; error_page 404 = /style.css; try_files /nothing =404; }
            location /never { sekisho off; try_files /page.html =404; }",
        requests: &[
            "GET /",
            "GET /off",
            "GET /then",
            "GET /named",
            "GET /error",
            "GET /never",
        ],
        log: &[
            "200 REJECTED_DRY_RUN - - /",
            "200 REJECTED_DRY_RUN - - /off",
            "200 REJECTED_DRY_RUN - - /then",
            // A named location starts again at the rewrite phase, so it is a checkpoint too.
            "200 REJECTED_DRY_RUN - - /named",
            "200 REJECTED_DRY_RUN - - /error",
            "200 - - - /never",
        ],
        ..Case::default()
    };
    case.shadow("first location");
}

#[test]
fn a_refused_page_is_refused_behind_a_redirect_as_well() {
    let case = Case {
        server: "location = / { sekisho off; index page.html; } \
                 location /error { sekisho off; error_page 404 = /style.css; try_files /nothing =404; }",
        requests: &["GET /", "GET /error"],
        log: &["429 REJECTED - - /", "429 REJECTED - - /error"],
        ..Case::default()
    };
    let (nginx, _) = case.enforced("behind a redirect");
    assert_eq!(counters(&nginx)["rejected"], 2);
    // The production build agrees.
    let production = Case {
        server: case.server,
        ..Case::default()
    };
    let http = production.server.replace("index page.html", "index style.css");
    let nginx = sekisho_tests::visitors::site(Module::Production).start(&format!(
        "sekisho_zone $binary_remote_addr zone=clients:1m; sekisho_model %DIR%/model.onnx; \
         server {{ listen 127.0.0.1:%PORT%; sekisho zone=clients threshold=0 suspect=0 min_requests=1; sekisho_dry_run off; {http} }}"
    ));
    assert_eq!(nginx.get("/", &[]).status, 429);
}
