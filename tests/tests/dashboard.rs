//! The dashboard in Debian's Chromium, against the real daemon. What is claimed is in tests/browser/topics.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sekisho_core::model::{Limits, Model};
use sekisho_tests::dashboard::Bench;
use sekisho_tests::learnable::lines;
use sekisho_tests::nginx::{Module, Nginx, Site, wait_for};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{WORKERS, checked, site, workers};
use serde_json::json;

#[test]
fn the_frame_of_every_page() {
    let mut dashboard = Bench::new("").start();
    dashboard.user("ana", "approver");
    dashboard.user("vic", "viewer");
    dashboard.browse("shell", json!({}));
}

/// What nginx's workers run, by the board of a test build.
fn all_run(nginx: &Nginx, digest: &str) {
    let text = format!("champion: Some({})", &digest[..12]);
    let shown = || {
        let rows = workers(nginx);
        (rows.len() == 2 && rows.iter().all(|row| row.contains(&text))).then_some(())
    };
    wait_for(shown).unwrap_or_else(|| panic!("{text}: {:#?}\n{}", workers(nginx), nginx.error_log()));
}

fn digest(file: &Path) -> String {
    let bytes = fs::read(file).expect("a file");
    let model = Model::load(&bytes, &Limits::DEFAULT).expect("a model");
    model.digest().to_owned()
}

/// Over 20 s: a model is learnt and nginx runs it.
#[test]
fn a_model_is_approved_rolled_back_and_promoted_and_nginx_runs_it() {
    let site = site(Module::TestClock);
    let live = site.path().to_owned();
    let nginx = site.start(&checked("", WORKERS));
    let (champion, challenger) = (live.join("model.onnx"), live.join("challenger.onnx"));
    let before = digest(&champion);
    let bench = Bench::new(&format!(
        "[models]\ndirectory = \"DIR/models\"\nchampion = {champion:?}\nchallenger = {challenger:?}\n\
         [retrain]\nshadow_hours = 0\n[calibrate]\nbudget = 0.05\n"
    ));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let now = u32::try_from(now).expect("before 2106");
    fs::write(bench.path("samples"), lines(now)).expect("own directory");
    bench.run(&["serve", "--once"], "");
    let said = bench.run(&["retrain", "--once"], "");
    assert!(said.contains("waits for a person"), "{said}");
    let mut dashboard = bench.start();
    dashboard.user("ana", "approver");
    dashboard.user("olga", "operator");
    dashboard.user("vic", "viewer");
    dashboard.browse("models", json!({ "before": before }));
    let after = digest(&champion);
    assert_ne!(after, before);
    all_run(&nginx, &after);
    dashboard.browse("models-back", json!({ "before": before, "after": after }));
    all_run(&nginx, &before);
    let said = dashboard.bench().run(&["retrain", "--once"], "");
    assert!(said.contains("run 2 waits for a person"), "{said}");
    dashboard.browse("models-again", json!({ "after": after }));
    all_run(&nginx, &after);
    let audit = dashboard.bench().run(&["retrain", "status"], "");
    assert!(audit.contains("rolled back") && audit.contains("ana"), "{audit}");
}

#[test]
fn pages_with_nothing_to_show() {
    let mut dashboard = Bench::new("").start();
    dashboard.user("ana", "approver");
    dashboard.browse("alone", json!({}));
}

#[test]
fn language_models() {
    let chain = "[llm]\ncurrency = \"EUR\"\n[[llm.targets]]\nname = \"near\"\nkind = \"openai\"\n\
                 base_url = \"http://127.0.0.1:9/v1\"\nmodel = \"small\"\n";
    let mut dashboard = Bench::new(chain).start();
    dashboard.user("ana", "viewer");
    dashboard.browse("language-models", json!({}));
}

/// Over 20 s: steps of ten seconds are drawn when they are over.
#[test]
fn the_front_page_is_live() {
    let site = site(Module::Production);
    let api = "location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }";
    let nginx = site.start(&checked("sekisho_dry_run off;", api));
    let model = digest(&nginx.path().join("model.onnx"));
    let bench = Bench::new(&format!(
        "[[nginx]]\nname = \"shop\"\napi = \"http://127.0.0.1:{}/sekisho/\"\npoll_seconds = 1\n",
        nginx.port()
    ));
    let mut dashboard = bench.start();
    dashboard.user("ana", "approver");
    dashboard.user("vic", "viewer");
    // Somebody crawls for as long as the page is looked at.
    let (stop, stopped) = channel::<()>();
    let crawling = thread::spawn(move || {
        let mut number = 0;
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(40)) {
            number += 1;
            nginx.get(
                &format!("/page.html?item={number}"),
                &[("X-Real-IP", "192.0.2.7")],
            );
        }
    });
    dashboard.browse("now", json!({ "model": model }));
    drop(stop);
    crawling.join().expect("it crawled");
}

/// The `number`th location of docs/dashboard.md.
fn documented(number: usize) -> String {
    let page = fs::read_to_string(root().join("docs/dashboard.md")).expect("the page");
    let block = page
        .split("    location / {")
        .nth(number + 1)
        .expect("an example");
    format!(
        "location / {{{}",
        block.split("\n    }").next().expect("its end").to_owned() + "\n}"
    )
}

#[test]
fn nginx_logs_people_in_as_the_documentation_says() {
    let bench = Bench::new(
        "hosts = [\"shop.test\"]\n[dashboard]\nuser_header = \"X-Remote-User\"\n[dashboard.roles]\nana = \"approver\"\n",
    );
    let dashboard = bench.start();
    let site = Site::new(Module::Production);
    site.write("sekisho.htpasswd", b"ana:{PLAIN}right\nvic:{PLAIN}right\n");
    let location = |number: usize| {
        documented(number)
            .replace("127.0.0.1:9180", dashboard.address())
            .replace("/etc/nginx/sekisho.htpasswd", "%DIR%/sekisho.htpasswd")
    };
    let nginx = site.start(&format!(
        "server {{ listen 127.0.0.1:%PORT%; {} }}\nserver {{ listen 127.0.0.1:%PORT%; server_name open.test; {} }}",
        location(1),
        location(0)
    ));
    let get = |path: &str, headers: &[(&str, &str)]| {
        let answer = nginx.get(path, headers);
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    let ana = ("Authorization", "Basic YW5hOnJpZ2h0");
    let vic = ("Authorization", "Basic dmljOnJpZ2h0");
    assert_eq!(get("/", &[]).0, 401, "nginx asks");
    assert_eq!(get("/users", &[ana]).0, 200);
    let (status, page) = get("/users", &[vic, ("X-Remote-User", "ana")]);
    assert_eq!(status, 403, "what a client says it is counts for nothing");
    assert!(page.contains("<b>vic</b>"), "{page}");
    assert_eq!(get("/v1/status", &[vic]).0, 200);
}
