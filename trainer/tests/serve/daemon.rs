//! `sekisho serve` as an operator and a program use it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Bench, Daemon, until};
use regex::Regex;
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const API: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";

/// What the interface answers: status and document.
fn ask(address: &str, path: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut response = agent
        .get(format!("http://{address}{path}"))
        .call()
        .expect("an answer");
    let text = response.body_mut().read_to_string().expect("a body");
    (
        response.status().as_u16(),
        serde_json::from_str(&text).expect("JSON"),
    )
}

fn post(address: &str, token: Option<&str>, host: Option<&str>, body: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent
        .post(format!("http://{address}/v1/labels"))
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let mut response = request.send(body).expect("an answer");
    let text = response.body_mut().read_to_string().expect("a body");
    (
        response.status().as_u16(),
        serde_json::from_str(&text).expect("JSON"),
    )
}

fn with_token() -> Bench {
    let bench = Bench::new("");
    let token = bench.path("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let config = bench.path("sekisho.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{text}{API}token_file = \"{}\"\n", token.display()),
    )
    .unwrap();
    bench
}

#[test]
fn the_daemon_collects_answers_and_ends_when_asked() {
    let mut bench = with_token();
    bench.write(300);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    until("everything is stored", || bench.stored() == 300);
    let (status, answer) = ask(&address, "/v1/status");
    assert_eq!(
        (status, &answer["collecting"], &answer["totals"]["samples"]),
        (200, &json!(true), &json!(300))
    );
    assert_eq!(answer["sources"][0]["name"], "nginx");
    assert_eq!(answer["totals"]["clients"], 250);

    let (_, page) = ask(&address, "/v1/clients?order=requests&limit=100");
    let (_, next) = ask(
        &address,
        &format!(
            "/v1/clients?order=requests&limit=500&after={}",
            page["next"].as_str().unwrap()
        ),
    );
    let rows = |page: &Value| page["clients"].as_array().unwrap().len();
    assert_eq!(
        (rows(&page), rows(&next), &next["next"]),
        (100, 150, &Value::Null)
    );
    let contract = include_str!("../../../docs/serve-openapi.yaml");
    let (_, after) = contract.split_once("name: after\n").unwrap();
    let pattern = Regex::new(after.split('\'').nth(1).unwrap()).unwrap();
    for order in ["last", "score", "requests"] {
        let (_, page) = ask(&address, &format!("/v1/clients?order={order}&limit=1"));
        let next = page["next"].as_str().unwrap();
        assert!(pattern.is_match(next), "{order}: {next}");
    }
    let id = &page["clients"][0]["id"];
    let (_, client) = ask(&address, &format!("/v1/clients/{id}"));
    assert_eq!(client["newest_samples"][0]["reasons"], json!(["pace"]));
    let (status, told) = ask(&address, &format!("/v1/clients/{id}/explanation?lang=ja"));
    assert_eq!((status, &told["lang"]), (200, &json!("ja")), "{told}");
    assert_eq!(told["snapshot"]["evidence"][0]["id"], "e1");
    for (path, expected) in [
        ("/v1/clients/999999", 404),
        ("/v1/clients/x", 400),
        ("/v1/clients/999999/explanation", 404),
        (&format!("/v1/clients/{id}/explanation?lang=fr"), 400),
        ("/v1/clients?limit=501", 400),
        ("/v1/clients?limit=0", 400),
        ("/v1/clients?after=x", 400),
        ("/v1/clients?colour=red", 400),
        ("/v1/nothing", 404),
    ] {
        let (status, answer) = ask(&address, path);
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(answer["error"].is_string(), "{path}: {answer}");
    }

    let body = r#"{"zone":"clients","client":"192.0.2.7","class":"human","author":"ana","note":"office"}"#;
    assert_eq!(post(&address, None, None, body).0, 401);
    assert_eq!(
        post(&address, Some("0123456789abcdef0123456789abcdeX"), None, body).0,
        401
    );
    assert_eq!(post(&address, Some(TOKEN), Some("rebind.example"), body).0, 403);
    assert_eq!(
        post(&address, Some(TOKEN), None, body),
        (201, json!({"added": true}))
    );
    let unknown = body.replace("192.0.2.7", "198.51.100.1");
    assert_eq!(post(&address, Some(TOKEN), None, &unknown).0, 404);
    assert_eq!(
        post(&address, Some(TOKEN), None, &body.replace("human", "robot")).0,
        422
    );
    assert_eq!(
        post(
            &address,
            Some(TOKEN),
            None,
            &body.replace("office", &"x".repeat(1001))
        )
        .0,
        400
    );
    assert_eq!(
        post(
            &address,
            Some(TOKEN),
            None,
            &body.replace("office", &"x".repeat(20_000))
        )
        .0,
        413
    );
    let (_, labels) = ask(&address, "/v1/labels");
    assert_eq!(labels["labels"].as_array().unwrap().len(), 1);
    assert_eq!(labels["labels"][0]["author"], "ana");
    let (_, named) = ask(&address, "/v1/clients?name=192.0.2.7");
    assert_eq!(named["clients"][0]["class"], "human");

    let refused = bench.refusal(&["serve", "--once"], 1);
    assert!(
        refused.contains("another `sekisho serve` uses the store"),
        "{refused}"
    );
    assert_eq!(daemon.end(), Some(0));
    daemon.says("ended");
}

#[test]
fn nothing_can_be_changed_without_a_token() {
    let mut bench = Bench::new(API);
    bench.write(1);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    let (status, answer) = post(&address, Some(""), None, "{}");
    assert_eq!(status, 403, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("token_file"));
}

#[test]
fn samples_of_now_are_stored_within_seconds_and_rotation_is_followed() {
    let mut bench = Bench::new(API);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    daemon.address();
    bench.write(5);
    until("the first are stored", || bench.stored() == 5);
    fs::rename(bench.path("samples"), bench.path("samples.1")).unwrap();
    bench.write(5);
    until("the next are stored", || bench.stored() == 10);
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_full_disk_is_told_and_passes() {
    let mut bench = Bench::new(API);
    let small = bench.path("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
        .arg(&small)
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("nothing may be mounted here: the store's own test fills it by its bound");
        return;
    }
    let config = bench.path("sekisho.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("store.db", "small/store.db")).unwrap();
    fs::write(small.join("ballast"), vec![0; 1 << 20]).unwrap();
    bench.write(6000);
    let mut daemon = Daemon::start(bench.command(&["serve"]));
    let address = daemon.address();
    let told = daemon.says("the disk is full");
    let (_, status) = ask(&address, "/v1/status");
    let count = |bench: &Bench| {
        let store = rusqlite::Connection::open(bench.path("small/store.db")).unwrap();
        let count: i64 = store
            .query_row("SELECT COUNT(*) FROM sample", [], |row| row.get(0))
            .unwrap();
        let check: String = store
            .query_row("PRAGMA quick_check", [], |row| row.get(0))
            .unwrap();
        (count, check)
    };
    let (kept, check) = count(&bench);
    Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&small)
        .status()
        .unwrap();
    let resumed = daemon.says("collecting again; nothing was lost");
    until("everything is stored", || count(&bench).0 == 6000);
    let ended = daemon.end();
    Command::new("umount").arg("-l").arg(&small).status().unwrap();
    assert!(told.contains("make room") && !resumed.is_empty(), "{told}");
    assert_eq!(status["collecting"], false, "{status}");
    assert!(kept < 6000 && check == "ok", "{kept} {check}");
    assert_eq!(ended, Some(0));
}
