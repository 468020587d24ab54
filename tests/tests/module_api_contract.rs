//! The API keeps its contract: `contrib/check-api.sh` compares a running one with `docs/openapi.yaml`.

use std::process::Command;

use sekisho_tests::api::shop;
use sekisho_tests::source::root;
use sekisho_tests::visitors::{START, browse, crawl};

#[test]
fn answers_are_as_the_contract_says() {
    let nginx = shop();
    crawl(&nginx, "192.0.2.7", 0, 20);
    browse(&nginx, "192.0.2.8", 0, 20);
    let workers = nginx.workers();
    let url = format!("http://127.0.0.1:{}/sekisho", nginx.port());
    let output = Command::new(root().join("contrib/check-api.sh"))
        .arg(&url)
        .env("EXAMPLES", "15")
        .env("AT", (START + 60).to_string())
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("No issues found"), "{said}");
    assert_eq!(nginx.workers(), workers, "no worker died");
    assert!(!nginx.error_log().contains("[crit]"));
}
