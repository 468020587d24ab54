//! `sekisho doctor` before the real nginx, with the real module.

use std::process::Command;

use sekisho_tests::nginx::{Module, Site, program};
use sekisho_tests::source::root;
use serde_json::Value;

const HTTP: &str = "
    sekisho_zone $binary_remote_addr zone=clients:1m;
    sekisho zone=clients;
    log_format watched '$remote_addr $sekisho_status';
    server { listen 127.0.0.1:%PORT%; access_log %DIR%/watched.log watched; }";

/// Level of a check, and what was found.
fn finding(document: &Value, check: &str) -> (String, String) {
    let findings = document["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let text = |name: &str| {
        finding
            .map_or("", |finding| finding[name].as_str().unwrap_or_default())
            .to_owned()
    };
    (text("level"), text("found"))
}

fn doctor(site: &Site, arguments: &[&str]) -> Value {
    let mut command = Command::new(root().join("target/release/sekisho"));
    command
        .args(["doctor", "--format", "json", "--nginx"])
        .arg(program());
    command
        .arg("--conf")
        .arg(site.path().join("nginx.conf"))
        .args(arguments);
    let output = command.output().expect("sekisho is built");
    serde_json::from_slice(&output.stdout).expect("a document")
}

#[test]
fn the_module_fits_the_nginx_that_it_was_built_for() {
    let site = Site::new(Module::Production);
    let (accepted, said) = site.test(HTTP);
    assert!(accepted, "{said}");
    let document = doctor(&site, &[]);
    assert_eq!(document["problems"], 0, "{document}");
    assert_eq!(document["warnings"], 0, "{document}");
    let (level, found) = finding(&document, "module");
    assert!(level == "ok" && found.contains("fits nginx 1."), "{found}");
}

#[test]
fn the_test_build_is_no_module_for_use() {
    let site = Site::new(Module::TestClock);
    site.test(HTTP);
    let (level, found) = finding(&doctor(&site, &[]), "module");
    assert!(level == "problem" && found.contains("the test build"), "{found}");
}

#[test]
fn what_nginx_refuses_is_repeated() {
    let site = Site::new(Module::Production);
    site.test("sekisho zone=nowhere;");
    let (level, found) = finding(&doctor(&site, &[]), "configuration");
    assert!(
        level == "problem" && found.contains("unknown sekisho_zone \"nowhere\""),
        "{found}"
    );
}
